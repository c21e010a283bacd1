"""Rasters as GDAL reads them: what a file has, and windows of it with what is nodata."""

import contextlib
import threading
import typing
import warnings
from pathlib import Path

import numpy as np

from zoo.arguments import suggestion

SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".img")
CACHE = 64 * 2**20  # bytes of blocks that GDAL keeps; its default is a share of the machine's memory
OPENING = threading.Lock()  # filters of warnings are the whole process's


class Raster(typing.NamedTuple):
    """What is known of a raster without reading its pixels."""

    path: str
    bands: tuple  # those that are read, from 1
    height: int
    width: int
    dtype: str
    crs: typing.Any
    transform: typing.Any
    nodata: float | None  # of the first band that is read
    masked: bool  # whether GDAL knows pixels that are not valid
    placed: bool  # whether it is georeferenced


@contextlib.contextmanager
def open_raster(path, what="load"):
    """The open rasterio data set of `path`; a ValueError names the file wherever it cannot be read."""
    try:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
    except ImportError:
        raise ValueError(f"{what}: rasters need rasterio: pip install 'fieldzoo[raster]'.") from None
    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE):
            with OPENING, warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                source = rasterio.open(path)
            with source:
                yield source
    except RasterioError as error:
        told = str(error.__cause__ or error)
        raise ValueError(f"{what}: every raster must be readable to its end, got {path}: {told}") from None


def raster_info(path, bands=(), single=False, what="load"):
    """The `Raster` at `path`.

    Args:
        path: of a file.
        bands: numbers from 1 or names as the file describes them; all where empty.
        single: whether it must have one band, as labels do.
        what: the call that an error names.
    Raises:
        ValueError: if the file cannot be opened, lacks a band, or has numbers that are no image.
    """
    from rasterio.enums import MaskFlags

    path = Path(path).expanduser()
    if not path.is_file():
        near = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"{what}: there is no raster {path}.{near}")
    with open_raster(path, what) as source:
        if single and source.count != 1:
            raise ValueError(f"{what}: labels must have one band, got {source.count} in {path}.")
        numbers = tuple(_number(source, band, path, what) for band in bands) or tuple(source.indexes)
        dtypes = {source.dtypes[n - 1] for n in numbers}
        if len(dtypes) > 1 or np.dtype(next(iter(dtypes))).kind not in "uif":
            raise ValueError(f"{what}: all bands must have one depth, got {', '.join(sorted(dtypes))} in {path}.")
        # A fourth band of bytes is often called alpha where it is not, so as a band it is no mask
        alpha = {i for i, c in zip(source.indexes, source.colorinterp, strict=True) if c.name == "alpha"}
        flags = {f for n in numbers for f in source.mask_flag_enums[n - 1]}
        masked = bool(flags - {MaskFlags.all_valid}) and not (MaskFlags.alpha in flags and alpha & set(numbers))
        placed = source.crs is not None or not source.transform.is_identity
        return Raster(
            str(path), numbers, source.height, source.width, dtypes.pop(), source.crs, source.transform,
            source.nodatavals[numbers[0] - 1], masked, placed,
        )  # fmt: skip


def _number(source, band, path, what):
    """A band's number from 1, from its number or its name."""
    names = [d for d in source.descriptions if d]
    if isinstance(band, str):
        if band not in names:
            known = f"of {', '.join(names)}" if names else f"numbers from 1 to {source.count}, as none has a name"
            raise ValueError(f"{what}: `bands` must be {known}, got {band!r} for {path}.{suggestion(band, names)}")
        return source.descriptions.index(band) + 1
    if band > source.count:
        raise ValueError(f"{what}: `bands` must be from 1 to {source.count}, got {band} for {path}.")
    return band


def read_window(source, raster, row, column, height, width):
    """Pixels of a window, mirrored where it reaches beyond the lower and right border, and which of them are valid.

    Args:
        source: the open data set.
        raster: its `Raster`.
        row, column: of the upper left pixel.
        height, width: of the window [pixels].
    Returns:
        (height, width, C) in the file's own depth; (height, width) bool, False where any band is nodata or NaN.
    """
    from rasterio.windows import Window

    inside = (min(height, raster.height - row), min(width, raster.width - column))
    place = Window(int(column), int(row), int(inside[1]), int(inside[0]))
    pixels = np.moveaxis(source.read(raster.bands, window=place), 0, -1)
    valid = np.ones(inside, bool)
    if raster.masked:
        valid = (source.read_masks(raster.bands, window=place) > 0).all(0)
    if pixels.dtype.kind == "f":
        valid = valid & np.isfinite(pixels).all(-1)
    more = ((0, height - inside[0]), (0, width - inside[1]))
    if inside == (height, width):
        return np.ascontiguousarray(pixels), valid
    return np.pad(pixels, (*more, (0, 0)), "symmetric"), np.pad(valid, more, "symmetric")
