"""A GeoTIFF that is written block row by block row beside its place, and renamed when whole."""

import json
import os
from pathlib import Path

import rasterio

from recipes.data.rasters.geotiff import CACHE
from recipes.training.run import write_json

BLOCK = 256  # side of the blocks of a GeoTIFF [pixels]


class Unfinished:
    """OUT.part, a valid GeoTIFF after every block row, with OUT.part.json that says how many rows it has.

    The file is closed before the count is written, so a kill at any time costs the row that was being written.

    Args:
        out: where the whole file will lie.
        key: what the answers depend on; a part with another key is begun anew.
        profile: of the file, as rasterio takes it.
        describe: called with the new, open file, to give it tags, colours and names.
    Raises:
        ValueError: if the file cannot be written there.
    """

    def __init__(self, out, key, profile, describe):
        self.out, self.key = Path(out), key
        self.part = self.out.with_name(self.out.name + ".part")
        self.count = self.out.with_name(self.out.name + ".part.json")
        self.done = self._known()
        if self.done:
            return
        layout = {"driver": "GTiff", "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "BIGTIFF": "IF_SAFER"}
        packed = {"compress": "deflate", "predictor": 3 if profile["dtype"] == "float32" else 2, "SPARSE_OK": True}
        try:
            self.part.unlink(missing_ok=True)
            with rasterio.open(self.part, "w", **layout, **packed, **profile) as file:
                describe(file)
        except (OSError, rasterio.errors.RasterioError) as error:
            raise ValueError(f"predict_raster: `out` must be a file that can be written, got {out}: {error}") from None

    def _known(self):
        """Block rows that an earlier call with the same key has written."""
        try:
            told = json.loads(self.count.read_text())
            with rasterio.open(self.part):
                return told["done"] if told["key"] == self.key else 0
        except (OSError, ValueError, KeyError, rasterio.errors.RasterioError):
            return 0

    def write(self, values, place):
        """Adds (bands, h, w) at a window, and counts the row once it lies in the file."""
        with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(self.part, "r+") as file:
            file.write(values, window=place)
        self.done += 1
        write_json(self.count, {"key": self.key, "done": self.done})

    def finish(self):
        """Puts the file in its place."""
        os.replace(self.part, self.out)
        self.count.unlink(missing_ok=True)

    def discard(self):
        """Leaves nothing behind."""
        self.part.unlink(missing_ok=True)
        self.count.unlink(missing_ok=True)
