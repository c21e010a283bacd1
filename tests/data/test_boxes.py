"""Images with boxes: the readers `coco:` and `voc:`, and what is wrong with annotations."""

import json

import numpy as np
import pytest
from PIL import Image

import recipes
from tests.tolerance import assert_close

NO_SPLIT = {"validation": 0, "test": 0}


def write_images(folder, names, size=(40, 30)):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.fromarray(np.full((size[1], size[0], 3), 10 * i, np.uint8)).save(folder / name)


@pytest.fixture
def coco(tmp_path):
    """A function that writes a COCO file with changes, and returns its path."""
    write_images(tmp_path / "images", ["a.png", "b.png", "c.png"])

    def write(**changes):
        content = {
            "images": [{"id": i, "file_name": f"{n}.png"} for i, n in enumerate("abc")],
            "categories": [{"id": 7, "name": "fox"}, {"id": 3, "name": "owl"}],
            "annotations": [
                {"id": 1, "image_id": 0, "category_id": 7, "bbox": [4, 3, 20, 12]},
                {"id": 2, "image_id": 0, "category_id": 3, "bbox": [0, 0, 40.5, 30]},
                {"id": 3, "image_id": 1, "category_id": 3, "bbox": [1, 1, 2, 2], "iscrowd": 1},
            ],
        }
        path = tmp_path / "labels.json"
        path.write_text(json.dumps({**content, **changes}))
        return path

    return write


def wrong_annotations(coco, *entries):
    right = [{"id": 1, "image_id": 0, "category_id": 7, "bbox": [4, 3, 20, 12]}]
    return coco(annotations=[*right, *entries])


def test_coco_boxes_are_relative_corners_with_class_and_crowd(coco):
    data = recipes.read_coco(coco(), **NO_SPLIT)
    assert (data.task, data.classes, data.shape) == ("detection", ("fox", "owl"), (30, 40, 3))
    targets = data.train.targets[np.argsort(data.train.names)]
    assert_close(targets[0], [[0.1, 0.1, 0.6, 0.5, 0, 0], [0, 0, 1, 1, 1, 0]])  # cut by half a pixel
    assert_close(targets[1, 0, 4:], [1, 1])
    assert np.all(targets[1, 1] == -1)
    assert np.all(targets[2] == -1)
    assert any("1 images have no object" in note for note in data.notes)


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"image_id": 0, "category_id": 7, "bbox": [30, 3, 20, 12]},
            r"outside of the image: 1 \(a.png box 2: \(30, 3, 50",
        ),
        ({"image_id": 0, "category_id": 7, "bbox": [5, 5, 0, 4]}, r"boxes without area: 1 \(a.png box 2"),
        ({"image_id": 0, "category_id": 7, "bbox": [9, 9, -4, 4]}, "boxes without area"),
        ({"image_id": 0, "category_id": 7, "bbox": [float("nan"), 5, 3, 4]}, "not finite"),
        (
            {"image_id": 0, "category_id": 8, "bbox": [1, 1, 3, 4]},
            r"unknown categories: 1 \(annotation 9: category_id 8",
        ),
        ({"image_id": 5, "category_id": 7, "bbox": [1, 1, 3, 4]}, "unknown images"),
        ({"image_id": 0, "category_id": 7, "bbox": [1, 1, 3]}, "without a box"),
        ({"image_id": 0, "category_id": 7}, "without a box"),
        ({"id": 1, "image_id": 0, "category_id": 7, "bbox": [1, 1, 3, 4]}, "annotations whose id is used twice"),
    ],
)
def test_wrong_annotations_are_named_and_skipped_or_refused(coco, entry, message):
    path = wrong_annotations(coco, {"id": 9, **entry})
    data = recipes.read_coco(path, **NO_SPLIT)
    assert int((data.train.targets[..., 4] >= 0).sum()) == 1
    assert any(note.startswith("skipped") for note in data.notes)
    with pytest.raises(ValueError, match=message):
        recipes.read_coco(path, strict=True, **NO_SPLIT)


@pytest.mark.filterwarnings("ignore:skipped")
def test_absent_and_broken_images_and_ids_used_twice(coco, tmp_path):
    (tmp_path / "images" / "b.png").write_bytes(b"no image")
    images = [{"id": i, "file_name": f"{n}.png"} for i, n in enumerate("abcd")] + [{"id": 0, "file_name": "c.png"}]
    path = coco(images=images, annotations=[{"image_id": 0, "category_id": 7, "bbox": [4, 3, 20, 12]}])
    data = recipes.read_coco(path, **NO_SPLIT)
    assert sorted(name.rpartition("/")[2] for name in data.train.names) == ["a.png", "c.png"]
    for message in ("do not exist: 1 .d.png", "cannot be read: 1 .b.png", "images whose id is used twice: 1 .c.png"):
        with pytest.raises(ValueError, match=message):
            recipes.read_coco(path, strict=True, **NO_SPLIT)


@pytest.mark.filterwarnings("ignore:skipped")
def test_a_file_without_any_box_or_image_is_refused(coco, tmp_path):
    with pytest.raises(ValueError, match="must have boxes, got none in 3 images"):
        recipes.read_coco(coco(annotations=[]))
    with pytest.raises(ValueError, match="must have images that can be read, got none"):
        recipes.read_coco(coco(), images=tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "must have the lists images, annotations, categories"),
        ('{"images": []}', "images"),
    ],
)
def test_files_that_are_no_coco_are_refused(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        recipes.read_coco(tmp_path / "x.json")
    with pytest.raises(ValueError, match="is not a file"):
        recipes.read_coco(tmp_path / "y.json")


def test_a_selection_of_classes_leaves_boxes_out(coco):
    data = recipes.read_coco(coco(), classes="owl", **NO_SPLIT)
    assert data.classes == ("owl",)
    assert any("1 boxes of 'fox' left out" in note for note in data.notes)


def write_voc(root, name, objects, filename=None):
    folder = root / "Annotations"
    folder.mkdir(parents=True, exist_ok=True)
    entries = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox><xmin>{box[0]}</xmin>"
        f"<ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for label, box, difficult in objects
    )
    text = f"<annotation><filename>{filename or name + '.png'}</filename>{entries}</annotation>"
    (folder / f"{name}.xml").write_text(text)


@pytest.fixture
def voc(tmp_path):
    write_images(tmp_path / "JPEGImages", [f"{i}.png" for i in range(6)])
    for i in range(6):
        write_voc(tmp_path, str(i), [("owl" if i % 2 else "fox", (1, 1, 20, 30), 0)])
    return tmp_path


def test_voc_pixels_are_counted_from_1_and_corners_belong_to_the_box(voc):
    write_voc(voc, "0", [("fox", (1, 1, 20, 30), 0), ("owl", (5, 4, 40, 30), 1)], filename="0")
    data = recipes.read_voc(voc, **NO_SPLIT)
    assert data.classes == ("fox", "owl")
    target = data.train.targets[list(data.train.names).index(str(voc / "JPEGImages" / "0.png"))]
    assert_close(target, [[0, 0, 0.5, 1, 0, 0], [0.1, 0.1, 1, 1, 1, 1]])


def test_the_lists_of_voc_are_the_splits(voc):
    lists = voc / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n2\n")
    (lists / "val.txt").write_text("3\n")
    (lists / "test.txt").write_text("4\n")
    data = recipes.load(f"voc:{voc}")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [3, 1, 1]
    assert any("1 images are in no list" in note for note in data.notes)


@pytest.mark.filterwarnings("ignore:skipped")
def test_wrong_files_of_voc_are_named_and_skipped_or_refused(voc):
    (voc / "Annotations" / "broken.xml").write_text("<annotation>")
    write_voc(voc, "twice", [("fox", (1, 1, 9, 9), 0)], filename="3.png")
    write_voc(voc, "absent", [("fox", (1, 1, 9, 9), 0)])
    data = recipes.read_voc(voc, **NO_SPLIT)
    assert len(data.train) == 6
    for message in ("files that are no XML: 1 .broken.xml", "another file names: 1 .twice.xml", "exist: 1 .absent.xml"):
        with pytest.raises(ValueError, match=message):
            recipes.read_voc(voc, strict=True, **NO_SPLIT)


def test_a_folder_without_xml_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a folder with XML files"):
        recipes.read_voc(tmp_path)


def test_the_same_data_are_read_again_from_their_source(voc):
    data = recipes.load(f"voc:{voc}?test=0.3&validation=0")
    again = recipes.reopen(data.source_spec)
    assert np.array_equal(again.test.names, data.test.names)
    assert np.array_equal(again.test.targets, data.test.targets)
    assert len(data.test) == 2


def test_the_figure_and_the_summary_of_a_data_set_with_boxes(coco, tmp_path):
    summary = recipes.check_data(f"coco:{coco()}?validation=0&test=0")
    assert summary.to_json()["boxes"] == "3 boxes in 3 images: fox 1, owl 2"
    assert "fox 1, owl 2" in str(summary)
    summary.save_figure(tmp_path)
    assert list(tmp_path.glob("*.png"))


@pytest.mark.filterwarnings("ignore:skipped")
def test_boxes_made_on_an_image_of_another_size_are_skipped_and_named(coco):
    sizes = {"a": (40, 30), "b": (20, 15), "c": (30, 40)}  # the file has 40 x 30; c is turned
    images = [
        {"id": i, "file_name": f"{n}.png", "width": sizes[n][0], "height": sizes[n][1]} for i, n in enumerate("abc")
    ]
    boxes = [{"id": i, "image_id": i, "category_id": 7, "bbox": [4, 3, 10, 9]} for i in range(3)]
    data = recipes.read_coco(coco(images=images, annotations=boxes), **NO_SPLIT)
    assert len(data.train) == 2
    note = "images of another size than their annotations state: 1 (b.png: 20 x 15, the file has 40 x 30)"
    assert any(note in n for n in data.notes)
    with pytest.raises(ValueError, match="under `strict`, got images of another size"):
        recipes.read_coco(coco(images=images, annotations=boxes), strict=True, **NO_SPLIT)


@pytest.mark.filterwarnings("ignore:skipped")
def test_fractions_of_the_sides_are_no_boxes_in_pixels(coco):
    fraction = {"id": 2, "image_id": 1, "category_id": 7, "bbox": [0.1, 0.1, 0.5, 0.4]}
    data = recipes.read_coco(wrong_annotations(coco, fraction), **NO_SPLIT)
    assert any("skipped boxes of less than a pixel (fractions of the sides?)" in n for n in data.notes)
    with pytest.raises(ValueError, match="must have boxes, got none.*boxes of less than a pixel"):
        recipes.read_coco(coco(annotations=[fraction]), **NO_SPLIT)


@pytest.mark.filterwarnings("ignore:skipped")
def test_a_box_that_is_there_twice_counts_once(coco):
    again = {"id": 2, "image_id": 0, "category_id": 7, "bbox": [4, 3, 20, 12]}
    other = {"id": 3, "image_id": 0, "category_id": 3, "bbox": [4, 3, 20, 12]}
    data = recipes.read_coco(wrong_annotations(coco, again, other), **NO_SPLIT)
    first = data.train.targets[np.argsort(data.train.names)][0]
    assert (first[:, 4] >= 0).sum() == 2  # of two classes
    assert any("skipped boxes that are there twice" in n for n in data.notes)


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize(
    "change, note",
    [
        (
            ("<width>40</width>", "<width>20</width>"),
            "images of another size than their annotations state: 1 (a.xml: 20 x 30, the file has 40 x 30)",
        ),
        (("<xmax>24</xmax>", "<xmax>0.9</xmax>"), "boxes of less than a pixel"),
    ],
)
def test_voc_files_of_another_size_or_with_fractions_are_skipped(tmp_path, change, note):
    write_images(tmp_path / "JPEGImages", ["a.png", "b.png"])
    (tmp_path / "Annotations").mkdir()
    box = "<bndbox><xmin>0.5</xmin><ymin>0.4</ymin><xmax>24</xmax><ymax>0.9</ymax></bndbox>"
    box = box if "xmax" in change[0] else box.replace("0.4", "3").replace("0.9", "12")
    text = (
        "<annotation><size><width>40</width><height>30</height></size>"
        f"<object><name>fox</name>{box}</object></annotation>"
    )
    right = text.replace("0.4", "3").replace("0.9", "12")
    (tmp_path / "Annotations" / "a.xml").write_text(text.replace(*change))
    (tmp_path / "Annotations" / "b.xml").write_text(right)
    assert any(note in n for n in recipes.read_voc(tmp_path, **NO_SPLIT).notes)
