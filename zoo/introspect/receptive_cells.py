"""Which pixels the cells of a map see: exact arithmetic along one axis."""

import math
import typing

import numpy as np


class Cells(typing.NamedTuple):
    """Along one axis, the first and the last input pixel that each cell of a map depends on.

    Beyond the arrays they repeat: len(first) cells further on, both are `shift` pixels further on. Nothing is cut off
    at a border, so a field may be larger than the image.
    """

    first: np.ndarray
    last: np.ndarray
    shift: int

    @classmethod
    def pixels(cls):
        """The cells of the input: each sees itself."""
        return cls(np.zeros(1, int), np.zeros(1, int), 1)

    @property
    def side(self):
        """The largest number of pixels that one cell spans."""
        return int((self.last - self.first).max()) + 1

    def see(self, taps, advance):
        """Cells whose cell i sees the cells `taps[i]` of these, and cell i + len(taps) those `advance` further on."""
        turns, phase = np.divmod(taps, len(self.first))
        first, last = self.first[phase] + turns * self.shift, self.last[phase] + turns * self.shift
        return Cells(first.min(axis=1), last.max(axis=1), advance // len(self.first) * self.shift)

    def slide(self, size, stride=1, dilation=1, before=0):
        """A window of `size` cells at every `stride`, after `before` cells of padding."""
        count = len(self.first) // math.gcd(len(self.first), stride)
        taps = np.arange(count)[:, None] * stride + np.arange(size) * dilation - before
        return self.see(taps, count * stride)

    def repeat(self, factor):
        """Every cell `factor` times."""
        count = len(self.first) * factor
        return self.see(np.arange(count)[:, None] // factor, len(self.first))

    def interpolate(self, factor):
        """`factor` cells for every one, each linearly between the two nearest centres."""
        count = len(self.first) * factor
        place = 2 * np.arange(count) + 1 - factor  # in halves of a new cell, from the first old centre
        low, exact = place // (2 * factor), place % (2 * factor) == 0
        return self.see(np.stack([low, low + ~exact], axis=1), len(self.first))

    def spread(self, size, stride, before=0):
        """A transposed window: every one adds to `size` >= `stride` cells, `stride` apart; `before` are cut off."""
        place = np.arange(len(self.first) * stride) + before
        return self.see(np.stack([-((size - 1 - place) // stride), place // stride], axis=1), len(self.first))

    def join(self, other):
        """Cells that see what either sees; None where the two maps differ in scale."""
        if self.shift * len(other.first) != other.shift * len(self.first):
            return None
        count = math.lcm(len(self.first), len(other.first))
        one, two = (cells.see(np.arange(count)[:, None], count) for cells in (self, other))
        return Cells(np.minimum(one.first, two.first), np.maximum(one.last, two.last), one.shift)
