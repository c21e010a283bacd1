"""Stacks of rasters on one grid: one layer per environmental variable, in one or several files."""

import contextlib
import dataclasses

import numpy as np

from recipes.data.rasters.geotiff import open_raster, raster_info, read_window
from recipes.data.rasters.raster import raster_files

GRID_TOLERANCE = 1e-3  # largest difference of two grids, in pixels
STRIP_VALUES = 1 << 24  # values in memory when a stack is read strip by strip


@dataclasses.dataclass(frozen=True)
class RasterStack:
    """Rasters on one grid, whose bands are variables.

    Args:
        rasters: `Raster`s.
        names: of the variables, in the order of the rasters and their bands.
    """

    rasters: tuple
    names: tuple

    @property
    def grid(self):
        """The first `Raster`, which has the grid of all."""
        return self.rasters[0]

    @contextlib.contextmanager
    def open(self, caller="read_species"):
        """Opens all files; yields a function from (row, column, height, width) to values and their validity.

        It returns (height, width, variables) float32, mirrored beyond the lower and right border, and (height, width)
        bool, False where any variable is nodata.
        """
        with contextlib.ExitStack() as files_open:
            files = [files_open.enter_context(open_raster(raster.path, caller)) for raster in self.rasters]

            def read(*window):
                parts = [read_window(file, raster, *window) for file, raster in zip(files, self.rasters, strict=True)]
                values = np.concatenate([pixels.astype(np.float32) for pixels, _ in parts], axis=-1)
                return values, np.all([valid for _, valid in parts], axis=0)

            yield read

    def strips(self):
        """Yields (first row, height) of strips over the whole width that fit in memory."""
        height = max(1, STRIP_VALUES // (self.grid.width * len(self.names)))
        for row in range(0, self.grid.height, height):
            yield row, min(height, self.grid.height - row)

    def cells(self, x, y):
        """Returns (rows, columns, inside) of the cells of (N,) coordinates; `inside` is False beyond the border."""
        from rasterio.transform import rowcol

        rows, columns = (np.asarray(v, np.int64) for v in rowcol(self.grid.transform, x, y, op=np.floor))
        inside = (rows >= 0) & (rows < self.grid.height) & (columns >= 0) & (columns < self.grid.width)
        return rows, columns, inside

    def centers(self, rows, columns):
        """Returns (x, y) of the centers of cells."""
        from rasterio.transform import xy

        return tuple(map(np.asarray, xy(self.grid.transform, rows, columns)))

    def values_at(self, x, y):
        """Returns ((N, variables) float32, (N,) bool) at coordinates: False where nodata or beyond the border."""
        rows, columns, inside = self.cells(x, y)
        values = np.full((len(rows), len(self.names)), np.nan, np.float32)
        is_valid = np.zeros(len(rows), bool)
        with self.open() as read:
            for first, height in self.strips():
                points = np.flatnonzero(inside & (rows >= first) & (rows < first + height))
                if len(points):
                    pixels, valid = read(first, 0, height, self.grid.width)
                    values[points] = pixels[rows[points] - first, columns[points]]
                    is_valid[points] = valid[rows[points] - first, columns[points]]
        return values, is_valid

    def sample(self, count, seed):
        """Draws cells without nodata at random, each at most once.

        Args:
            count: number of cells; all where there are fewer.
            seed: of the draw.
        Returns:
            (rows, columns, (n, variables) float32 values).
        """
        rng = np.random.default_rng(seed)
        keys, cells, values = np.empty(0), np.empty((0, 2), np.int64), np.empty((0, len(self.names)), np.float32)
        with self.open() as read:  # the cells of the smallest random keys, in one pass
            for first, height in self.strips():
                pixels, valid = read(first, 0, height, self.grid.width)
                rows, columns = np.nonzero(valid)
                random_keys = rng.random(len(rows))
                lower = random_keys < (keys.max() if len(keys) >= count else np.inf)
                keys = np.concatenate([keys, random_keys[lower]])
                cells = np.concatenate([cells, np.stack([rows[lower] + first, columns[lower]], axis=1)])
                values = np.concatenate([values, pixels[rows[lower], columns[lower]]])
                if len(keys) > count:
                    smallest = np.argpartition(keys, count - 1)[:count]
                    keys, cells, values = keys[smallest], cells[smallest], values[smallest]
        order = np.argsort(keys)
        return cells[order, 0], cells[order, 1], values[order]


def read_stack(paths, caller="read_species"):
    """Returns the `RasterStack` of files.

    Args:
        paths: of files, folders or patterns. A variable has the name of its file; of a file with several bands, of its
            bands.
        caller: the call that an error names.
    Raises:
        ValueError: if a file cannot be read, lies on another grid than the first one, or has a variable of a name that
            another file has; it names the file.
    """
    files = [path for entry in paths for path in raster_files(entry).values()]
    rasters = tuple(raster_info(path, caller=caller) for path in files)
    names = {}
    for path, raster in zip(files, rasters, strict=True):
        _verify_grid(rasters[0], raster, caller)
        numbered = tuple(f"{path.stem}_{number}" for number in raster.bands)
        for name in (path.stem,) if len(raster.bands) == 1 else raster.names or numbered:
            if name in names:
                raise ValueError(
                    f"{caller}: variables of `rasters` must have distinct names, got {name!r} in {names[name]} and "
                    f"{path}."
                )
            names[name] = path
    return RasterStack(rasters, tuple(names))


def _verify_grid(first, raster, caller):
    """Raises a ValueError that names the file where a raster lies on another grid than the first one."""
    differences = []
    if (raster.height, raster.width) != (first.height, first.width):
        differences.append(f"{raster.height} x {raster.width} pixels instead of {first.height} x {first.width}")
    if raster.crs != first.crs:
        differences.append(f"the CRS {raster.crs} instead of {first.crs}")
    tolerance = GRID_TOLERANCE * abs(first.transform.determinant) ** 0.5
    if not raster.transform.almost_equals(first.transform, precision=tolerance):
        differences.append(f"the transform {raster.transform.to_gdal()} instead of {first.transform.to_gdal()}")
    if differences:
        raise ValueError(
            f"{caller}: all rasters must lie on one grid, got {raster.path} with {' and '.join(differences)}, which "
            f"{first.path} has; align it (gdalwarp -tr -te -t_srs)."
        )
