"""The input pixels that the cells of a feature map depend on: exact arithmetic along one axis."""

import math
import typing

import numpy as np


class FieldBounds(typing.NamedTuple):
    """First and last input pixel that each cell of a map depends on, along one axis.

    The arrays hold one period: the cell len(first) further on has bounds `shift` pixels further on. Borders are
    ignored, so a receptive field may be larger than the image.
    """

    first: np.ndarray
    last: np.ndarray
    shift: int

    @classmethod
    def of_pixels(cls):
        """Returns the bounds of the input's pixels: each depends on itself."""
        return cls(np.zeros(1, int), np.zeros(1, int), 1)

    @property
    def size(self):
        """Largest number of pixels that one cell spans."""
        return int((self.last - self.first).max()) + 1

    def union_over(self, cells, advance):
        """Returns the bounds of a new map, whose cell i depends on the cells `cells[i]` of this map.

        Args:
            cells: (period, n) indices.
            advance: by how many cells the indices of cell i + period exceed those of cell i.
        """
        periods, phase = np.divmod(cells, len(self.first))
        first, last = self.first[phase] + periods * self.shift, self.last[phase] + periods * self.shift
        return FieldBounds(first.min(axis=1), last.max(axis=1), advance // len(self.first) * self.shift)

    def convolve(self, size, stride=1, dilation=1, before=0):
        """Returns the bounds after windows of `size` cells at every `stride`, with `before` cells of padding."""
        period = len(self.first) // math.gcd(len(self.first), stride)
        cells = np.arange(period)[:, None] * stride + np.arange(size) * dilation - before
        return self.union_over(cells, period * stride)

    def repeat(self, factor):
        """Returns the bounds after every cell is repeated `factor` times."""
        period = len(self.first) * factor
        return self.union_over(np.arange(period)[:, None] // factor, len(self.first))

    def interpolate(self, factor):
        """Returns the bounds after linear interpolation to `factor` cells per cell, with aligned cell edges."""
        period = len(self.first) * factor
        position = 2 * np.arange(period) + 1 - factor  # in halves of a new cell, from the center of old cell 0
        low, exact = position // (2 * factor), position % (2 * factor) == 0
        return self.union_over(np.stack([low, low + ~exact], axis=1), len(self.first))

    def transposed_convolve(self, size, stride, before=0):
        """Returns the bounds after a transposed convolution with `size` >= `stride`; `before` cells are cropped."""
        position = np.arange(len(self.first) * stride) + before
        return self.union_over(
            np.stack([-((size - 1 - position) // stride), position // stride], axis=1), len(self.first)
        )

    def union(self, other):
        """Returns the bounds of cells that depend on both maps; None where the maps differ in scale."""
        if self.shift * len(other.first) != other.shift * len(self.first):
            return None
        period = math.lcm(len(self.first), len(other.first))
        one, two = (bounds.union_over(np.arange(period)[:, None], period) for bounds in (self, other))
        return FieldBounds(np.minimum(one.first, two.first), np.maximum(one.last, two.last), one.shift)
