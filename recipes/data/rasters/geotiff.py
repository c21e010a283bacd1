"""Rasters as GDAL reads them: metadata, and windows with their nodata mask."""

import contextlib
import io
import os
import threading
import typing
import warnings
from pathlib import Path

import numpy as np

from zoo.arguments import suggestion

SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".img")
SIZE_MARGIN = 1.5  # factor of the training's pixel size beyond which a raster's is noted
METRES_PER_DEGREE = 111_195  # of latitude, on a sphere of the Earth's mean radius
CACHE = 64 * 2**20  # bytes of GDAL's block cache; its default is a fraction of the machine's memory
RED_GREEN_BLUE = (("red", "r", "b04", "b4"), ("green", "g", "b03", "b3"), ("blue", "b", "b02", "b2"))
WARNINGS_LOCK = threading.Lock()  # warning filters are global to the process


class Raster(typing.NamedTuple):
    """Metadata of a raster.

    Values are file values times scale plus offset. Integers with a scale of 1 and a whole offset stay integers, and are
    clipped to the range of their dtype; other scales and offsets give float32.
    """

    path: str
    bands: tuple  # numbers of the bands that are read, from 1
    height: int
    width: int
    dtype: str  # of the values, after scale and offset
    crs: typing.Any
    transform: typing.Any
    nodata: float | None  # of the first band that is read, before scale and offset
    masked: bool  # whether GDAL has a mask of valid pixels
    georeferenced: bool
    names: tuple = ()  # of the bands that are read; () where one has none or two have the same
    scales: tuple = ()  # of the bands that are read; () for 1
    offsets: tuple = ()  # of the bands that are read; () for 0
    descriptions: tuple = ()  # of the bands that are read, as the file has them; "" for one without

    @property
    def pixel_size(self):
        """Side of a pixel [m], the geometric mean of both sides; None without a CRS."""
        if self.crs is None:
            return None
        side = abs(self.transform.determinant) ** 0.5
        if not self.crs.is_geographic:
            return side * self.crs.linear_units_factor[1]
        latitude = self.transform.f + (self.transform.d * self.width + self.transform.e * self.height) / 2
        return side * METRES_PER_DEGREE * np.cos(np.radians(np.clip(latitude, -89, 89))) ** 0.5

    @property
    def is_scaled(self):
        """Whether a band has a scale or an offset."""
        return any(scale != 1 for scale in self.scales) or any(self.offsets)


@contextlib.contextmanager
def open_raster(path, caller="read_raster"):
    """Opens the rasterio data set of `path`; a ValueError names the file wherever it cannot be read.

    Args:
        path: of a file, or its bytes.
        caller: the call that an error names.
    """
    try:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
    except ImportError:
        raise ValueError(f"{caller}: rasters need rasterio: pip install 'fieldzoo[raster]'.") from None
    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE):
            with WARNINGS_LOCK, warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                file = rasterio.open(path if isinstance(path, str | os.PathLike) else io.BytesIO(path))
            with file:
                yield file
    except RasterioError as error:
        cause = str(error.__cause__ or error)
        raise ValueError(f"{caller}: every raster must be readable to its end, got {path}: {cause}") from None


def raster_info(path, bands=(), single=False, caller="read_raster"):
    """Returns the `Raster` at `path`.

    Args:
        path: of a file.
        bands: numbers from 1 or names as the file describes them; all where empty.
        single: whether it must have one band, as labels do.
        caller: the call that an error names.
    Raises:
        ValueError: if the file cannot be opened, lacks a band, or has values that are no image.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"{caller}: there is no raster {path}.{nearest}")
    with open_raster(path, caller) as file:
        return raster_of(file, path, bands, single, caller)


def raster_of(file, path, bands=(), single=False, caller="read_raster"):
    """Returns the `Raster` of an open data set; arguments as `raster_info` has them."""
    from rasterio.enums import MaskFlags

    if single and file.count != 1:
        raise ValueError(f"{caller}: labels must have one band, got {file.count} in {path}.")
    numbers = tuple(_band_number(file, band, path, caller) for band in bands) or _bands_without_alpha(file)
    dtypes = {file.dtypes[n - 1] for n in numbers}
    if len(dtypes) > 1 or np.dtype(next(iter(dtypes))).kind not in "uif":
        raise ValueError(f"{caller}: all bands must have one depth, got {', '.join(sorted(dtypes))} in {path}.")
    # A fourth band of bytes is often labelled alpha where it is not, so as a band it is no mask
    alpha = {i for i, c in zip(file.indexes, file.colorinterp, strict=True) if c.name == "alpha"}
    flags = {f for n in numbers for f in file.mask_flag_enums[n - 1]}
    masked = bool(flags - {MaskFlags.all_valid}) and not (MaskFlags.alpha in flags and alpha & set(numbers))
    georeferenced = file.crs is not None or not file.transform.is_identity
    scales, offsets = (tuple(float(v[n - 1]) for n in numbers) for v in (file.scales, file.offsets))
    return Raster(
        str(path), numbers, file.height, file.width, _value_dtype(dtypes.pop(), scales, offsets), file.crs,
        file.transform, file.nodatavals[numbers[0] - 1], masked, georeferenced, _band_names(file, numbers), scales,
        offsets, tuple((file.descriptions[n - 1] or "").strip() for n in numbers),
    )  # fmt: skip


def pixel_size_notes(schema, raster):
    """Returns a note in a list where the pixels of a raster are much larger or smaller than those of the training.

    Args:
        schema: `InputSchema` of the trained model.
        raster: `Raster`.
    """
    trained, size = schema.image.get("pixel_size"), raster.pixel_size
    if not trained or not size or 1 / SIZE_MARGIN <= size / trained <= SIZE_MARGIN:
        return []
    return [
        f"{raster.path}: pixels have a side of {size:.3g} m, in training {trained:.3g} m; resample it (gdalwarp -tr)"
    ]


def color_numbers(names, interpretations):
    """Returns the numbers, from 1, of the bands red, green and blue, by their names or else by their colors.

    Args:
        names: name of each band of a file, "" for one without.
        interpretations: color of each band, as GDAL names it.
    Returns:
        Three numbers; None where there is not one band for each color.
    """
    for labels in (names, interpretations):
        labels = [label.casefold() for label in labels]
        matches = [[i for i, label in enumerate(labels, 1) if label in color] for color in RED_GREEN_BLUE]
        if all(len(numbers) == 1 for numbers in matches):
            return tuple(numbers[0] for numbers in matches)
    return None


def _bands_without_alpha(file):
    """Returns the numbers of all bands but a last one that is labelled and named alpha, which masks the others."""
    names_alpha = (file.descriptions[-1] or "").strip().casefold() in ("alpha", "transparency")
    if file.count > 1 and names_alpha and file.colorinterp[-1].name == "alpha":
        return tuple(file.indexes)[:-1]
    return tuple(file.indexes)


def alpha_notes(raster, caller="read_raster"):
    """Returns a note in a list where a band that is read is labelled alpha; GDAL labels a fourth band of bytes so.

    Args:
        raster: `Raster`.
        caller: the call that an error names.
    """
    with open_raster(raster.path, caller) as file:
        labelled = [n for n in raster.bands if file.colorinterp[n - 1].name == "alpha"]
    if not labelled:
        return []
    return [f"{raster.path}: band {labelled[0]}, which is labelled alpha, is read as a band, and not as a mask"]


def _band_names(file, numbers):
    """Returns the names of bands; () where one has none, or two have the same."""
    names = tuple((file.descriptions[n - 1] or "").strip() for n in numbers)
    return names if all(names) and len(set(names)) == len(names) else ()


def _value_dtype(dtype, scales, offsets):
    """Returns the dtype of values after scale and offset."""
    is_unscaled = all(scale == 1 for scale in scales)
    is_whole = np.dtype(dtype).kind in "ui" and all(offset == round(offset) for offset in offsets)
    return dtype if is_unscaled and (is_whole or not any(offsets)) else "float32"


def _band_number(file, band, path, caller):
    """Returns a band's number from 1, from its number or its name."""
    names = [d.strip() for d in file.descriptions if d]
    if isinstance(band, str):
        if band not in names:
            expected = f"of {', '.join(names)}" if names else f"numbers from 1 to {file.count}, as none has a name"
            raise ValueError(f"{caller}: `bands` must be {expected}, got {band!r} for {path}.{suggestion(band, names)}")
        return [(d or "").strip() for d in file.descriptions].index(band) + 1
    if band > file.count:
        raise ValueError(f"{caller}: `bands` must be from 1 to {file.count}, got {band} for {path}.")
    return band


def read_window(file, raster, row, column, height, width, *, any_band=False):
    """Reads a window, mirrored beyond the lower and right border, and its mask of valid pixels.

    Args:
        file: the open data set.
        raster: its `Raster`.
        row, column: of the upper left pixel.
        height, width: of the window [pixels].
        any_band: whether a pixel is valid where any band is, as in photos, of which a band may have the nodata value.
    Returns:
        (height, width, C) of the raster's dtype, with scale and offset applied; (height, width) bool, False where any
        band (with `any_band`: every band) is nodata or NaN.
    """
    from rasterio.windows import Window

    inside = (min(height, raster.height - row), min(width, raster.width - column))
    window = Window(int(column), int(row), int(inside[1]), int(inside[0]))
    pixels = np.moveaxis(file.read(raster.bands, window=window), 0, -1)
    valid, combine = np.ones(inside, bool), np.any if any_band else np.all
    if raster.masked:
        valid = combine(file.read_masks(raster.bands, window=window) > 0, axis=0)
    if pixels.dtype.kind == "f":
        valid = valid & combine(np.isfinite(pixels), axis=-1)
    pixels = _physical_values(pixels, raster) if raster.is_scaled else pixels
    if inside == (height, width):
        return np.ascontiguousarray(pixels), valid
    padding = ((0, height - inside[0]), (0, width - inside[1]))
    return np.pad(pixels, (*padding, (0, 0)), "symmetric"), np.pad(valid, padding, "symmetric")


def _physical_values(pixels, raster):
    """Returns (H, W, C) file values times scale plus offset, in the raster's dtype."""
    values, dtype = pixels * np.array(raster.scales) + np.array(raster.offsets), np.dtype(raster.dtype)
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        values = np.clip(np.round(values), limits.min, limits.max)
    return values.astype(dtype)
