"""Writes a GeoTIFF one row of blocks at a time, so that an interrupted run can resume."""

import json
import os
from pathlib import Path

import rasterio

from recipes.data.rasters.geotiff import CACHE
from recipes.training.run_record import write_json

BLOCK = 256  # side of the blocks of a GeoTIFF [pixels]


class ResumableGeoTiff:
    """OUT.part, which is a valid GeoTIFF after every row of blocks, and OUT.part.json with the number of written rows.

    The GeoTIFF is closed before the number is written, so an interruption loses the current row at most.

    Args:
        out: path of the finished file.
        key: hash of everything the pixels depend on; a partial file with another key is overwritten.
        profile: of the file, as for rasterio.
        describe: function of the new, open file that sets tags, colors and band names.
    Raises:
        ValueError: if the file cannot be written.
    """

    def __init__(self, out, key, profile, describe):
        self.out, self.key = Path(out), key
        self.partial_path = self.out.with_name(self.out.name + ".part")
        self.progress_path = self.out.with_name(self.out.name + ".part.json")
        self.rows_written = self._resumable_rows()
        if self.rows_written:
            return
        layout = {"driver": "GTiff", "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "BIGTIFF": "IF_SAFER"}
        predictor = 3 if profile["dtype"] == "float32" else 2
        compression = {"compress": "deflate", "predictor": predictor, "SPARSE_OK": True}
        try:
            self.partial_path.unlink(missing_ok=True)
            with rasterio.open(self.partial_path, "w", **layout, **compression, **profile) as file:
                describe(file)
        except (OSError, rasterio.errors.RasterioError) as error:
            raise ValueError(f"predict_raster: `out` must be a writable file, got {out}: {error}") from None

    def _resumable_rows(self):
        """Returns the number of block rows that an earlier call with the same key has written."""
        try:
            progress = json.loads(self.progress_path.read_text())
            with rasterio.open(self.partial_path):
                return progress["done"] if progress["key"] == self.key else 0
        except (OSError, ValueError, KeyError, rasterio.errors.RasterioError):
            return 0

    def write(self, values, window):
        """Writes (bands, h, w) values at a rasterio window, then stores the new number of rows."""
        with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(self.partial_path, "r+") as file:
            file.write(values, window=window)
        self.rows_written += 1
        write_json(self.progress_path, {"key": self.key, "done": self.rows_written})

    def finish(self):
        """Renames the partial file to its final path."""
        os.replace(self.partial_path, self.out)
        self.progress_path.unlink(missing_ok=True)

    def discard(self):
        """Deletes the partial file."""
        self.partial_path.unlink(missing_ok=True)
        self.progress_path.unlink(missing_ok=True)
