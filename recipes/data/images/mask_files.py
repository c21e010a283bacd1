"""Reads the files of masks: gray values, indices of a palette or color table, or .npy arrays."""

import importlib.util
import typing

import numpy as np

from recipes.data.images.decoded_image import UnreadableImageError, verify_pixel_count
from recipes.data.images.image_decoding import ORIENTATION, read_image
from recipes.data.images.tiff_images import read_tiff

LOSSY_FORMATS = ("JPEG", "MPO")
DARK, BRIGHT = 64, 191  # values of a JPEG mask up to which it is 0, and from which it is 255
MAX_BETWEEN = 0.02  # fraction of the pixels of a JPEG mask that may lie between
SHOWN = 4  # colors that an error lists


class MaskFile(typing.NamedTuple):
    """The values of a mask and how they were read.

    Args:
        values: (H, W) int64; -1 where a pixel is nodata.
        is_lossy: whether the file's format changes values when it is written, as JPEG does.
        is_thresholded: whether such values were set to 0 or 255.
        colors: value -> (R, G, B) of the values of a palette; {} for other files.
    """

    values: np.ndarray
    is_lossy: bool = False
    is_thresholded: bool = False
    colors: dict = {}  # noqa: RUF012 is not changed


def read_mask(path):
    """Reads the whole numbers of a mask.

    Of a palette or a color table the indices are read, of black and white 0 and 1, and of gray levels that are stored
    as equal colors one band. A JPEG changes values when it is written: where nearly all are close to 0 or 255, the
    others are set to the nearer of the two.

    Args:
        path: of a PNG, TIFF, GIF, BMP, JPEG or .npy file.
    Returns:
        `MaskFile`.
    Raises:
        ValueError: if the file cannot be read to its end, has colors, transparency or fractions, or is a JPEG of more
            than two values; it is named.
    """
    values, is_lossy, colors = _stored_values(path)
    if values.ndim == 3:
        values = _one_band(values, path)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise ValueError(f"a mask must have one whole number per pixel, got {values.shape} {values.dtype} in {path}.")
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -1, values)  # nodata
        if (values % 1 != 0).any():
            raise ValueError(
                f"a mask must have one whole number per pixel, got {values[values % 1 != 0][0]:g} in {path}."
            )
    values = values.astype(np.int64)
    if not is_lossy or np.isin(values, (0, 255)).all():
        return MaskFile(values, is_lossy, colors=colors)
    between = np.mean((values > DARK) & (values < BRIGHT))
    if between > MAX_BETWEEN or values.max() < BRIGHT:
        raise lossy_mask_error(path, values)
    return MaskFile(np.where(values > 127, 255, 0), is_lossy, is_thresholded=True)


def exif_orientation(path):
    """Returns the EXIF orientation of an image file, 1 (upright) to 8; 1 where it has none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.getexif().get(ORIENTATION, 1)
    except Exception:  # .npy, and what another reader reads or refuses
        return 1


def lossy_mask_error(path, values):
    """Returns the ValueError of a JPEG mask whose classes cannot be restored."""
    count = len(np.unique(values))
    return ValueError(
        f"a mask must be a PNG, TIFF or .npy file, got a JPEG of {count} value{'s' * (count > 1)} in {path}: JPEG "
        "changes values when it is written. Export the masks again, or write the classes as 0 and 255."
    )


def _stored_values(path):
    """Returns (values as the file has them, whether the file's format is lossy, colors of a palette's values)."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False), False, {}
        with Image.open(path) as image:
            verify_pixel_count(path, *image.size)
            is_lossy = image.format in LOSSY_FORMATS or image.info.get("compression") == "jpeg" or _is_lossy_webp(path)
            if image.format == "TIFF" and image.mode != "1" and importlib.util.find_spec("rasterio"):
                return read_tiff(path).pixels, is_lossy, {}  # with its nodata
            if image.getexif().get(ORIENTATION, 1) in range(2, 9):
                image = ImageOps.exif_transpose(image)
            colors = {}
            if image.mode == "P":
                palette = np.reshape(image.getpalette("RGB"), (-1, 3)).tolist()
                used = [i for i, number in enumerate(image.histogram()) if number and i < len(palette)]
                colors = {i: tuple(palette[i]) for i in used}
            return np.asarray(image), is_lossy, colors
    except UnreadableImageError as error:
        raise ValueError(f"every mask must be readable, got {path}: {error.reason}") from None
    except UnidentifiedImageError:
        try:
            return read_image(path).pixels, False, {}  # kinds of TIFF that Pillow lacks
        except UnreadableImageError as error:
            raise ValueError(f"every mask must be readable, got {path}: {error.reason}") from None
    except Exception as error:  # a broken file may raise anything in a decoder
        raise ValueError(f"every mask must be readable, got {path}: {error}") from None


def _is_lossy_webp(path):
    with open(path, "rb") as file:
        head = file.read(64)
    return head[:4] == b"RIFF" and b"VP8 " in head


def _one_band(values, path):
    """Returns (H, W) from equal bands, without an opaque alpha."""
    if values.shape[-1] in (2, 4) and values.dtype.kind in "ui":
        if (values[..., -1] != np.iinfo(values.dtype).max).any():
            raise ValueError(f"a mask must be opaque, got transparency in {path}; write its classes as gray values.")
        values = values[..., :-1]
    if values.shape[-1] == 1 or (values == values[..., :1]).all():
        return values[..., 0]
    colors = np.unique(values.reshape(-1, values.shape[-1]), axis=0)
    listed = ", ".join(str(tuple(c.tolist())) for c in colors[:SHOWN]) + (", ..." if len(colors) > SHOWN else "")
    raise ValueError(
        f"a mask must have one whole number per pixel, got colors in {path}: {listed}; save it with a palette, or as "
        "gray values."
    )
