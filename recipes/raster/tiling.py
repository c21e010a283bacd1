"""Positions and blending weights of overlapping tiles along one axis of a raster.

Two neighboring tiles have one transition, in the middle of their overlap. A tile's weight is the rise of its first
transition minus the rise of its second, so the weights of all tiles sum to 1 at every pixel.
"""

import itertools
import typing

import numpy as np

from recipes.data.rasters.tile_starts import tile_starts


class TileAxis(typing.NamedTuple):
    """The tiles along one axis.

    Args:
        size: of the raster [pixels].
        tile: side of a tile [pixels].
        starts: first pixel of each tile, in increasing order.
        width: of each transition [pixels]; 0 is a cut.
        blend: shape of a transition: cosine, linear or none.
    """

    size: int
    tile: int
    starts: tuple
    width: int
    blend: str

    def weights(self, index):
        """Returns the (tile,) float32 weights of the pixels of one tile."""
        first_rise = 1.0 if index == 0 else self._rise(index, index - 1)
        second_rise = 0.0 if index == len(self.starts) - 1 else self._rise(index, index)
        return np.broadcast_to(first_rise - second_rise, (self.tile,)).astype(np.float32)

    def _rise(self, index, transition):
        """Total weight (tile,) of all tiles after a transition, at the pixels of one tile, from 0 to 1."""
        first, second = self.starts[transition : transition + 2]
        distance = self.starts[index] + np.arange(self.tile) + 0.5 - (first + self.tile + second) / 2
        if not self.width:
            return (distance >= 0).astype(np.float64)
        fraction = np.clip(distance / self.width + 0.5, 0, 1)
        return (1 - np.cos(np.pi * fraction)) / 2 if self.blend == "cosine" else fraction

    def span(self, index):
        """Returns (first, end) of the raster's pixels at which one tile has a weight above 0."""
        weighted = np.flatnonzero(self.weights(index))
        return self.starts[index] + int(weighted[0]), min(self.starts[index] + int(weighted[-1]) + 1, self.size)

    def tiles_within(self, first, end):
        """Returns the indices of the tiles that have a weight at any pixel from `first` up to, excluding, `end`."""
        spans = [(i, *self.span(i)) for i in range(len(self.starts))]
        return [i for i, low, high in spans if low < end and high > first]


def tile_axis(size, tile, overlap, *, unit=1, receptive_radius=None, blend="cosine", fixed=False):
    """Returns the `TileAxis` of tiles that cover `size` pixels.

    Tiles start at multiples of `unit`. The last tile ends with the raster, which is mirrored up to a multiple of
    `unit`. A transition excludes the `receptive_radius` pixels at each end of a tile, where the network lacks
    neighbors, if the overlap is wide enough. Then tiles give the same prediction as the whole raster.

    Args:
        size: of the raster [pixels].
        tile, overlap: of the tiles [pixels], multiples of `unit`; the last overlap may be larger.
        unit: the model's sides are multiples of this [pixels].
        receptive_radius: half of the model's receptive field [pixels], or None if unknown.
        blend: cosine, linear or none.
        fixed: whether a raster smaller than the tile is mirrored up to it; otherwise the tile shrinks.
    """
    padded = -(-size // unit) * unit
    tile = tile if fixed else min(tile, padded)
    starts = tile_starts(padded, tile, overlap)
    width = overlap
    if receptive_radius is not None and 2 * receptive_radius < overlap:
        width = overlap - 2 * receptive_radius
    return TileAxis(size, tile, tuple(starts), 0 if blend == "none" else width, blend)


def split_into_stripes(size, max_width, block):
    """Returns (first, end) of stripes of about equal width, at most `max_width`, that start at multiples of `block`."""
    blocks = -(-size // block)
    count = -(-blocks // max(1, max_width // block))
    edges = [blocks * i // count * block for i in range(count)] + [size]
    return list(itertools.pairwise(edges))
