"""Tiles of rasters and their labels, read from the files when they are asked for."""

import dataclasses
import typing
from pathlib import Path

import numpy as np

from recipes.data.images.mask_labels import Table
from recipes.data.rasters.geotiff import open_raster, read_window
from recipes.losses import IGNORE

NO_LABEL = -1  # what tables read as a pixel that does not count


@dataclasses.dataclass(frozen=True, eq=False)
class Tiles:
    """Squares of rasters, mirrored at the lower and right border, that are read when they are asked for.

    Args:
        images: the `Raster`s.
        places: (N, 3) raster, row and column of each tile's upper left pixel.
        side: of a tile [pixels].
        dtype: of the pixels.
        gaps: whether a pixel that is nodata in any band is NaN in all.
    """

    images: tuple
    places: np.ndarray
    side: int
    dtype: str
    gaps: bool

    def __len__(self):
        return len(self.places)

    def take(self, indices):
        """The tiles at `indices`."""
        return dataclasses.replace(self, places=self.places[indices])

    def read(self, index):
        """The tile at `index`: (side, side, C)."""
        i, row, column = self.places[index]
        with open_raster(self.images[i].path) as source:
            pixels, valid = read_window(source, self.images[i], row, column, self.side, self.side)
        pixels = pixels.astype(self.dtype, copy=False)
        return np.where(valid[..., None], pixels, np.float32(np.nan)) if self.gaps else pixels

    __getitem__ = read

    def dataset(self):
        """tf.data.Dataset of single tiles in their order."""
        return _dataset(self, (self.side, self.side, len(self.images[0].bands)), self.dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """The class of every pixel of `Tiles`, read when it is asked for; 255 where it does not count.

    Args:
        images, masks: the `Raster`s of the images and of their labels.
        places: (N, 3) as `Tiles` has them.
        side: of a tile [pixels].
        ignored: for each mask the values that do not count.
        table: from values to classes, or None for values.
        holes: (N,) whether the image has nodata there, or None for not known.
    """

    images: tuple
    masks: tuple
    places: np.ndarray
    side: int
    ignored: tuple
    table: Table | None = None
    holes: np.ndarray | None = None

    def __len__(self):
        return len(self.places)

    def __array__(self, dtype=None, copy=None):
        shape = (len(self), self.side, self.side)
        return np.fromiter((self.read(i) for i in range(len(self))), (np.uint8, shape[1:]), len(self)).astype(
            dtype or np.uint8, copy=False
        )

    def take(self, indices):
        """The labels at `indices`."""
        holes = None if self.holes is None else self.holes[indices]
        return dataclasses.replace(self, places=self.places[indices], holes=holes)

    def values(self, index):
        """(h, w) whole numbers as the file has them, up to the border; -1 where a pixel does not count."""
        i, mask = self.places[index][0], self.masks[self.places[index][0]]
        values = self._window(mask, index)[0][..., 0]
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), NO_LABEL, values)
            if (values % 1 != 0).any():
                raise ValueError(
                    f"load: labels must be whole numbers, got {values[values % 1 != 0][0]} in {mask.path}."
                )
        return np.where(np.isin(values, self.ignored[i]), NO_LABEL, values.astype(np.int64))

    def valid(self, index):
        """(h, w) bool, up to the border: where no band of the image is nodata."""
        return self._window(self.images[self.places[index][0]], index)[1]

    def _window(self, raster, index):
        _, row, column = self.places[index]
        with open_raster(raster.path) as source:
            return read_window(
                source, raster, row, column, min(self.side, raster.height - row), min(self.side, raster.width - column)
            )

    def read(self, index):
        """The labels at `index`: (side, side) uint8 class index."""
        classes = self.table.indices(Piece(self, index))
        if self.holes is None or self.holes[index]:
            classes[~self.valid(index)] = IGNORE
        more = ((0, self.side - size) for size in classes.shape)
        return np.pad(classes, tuple(more), constant_values=IGNORE)

    __getitem__ = read

    def dataset(self):
        """tf.data.Dataset of single maps of labels in their order."""
        return _dataset(self, (self.side, self.side), "uint8")


class Piece(typing.NamedTuple):
    """One tile's labels as `Table` reads them: by name and mask, and not before it asks."""

    labels: Labels
    index: int

    @property
    def name(self):
        return name_of(self.labels.masks, self.labels.places[self.index])

    @property
    def mask(self):
        return self.labels.values(self.index)


def name_of(rasters, place):
    """What a tile is called: its raster's file, and the row and column of its upper left pixel."""
    return f"{Path(rasters[place[0]].path).name} row {place[1]} column {place[2]}"


def _dataset(values, shape, dtype):
    import tensorflow as tf

    def one(index):
        return tf.ensure_shape(tf.numpy_function(lambda i: values.read(int(i)), [index], dtype), shape)

    return tf.data.Dataset.range(len(values)).map(one, tf.data.AUTOTUNE, deterministic=True)
