"""Folders of images: every usual kind, broken files listed, classes and splits by the folders."""

import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from recipes.data import load, reopen
from recipes.data.images import image_folder
from recipes.data.images.image_files import ImageFiles

RNG = np.random.default_rng(0)


def random_image(height=12, width=10, bands=3):
    """A random image, smooth so that JPEG keeps it recognizable."""
    corners = RNG.integers(0, 256, (3, 3, bands)).astype("uint8")
    image = Image.fromarray(corners if bands == 3 else corners[..., 0])
    return image.resize((width, height), Image.Resampling.BILINEAR)


def fill(folder, n=4, suffix="png", **size):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        random_image(**size).save(folder / f"{i}.{suffix}")


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / "oak")
    fill(tmp_path / "Birch", suffix="JPG")
    return tmp_path


def images(examples):
    return [x for x, _ in examples.dataset().as_numpy_iterator()]


def test_classes_are_the_folders(root):
    data = load(f"folder:{root}", validation=0, test=0.25)
    assert (data.classes, data.kind, data.task, data.dtype) == (("Birch", "oak"), "image", "classification", "uint8")
    assert data.shape == (12, 10, 3) and data.name == root.name and data.source == str(root)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 0, 2)
    assert sorted(data.test.targets) == [0, 1]
    for name, target in zip(data.train.names, data.train.targets, strict=True):
        assert data.classes[target] == name.split("/")[-2]
    assert isinstance(data.train.inputs, ImageFiles)
    assert data.train.head(5).shape == (5, 12, 10, 3)
    assert len(data.validation.head(3)) == 0 and list(data.validation.dataset()) == []


def test_the_dataset_has_the_same_images_as_read_in_the_same_order_each_time(root):
    fill(root / "oak", 3, "webp")
    fill(root / "oak", 3, "bmp", bands=1)
    train = load(f"folder:{root}", validation=0, test=0.2).train
    assert not train.inputs.orientations.all() and train.inputs.orientations.any()
    first, second, direct = images(train), images(train), train.head(len(train))
    for a, b, c in zip(first, second, direct, strict=True):
        assert a.shape == (12, 10, 3)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    some = train.take([2, 0])
    np.testing.assert_array_equal(images(some)[1], first[0])
    assert some.names[0] == train.names[2]


def test_images_keep_their_different_sizes(root):
    fill(root / "oak", 5, height=20, width=30)
    data = load(f"folder:{root}")
    assert data.shape == (None, None, 3)
    assert {x.shape for x in images(data.train)} == {(12, 10, 3), (20, 30, 3)}
    assert isinstance(data.train.head(8), list)
    assert data.train.dataset().element_spec[0].shape.as_list() == [None, None, 3]


def test_grayscale_images_have_one_band_unless_others_have_color(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, bands=1)
    assert load(f"folder:{tmp_path}").shape == (12, 10, 1)
    fill(tmp_path / "b", 1, "jpg")
    data = load(f"folder:{tmp_path}")
    assert data.shape == (12, 10, 3)
    assert "8 grayscale images repeated in three bands, as others have color" in data.notes


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_broken_images_are_skipped_counted_and_listed(root, suffix):
    path = root / "oak" / f"half.{suffix}"
    random_image(200, 200).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (root / "oak" / f"none.{suffix}").write_bytes(b"")
    message = (
        r"skipped 2 of 10 images that cannot be read. "
        rf"it is empty: 1 \(oak/none.{suffix}\); it is truncated: 1 \(oak/half.{suffix}\)"
    )
    with pytest.warns(UserWarning, match=message):
        data = load(f"folder:{root}")
    assert len(data.train) + len(data.validation) + len(data.test) == 8
    assert any(re.match(message, note) for note in data.notes)
    with pytest.raises(
        ValueError, match="must be readable under `strict`, got 2 that are not. it is empty: 1 .oak/none"
    ):
        load(f"folder:{root}?strict=true")


def test_a_class_without_a_readable_image_is_an_error(root):
    (root / "elm").mkdir()
    (root / "elm" / "a.png").write_bytes(b"no picture")
    message = r"'elm' must have images that can be read, got none. it is no image: 1 \(elm/a.png\)"
    with pytest.raises(ValueError, match=message):
        load(f"folder:{root}")


def test_other_files_are_left_out(root):
    (root / "oak" / "Thumbs.db").write_bytes(b"x")
    (root / "oak" / "._0.png").write_bytes(b"x")
    (root / ".git").mkdir()
    data = load(f"folder:{root}")
    assert data.notes == ("left out 1 files that are no images (.db)", "skipped system and hidden folders: .git")


def test_splits_may_be_folders(root, tmp_path):
    for split, n in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("a", "b"):
            fill(tmp_path / "x" / split / name, n)
    data = load(f"folder:{tmp_path / 'x'}")
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 4, 6)
    assert data.split_description == "the train, validation, test splits as given"
    assert all("/test/" in name for name in data.test.names)
    Image.open(tmp_path / "x/train/a/0.png").save(tmp_path / "x/test/a/copy.png")
    with pytest.warns(UserWarning, match="1 examples of the test split are also in the train split"):
        assert load(f"folder:{tmp_path / 'x'}").notes == ("1 examples of the test split are also in the train split",)


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "ship"):
        fill(tmp_path / name)
    assert load(f"folder:{tmp_path}").classes == ("ship", "train")


def test_copies_are_in_one_split_whatever_their_names(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, 10)
        for i in range(10):
            Image.open(tmp_path / name / f"{i}.png").save(tmp_path / name / f"copy{i}.bmp")
    data = load(f"folder:{tmp_path}", validation=0.3, test=0.3)
    contents = [{x.tobytes() for x in p.head(99)} for p in (data.train, data.validation, data.test)]
    assert all(contents) and not (contents[0] & contents[1] or contents[0] & contents[2] or contents[1] & contents[2])


def test_groups_are_matched_in_the_paths(tmp_path):
    for name in ("a", "b"):
        for site in range(6):
            fill(tmp_path / name / f"site{site}", 3)
    data = load(f"folder:{tmp_path}", validation=0.2, test=0.2, group=r"site(\d)")
    sites = [{re.search(r"site(\d)", n)[1] for n in p.names} for p in (data.train, data.validation, data.test)]
    assert all(sites) and not (sites[0] & sites[1] or sites[0] & sites[2] or sites[1] & sites[2])
    assert "6 groups of site(\\d) kept whole" in data.split_description
    with pytest.raises(ValueError, match="`group` must match every image's path, got 'plot' not in a/site0/0.png"):
        load(f"folder:{tmp_path}", group="plot")


def test_unsuitable_folders_are_errors(tmp_path, root):
    cases = {
        "nowhere": "there is no folder .*nowhere",
        "empty": "empty must have one folder per class, as in empty/oak/photo1.jpg, got an empty folder",
        "loose": "loose must have one folder per class.*got images that are in no class folder",
        "hollow": r"every class folder must have images \(.png, .*\), got none in b",
        "one": "must have two classes or more, got only 'a'",
        "single": "every class must have two examples or more.*got a single one of 'b'",
    }
    (tmp_path / "t").mkdir()
    top = tmp_path / "t"
    (top / "empty").mkdir()
    fill(top / "loose")
    fill(top / "hollow" / "a")
    (top / "hollow" / "b").mkdir()
    fill(top / "one" / "a")
    fill(top / "single" / "a")
    fill(top / "single" / "b", 1)
    for name, message in cases.items():
        with pytest.raises(ValueError, match=message):
            load(f"folder:{top / name}")


# Names, links and system folders


def test_class_names_are_normalized_and_similar_names_noted(tmp_path):
    for i, form in enumerate(("NFC", "NFD")):
        fill(tmp_path / unicodedata.normalize(form, "lièvre"), 3 + i)
    fill(tmp_path / "fox")
    with pytest.warns(UserWarning, match="2 folders are named 'lièvre' in other Unicode forms: read as one class"):
        data = load(f"folder:{tmp_path}", validation=0, test=0)
    assert data.classes == ("fox", "lièvre") and len(data.train) == 11
    for name in ("Fox", " fox"):
        fill(tmp_path / "more" / name)
    with pytest.warns(UserWarning, match="the classes ' fox' and 'Fox' differ only in upper case or spaces"):
        load(f"folder:{tmp_path / 'more'}")


@pytest.mark.parametrize(
    "name", ["photos space ünï", "photos&amp#x", "photos_q?mark", "a?b=c&d", "100%3Fok", "50% a+b"]
)
def test_any_folder_name_is_read_and_reopened(tmp_path, name):
    for label in ("red hare", "a&b", "1"):
        fill(tmp_path / name / label, 2)
    data = load(f"folder:{(tmp_path / name).as_posix()}", validation=0, test=0)
    assert data.classes == ("1", "a&b", "red hare") and data.name == name
    for spec in (data.source_spec, str(data.source_spec), data.source_spec.to_json()):
        assert list(reopen(spec).train.names) == list(data.train.names)
    quoted = name.replace("%3F", "%253F").replace("?", "%3F")
    options = load(f"folder:{(tmp_path / quoted).as_posix()}?validation=0&test=0&seed=3")
    assert sorted(options.train.names) == sorted(data.train.names)


def test_system_folders_and_files_are_skipped_with_a_note(tmp_path):
    for name in ("fox", "hare", ".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information",
                 "lost+found", "fox/.thumbnails", "hare/@eaDir"):  # fmt: skip
        fill(tmp_path / name, 3)
    (tmp_path / "fox" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    data = load(f"folder:{tmp_path}", validation=0, test=0)
    assert data.classes == ("fox", "hare") and len(data.train) == 6
    assert "left out 1 files that are no images (.db)" in data.notes
    (note,) = [n for n in data.notes if n.startswith("skipped system and hidden folders")]
    assert all(
        name in note for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE", "lost+found", ".thumb")
    )


def test_links_to_folders_are_followed_and_cycles_cut(tmp_path):
    fill(tmp_path / "elsewhere" / "deep", 3)
    fill(tmp_path / "hares", 4)
    root = tmp_path / "root"
    fill(root / "fox", 2)
    (root / "fox" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "fox" / "again").symlink_to(tmp_path / "elsewhere" / "deep")  # is read once
    (root / "fox" / "self").symlink_to(root / "fox")
    (root / "fox" / "top").symlink_to(tmp_path)
    (root / "fox" / "hares").symlink_to(root / "hare")
    (root / "hare").symlink_to(tmp_path / "hares")
    (root / "fox" / "loop").symlink_to(root / "fox" / "loop")
    data = load(f"folder:{root}", validation=0, test=0)
    assert data.classes == ("fox", "hare") and np.bincount(data.train.targets).tolist() == [5, 4]
    assert any(re.match("skipped 4 links to folders that are read anyway: fox/", note) for note in data.notes)


def test_endings_and_content_decide_what_is_an_image(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, 2)
    random_image().save(tmp_path / "a" / "upper.JPG", format="JPEG")
    random_image().save(tmp_path / "a" / "camera.jfif", format="JPEG")
    random_image().save(tmp_path / "a" / "IMG_0000", format="PNG")
    random_image().save(tmp_path / "a" / "DSC.0001", format="JPEG")
    random_image().save(tmp_path / "a" / "webp", format="WEBP")
    (tmp_path / "a" / "README").write_text("no image")
    (tmp_path / "a" / "clip.mp4").write_bytes(b"x")
    data = load(f"folder:{tmp_path}", validation=0, test=0)
    assert len(data.train) == 9 and data.notes == ("left out 2 files that are no images (.mp4, README)",)


def test_files_of_cameras_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folder, "register_heif", lambda: False)
    for name in ("a", "b"):
        fill(tmp_path / name)
    (tmp_path / "a" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "a" / "IMG_2.NEF").write_bytes(b"x")
    with pytest.warns(UserWarning, match="skipped 1 (HEIC|camera raw) files"):
        data = load(f"folder:{tmp_path}")
    assert any(
        "HEIC files such as a/IMG_1.HEIC; convert it to JPEG, or pip install pillow-heif" in n for n in data.notes
    )
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "IMG_1.heif").write_bytes(b"x")
    with pytest.raises(ValueError, match="must have images .* got 1 HEIC files; convert it to JPEG.* in c"):
        load(f"folder:{tmp_path}")


def test_images_in_no_class_and_in_two_classes_are_noted(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name)
    random_image().save(tmp_path / "loose.png")
    Image.open(tmp_path / "a" / "0.png").save(tmp_path / "b" / "same.bmp")
    with pytest.warns(UserWarning, match="images"):
        notes = load(f"folder:{tmp_path}").notes
    assert "left out 1 images in no class folder, such as loose.png" in notes
    assert any(
        "1 images are identical but of different classes, such as 0.png of 'a' and same.bmp of 'b'" in n for n in notes
    )


def test_splits_beside_other_folders_are_classes_with_a_note(tmp_path):
    for name in ("train", "val", "owl"):
        fill(tmp_path / name)
    with pytest.warns(
        UserWarning, match="the folders train, val are read as classes, not as splits, as owl lies beside"
    ):
        assert load(f"folder:{tmp_path}").classes == ("owl", "train", "val")


def test_a_class_that_only_another_split_has_is_named(tmp_path):
    for folder in ("train/a", "train/b", "test/a", "test/owl"):
        fill(tmp_path / folder)
    with pytest.raises(ValueError, match="of every class, got none of 'owl', which is in test"):
        load(f"folder:{tmp_path}")


# Data for an evaluation


def test_classes_of_a_run_may_be_absent_or_have_one_example(tmp_path):
    fill(tmp_path / "empty")
    fill(tmp_path / "fox", 1)
    (tmp_path / "hare").mkdir()
    classes = ("empty", "fox", "hare", "owl")
    data = load(f"folder:{tmp_path}", classes=classes, validation=0, test=0)
    assert data.classes == classes and np.bincount(data.train.targets, minlength=4).tolist() == [4, 1, 0, 0]
    assert data.notes == ("the class folder 'hare' has no images", "no example of 'hare', 'owl'")
    again = reopen(str(data.source_spec))
    assert again.classes == classes and list(again.train.names) == list(data.train.names)
    fill(tmp_path / "Owl", 1)
    with pytest.raises(ValueError, match="must be of empty, fox, hare, owl, got 'Owl' in .* Did you mean `owl`"):
        load(f"folder:{tmp_path}", classes=classes, validation=0, test=0)


def test_one_class_alone_can_be_evaluated(tmp_path):
    fill(tmp_path / unicodedata.normalize("NFD", "lièvre"), 2)
    data = load(f"folder:{tmp_path}?classes=fox,lièvre&validation=0&test=0")
    assert data.train.targets.tolist() == [1, 1] and data.notes == ("no example of 'fox'",)
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "a.png").write_bytes(b"x")
    with pytest.warns(UserWarning, match="skipped 1 of 3 images"):
        assert len(load(f"folder:{tmp_path}", classes=("fox", "lièvre"), validation=0, test=0).train) == 2
