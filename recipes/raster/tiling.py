"""Where overlapping tiles lie along one side of a raster, and how much of each pixel's answer each of them gives.

Between a tile and the next lies one transition, in the middle of their overlap. A tile's weight is what has risen at
its first transition less what has risen at its second, so the weights of all tiles sum to 1 at every pixel.
"""

import itertools
import typing

import numpy as np


class Axis(typing.NamedTuple):
    """The tiles along one side.

    Args:
        size: of the raster [pixels].
        tile: side of a tile [pixels].
        starts: first pixel of each tile, in order.
        width: of each transition [pixels]; 0 is a cut.
        blend: cosine, linear or none: how a transition rises.
    """

    size: int
    tile: int
    starts: tuple
    width: int
    blend: str

    def weights(self, k):
        """(tile,) float32 weight of each pixel of the tile `k`."""
        risen = 1.0 if k == 0 else self._risen(k, k - 1)
        left = 0.0 if k == len(self.starts) - 1 else self._risen(k, k)
        return np.broadcast_to(risen - left, (self.tile,)).astype(np.float32)

    def _risen(self, k, transition):
        """(tile,) share that the tiles after a transition have, at the pixels of the tile `k`."""
        first, second = self.starts[transition : transition + 2]
        away = self.starts[k] + np.arange(self.tile) + 0.5 - (first + self.tile + second) / 2
        if not self.width:
            return (away >= 0).astype(np.float64)
        share = np.clip(away / self.width + 0.5, 0, 1)
        return (1 - np.cos(np.pi * share)) / 2 if self.blend == "cosine" else share

    def span(self, k):
        """(first, end) pixels of the raster that the tile `k` gives something to."""
        some = np.flatnonzero(self.weights(k))
        return self.starts[k] + int(some[0]), min(self.starts[k] + int(some[-1]) + 1, self.size)

    def within(self, first, end):
        """The tiles that give something to the pixels from `first` up to, not including, `end`."""
        spans = [(k, *self.span(k)) for k in range(len(self.starts))]
        return [k for k, low, high in spans if low < end and high > first]


def axis(size, tile, overlap, *, unit=1, reach=None, blend="cosine", fixed=False):
    """`Axis` of tiles that cover `size` pixels.

    Tiles start at multiples of `unit`; the last one ends with the raster, mirrored up to a multiple. A transition
    leaves out the `reach` pixels at a tile's end, where the network misses neighbours, as far as the overlap has room
    for that: then tiles answer what the whole raster would.

    Args:
        size: of the raster [pixels].
        tile, overlap: of the tiles [pixels], multiples of `unit`; the last overlap may be larger.
        unit: what a side must be a multiple of for the model.
        reach: how far the model looks to one side [pixels], or None where it is not known.
        blend: cosine, linear or none.
        fixed: whether a raster smaller than the tile is mirrored up to it; else the tile shrinks.
    """
    padded = -(-size // unit) * unit
    tile = tile if fixed else min(tile, padded)
    starts = [*range(0, max(padded - tile, 0), tile - overlap), max(padded - tile, 0)]
    width = overlap if reach is None or 2 * reach >= overlap else overlap - 2 * reach
    return Axis(size, tile, tuple(starts), 0 if blend == "none" else width, blend)


def stripes(size, most, block):
    """Parts of about equal width, no wider than `most`, that begin at multiples of `block`: list of (first, end)."""
    blocks = -(-size // block)
    count = -(-blocks // max(1, most // block))
    edges = [blocks * i // count * block for i in range(count)] + [size]
    return list(itertools.pairwise(edges))
