"""Tiles of rasters and their labels, read from the files on demand."""

import dataclasses
import typing
from pathlib import Path

import numpy as np

from recipes.data.images.mask_labels import IGNORE, MaskClasses
from recipes.data.on_demand import dataset_on_demand
from recipes.data.rasters.geotiff import open_raster, read_window

NO_LABEL = -1  # a value below 0 is ignored by `MaskClasses`


@dataclasses.dataclass(frozen=True, eq=False)
class Tiles:
    """Tiles of rasters, mirrored beyond the lower and right border, read on demand.

    Args:
        rasters: the `Raster`s.
        positions: (N, 3) raster, row and column of each tile's upper left pixel.
        side: of a tile [pixels].
        dtype: of the pixels.
        gaps: whether a pixel that is nodata in any band is NaN in all.
    """

    rasters: tuple
    positions: np.ndarray
    side: int
    dtype: str
    gaps: bool

    def __len__(self):
        return len(self.positions)

    def take(self, indices):
        """Returns the tiles at `indices`."""
        return dataclasses.replace(self, positions=self.positions[indices])

    def read(self, index):
        """Returns the tile at `index`: (side, side, C)."""
        i, row, column = self.positions[index]
        with open_raster(self.rasters[i].path) as file:
            pixels, valid = read_window(file, self.rasters[i], row, column, self.side, self.side)
        pixels = pixels.astype(self.dtype, copy=False)
        return np.where(valid[..., None], pixels, np.float32(np.nan)) if self.gaps else pixels

    __getitem__ = read

    def dataset(self):
        """Returns a tf.data.Dataset of single tiles in their order."""
        return dataset_on_demand(self, (self.side, self.side, len(self.rasters[0].bands)), self.dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class TileLabels:
    """The class of every pixel of `Tiles`, read on demand; 255 where a pixel is ignored.

    Args:
        rasters, masks: the `Raster`s of the images and of their labels.
        positions: (N, 3) as `Tiles` has them.
        side: of a tile [pixels].
        ignored: for each mask the values that are ignored.
        mask_classes: the classes and their values, or None for values.
        holes: (N,) whether the image has nodata there, or None for unknown.
    """

    rasters: tuple
    masks: tuple
    positions: np.ndarray
    side: int
    ignored: tuple
    mask_classes: MaskClasses | None = None
    holes: np.ndarray | None = None

    def __len__(self):
        return len(self.positions)

    def __array__(self, dtype=None, copy=None):
        shape = (len(self), self.side, self.side)
        return np.fromiter((self.read(i) for i in range(len(self))), (np.uint8, shape[1:]), len(self)).astype(
            dtype or np.uint8, copy=False
        )

    def take(self, indices):
        """Returns the labels at `indices`."""
        holes = None if self.holes is None else self.holes[indices]
        return dataclasses.replace(self, positions=self.positions[indices], holes=holes)

    def values(self, index):
        """Returns (h, w) whole numbers as the file has them, up to the border; -1 where a pixel is ignored."""
        i, mask = self.positions[index][0], self.masks[self.positions[index][0]]
        values = self._window(mask, index)[0][..., 0]
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), NO_LABEL, values)
            if (values % 1 != 0).any():
                raise ValueError(f"labels must be whole numbers, got {values[values % 1 != 0][0]} in {mask.path}.")
        return np.where(np.isin(values, self.ignored[i]), NO_LABEL, values.astype(np.int64))

    def valid(self, index):
        """Returns (h, w) bool, up to the border: where no band of the image is nodata."""
        return self._window(self.rasters[self.positions[index][0]], index)[1]

    def _window(self, raster, index):
        _, row, column = self.positions[index]
        with open_raster(raster.path) as file:
            return read_window(
                file, raster, row, column, min(self.side, raster.height - row), min(self.side, raster.width - column)
            )

    def read(self, index):
        """Returns the labels at `index`: (side, side) uint8 class index."""
        classes = self.mask_classes.indices(TileScene(self, index))
        if self.holes is None or self.holes[index]:
            classes[~self.valid(index)] = IGNORE
        padding = ((0, self.side - size) for size in classes.shape)
        return np.pad(classes, tuple(padding), constant_values=IGNORE)

    __getitem__ = read

    def dataset(self):
        """Returns a tf.data.Dataset of single label maps in their order."""
        return dataset_on_demand(self, (self.side, self.side), "uint8")


class TileScene(typing.NamedTuple):
    """One tile's labels with the fields that `MaskClasses` reads; the mask is read when it is accessed."""

    labels: TileLabels
    index: int

    @property
    def name(self):
        return tile_name(self.labels.masks, self.labels.positions[self.index])

    @property
    def mask(self):
        return self.labels.values(self.index)


def tile_name(rasters, position):
    """Returns the name of a tile: its raster's file, and the row and column of its upper left pixel."""
    return f"{Path(rasters[position[0]].path).name} row {position[1]} column {position[2]}"
