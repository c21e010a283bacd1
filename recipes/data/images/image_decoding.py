"""Decodes image files of any format to pixels in their own depth, and lists the conversions that this took."""

import contextlib
import functools
import io
import logging
import os

import numpy as np

from recipes.data.images.decoded_image import TOO_LARGE, DecodedImage, UnreadableImageError, verify_pixel_count
from recipes.data.images.jpeg_markers import has_expected_markers
from recipes.data.images.tiff_images import TIFF_MAGIC, is_tiff_photo, read_tiff
from zoo.export.image_decoding import MAX_PIXELS

DARK = 65535 // 2  # largest value of a 16-bit image below which it may hold 10 or 12 bits
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif")
AVIF_BRANDS = (b"avif", b"avis")
HEIF_HINT = "convert it to JPEG, or pip install pillow-heif"
JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
MAGICS = (PNG_MAGIC, JPEG_MAGIC, b"GIF8", b"BM", *TIFF_MAGIC)
PNG_GRAY, PNG_GRAY_ALPHA = 0, 4  # color types in a PNG's header
WHITE_8, WHITE_16 = 255, 65535
LAST_BYTES = {JPEG_MAGIC: b"\xff\xd9", PNG_MAGIC: b"IEND"}  # how a complete file begins and ends
TAIL = 64  # bytes in which the end of a complete file is sought
SWAPPED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
TURNED = "turned upright by its EXIF"
FIRST_PAGE = "the first page of several"
FIRST_FRAME = "the first frame of an animation"
FIRST_OF_SEVERAL = (FIRST_PAGE, FIRST_FRAME)
TIFF_ON_WHITE = "transparency of a TIFF laid on white; a fourth band without it is read from a georeferenced TIFF"
TRUNCATED = ("truncated", "cannot load this image", "eof")  # in messages of Pillow

logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # it logs the errors that it raises


def read_image(source):
    """Decodes an image file to its end, so that a truncated file is an error.

    Pixels keep their depth: 8 and 16 bits, or floats of a TIFF. The orientation in the EXIF is applied. Transparency is
    laid on white: (c a + 255 (255 - a) + 127) // 255 for every band c and the opacity a, with 65535 and 32767 for 16
    bits. Grayscale stays one band, palettes and CMYK become RGB, and of an animation the first frame is read. A TIFF
    that is no 8-bit photo is read by rasterio, with all its bands.

    Args:
        source: path or bytes of a PNG, JPEG, BMP, GIF, TIFF or WebP file, or of what Pillow's plugins read; the
            content decides, not the name.
    Returns:
        `DecodedImage`.
    Raises:
        UnreadableImageError: (a ValueError) if it is no image, is broken, or has more than 67,108,864 pixels; it names
            the file and the reason.
    """
    register_heif()
    head = b""
    try:
        with _file_object(source) as file:
            head = file.read(32)
            file.seek(0)
            return _decode(source, file, head)
    except UnreadableImageError:
        raise
    except Exception as error:  # a broken file may raise anything in a decoder
        raise UnreadableImageError(source, _reason(error, head)) from None


@functools.cache
def register_heif():
    """Registers pillow-heif in Pillow where it is installed; returns whether HEIC files can be read."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


@functools.cache
def can_read_avif():
    """Whether Pillow was built with AVIF, or pillow-heif is installed."""
    from PIL import features

    return bool(features.check("avif")) or register_heif()


def is_image_content(path):
    """Whether a file begins like an image; for files whose name does not say what they are."""
    try:
        with open(path, "rb") as file:
            head = file.read(32)
    except OSError:
        return False
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return head.startswith(MAGICS) or is_webp or head[8:12] in HEIF_BRANDS + AVIF_BRANDS


def _file_object(source):
    if isinstance(source, str | os.PathLike):
        return open(source, "rb")
    return contextlib.closing(io.BytesIO(source))


def _reason(error, head):
    """Returns why a file cannot be read, as a short phrase."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError):
        return error.strerror.lower()
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return TOO_LARGE.format(MAX_PIXELS)
    if not head:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        if head[8:12] in HEIF_BRANDS + AVIF_BRANDS:
            return f"it is a HEIC or AVIF file; {HEIF_HINT}"
        return "it is broken" if head.startswith(MAGICS) else "it is no image"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "it is truncated" if any(t in text.lower() for t in TRUNCATED) else f"it is broken: {text}"


def _decode(source, file, head):
    from PIL import Image, UnidentifiedImageError

    is_tiff = head.startswith(TIFF_MAGIC)
    if head.startswith(PNG_MAGIC):  # before Pillow, which would warn too
        verify_pixel_count(source, int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))
    if head.startswith(JPEG_MAGIC) and _ends_in_zeros(file):  # the decoder would fill the rest with gray
        raise UnreadableImageError(source, "it is truncated: its end is empty")
    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        if is_tiff:  # kinds of TIFF that Pillow lacks
            return read_tiff(source)
        raise
    with image:
        verify_pixel_count(source, *image.size)
        if is_tiff and not is_tiff_photo(image):
            return read_tiff(source)
        orientation = _orientation(image)
        is_turned = orientation > 1
        conversions = [TURNED] if is_turned else []
        if _is_animated(image):
            conversions.insert(0, FIRST_PAGE if is_tiff else FIRST_FRAME)
        is_plain = _is_plain(image, head)
        if head.startswith(PNG_MAGIC) and head[24] == 16:
            file.seek(0)
            pixels = _png_16(file.read(), head, image.info.get("transparency"), conversions)
            pixels = _turned_upright(pixels, orientation) if is_turned else pixels
        else:
            pixels = _pillow_pixels(image, head, is_turned, is_tiff, conversions)
    pixels = np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1))
    return DecodedImage(pixels, tuple(conversions), pixels.dtype.name, orientation=orientation if is_plain else 0)


def _ends_in_zeros(file):
    """Whether a JPEG ends in zeros that do not follow its end mark, as after a copy that was stopped."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - TAIL))
    is_empty = not any(file.read())
    if is_empty:
        file.seek(0)
        is_empty = not file.read().rstrip(b"\0").endswith(LAST_BYTES[JPEG_MAGIC])
    file.seek(0)
    return is_empty


def read_header(path):
    """Returns what decoding a file would show, from its header and its end alone.

    Args:
        path: of the file.
    Returns:
        ((H, W), `DecodedImage` with one pixel); None where only decoding tells: for other formats than JPEG and 8-bit
        PNG in gray or RGB, and for files that may be truncated or broken.
    """
    from PIL import Image

    try:
        with open(path, "rb") as file:
            head = file.read(32)
            file.seek(0)
            if not head.startswith(tuple(LAST_BYTES)):
                return None
            with Image.open(file) as image:
                if not _is_plain(image, head) or image.width * image.height > MAX_PIXELS:
                    return None
                height, width, orientation = image.height, image.width, _orientation(image)
                bands = len(image.mode)
            last = next(mark for magic, mark in LAST_BYTES.items() if head.startswith(magic))
            file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            if last not in file.read():
                return None
    except Exception:  # a broken file may raise anything in a decoder; decoding gives the reason
        return None
    pixel = np.zeros((1, 1, bands), np.uint8)
    size = (width, height) if orientation in SWAPPED else (height, width)
    return size, DecodedImage(pixel, (TURNED,) if orientation > 1 else (), orientation=orientation)


def decode_plain(content, bands, orientation=1, reduction=1):
    """Decodes a JPEG or an 8-bit PNG in gray or RGB to the pixels of `read_image`, in half of its time.

    Args:
        content: bytes of the file.
        bands: 1, or 3 to which grayscale is repeated.
        orientation: the EXIF orientation, 1 to 8.
        reduction: 1, 2, 4 or 8, by which the decoder of JPEG divides height and width.
    Returns:
        (H, W, bands) uint8; None where the file is or may be broken.
    """
    import cv2

    if content.startswith(JPEG_MAGIC) and not has_expected_markers(content):
        return None
    kind = "GRAYSCALE" if bands == 1 else "COLOR"
    is_rgb = reduction == 1 and bands == 3 and hasattr(cv2, "IMREAD_COLOR_RGB")
    if is_rgb:  # OpenCV 4.11 and newer
        flag = cv2.IMREAD_COLOR_RGB
    else:
        flag = getattr(cv2, f"IMREAD_{kind}" if reduction == 1 else f"IMREAD_REDUCED_{kind}_{reduction}")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if pixels is None:
        return None
    if bands == 1:
        pixels = pixels[..., None]
    elif not is_rgb:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(_turned_upright(pixels, orientation)) if orientation > 1 else pixels


def _orientation(image):
    """Returns the EXIF orientation of a Pillow image, 1 to 8."""
    orientation = image.getexif().get(ORIENTATION, 1)
    return orientation if orientation in range(2, 9) else 1


def _is_animated(image):
    return getattr(image, "is_animated", False) and image.format != "MPO"  # MPO: one photo with a preview


def _is_plain(image, head):
    """Whether a Pillow image is a JPEG or an 8-bit PNG in gray or RGB, without transparency or animation."""
    is_8bit = image.format in ("JPEG", "MPO") or (head.startswith(PNG_MAGIC) and head[24] == 8)
    is_opaque = "transparency" not in image.info
    return is_8bit and is_opaque and image.mode in ("L", "RGB") and not _is_animated(image)


def _pillow_pixels(image, head, is_turned, is_tiff, conversions):
    """Returns the pixels of a Pillow image, upright and on white: (H, W) or (H, W, 3)."""
    from PIL import ImageOps

    image.load()
    key = image.info.get("transparency")
    if is_turned:
        image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        pixels = np.asarray(image)
        if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > WHITE_16:
            raise ValueError("floats and 32 bits are read from TIFF files only")
        return pixels.astype(np.uint16)
    if mode in ("L", "1", "RGB") and key is not None:
        color = np.asarray(image.convert("L") if mode == "1" else image)
        color = color.reshape(*color.shape[:2], -1)
        if head.startswith(PNG_MAGIC) and mode != "RGB":
            key = key * WHITE_8 // (2 ** head[24] - 1)  # Pillow scales pixels of fewer than 8 bits, but not the key
        alpha = np.where((color == np.asarray(key)).all(-1), 0, WHITE_8)
    elif key is not None or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layers = np.asarray(image.convert("LA" if mode in ("LA", "La") else "RGBA"))
        color, alpha = layers[..., :-1], layers[..., -1]
    else:
        if mode not in ("L", "RGB"):
            conversions.append({"1": "black and white", "P": "palette"}.get(mode, mode) + " converted")
            image = image.convert("L" if mode == "1" else "RGB")
        return np.asarray(image)
    conversions.append(TIFF_ON_WHITE if is_tiff else "transparency laid on white")
    return lay_on_white(color, alpha)


def lay_on_white(color, alpha):
    """Returns colors laid on white by their opacity, rounded to the nearest value.

    Args:
        color: (H, W, C) uint8 or uint16.
        alpha: (H, W), 0 for transparent to the largest value of the colors' dtype for opaque.
    """
    dtype, white = color.dtype, int(np.iinfo(color.dtype).max)
    wide = np.int32 if dtype == np.uint8 else np.int64
    color, alpha = color.astype(wide), np.asarray(alpha, wide)[..., None]
    return ((color * alpha + white * (white - alpha) + white // 2) // white).astype(dtype)


def _png_16(data, head, key, conversions):
    """Returns the pixels of a 16-bit PNG, (H, W, 1 or 3) uint16. Pillow would drop the low byte of colors."""
    from PIL import Image

    Image.open(io.BytesIO(data)).verify()  # OpenCV returns what it has of a truncated file
    pixels = decode_bytes(data)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    gray = head[25] in (PNG_GRAY, PNG_GRAY_ALPHA)
    alpha = pixels[..., 3] if pixels.shape[-1] == 4 else None
    color = pixels[..., : 1 if gray else 3]
    if gray and alpha is None and key is not None:
        alpha = np.where(color[..., 0] == key, 0, WHITE_16)
    if alpha is None:
        return color
    conversions.append("transparency laid on white")
    return lay_on_white(color, alpha)


def _turned_upright(pixels, orientation):
    """Returns (H, W, C) pixels turned upright by an EXIF orientation from 1 to 8."""
    if orientation in SWAPPED:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else None)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else None)
    return pixels[rows, columns]


def decode_bytes(data):
    """Returns (H, W) or (H, W, C) from the bytes of an image file, as OpenCV reads it, in the order R, G, B."""
    import cv2

    logging = getattr(cv2.utils, "logging", cv2)  # where R's reticulate imports OpenCV, it lacks this part
    level = logging.setLogLevel(2)  # errors only; it would warn of the tags of a georeferenced TIFF
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        logging.setLogLevel(level)
    if pixels is None:
        raise ValueError("it is no image, or broken")
    return pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]] if pixels.ndim == 3 else pixels
