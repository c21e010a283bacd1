"""The result of decoding an image file, and the error of a file that cannot be decoded."""

import os
import typing

import numpy as np

from zoo.export.image_decoding import MAX_PIXELS

TOO_LARGE = (
    "it has more than {:,} pixels; reduce it, read large scenes with raster:, or detect objects in tiles (tile_size)"
)


class DecodedImage(typing.NamedTuple):
    """One decoded image.

    Args:
        pixels: (H, W, C) uint8, uint16 or float32; NaN where a pixel is nodata.
        conversions: sentences on what decoding changed.
        depth: dtype of the values before nodata became NaN.
        bands: names of the bands, () where the file has none.
        orientation: the EXIF orientation, 1 to 8, of a JPEG or an 8-bit PNG in gray or RGB, of which `decode_plain`
            returns the same pixels; 0 for other files.
        colors: places of the bands red, green and blue, where a TIFF names them; else ().
        is_photo: whether 0 is black and the largest value of the depth is white; False for measurements.
    """

    pixels: np.ndarray
    conversions: tuple = ()
    depth: str = "uint8"
    bands: tuple = ()
    orientation: int = 0
    is_photo: bool = True
    colors: tuple = ()

    @property
    def has_gaps(self):
        """Whether a pixel is nodata."""
        return self.pixels.dtype.kind == "f" and bool(np.isnan(self.pixels).any())


class UnreadableImageError(ValueError):
    """An image file that cannot be read.

    Args:
        source: path of the file, or its bytes.
        reason: of the failure, a short phrase without the file's name.
    """

    def __init__(self, source, reason):
        name = source if isinstance(source, str | os.PathLike) else "bytes"
        super().__init__(f"every image must be readable, got {name}: {reason}")
        self.reason = reason


def verify_pixel_count(source, width, height):
    """Raises an `UnreadableImageError` for an image of more than `MAX_PIXELS` pixels."""
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(source, TOO_LARGE.format(MAX_PIXELS))
