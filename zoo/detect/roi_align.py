"""RoIAlign: the features of a region, sampled at a fixed number of points without rounding."""

import math

import keras
from keras import layers, ops

from zoo.arguments import Count, convert
from zoo.detect.boxes import area

CANONICAL_SIDE, CANONICAL_SCALE = 224, 4  # a region of 224 x 224 pixels has its features from the map of stride 16


def roi_align(cells, boxes, size, grid, samples=2):
    """Returns the features of regions: (B, N, C), (B, R, 4)  ->  (B, R, size, size, C).

    Each of size x size bins has the mean of samples x samples points, which are interpolated bilinearly. The value of a
    cell is at its index, times the stride. Points up to a cell outside of the map have the value at the border, and
    those beyond 0. Regions are at least a cell wide.

    Args:
        cells: (B, N, C) one or several maps (B, H, W, C), each with its cells row by row.
        boxes: (B, R, 4) [pixels].
        size: bins along each side.
        grid: the map of each region, as (first cell, rows, columns, stride), each (B, R) or a number. The stride is in
            pixels from a cell to the next one.
        samples: points along each side of a bin.

    Source: He et al. 2017, https://arxiv.org/abs/1703.06870, section 3; torchvision's `roi_align` with aligned=False.
    """
    batch, count, channels = ops.shape(cells)
    first, rows, columns, stride = (ops.cast(g, "int32") * ops.ones_like(boxes[..., 0], "int32") for g in grid)
    scaled = boxes / ops.cast(stride, boxes.dtype)[..., None]
    low, high = scaled[..., :2], scaled[..., 2:]
    step = ops.maximum(high - low, 1.0) / (size * samples)
    first = first + count * ops.arange(batch, dtype="int32")[:, None]
    cells = ops.reshape(cells, (-1, channels))
    total = 0.0
    for i in range(samples):  # the samples one by one: a quarter of the memory
        index = ops.arange(size, dtype=boxes.dtype) * samples + i + 0.5
        row_points = _neighbors(low[..., 1:] + index * step[..., 1:], rows)
        for j in range(samples):
            index = ops.arange(size, dtype=boxes.dtype) * samples + j + 0.5
            for column, column_weight in _neighbors(low[..., :1] + index * step[..., :1], columns):
                for row, row_weight in row_points:
                    cell = (row * columns[..., None])[..., :, None] + column[..., None, :] + first[..., None, None]
                    weight = row_weight[..., :, None, None] * column_weight[..., None, :, None]
                    total += ops.take(cells, cell, axis=0) * ops.cast(weight, cells.dtype)
    return total / samples**2


def _neighbors(points, side):
    """Returns the two cells around each point (B, R, n) along sides (B, R), as (index, weight) of the points' shape."""
    last = ops.cast(side - 1, points.dtype)[..., None]
    inside = ops.cast((points >= -1) & (points <= last + 1), points.dtype)
    points = ops.minimum(ops.maximum(points, 0.0), last)
    below = ops.floor(points)
    fraction = points - below
    above = ops.minimum(below + 1, last)
    return [
        (ops.cast(below, "int32"), inside * (1 - fraction)),
        (ops.cast(above, "int32"), inside * fraction),
    ]


@keras.saving.register_keras_serializable("zoo")
class RoIAlign(layers.Layer):
    """Features of regions from one map or a pyramid. Call: `RoIAlign(size, strides)([cells, regions, image])`.

    (B, N, C), (B, R, 4) [pixels], (B, H, W, bands)  ->  (B R, size, size, C) float32. The regions of all images follow
    each other on the first axis, so that any layer can follow.

    With several strides, a region of 224 x 224 pixels has its features from the map of stride 16, one of half its side
    from that of stride 8, and so on. The regions have no gradient.

    Args:
        size: bins along each side.
        strides: of the maps whose cells follow each other, finest first [pixels]; each twice the one before.
        **kwargs: passed to `keras.layers.Layer`.

    Source: He et al. 2017, section 3; levels as in Lin et al. 2017, https://arxiv.org/abs/1612.03144, equation 1.
    """

    def __init__(self, size, strides, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = convert(size, Count, "RoIAlign: `size`")
        self.strides = convert(strides, tuple[Count, ...], "RoIAlign: `strides`")

    def call(self, inputs):
        cells, regions, image = inputs
        regions = ops.stop_gradient(regions)
        _, height, width, _ = ops.shape(image)
        level, grids, first = self._level(regions), [], 0
        for stride in self.strides:
            rows, columns = height // stride, width // stride
            grids.append([ops.cast(v, "int32") for v in (first, rows, columns, stride)])
            first += rows * columns
        grid = [ops.take(ops.stack(values), level) for values in zip(*grids, strict=True)]
        aligned = roi_align(cells, regions, self.size, grid)
        return ops.reshape(aligned, (-1, self.size, self.size, cells.shape[-1]))

    def _level(self, regions):
        """Returns the index of the map that each region has its features from, (B, R)."""
        side = ops.sqrt(ops.maximum(area(regions), 1e-6))
        scale = ops.floor(CANONICAL_SCALE + ops.log2(side / CANONICAL_SIDE) + 1e-6)
        level = ops.cast(scale - math.log2(self.strides[0]), "int32")
        return ops.clip(level, 0, len(self.strides) - 1)

    def compute_output_shape(self, input_shape):
        (batch, _, channels), (_, count, _), _ = input_shape
        return (None if None in (batch, count) else batch * count, self.size, self.size, channels)

    def macs(self, shapes):
        """Interpolation is not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "size": self.size, "strides": self.strides}
