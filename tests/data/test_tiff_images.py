"""TIFF images: all bands in their order and depth, names, scale, offset and nodata."""

import re
import sys

import numpy as np
import pytest
from PIL import Image

from recipes.data import load
from recipes.data.images.decoded_image import UnreadableImageError
from recipes.data.images.image_decoding import read_image
from tests.data.image_writers import RNG, chip, photo, save_and_read


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_all_bands_of_a_tiff_are_read_in_their_order_and_depth(rasterio, tmp_path, dtype, count):
    values = RNG.integers(1, 255, (count, 32, 32)).astype(dtype)
    layouts = [
        {},
        {"photometric": "MINISBLACK"},
        {"interleave": "band"},
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
    ]
    layouts += [{"compress": c} for c in ("deflate", "lzw")] + [{"photometric": "RGB"}] * (
        count > 2 and dtype != "float32"
    )
    for i, layout in enumerate(layouts):
        path = chip(rasterio, tmp_path / f"{i}.tif", values, **layout)
        decoded = read_image(path)
        np.testing.assert_array_equal(decoded.pixels, np.moveaxis(values, 0, -1))
        assert (decoded.depth, decoded.is_photo, decoded.bands) == (dtype, False, ())
    np.testing.assert_array_equal(read_image(path.read_bytes()).pixels, decoded.pixels)
    alpha = read_image(tmp_path / "0.tif").conversions
    labelled = dtype == "uint8" and count == 4
    assert alpha == (("band 4, which is labelled alpha, read as a band",) if labelled else ())


def test_names_scale_offset_and_nodata_of_a_tiff_are_read(rasterio, tmp_path):
    values = RNG.integers(1000, 3000, (2, 8, 8)).astype("uint16")
    decoded = read_image(chip(rasterio, tmp_path / "n.tif", values, ("red", "NIR")))
    assert decoded.bands == ("red", "NIR")
    assert read_image(chip(rasterio, tmp_path / "p.tif", values, ("red",))).bands == ()
    assert read_image(chip(rasterio, tmp_path / "d.tif", values, ("red", "red"))).bands == ()
    decoded = read_image(chip(rasterio, tmp_path / "o.tif", values, offsets=(-1500, 0)))
    expected = np.moveaxis(values, 0, -1) - np.array([1500, 0])
    np.testing.assert_array_equal(decoded.pixels, np.maximum(expected, 0))
    assert decoded.depth == "uint16" and decoded.conversions == ("scale and offset of the file applied",)
    decoded = read_image(chip(rasterio, tmp_path / "s.tif", values, scales=(1e-4, 1e-4)))
    assert decoded.depth == "float32"
    np.testing.assert_allclose(decoded.pixels, np.moveaxis(values, 0, -1) * 1e-4, rtol=1e-6)
    values[1, 2, 3] = 0
    decoded = read_image(chip(rasterio, tmp_path / "g.tif", values, nodata=0))
    assert decoded.has_gaps and (decoded.depth, decoded.pixels.dtype) == ("uint16", np.float32)
    assert np.isnan(decoded.pixels).all(-1).sum() == 1 and np.isnan(decoded.pixels[2, 3]).all()
    with pytest.raises(UnreadableImageError, match="all its pixels are nodata"):
        read_image(chip(rasterio, tmp_path / "z.tif", values * 0, nodata=0))


def test_other_depths_of_a_tiff_become_float32_or_are_refused(rasterio, tmp_path):
    for dtype in ("int16", "int32", "uint32", "float64", "int8"):
        values = np.array([[[-3 if dtype[0] != "u" else 3, 100]]], dtype)
        decoded = read_image(chip(rasterio, tmp_path / f"{dtype}.tif", values))
        assert decoded.pixels.dtype == np.float32 and decoded.conversions == (f"{dtype} read as float32",)
        np.testing.assert_array_equal(decoded.pixels[..., 0], values[0])
    for values, reason in (
        (np.array([[[2**24 + 1]]], "int32"), r"its int32 values exceed 16,777,216"),
        (np.array([[[1, np.nan]]], "float32"), "it has NaN or infinity, and no nodata value"),
        (np.array([[[1, np.inf]]], "float64"), "it has NaN or infinity, and no nodata value"),
        (np.array([[[1j]]], "complex64"), "one depth"),
    ):
        with pytest.raises(UnreadableImageError, match=rf"bad.tif: .*{reason}"):
            read_image(chip(rasterio, tmp_path / "bad.tif", values))
    decoded = read_image(chip(rasterio, tmp_path / "n.tif", np.array([[[1, np.nan]]], "float32"), nodata=np.nan))
    assert decoded.has_gaps


def test_pages_of_a_tiff_are_no_bands(rasterio, tmp_path):
    pages = [Image.fromarray(photo(8, 8, dtype="uint16")) for _ in range(5)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableImageError, match="pages.tif: it has 5 pages; save bands in one page"):
        read_image(tmp_path / "pages.tif")
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3):
            pages = [Image.fromarray(photo(8, 8)) for _ in range(4)]
            pages[0].save(tmp_path / "photos" / label / f"{i}.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match="6 images: the first page of several"):
        load(f"folder:{tmp_path / 'photos'}")


def test_without_rasterio_only_photos_are_read_from_tiff(rasterio, tmp_path, monkeypatch):
    paths = [
        chip(rasterio, tmp_path / "u16.tif", np.ones((1, 4, 4), "uint16")),
        chip(rasterio, tmp_path / "u16rgb.tif", np.ones((3, 4, 4), "uint16"), crs=None),
        chip(rasterio, tmp_path / "five.tif", np.ones((5, 4, 4), "uint8")),
        chip(rasterio, tmp_path / "float.tif", np.ones((1, 4, 4), "float32")),
        chip(rasterio, tmp_path / "rgbn.tif", np.ones((4, 4, 4), "uint8")),
    ]
    monkeypatch.setitem(sys.modules, "rasterio", None)
    for path in paths:
        with pytest.raises(UnreadableImageError, match=re.escape(f"{path.name}: TIFF files of several bands")) as error:
            read_image(path)
        assert "pip install 'fieldzoo[raster]'" in str(error.value)
    for pixels in (photo(6, 4, 3), photo(6, 4)):
        for compression in (None, "tiff_lzw", "tiff_deflate"):
            decoded = save_and_read(tmp_path / "photo.tif", Image.fromarray(pixels), compression=compression)
            np.testing.assert_array_equal(decoded.pixels, pixels.reshape(6, 4, -1))


@pytest.mark.parametrize(
    "names, interpretation, expected",
    [
        (("blue", "green", "red"), None, (2, 1, 0)),
        (("B02", "B03", "B04", "B08"), None, (2, 1, 0)),
        ((), ("blue", "green", "red"), (2, 1, 0)),
        (("red", "green", "blue"), ("blue", "green", "red"), (0, 1, 2)),
        ((), ("gray", "undefined", "undefined"), ()),
    ],
)
def test_the_bands_of_colors_are_those_that_a_file_names(rasterio, tmp_path, names, interpretation, expected):
    from rasterio.enums import ColorInterp

    values = RNG.integers(1, 255, (max(3, len(names)), 8, 8)).astype("uint8")
    path = chip(rasterio, tmp_path / "a.tif", values, names, photometric="MINISBLACK")
    if interpretation:
        with rasterio.open(path, "r+") as file:
            file.colorinterp = [ColorInterp[name] for name in interpretation]
    assert read_image(path).colors == expected


def test_a_photo_run_takes_the_colors_of_a_tiff_by_name(rasterio, tmp_path):
    from recipes.data.image_windows import open_windows
    from recipes.data.new_image import read_image_for
    from zoo.inputs import InputSchema

    values = RNG.integers(1, 255, (4, 8, 8)).astype("uint8")
    path = chip(rasterio, tmp_path / "a.tif", values, ("nir", "blue", "green", "red"))
    schema, notes = InputSchema("image", (None, None, 3), "uint8"), []
    expected = np.moveaxis(values[[3, 2, 1]], 0, -1)
    np.testing.assert_array_equal(read_image_for(schema, path, notes), expected)
    with open_windows(schema, path, notes) as windows:
        np.testing.assert_array_equal(windows.read(0, 0, 8, 8)[0], expected)
    assert sum("red, green and blue are taken" in note for note in notes) == 2


def test_a_gray_tiff_whose_0_is_white_is_turned_to_0_is_black(rasterio, tmp_path):
    values = RNG.integers(1, 60000, (1, 8, 8)).astype("uint16")
    decoded = read_image(chip(rasterio, tmp_path / "w.tif", values, photometric="MINISWHITE"))
    np.testing.assert_array_equal(decoded.pixels[..., 0], 65535 - values[0])
    assert "0 is white in the file, and read as the largest value" in decoded.conversions
