"""Image files for the parity check, and the pixels expected of them, computed with Pillow and NumPy."""

import io
import struct
import typing
import zlib

import numpy as np

ROTATED = 6  # the EXIF orientation of a photo taken with an upright phone: turn clockwise by 90 degrees
# Factors of height and width of a file of another size. After odd ones, no mean of pixels lies halfway between two gray
# levels, where rounding could go both ways.
ENLARGED = (3, 5)
MAX_ENLARGED_PIXELS = 2**24


class FileSet(typing.NamedTuple):
    """Image files of one request."""

    content: str  # what the files are
    files: list  # bytes of each
    pixels: np.ndarray  # (N, H, W, C) expected after decoding and resizing
    kind: str = "exact"  # as in `parity_check.Request`


def jpeg_files(images):
    """Returns the `FileSet` of images (N, H, W, C) uint8 as JPEG, the first one also rotated with its EXIF."""
    contents = [_pillow_file(image, "JPEG", quality=95, subsampling=0) for image in images]
    stored = _pillow_file(_stored_rotated(images[0]), "JPEG", quality=95, subsampling=0, exif=_exif())
    pixels = [_decoded(content) for content in contents] + [np.rot90(_decoded(stored), -1)]
    return FileSet("JPEG, the last one rotated by its EXIF", [*contents, stored], np.stack(pixels), "jpeg")


def unusual_files(image):
    """Returns the `FileSet` of an image (H, W, C) rotated with its EXIF, transparent, and gray, as PNG.

    Those that the image's bands and depth do not allow are left out.
    """
    stored = _png(_stored_rotated(image))
    files = {"rotated by its EXIF": (stored[:33] + _chunk(b"eXIf", _exif()[6:]) + stored[33:], image)}
    if image.dtype == np.uint8 and image.shape[-1] in (1, 3):
        files["transparent"] = _transparent(image)
    if image.dtype == np.uint8 and image.shape[-1] == 3:
        gray = image[..., 1:2]
        files["gray"] = (_png(gray), np.repeat(gray, 3, axis=-1))
    contents, pixels = zip(*files.values(), strict=True)
    return FileSet(f"PNG: {', '.join(files)}", list(contents), np.stack(pixels))


def enlarged_file(image, size):
    """Returns the `FileSet` of an image (H, W, C) as a PNG of another size, or None for a large image.

    Args:
        image: uint8 or uint16.
        size: (H, W) that the graph resizes files to; None where it does not.
    """
    enlarged = np.repeat(np.repeat(image, ENLARGED[0], axis=0), ENLARGED[1], axis=1)
    if enlarged.shape[0] * enlarged.shape[1] > MAX_ENLARGED_PIXELS:
        return None
    # At the border the sum of the weights is even; between equal pixels nothing is rounded.
    rows, columns = 2 * ENLARGED[0], 2 * ENLARGED[1]
    enlarged[:rows], enlarged[-rows:] = enlarged[:1], enlarged[-1:]
    enlarged[:, :columns], enlarged[:, -columns:] = enlarged[:, :1], enlarged[:, -1:]
    pixels = enlarged if size is None else _resized(enlarged, size)
    return FileSet("PNG of another size", [_png(enlarged)], pixels[None])


def png_files(images):
    """Returns the `FileSet` of images (N, H, W, C) uint8 or uint16 as PNG."""
    return FileSet("PNG", [_png(image) for image in images], images)


def _png(image):
    """The content of a PNG file; Pillow writes no 16-bit color."""
    import tensorflow as tf

    return tf.io.encode_png(np.ascontiguousarray(image)).numpy()


def _pillow_file(image, format, **options):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, format, **options)
    return file.getvalue()


def _decoded(content):
    """(H, W, C) as Pillow decodes a file, without its EXIF."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(content)))
    return pixels.reshape(*pixels.shape[:2], -1)


def _stored_rotated(image):
    """The pixels of a file that shows the image after a turn clockwise."""
    return np.ascontiguousarray(np.rot90(image))


def _exif():
    """EXIF data whose only tag is the orientation."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = ROTATED
    return exif.tobytes()


def _chunk(kind, content):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _transparent(image):
    """(PNG file, pixels on white) of an image (H, W, 1 or 3) that fades from transparent to opaque."""
    height, width = image.shape[:2]
    alpha = np.linspace(0, 255, height * width).astype("uint8").reshape(height, width, 1)
    color, opacity = image.astype("int64"), alpha.astype("int64")
    on_white = (color * opacity + 255 * (255 - opacity) + 127) // 255
    return _png(np.concatenate([image, alpha], axis=-1)), on_white.astype("uint8")


def _resized(image, size):
    """An image (H, W, C) resized band by band with Pillow (bilinear, antialiased) and rounded."""
    from PIL import Image

    bands = [Image.fromarray(band.astype("float32")) for band in np.moveaxis(image, -1, 0)]
    resized = [np.asarray(band.resize(size[::-1], Image.Resampling.BILINEAR)) for band in bands]
    return np.round(np.stack(resized, axis=-1)).astype(image.dtype)
