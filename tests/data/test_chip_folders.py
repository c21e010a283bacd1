"""Folders of chips and photos, and new files read as a run expects them."""

import numpy as np
import pytest
from PIL import Image

from recipes.data import load
from recipes.data.images.image_decoding import decode_bytes, read_image
from recipes.data.images.image_files import fit_image, open_images, read_pixels, resize_image
from tests.data.image_writers import RNG, chip, photo, png


def chips(rasterio, root, count=4, dtype="uint16", names=(), n=4, **options):
    for label in ("crop", "wood"):
        for i in range(n):
            chip(
                rasterio, root / label / f"{i}.tif", RNG.integers(1, 200, (count, 8, 8)).astype(dtype), names, **options
            )
    return root


@pytest.mark.parametrize(("count", "dtype"), [(4, "uint8"), (3, "uint16"), (6, "float32")])
def test_a_folder_of_chips_keeps_bands_and_depth(rasterio, tmp_path, count, dtype):
    data = load(f"folder:{chips(rasterio, tmp_path, count, dtype, list('abcdef'[:count]))}")
    assert (data.shape, data.dtype, data.bands) == ((8, 8, count), dtype, tuple("abcdef"[:count]))
    assert data.train.head(2).dtype == dtype and len(data.train) + len(data.validation) + len(data.test) == 8
    for x, again in zip(data.train.head(9), data.train.dataset(), strict=True):
        np.testing.assert_array_equal(x, again[0])


def test_bands_in_another_order_are_matched_by_name(rasterio, tmp_path):
    chips(rasterio, tmp_path, 3, names=("red", "green", "NIR"))
    values = RNG.integers(1, 200, (3, 8, 8)).astype("uint16")
    path = chip(rasterio, tmp_path / "wood" / "x.tif", values, ("NIR", "red", "green"))
    data = load(f"folder:{tmp_path}", validation=0, test=0)
    assert data.bands == ("red", "green", "NIR")
    assert "1 images have their bands in another order, such as x.tif: matched by name" in data.notes
    index = data.train.names.tolist().index(str(path))
    np.testing.assert_array_equal(data.train.inputs.read(index), np.moveaxis(values[[1, 2, 0]], 0, -1))
    chip(rasterio, path, values)
    with pytest.warns(UserWarning, match="1 images do not name their bands: read in the order of the file"):
        load(f"folder:{tmp_path}", validation=0, test=0)
    chip(rasterio, path, values, ("NIR", "red", "blue"))
    with pytest.raises(ValueError, match=r"the same bands, got NIR, red, blue in .*x.tif and red, green, NIR"):
        load(f"folder:{tmp_path}")


def test_files_of_other_bands_or_depths_are_refused_by_name(rasterio, tmp_path):
    chips(rasterio, tmp_path, 4)
    for values, message in (
        (np.ones((3, 8, 8), "uint16"), r"images must have 4 bands, .* got 3 in .*odd.tif"),
        (np.ones((1, 8, 8), "uint16"), r"images must have 4 bands, .* got 1 in .*odd.tif"),
        (np.ones((4, 8, 8), "uint8"), r"images must be uint16, .* got uint8 in .*odd.tif"),
        (np.ones((4, 8, 8), "float32"), r"images must be uint16, .* got float32 in .*odd.tif"),
    ):
        chip(rasterio, tmp_path / "crop" / "odd.tif", values)
        with pytest.raises(ValueError, match=message):
            load(f"folder:{tmp_path}")


def test_chips_with_nodata_have_gaps(rasterio, tmp_path):
    chips(rasterio, tmp_path, 2, nodata=0)
    values = np.full((2, 8, 8), 100, "uint16")
    values[0, :2] = 0
    chip(rasterio, tmp_path / "crop" / "gap.tif", values, nodata=0)
    data = load(f"folder:{tmp_path}", validation=0, test=0)
    assert (data.dtype, data.missing) == ("float32", "pad") and "1 images: nodata read as gaps" in data.notes
    assert sum(np.isnan(x).all(-1).sum() for x in data.train.head(99)) == 16
    chip(rasterio, tmp_path / "crop" / "gap.tif", values)
    assert load(f"folder:{tmp_path}").dtype == "uint16"
    with pytest.warns(UserWarning, match=r"skipped 1 of 9 .* NaN or infinity, and no nodata value: 1 \(crop/gap.tif\)"):
        chip(
            rasterio,
            tmp_path / "crop" / "gap.tif",
            values + np.float32("nan"),
        )
        load(f"folder:{tmp_path}")


def test_16_bit_photos_are_scaled_where_others_have_8_bits(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i in range(4):
            (tmp_path / label / f"{i}.png").write_bytes(png(photo(6, 6, 3, dtype="uint16"), 2))
    data = load(f"folder:{tmp_path}")
    assert (data.dtype, data.shape, data.notes) == ("uint16", (6, 6, 3), ())
    deep = np.array([[[0, 128, 129], [257, 65535, 65407]]], "uint16")
    (tmp_path / "a" / "0.png").write_bytes(png(deep, 2))
    Image.fromarray(photo(6, 6, 3)).save(tmp_path / "b" / "0.jpg")
    with pytest.warns(UserWarning, match="8 images: 16 bits divided by 257, as others have 8 bits"):
        data = load(f"folder:{tmp_path}", validation=0, test=0)
    index = [n.endswith("a/0.png") for n in data.train.names].index(True)
    assert data.dtype == "uint8" and data.train.inputs.read(index).ravel().tolist() == [0, 0, 1, 1, 255, 255]


def test_a_dark_16_bit_photo_among_others_is_noted(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.fromarray(photo(6, 6)).save(tmp_path / label / f"{i}.png")
    Image.fromarray(RNG.integers(0, 4000, (4, 4)).astype("uint16")).save(tmp_path / "a" / "dark.png")
    with pytest.warns(UserWarning, match="16"):
        data = load(f"folder:{tmp_path}")
    assert any("the 16-bit images are dark: their largest value is 3," in note for note in data.notes)


# Files for a run


def test_new_files_are_read_as_a_run_expects_them(rasterio, tmp_path):
    gray, color = photo(6, 4), photo(5, 7, 3)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(color).save(tmp_path / "color.png")
    (tmp_path / "deep.png").write_bytes(png(color.astype("uint16") * 257, 2))
    (tmp_path / "bad.png").write_bytes(b"x")
    files = open_images([tmp_path / f"{n}.png" for n in ("gray", "color", "deep", "bad")], (64, 64, 3), "uint8")
    np.testing.assert_array_equal(files.read(0), np.stack([gray] * 3, -1))
    np.testing.assert_array_equal(files.read(1), color)
    np.testing.assert_array_equal(files.read(2), color)
    with pytest.raises(ValueError, match="readable, got .*bad.png: it is no image"):
        files.read(3)
    assert [x.shape for x in files.take([0, 1]).dataset().as_numpy_iterator()] == [(6, 4, 3), (5, 7, 3)]
    for shape, dtype, name, message in (
        ((6, 4, 1), "uint8", "color", r"must have 1 band, .* got 3 in .*color.png"),
        ((6, 4, 4), "uint8", "color", r"must have 4 bands, .* got 3 in .*color.png"),
        ((6, 4, 3), "uint16", "color", r"must be uint16, .* got uint8 in .*color.png"),
        ((6, 4, 3), "float32", "color", r"must be float32, .* got uint8 in .*color.png"),
    ):
        with pytest.raises(ValueError, match=message):
            open_images([tmp_path / f"{name}.png"], shape, dtype).read(0)
    values = photo(3, 8, 8, dtype="uint16")
    counts = chip(rasterio, tmp_path / "counts.tif", values)
    with pytest.raises(ValueError, match=r"must be uint8, .* got uint16 in .*counts.tif"):  # no photo: counts
        open_images([counts], (8, 8, 3), "uint8").read(0)


def test_new_files_are_matched_by_the_names_of_their_bands(rasterio, tmp_path):
    values = photo(4, 8, 8, dtype="uint16")
    path = chip(rasterio, tmp_path / "a.tif", values, ("nir", "red", "green", "blue"))
    bands = ("blue", "green", "red", "nir")
    np.testing.assert_array_equal(
        open_images([path], (8, 8, 4), "uint16", bands).read(0), np.moveaxis(values[::-1], 0, -1)
    )
    some = open_images([path], (8, 8, 2), "uint16", ("red", "blue")).read(0)  # the others are left out
    np.testing.assert_array_equal(some, np.moveaxis(values[[1, 3]], 0, -1))
    np.testing.assert_array_equal(open_images([path], (8, 8, 4), "uint16").read(0), np.moveaxis(values, 0, -1))
    with pytest.raises(ValueError, match=r"the bands red, NIR, got nir, .* in .*a.tif, without NIR"):
        open_images([path], (8, 8, 2), "uint16", ("red", "NIR")).read(0)
    values[:, 0, 0] = 0
    path = chip(rasterio, tmp_path / "gap.tif", values, nodata=0)
    with pytest.raises(ValueError, match=r"a value in every pixel, .* got 1 nodata pixels in .*gap.tif"):
        open_images([path], (8, 8, 4), "uint16").read(0)
    assert np.isnan(open_images([path], (8, 8, 4), "float32", gaps=True).read(0)).sum() == 4


def test_pixels_of_masks_and_pairs_keep_their_depth(rasterio, tmp_path):
    for values in (photo(3, 4, 5), photo(3, 4, 5, dtype="uint16"), photo(5, 4, 5, dtype="uint16")):
        np.testing.assert_array_equal(
            read_pixels(chip(rasterio, tmp_path / "a.tif", values)), np.moveaxis(values, 0, -1)
        )
    np.save(tmp_path / "a.npy", np.ones((3, 4)))
    assert read_pixels(tmp_path / "a.npy").shape == (3, 4, 1) and read_pixels(tmp_path / "a.npy").dtype == np.float32
    content = png(photo(4, 5, 3, dtype="uint16"), 2)
    np.testing.assert_array_equal(decode_bytes(content), read_image(content).pixels)


def test_new_files_are_resized_as_an_export_resizes_them(tmp_path):
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    images = open_images([tmp_path / "photo.png"], (None, None, 3), "uint8", size=(6, 10))
    expected = tf.round(tf.image.resize(pixels, (6, 10), antialias=True)).numpy().astype("uint8")
    assert images.shape == (6, 10, 3) and images.read(0).dtype == np.uint8
    np.testing.assert_array_equal(images.read(0), expected)
    np.testing.assert_array_equal(next(iter(images.dataset().as_numpy_iterator())), expected)
    assert resize_image(pixels, (12, 20)) is pixels
    assert resize_image(pixels.astype("float32"), (6, 10)).dtype == np.float32


def test_an_image_that_fits_is_not_copied():
    image = read_image(png(photo(4, 4, 1), 0, 8))
    assert fit_image(image, "a.png", 1, "uint8") is image.pixels
