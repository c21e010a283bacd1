"""Image files: every mode, depth, orientation and kind of TIFF, decoded and matched to what a run expects."""

import importlib.util
import io
import re
import struct
import sys
import types
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from recipes.data import load
from recipes.data.images import decoded_image, image_decoding
from recipes.data.images.decoded_image import UnreadableImageError
from recipes.data.images.image_decoding import decode_bytes, lay_on_white, read_image
from recipes.data.images.image_files import fit_image, open_images, read_pixels, resize_image
from zoo.export.image_decoding import MAX_PIXELS

RNG = np.random.default_rng(0)
ORIENTATION = 0x0112


def photo(*shape, dtype="uint8"):
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def save_and_read(path, image, **options):
    image.save(path, **options)
    return read_image(path)


def png(pixels, color_type, depth=16, key=None, width=None):
    """Bytes of a PNG of any color type and depth; rows of fewer than 8 bits are packed already."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = len(pixels), width or pixels.shape[1]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in pixels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    transparent = b"" if key is None else chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    start = b"\x89PNG\r\n\x1a\n" + header + transparent
    return start + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# Photos


def test_alpha_is_laid_on_white_by_the_documented_formula(tmp_path):
    pixels = photo(16, 16, 4)
    c, a = pixels[..., :3].astype(int), pixels[..., 3:].astype(int)
    expected = (c * a + 255 * (255 - a) + 127) // 255
    for suffix, options in (("png", {}), ("webp", {"lossless": True, "exact": True}), ("tif", {})):
        decoded = save_and_read(tmp_path / f"a.{suffix}", Image.fromarray(pixels), **options)
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert (
            "laid on white" in decoded.conversions[0] and not decoded.orientation and decoded.pixels.dtype == np.uint8
        )
    gray = save_and_read(tmp_path / "la.png", Image.fromarray(pixels[..., [0, 3]]))
    np.testing.assert_array_equal(gray.pixels, expected[..., :1])


def test_a_transparent_color_or_index_is_white(tmp_path):
    color = np.array([[[9, 8, 7], [9, 8, 6]]], "uint8")
    decoded = save_and_read(tmp_path / "rgb.png", Image.fromarray(color), transparency=(9, 8, 7))
    assert decoded.pixels.tolist() == [[[255] * 3, [9, 8, 6]]] and not decoded.orientation
    decoded = save_and_read(tmp_path / "l.png", Image.fromarray(np.array([[9, 10]], "uint8")), transparency=9)
    assert decoded.pixels.tolist() == [[[255], [10]]]
    palette = Image.fromarray(np.array([[0, 1]], "uint8"))
    palette.putpalette([1, 2, 3, 40, 50, 60])
    for name, key in (("p.png", 0), ("p.png", b"\0\xff"), ("p.gif", 0)):
        decoded = save_and_read(tmp_path / name, palette, transparency=key)
        assert decoded.pixels.tolist() == [[[255] * 3, [40, 50, 60]]]
    half = save_and_read(tmp_path / "half.png", palette, transparency=b"\x80\xff").pixels
    assert half[0, 0].tolist() == [(c * 128 + 255 * 127 + 127) // 255 for c in (1, 2, 3)]
    # Two bits a pixel: 0, 1, 2, 3, of which 1 is transparent; one bit: 0, 1, of which 0 is
    assert read_image(png(np.array([[0b00011011]]), 0, 2, (1,), 4)).pixels.ravel().tolist() == [0, 255, 170, 255]
    assert read_image(png(np.array([[0b01000000]]), 0, 1, (1,), 2)).pixels.ravel().tolist() == [0, 255]
    assert read_image(png(np.array([[0b01000000]]), 0, 1, (0,), 2)).pixels.ravel().tolist() == [255, 255]


def test_palettes_black_and_white_and_cmyk_are_converted(tmp_path):
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], "uint8")).quantize(4)
    for suffix in ("png", "gif", "bmp", "tif"):
        decoded = save_and_read(tmp_path / f"p.{suffix}", image)
        assert decoded.pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]] and "palette converted" in decoded.conversions
    decoded = save_and_read(tmp_path / "bw.png", Image.fromarray(np.array([[True, False]])))
    assert decoded.pixels.tolist() == [[[255], [0]]]
    cmyk = Image.fromarray(photo(8, 8, 3)).convert("CMYK")
    for suffix in ("jpg", "tif"):
        decoded = save_and_read(tmp_path / f"c.{suffix}", cmyk)
        with Image.open(tmp_path / f"c.{suffix}") as expected:
            np.testing.assert_array_equal(decoded.pixels, np.asarray(expected.convert("RGB")))
        assert decoded.conversions == ("CMYK converted",) and not decoded.orientation


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.fromarray(np.full((4, 4, 3), v, "uint8")) for v in (10, 200)]
    for suffix in ("gif", "png", "webp", "tif"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        decoded = read_image(tmp_path / f"a.{suffix}")
        assert abs(int(decoded.pixels.mean()) - 10) < 3 and decoded.conversions[0].startswith("the first ")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_in_the_exif_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(photo(8, 16, 3))
    expected = np.asarray(ImageOps.exif_transpose(_with_exif(stored, exif)))
    for suffix in ("png", "tif", "webp"):
        options = {"lossless": True} if suffix == "webp" else {}
        decoded = save_and_read(tmp_path / f"o.{suffix}", stored, exif=exif, **options)
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.conversions == (("turned upright by its EXIF",) if orientation > 1 else ())
    deep = Image.fromarray(photo(8, 16, dtype="uint16"))
    deep.save(tmp_path / "deep.png", exif=exif)
    values = np.asarray(deep)
    codes = np.asarray(
        ImageOps.exif_transpose(_with_exif(Image.fromarray(np.arange(128, dtype="uint8").reshape(8, 16)), exif))
    )
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png").pixels[..., 0], values.ravel()[codes])


def _with_exif(image, exif):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    return Image.open(buffer)


def test_plain_files_are_what_tensorflow_decodes_to_the_same_pixels(tmp_path):
    import tensorflow as tf

    for suffix in ("png", "jpg"):
        for shape in ((9, 12, 3), (9, 12)):
            decoded = save_and_read(tmp_path / f"a.{suffix}", Image.fromarray(photo(*shape)))
            assert decoded.orientation == 1
            content = (tmp_path / f"a.{suffix}").read_bytes()
            pixels = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE").numpy()
            np.testing.assert_array_equal(decoded.pixels, pixels)
            np.testing.assert_array_equal(read_image(content).pixels, pixels)  # bytes too


def test_16_bit_pngs_keep_their_depth(tmp_path):
    color = photo(5, 6, 3, dtype="uint16")
    for pixels, color_type in ((color[..., :1], 0), (color, 2)):
        decoded = read_image(png(pixels, color_type))
        np.testing.assert_array_equal(decoded.pixels, pixels)
        assert (decoded.depth, decoded.is_photo, decoded.conversions) == ("uint16", True, ())
    alpha = photo(5, 6, 1, dtype="uint16").astype(int)
    for pixels, color_type in ((color[..., :1], 4), (color, 6)):
        decoded = read_image(png(np.concatenate([pixels, alpha], -1), color_type))
        np.testing.assert_array_equal(decoded.pixels, (pixels * alpha + 65535 * (65535 - alpha) + 32767) // 65535)
    keyed = read_image(png(color[..., :1], 0, key=(int(color[2, 3, 0]),))).pixels
    assert keyed[2, 3, 0] == 65535 and (keyed != color[..., :1]).sum() == 1
    keyed = read_image(png(color, 2, key=color[2, 3].tolist())).pixels
    assert keyed[2, 3].tolist() == [65535] * 3 and (keyed != color).any(-1).sum() == 1
    content = png(photo(64, 64, 3, dtype="uint16"), 2)
    with pytest.raises(ValueError, match="it is truncated|it is broken"):
        read_image(content[: len(content) // 2])


def test_opaque_and_transparent_pixels_are_exact():
    color = np.arange(256, dtype="uint8").reshape(16, 16, 1)
    np.testing.assert_array_equal(lay_on_white(color, np.full((16, 16), 255)), color)
    assert (lay_on_white(color, np.zeros((16, 16))) == 255).all()


# Broken files and the size limit


def test_reasons_are_short_and_name_the_file(tmp_path):
    content = {}
    for suffix in ("png", "jpg", "gif", "bmp", "webp", "tif"):
        Image.fromarray(photo(64, 64, 3)).save(tmp_path / f"a.{suffix}")
        content[suffix] = (tmp_path / f"a.{suffix}").read_bytes()
    for suffix, data in content.items():
        for count in (len(data) // 2, 40):
            path = tmp_path / f"half.{suffix}"
            path.write_bytes(data[:count])
            with pytest.raises(UnreadableImageError, match=rf"half.{suffix}: it is (truncated|broken|no image)"):
                read_image(path)
    for name, data, reason in (
        ("e.png", b"", "it is empty"),
        ("t.jpg", b"no image" * 9, "it is no image"),
        ("h.jpg", b"\0\0\0\x18ftypmif1" + bytes(40), "it is a HEIC or AVIF file; convert it to JPEG, or pip install"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableImageError, match=f"{name}: {reason}"):
            read_image(tmp_path / name)
    with pytest.raises(UnreadableImageError, match=r"nowhere.png: no such file"):
        read_image(tmp_path / "nowhere.png")


def test_the_size_is_checked_before_decoding(tmp_path, monkeypatch):
    with pytest.raises(UnreadableImageError, match=f"more than {MAX_PIXELS:,} pixels"):
        read_image(png(np.zeros((1, 1)), 0, 8, width=MAX_PIXELS + 1))
    paths = [tmp_path / f"a.{suffix}" for suffix in ("png", "jpg", "gif", "bmp", "webp", "tif")]
    for path in paths:
        Image.fromarray(np.zeros((8, 8, 3), "uint8")).save(path)
    if importlib.util.find_spec("rasterio"):
        import rasterio

        paths.append(chip(rasterio, tmp_path / "chip.tif", np.zeros((5, 8, 8), "uint16")))
    monkeypatch.setattr(decoded_image, "MAX_PIXELS", 63)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("was decoded"))
    for path in paths:
        with pytest.raises(UnreadableImageError, match="more than 63 pixels"):
            read_image(path)


def test_pillow_heif_is_used_where_it_is_installed(monkeypatch):
    calls = []
    fake = types.SimpleNamespace(register_heif_opener=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "pillow_heif", fake)
    assert image_decoding.register_heif.__wrapped__() and calls == [1]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert not image_decoding.register_heif.__wrapped__()


# TIFF


def chip(rasterio, path, values, names=(), scales=None, offsets=None, **options):
    """Writes a georeferenced TIFF of (C, H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": len(values), "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype}
    options = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0), **options}
    with rasterio.open(path, "w", driver="GTiff", **size, **options) as file:
        file.write(values)
        for i, name in enumerate(names, 1):
            file.set_band_description(i, name)
        if scales:
            file.scales = scales
        if offsets:
            file.offsets = offsets
    return path


@pytest.fixture
def rasterio():
    return pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")


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


# Folders of chips


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
