"""Images with boxes: the readers `boxes:` and `yolo:`, and what is wrong with their rows."""

import numpy as np
import pandas as pd
import pytest

import recipes
from tests.data.test_boxes import NO_SPLIT, write_images
from tests.tolerance import assert_close

ROWS = [("a.png", 4, 3, 24, 15, "fox"), ("a.png", 0, 0, 40, 30, "owl"), ("b.png", 1, 1, 3, 3, "owl")]


def write_table(path, rows=ROWS, columns=("image", "x1", "y1", "x2", "y2", "class")):
    write_images(path.parent, ["a.png", "b.png", "c.png"])
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def targets_of(data):
    names = [str(name).rpartition("/")[2] for name in data.train.names]
    return dict(zip(names, data.train.targets, strict=True))


def test_a_table_has_a_row_per_box_and_one_for_an_image_without(tmp_path):
    path = write_table(tmp_path / "boxes.csv", [*ROWS, ("c.png", *[None] * 5)])
    data = recipes.read_boxes(path, **NO_SPLIT)
    assert (data.task, data.classes) == ("detection", ("fox", "owl"))
    targets = targets_of(data)
    assert_close(targets["a.png"], [[0.1, 0.1, 0.6, 0.5, 0, 0], [0, 0, 1, 1, 1, 0]])
    assert np.all(targets["c.png"] == -1)
    again = recipes.reopen(data.source_spec)
    assert np.array_equal(again.train.targets, data.train.targets)


def test_columns_may_be_of_any_name_and_of_corner_and_size(tmp_path):
    write_images(tmp_path / "photos", ["a.png", "b.png"])
    columns = ("photo", "left", "top", "wide", "high", "what")
    rows = [("a.png", 4, 3, 20, 12, 7), ("b.png", 1, 1, 2, 2, 8)]
    path = write_table(tmp_path / "boxes.csv", rows, columns)
    source = f"boxes:{path}?images={tmp_path / 'photos'}&image=photo&label=what&xywh=left,top,wide,high"
    data = recipes.load(source, **NO_SPLIT)
    assert data.classes == ("7", "8")
    assert_close(targets_of(data)["a.png"], [[0.1, 0.1, 0.6, 0.5, 0, 0]])


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ("a.png", 30, 3, 50, 15, "fox"),
            r"outside of the image: 1 \(boxes.csv row 5 \(a.png\): \(30, 3, 50, 15\) in 40",
        ),
        (("a.png", -9, 3, 5, 15, "fox"), r"outside of the image: 1 \(boxes.csv row 5"),
        (("a.png", 9, 3, 9, 15, "fox"), r"boxes without area: 1 \(boxes.csv row 5 \(a.png\)"),
        (("a.png", 9, 9, 4, 4, "fox"), r"boxes without area: 1 \(boxes.csv row 5"),
        (("a.png", 9, None, 14, 14, "fox"), r"borders are no numbers: 1 \(boxes.csv row 5 \(a.png\)"),
        (("a.png", 9, "?", 14, 14, "fox"), r"borders are no numbers: 1 \(boxes.csv row 5 \(a.png\)"),
        (("a.png", 1, 1, 14, 14, None), r"boxes without a class: 1 \(boxes.csv row 5 \(a.png\)"),
        ((None, 1, 1, 14, 14, "fox"), r"rows without an image: 1 \(boxes.csv row 5\)"),
        (("absent.png", 1, 1, 14, 14, "fox"), r"images that do not exist: 1 \(absent.png"),
    ],
)
def test_wrong_rows_are_named_and_skipped_or_refused(tmp_path, row, message):
    path = write_table(tmp_path / "boxes.csv", [*ROWS, row])
    data = recipes.read_boxes(path, **NO_SPLIT)
    assert (data.train.targets[..., 4] >= 0).sum() == 3
    with pytest.raises(ValueError, match=message):
        recipes.read_boxes(path, strict=True, **NO_SPLIT)


def test_width_and_height_in_the_place_of_corners_are_refused_and_the_other_way_round(tmp_path):
    sizes = [("a.png", 20, 10, 8, 6, "fox"), ("b.png", 30, 20, 9, 9, "owl")]
    path = write_table(tmp_path / "boxes.csv", sizes)
    with pytest.raises(ValueError, match=r"must be corners, but 2 of 2 .* boxes.csv row 2, .* set xywh=x1,y1,x2,y2"):
        recipes.read_boxes(path, **NO_SPLIT)
    data = recipes.read_boxes(path, xywh=("x1", "y1", "x2", "y2"), **NO_SPLIT)
    assert_close(targets_of(data)["a.png"][0, :4], [20 / 40, 10 / 30, 28 / 40, 16 / 30])
    corners = [("a.png", 20, 10, 38, 26, "fox"), ("b.png", 15, 12, 39, 29, "owl")]
    path = write_table(tmp_path / "boxes.csv", corners, ("image", "x", "y", "w", "h", "class"))
    with pytest.raises(ValueError, match=r"width and height, but 2 of 2 .* They fit as corners: set corners=x,y,w,h"):
        recipes.read_boxes(path, **NO_SPLIT)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (("photo", "x1", "y1", "x2", "y2", "class"), {}, "must have a column image or file"),
        (("image", "x1", "y1", "x2", "b", "class"), {}, "must have the columns x1, y1, x2, y2, or x, y, w, h"),
        (("image", "x1", "y1", "x2", "y2", "class"), {"label": "clas"}, "got 'clas'. Did you mean `class`"),
        (("image", "x1", "y1", "x2", "y2", "class"), {"xywh": ("x1",)}, "`xywh` must be four columns, got x1"),
    ],
)
def test_absent_columns_are_one_sentence(tmp_path, columns, options, message):
    path = write_table(tmp_path / "boxes.csv", columns=columns)
    with pytest.raises(ValueError, match=message):
        recipes.read_boxes(path, **options)


@pytest.fixture
def yolo(tmp_path):
    """A data set of Ultralytics' layout, with training and validation images."""
    pytest.importorskip("yaml")
    lines = {"train": "1 0.35 0.3 0.5 0.4\n0 0.5 0.5 1 1\n", "val": "0 0.5 0.5 0.25 0.5\n"}
    for split, text in lines.items():
        write_images(tmp_path / "images" / split, [f"{split}{i}.png" for i in range(3)])
        (tmp_path / "labels" / split).mkdir(parents=True)
        for i in range(2):
            (tmp_path / "labels" / split / f"{split}{i}.txt").write_text(text)
    (tmp_path / "data.yaml").write_text(
        "path: /elsewhere\ntrain: images/train\nval: images/val\nnames: {0: owl, 1: fox}\n"
    )
    return tmp_path


def test_yolo_boxes_are_relative_centers_and_sizes(yolo):
    for source in (yolo, yolo / "data.yaml"):
        data = recipes.load(f"yolo:{source}", test=0)
        assert data.classes == ("owl", "fox")
        assert (len(data.train), len(data.validation)) == (3, 3)
        targets = targets_of(data)
        assert_close(targets["train0.png"], [[0.1, 0.1, 0.6, 0.5, 1, 0], [0, 0, 1, 1, 0, 0]])
        assert np.all(targets["train2.png"] == -1)


def test_yolo_without_data_yaml_has_classes_txt_and_is_split(yolo):
    (yolo / "data.yaml").unlink()
    with pytest.raises(ValueError, match="there must be the names of the classes"):
        recipes.read_yolo(yolo)
    (yolo / "classes.txt").write_text("owl\nfox\n")
    data = recipes.read_yolo(yolo, validation=0, test=0)
    assert (data.classes, len(data.train)) == (("owl", "fox"), 6)


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.9 0.5 0.5 0.2", r"outside of the image: 1 \(train0.txt line 3 \(train0.png\)"),
        ("0 20 15 8 6", r"outside of the image: 1 \(train0.txt line 3"),
        ("0 0.5 0.5 0 0.2", r"boxes without area: 1 \(train0.txt line 3"),
        ("4 0.5 0.5 0.2 0.2", r"unknown classes: 1 \(train0.txt line 3 \(train0.png\): 'number 4'"),
        ("0 0.5 0.5 0.2", r"not class, center x, center y, width, height: 1 \(train0.txt line 3\)"),
        ("nan 0.5 0.5 0.2 0.2", r"not class, center x, center y, width, height: 1 \(train0.txt line 3\)"),
    ],
)
def test_wrong_lines_of_yolo_are_named_and_skipped_or_refused(yolo, line, message):
    file = yolo / "labels" / "train" / "train0.txt"
    file.write_text(file.read_text() + line + "\n")
    data = recipes.read_yolo(yolo, test=0)
    assert (targets_of(data)["train0.png"][:, 4] >= 0).sum() == 2
    with pytest.raises(ValueError, match=message):
        recipes.read_yolo(yolo, strict=True)


@pytest.mark.filterwarnings("ignore:skipped")
def test_absent_images_and_folders_of_yolo_are_named(yolo):
    (yolo / "labels" / "train" / "lost.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(ValueError, match="files of boxes without an image: 1 .labels/train/lost.txt"):
        recipes.read_yolo(yolo, strict=True)
    (yolo / "data.yaml").write_text("train: images/trains\nnames: [owl, fox]\n")
    with pytest.raises(ValueError, match="`train` of data.yaml must be a folder .* and images/trains is absent"):
        recipes.read_yolo(yolo)
