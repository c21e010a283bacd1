"""What a scan of a folder notes of an image file."""

import typing

import numpy as np

from recipes.data.images.decoded_image import DecodedImage


class ImageKind(typing.NamedTuple):
    """What many images have in common; the fields are those of `DecodedImage`."""

    count: int  # of bands
    conversions: tuple
    depth: str
    bands: tuple
    orientation: int
    is_photo: bool
    has_gaps: bool

    def one_pixel(self):
        """Returns a `DecodedImage` of this kind, of one pixel."""
        pixel = np.full((1, 1, self.count), np.nan if self.has_gaps else 0, "float32" if self.has_gaps else self.depth)
        return DecodedImage(pixel, self.conversions, self.depth, self.bands, self.orientation, self.is_photo)


class FileFacts(typing.NamedTuple):
    """What one file showed.

    Args:
        size: [bytes].
        time: of its last change [ns].
        decoded: whether it was decoded to its end; else its header and end were read.
        kind: None where it cannot be read.
        height, width: upright [pixels].
        brightest: largest value of a 16-bit image, -1 for others.
        reason: why it cannot be read, "" for others.
        key: hash of the pixels, or of the bytes where it was not decoded; None where nothing asked for it.
    """

    size: int
    time: int
    decoded: bool
    kind: ImageKind | None
    height: int
    width: int
    brightest: int
    reason: str
    key: int | None
