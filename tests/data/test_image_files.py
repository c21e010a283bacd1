"""Photos: every mode, depth and orientation, decoded; broken files and the size limit."""

import importlib.util
import io
import sys
import types

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from recipes.data.images import decoded_image, image_decoding
from recipes.data.images.decoded_image import UnreadableImageError
from recipes.data.images.image_decoding import decode_plain, lay_on_white, read_image
from tests.data.image_writers import ORIENTATION, chip, photo, png, save_and_read
from zoo.export.image_decoding import MAX_PIXELS

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


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_the_fast_decoder_refuses_a_damaged_jpeg_as_the_reader_does(options):
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((160, 120))
    file = io.BytesIO()
    pixels.save(file, "JPEG", **options)
    content = file.getvalue()
    assert np.array_equal(decode_plain(content, 3), read_image(content).pixels)
    middle = len(content) * 3 // 4
    for damage in (b"\xff\xd8", b"\xff\xc9", b"\xff\xda"):  # behind a complete header and before the end
        damaged = content[:middle] + damage + content[middle + 2 :]
        with pytest.raises(UnreadableImageError):
            read_image(damaged)
        assert decode_plain(damaged, 3) is None
