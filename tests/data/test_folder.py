"""Folders of images: every usual kind, broken files listed, classes and splits by the folders."""

import re

import numpy as np
import pytest
from PIL import Image

from recipes.data import load
from recipes.data.images.image_files import ImageFiles, read_image

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
    assert not train.inputs.plain.all() and train.inputs.plain.any()
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


def save_and_read(path, image, **options):
    image.save(path, **options)
    return read_image(path)


def test_alpha_is_laid_on_white(tmp_path):
    pixels = np.zeros((2, 2, 4), "uint8")
    pixels[0, :] = (10, 20, 30, 255)
    decoded = save_and_read(tmp_path / "a.png", Image.fromarray(pixels))
    assert decoded.pixels.tolist() == [[[10, 20, 30]] * 2, [[255, 255, 255]] * 2]
    assert decoded.conversions == ("transparency laid on white",) and not decoded.plain
    grey = save_and_read(tmp_path / "la.png", Image.fromarray(pixels[..., [0, 3]]))
    assert grey.pixels.tolist() == [[[10]] * 2, [[255]] * 2]


def test_palettes_and_black_and_white_are_converted(tmp_path):
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], "uint8")).quantize(4)
    for suffix in ("png", "gif"):
        decoded = save_and_read(tmp_path / f"p.{suffix}", image)
        assert decoded.pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]] and "palette converted" in decoded.conversions
    decoded = save_and_read(tmp_path / "bw.png", Image.fromarray(np.array([[True, False]])))
    assert decoded.pixels.tolist() == [[[255], [0]]]


def test_sixteen_bits_become_eight(tmp_path):
    for suffix in ("png", "tif"):
        decoded = save_and_read(
            tmp_path / f"deep.{suffix}", Image.fromarray(np.array([[0, 257, 65535, 12850]], "uint16"))
        )
        assert decoded.pixels[0, :, 0].tolist() == [0, 1, 255, 50] and decoded.brightest == 65535


def test_a_dark_16_bit_set_is_noted(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.fromarray(RNG.integers(0, 4000, (4, 4)).astype("uint16")).save(tmp_path / name / f"{i}.tif")
    with pytest.warns(UserWarning, match="the 16-bit images are dark: their largest value is 3,"):
        data = load(f"folder:{tmp_path}")
    assert "8 images: 16 bits divided by 257" in data.notes


def test_the_orientation_in_the_exif_is_applied(tmp_path):
    upright = random_image(8, 16)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held 90 degrees counter-clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    decoded = read_image(tmp_path / "turned.png")
    np.testing.assert_array_equal(decoded.pixels, np.asarray(upright))
    assert decoded.conversions == ("turned upright by its EXIF",) and not decoded.plain


def test_floating_point_files_are_skipped(root):
    Image.fromarray(np.ones((4, 4), "float32")).save(root / "oak" / "dem.tif")
    with pytest.warns(
        UserWarning, match=re.escape("oak/dem.tif (floating-point pixels are not supported here; pass arrays)")
    ):
        load(f"folder:{root}")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_broken_images_are_skipped_counted_and_listed(root, suffix):
    path = root / "oak" / f"half.{suffix}"
    random_image(200, 200).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (root / "oak" / f"none.{suffix}").write_bytes(b"")
    message = rf"skipped 2 of 10 images that cannot be read: oak/half.{suffix} \(.*truncated.*\), oak/none.{suffix} \("
    with pytest.warns(UserWarning, match=message):
        data = load(f"folder:{root}")
    assert len(data.train) + len(data.validation) + len(data.test) == 8
    assert any(re.match(message, note) for note in data.notes)
    with pytest.raises(ValueError, match="must be readable under `strict`, got 2 that are not: oak/half"):
        load(f"folder:{root}?strict=true")


def test_a_class_without_a_readable_image_is_an_error(root):
    (root / "elm").mkdir()
    (root / "elm" / "a.png").write_bytes(b"no picture")
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="'elm' must have images that can be read, got none"),
    ):
        load(f"folder:{root}")


def test_other_files_are_left_out(root):
    (root / "oak" / "Thumbs.db").write_bytes(b"x")
    (root / "oak" / "._0.png").write_bytes(b"x")
    (root / ".git").mkdir()
    data = load(f"folder:{root}")
    assert data.notes == ("left out 1 files that are no images (.db)",)


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
