"""Windows of the pixels of an image: of a photo, which is decoded as a whole, or of a raster of any size."""

import contextlib
import typing
import warnings
from pathlib import Path

import numpy as np

from recipes.data.images.tiff_images import COLORS_ORDERED, is_tiff_photo
from recipes.data.new_image import TIFF_SUFFIXES, read_image_for
from recipes.data.rasters.geotiff import (
    SUFFIXES,
    WARNINGS_LOCK,
    color_numbers,
    open_raster,
    raster_of,
    read_window,
)
from zoo.export.image_decoding import MAX_PIXELS
from zoo.inputs import match_bands


class PhotoWindows(typing.NamedTuple):
    """A decoded photo.

    Args:
        pixels: (H, W, C), upright.
    """

    pixels: np.ndarray

    @property
    def size(self):
        """(height, width) [pixels]."""
        return self.pixels.shape[:2]

    def read(self, row, column, height, width):
        """Returns (pixels (height, width, C), (height, width) bool whether each is valid) of a window."""
        window = self.pixels[row : row + height, column : column + width]
        return window, np.ones(window.shape[:2], bool)


class RasterWindows(typing.NamedTuple):
    """An open raster, of which only the windows are in memory.

    Args:
        file: the rasterio data set.
        raster: its `Raster`.
    """

    file: typing.Any
    raster: typing.Any

    @property
    def size(self):
        """(height, width) [pixels]."""
        return self.raster.height, self.raster.width

    def read(self, row, column, height, width):
        """Returns (pixels (height, width, C), (height, width) bool whether each is valid) of a window.

        A pixel is valid where any band has a value. Pixels that are not have the mean of the others, so that objects
        have no edges there; and so do NaN.
        """
        pixels, valid = read_window(self.file, self.raster, row, column, height, width, any_band=True)
        if valid.any():
            filled = ~valid[..., None] | ~np.isfinite(pixels)
            mean = np.ma.masked_array(pixels, filled).mean((0, 1), dtype=np.float64).filled(0)
            pixels = np.where(filled, mean if pixels.dtype.kind == "f" else np.round(mean), pixels).astype(pixels.dtype)
        return pixels, valid


@contextlib.contextmanager
def open_windows(schema, path, notes=None):
    """Opens an image, or a raster of any size, in the bands and the depth of the training images.

    Args:
        schema: `InputSchema` of the trained model.
        path: of the file.
        notes: list that sentences on its bands are added to, or None.
    Yields:
        `PhotoWindows` or `RasterWindows`.
    Raises:
        ValueError: naming the file, if it cannot be read, or its bands or depth differ.
    """
    path = Path(path).expanduser()
    if not is_raster(path):
        yield PhotoWindows(read_image_for(schema, path, notes))
        return
    with open_raster(path, "detect") as file:
        raster = raster_of(file, path, _band_numbers(schema, file, path, notes), caller="detect")
        if raster.dtype != schema.dtype:
            raise ValueError(f"the image must be {schema.dtype}, as in training, got {raster.dtype} in {path}.")
        yield RasterWindows(file, raster)


def is_raster(path):
    """Whether a file is read by GDAL, in windows: all of its formats but TIFF photos of up to 67,108,864 pixels."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return path.suffix.lower() in SUFFIXES
    from PIL import Image

    with contextlib.suppress(Exception), WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            return image.width * image.height > MAX_PIXELS or not is_tiff_photo(image)
    return True  # what Pillow cannot open


def _band_numbers(schema, file, path, notes):
    """Returns the numbers of the bands of an open data set that the model takes; a band of opacity is a mask."""
    names = [(name or "").strip() for name in file.descriptions]
    colors = color_numbers(names, [color.name for color in file.colorinterp])
    if colors and not schema.band_names and schema.shape[-1] == 3:
        if colors != (1, 2, 3) and notes is not None:
            notes.append(f"{path}: {COLORS_ORDERED}")
        return colors
    has_opacity = file.colorinterp[-1].name == "alpha" and names[-1].casefold() in ("", "alpha")
    if has_opacity and len(names) == schema.shape[-1] + 1 and not schema.band_names:
        return tuple(range(1, len(names)))
    numbers, of_bands = match_bands(schema, names, path, "detect")
    if notes is not None:
        notes += of_bands
    return numbers
