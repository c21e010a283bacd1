"""Image files decoded in the graph have the pixels that Pillow and NumPy give, or are refused with a sentence."""

import functools
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from zoo.export.file_segments import XMP_PREFIX
from zoo.export.image_decoding import decode_image
from zoo.serving.model_store import short_message

JPEG_GRAY_LEVELS = 1  # largest difference where TensorFlow and Pillow have different JPEG libraries
NOISE = np.random.default_rng(3).integers(0, 256, (11, 17, 4)).astype("uint8")
SMOOTH = np.kron(NOISE[:4, :6], np.ones((8, 8, 1), "uint8"))  # (32, 48, 4)
BINARY = NOISE // 128 * 255
# First row and column of each pass of an interlaced PNG file, and the steps between them.
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


@functools.cache
def decoder(bands, dtype):
    return tf.function(
        lambda data: decode_image(data, bands, dtype), input_signature=[tf.TensorSpec((), "string")], autograph=False
    )


def decode(content, bands=3, dtype="uint8"):
    """The pixels from the graph, or its refusal."""
    try:
        return decoder(bands, dtype)(tf.constant(content)).numpy()
    except tf.errors.InvalidArgumentError as error:
        return short_message(error)


def save(pixels, format, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.squeeze(pixels))
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def on_white(rgba):
    color, alpha = rgba[..., :-1].astype(int), rgba[..., -1:].astype(int)
    white = np.iinfo(rgba.dtype).max
    return ((color * alpha + white * (white - alpha) + white // 2) // white).astype(rgba.dtype)


def as_rgba(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def chunk(kind, content):
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def png(pixels, color, depth, transparency=None, interlaced=False):
    """The content of a PNG file of samples (H, W, C), packed to `depth` bits; Pillow does not write all of them."""
    height, width = pixels.shape[:2]
    rows = []
    for y, x, y_step, x_step in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        for row in pixels[y::y_step, x::x_step]:
            values = row.ravel()
            bits = (values[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            packed = values.astype(">u2") if depth == 16 else np.packbits(bits.ravel().astype("uint8"))
            rows.append(b"\0" + packed.tobytes() if row.size else b"")
    header = struct.pack(">LLBBBBB", width, height, depth, color, 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header), *([chunk(b"tRNS", transparency)] if transparency else [])]
    image = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks, image, chunk(b"IEND", b"")])


def with_segment(jpeg, content, marker=0xE1):
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def with_chunks(content, *chunks, at_end=False):
    position = len(content) - 12 if at_end else 33
    return content[:position] + b"".join(chunks) + content[position:]


def exif(value=6, order="<", kind=3, count=1, offset=8, magic=42):
    """EXIF data of a maker, an orientation and a date."""
    field = struct.pack(order + "L", value) if kind == 4 else struct.pack(order + "HH", value, 0)
    entries = [(0x10F, 2, 4, b"abc\0"), (0x112, kind, count, field), (0x131, 2, 4, b"abc\0")]
    directory = b"".join(struct.pack(order + "HHL", *entry[:3]) + entry[3] for entry in entries)
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "HL", magic, offset)
    return header + bytes(offset - 8) + struct.pack(order + "H", len(entries)) + directory + bytes(4)


RAMP_16 = np.linspace(0, 65535, 11 * 17 * 4).astype("uint16").reshape(11, 17, 4)
LOSSLESS = {
    "RGB": lambda: (save(NOISE[..., :3], "PNG"), NOISE[..., :3]),
    "RGBA": lambda: (save(NOISE, "PNG"), on_white(NOISE)),
    "grayscale": lambda: (save(NOISE[..., 0], "PNG"), NOISE[..., :1]),
    "grayscale with alpha": lambda: (save(NOISE[..., :2], "PNG"), on_white(NOISE[..., :2])),
    "RGB with a transparent color": lambda: key_file(BINARY[..., :3], (255, 0, 255)),
    "grayscale with a transparent level": lambda: key_file(BINARY[..., :1], 255),
    "palette": lambda: palette_file(256),
    "palette of 4 bits": lambda: palette_file(16),
    "palette of 1 bit": lambda: palette_file(2),
    "palette with one transparent color": lambda: palette_file(256, transparency=7),
    "palette with opacities": lambda: palette_file(16, transparency=bytes(range(0, 160, 10))),
    "interlaced": lambda: (png(NOISE[..., :3], 2, 8, interlaced=True), NOISE[..., :3]),
    "interlaced with alpha": lambda: (png(NOISE, 6, 8, interlaced=True), on_white(NOISE)),
    "black and white": lambda: (save(Image.fromarray(BINARY[..., 0]).convert("1"), "PNG"), BINARY[..., :1]),
    **{
        f"grayscale of {depth} bits": lambda d=depth: (
            png(NOISE[..., :1] % 2**d, 0, d),
            NOISE[..., :1] % 2**d * (255 // (2**d - 1)),
        )
        for depth in (1, 2, 4)
    },
    **{
        f"grayscale of {depth} bits with a transparent level": lambda d=depth: (
            png(NOISE[..., :1] % 2**d, 0, d, struct.pack(">H", 1)),
            np.where(NOISE[..., :1] % 2**d == 1, 255, NOISE[..., :1] % 2**d * (255 // (2**d - 1))).astype("uint8"),
        )
        for depth in (1, 2, 4)
    },
    "GIF": lambda: (content := save(NOISE[..., :3], "GIF"), as_rgba(content)[..., :3]),
    "interlaced GIF": lambda: (content := save(SMOOTH[..., :3], "GIF", interlace=1), as_rgba(content)[..., :3]),
    "GIF with a transparent color": lambda: gif_file(3),
    "animated GIF": lambda: gif_file(None, frames=True),
    "animated GIF with a transparent color": lambda: gif_file(5, frames=True),
    "grayscale GIF": lambda: (save(NOISE[..., 0], "GIF"), NOISE[..., :1]),
    "BMP": lambda: (save(NOISE[..., :3], "BMP"), NOISE[..., :3]),
    "BMP of 32 bits, the last 8 without meaning": lambda: (save(NOISE, "BMP"), NOISE[..., :3]),
    "BMP from the top": lambda: (from_the_top(NOISE[..., :3]), NOISE[..., :3]),
    "BMP with alpha": lambda: (masked_bmp(NOISE, 0xFF000000), on_white(NOISE)),
    "BMP with masks": lambda: (masked_bmp(NOISE, 0), NOISE[..., :3]),
    "grayscale BMP": lambda: (save(NOISE[..., 0], "BMP"), NOISE[..., :1]),
}


def key_file(pixels, key):
    content = save(pixels, "PNG", transparency=key)
    return content, np.where((pixels == key).all(-1, keepdims=True), 255, pixels).astype("uint8")


def palette_file(colors, **options):
    image = Image.fromarray(NOISE[..., :3]).quantize(colors)
    content = save(image, "PNG", bits=(colors - 1).bit_length(), **options)
    return content, on_white(as_rgba(content))


def gif_file(transparency, frames=False):
    image = Image.fromarray(SMOOTH[..., :3]).quantize(16)
    options = {} if transparency is None else {"transparency": transparency}
    if frames:
        options |= {"save_all": True, "append_images": [Image.fromarray(SMOOTH[::-1, :, :3]).quantize(8)]}
    content = save(image, "GIF", **options)
    return content, on_white(as_rgba(content))


def from_the_top(pixels):
    content = bytearray(save(pixels[::-1], "BMP"))
    content[22:26] = struct.pack("<i", -len(pixels))
    return bytes(content)


def masked_bmp(rgba, alpha_mask):
    """A BMP file of 32 bits with the masks of its bands, as image editors save transparency."""
    height, width = rgba.shape[:2]
    masks = struct.pack("<LLLL", 0xFF0000, 0xFF00, 0xFF, alpha_mask)
    header = struct.pack("<LllHHLLllLL", 108, width, height, 1, 32, 3, 0, 2835, 2835, 0, 0) + masks + bytes(52)
    return b"BM" + struct.pack("<LLL", 0, 0, 122) + header + rgba[::-1, :, [2, 1, 0, 3]].tobytes()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_have_the_pixels_of_pillow_and_numpy(kind):
    content, expected = LOSSLESS[kind]()
    np.testing.assert_array_equal(decode(content), np.broadcast_to(expected, (*expected.shape[:2], 3)))
    if expected.shape[-1] == 1:
        np.testing.assert_array_equal(decode(content, 1), expected)
    elif "gray" not in kind:
        assert decode(content, 1) == "image_bytes must be grayscale, as the training images, got a color file."


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_16_bits_are_divided_by_257_or_kept(bands):
    content = png(RAMP_16[..., :bands], {1: 0, 2: 4, 3: 2, 4: 6}[bands], 16)
    expected = RAMP_16[..., :bands] if bands in (1, 3) else on_white(RAMP_16[..., :bands])
    expected = np.broadcast_to(expected, (11, 17, 3))
    np.testing.assert_array_equal(decode(content, 3, "uint16"), expected)
    np.testing.assert_array_equal(decode(content), ((expected.astype(int) + 128) // 257).astype("uint8"))


def test_four_bands_are_those_of_an_rgba_file():
    np.testing.assert_array_equal(decode(save(NOISE, "PNG"), 4), NOISE)
    message = "image_bytes must be a PNG file with four bands, as the training images, got"
    assert decode(save(NOISE[..., :3], "PNG"), 4) == f"{message} color type 2."
    for format in ("JPEG", "GIF", "BMP"):
        assert decode(save(NOISE[..., :3], format), 4) == f"{message} a {format} file."


@pytest.mark.parametrize("size", [(32, 48), (31, 45)])
@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 60, "progressive": True}])
def test_jpeg_files_have_the_pixels_of_pillow(size, options):
    for bands in (1, 3):
        pixels = SMOOTH[: size[0], : size[1], :bands]
        content = save(pixels, "JPEG", **options)
        expected = np.asarray(Image.open(io.BytesIO(content))).reshape(pixels.shape)
        difference = np.abs(decode(content, bands).astype(int) - expected)
        assert difference.max() <= JPEG_GRAY_LEVELS
        np.testing.assert_array_equal(decode(content), np.broadcast_to(decode(content, bands), (*size, 3)))


def upright(content):
    """As Pillow turns a file; a file whose EXIF Pillow cannot read is upright."""
    image = Image.open(io.BytesIO(content))
    try:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception:  # struct.error or SyntaxError
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def check_upright(content):
    pixels, expected = decode(content), upright(content)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= (JPEG_GRAY_LEVELS if content[:1] == b"\xff" else 0)


JPEG = save(SMOOTH[..., :3], "JPEG", quality=95)
PNG = save(SMOOTH[..., :3], "PNG")
DAMAGED = {
    "no directory": exif()[:8],
    "a directory outside": exif()[:4] + struct.pack("<L", 2**31) + exif()[8:],
    "a truncated entry": exif()[:30],
    "other magic": exif(magic=77),
    "magic of BigTIFF": exif(magic=43),
    "magic of BigTIFF, largest byte first": exif(order=">", magic=43),
    "a text instead": b"orientation: 6",
    "an empty one": b"",
    "orientation of another type": exif(kind=2),
    "a huge count": exif(count=2**31),
    "no values": exif(count=0),
    "two values": exif(count=2),
    "an entry outside": exif().replace(struct.pack("<HHL", 0x10F, 2, 4), struct.pack("<HHL", 0x10F, 2, 40)),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535])
def test_the_orientation_in_the_exif_is_applied(orientation, order):
    data = exif(orientation, order, kind=4 if orientation % 2 else 3, offset=8 + 6 * (orientation % 3))
    check_upright(with_segment(JPEG, b"Exif\0\0" + data))
    check_upright(with_chunks(PNG, chunk(b"eXIf", data)))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Tag data", "ignore:Truncated File")
@pytest.mark.parametrize("kind", DAMAGED)
def test_images_with_damaged_exif_are_turned_as_pillow_does(kind):
    check_upright(with_segment(JPEG, b"Exif\0\0" + DAMAGED[kind]))
    check_upright(with_chunks(PNG, chunk(b"eXIf", DAMAGED[kind])))


def test_exif_is_read_after_other_segments_and_xmp_where_it_has_no_orientation():
    rotated, other = b"Exif\0\0" + exif(6), b"Exif\0\0" + exif(3)
    xmp = XMP_PREFIX + b'<rdf:Description tiff:Orientation="8"/>'
    check_upright(with_segment(with_segment(JPEG, rotated), b"ICC_PROFILE\0" + bytes(9000), 0xE2))
    check_upright(with_segment(with_segment(JPEG, other), rotated))
    check_upright(JPEG[:2] + b"\xff\xff" + with_segment(JPEG, rotated)[2:])
    check_upright(with_segment(JPEG, rotated, 0xE2))  # in a segment of another kind
    check_upright(with_segment(JPEG, xmp))
    check_upright(with_segment(with_segment(JPEG, xmp), rotated))
    check_upright(with_segment(JPEG, XMP_PREFIX + b"<tiff:Orientation>3</tiff:Orientation>"))
    packet = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    check_upright(with_chunks(PNG, packet))
    check_upright(with_chunks(PNG, packet, chunk(b"eXIf", exif(3))))
    check_upright(with_chunks(PNG, chunk(b"eXIf", exif(6)), at_end=True))
    check_upright(with_chunks(PNG, chunk(b"tEXt", b"Comment\0eXIf"), chunk(b"abCd", bytes(9000))))


def test_transparency_is_blended_before_the_image_is_turned():
    content = with_chunks(save(NOISE, "PNG"), chunk(b"eXIf", exif(6)))
    np.testing.assert_array_equal(decode(content), np.rot90(on_white(NOISE), -1))


def changed(content, position, value):
    return content[:position] + value + content[position + len(value) :]


REFUSED = {
    "TIFF": (lambda: save(NOISE, "TIFF"), "must be the content of a PNG, JPEG, GIF or BMP image file, got"),
    "WebP": (lambda: save(NOISE, "WEBP"), "must be the content of a PNG, JPEG, GIF or BMP image file, got"),
    "no image": (lambda: b"text", "must be the content of a PNG, JPEG, GIF or BMP image file, got 4 bytes"),
    "CMYK": (lambda: save(Image.fromarray(SMOOTH, "CMYK"), "JPEG"), "got a CMYK JPEG file; convert it to RGB"),
    "palette BMP": (lambda: save(Image.fromarray(NOISE[..., :3]).quantize(9), "BMP"), "must be a BMP file of 24 or 32"),
    "BMP of 1 bit": (lambda: save(Image.new("1", (9, 9)), "BMP"), "must be a BMP file of 24 or 32"),
    "compressed BMP": (lambda: changed(save(NOISE, "BMP"), 30, b"\1"), "must be a BMP file of 24 or 32"),
    "BMP with other masks": (
        lambda: changed(masked_bmp(NOISE, 0), 54, struct.pack("<LLL", 0xFF, 0xFF00, 0xFF0000)),
        "must be a BMP file of 24 or 32",
    ),
    "GIF with a smaller first frame": (
        lambda: changed(save(NOISE[..., :3], "GIF"), 6, b"\x1e\0\x1e\0"),
        "whose first frame is smaller",
    ),
    "GIF with an orientation": (
        lambda: save(NOISE[..., :3], "GIF", comment=b'tiff:Orientation="6"'),
        "is a GIF file with an orientation",
    ),
    "compressed XMP": (
        lambda: with_chunks(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"xmp"))),
        "has its orientation in compressed text",
    ),
    "EXIF as text": (
        lambda: with_chunks(PNG, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"exif"))),
        "has its orientation in compressed text",
    ),
    "many pixels": (
        lambda: changed(PNG, 16, struct.pack(">LL", 13000, 13000)),
        "must be an image of at most 67108864 pixels, this one states 169000000",
    ),
    "many rows": (
        lambda: changed(save(NOISE[..., :3], "BMP"), 18, struct.pack("<ll", 65536, -65536)),
        "must be an image of at most 67108864 pixels, this one states 4294967296",
    ),
    "many chunks": (lambda: with_chunks(PNG, chunk(b"tEXt", b"a\0b") * 2**14), "has too many segments"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_files_whose_pixels_would_differ_are_refused(kind):
    make, sentence = REFUSED[kind]
    message = decode(make())
    assert isinstance(message, str), message.shape
    assert message.startswith("image_bytes ") and message.endswith(".") and sentence in message
    assert len(message) < 140


def test_a_model_of_16_bits_refuses_files_of_8():
    message = "image_bytes must have 16 bits per band, as the training images, got 8 bits."
    assert decode(save(NOISE[..., 0], "PNG"), 1, "uint16") == message
    assert "must be a PNG file with 16 bits per band" in decode(JPEG, 3, "uint16")


def test_broken_files_of_all_formats_are_refused():
    for format in ("PNG", "JPEG", "GIF", "BMP"):
        content = save(SMOOTH[..., :3], format)
        for length in (40, len(content) // 2):
            assert isinstance(decode(content[:length]), str)
