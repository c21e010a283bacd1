"""RoI pooling: the largest value of a map in each bin of a region, with bins rounded to whole cells."""

import math

import keras
from keras import layers, ops

from zoo.arguments import Count, convert

LEVELS = 7  # base-2 logarithm of the largest window, where the map has no fixed size


def roi_pool(maps, boxes, size, stride):
    """Returns the features of regions: (B, H, W, C), (B, R, 4)  ->  (B, R, size, size, C).

    The corners of a region are rounded to whole cells. Its bins are size x size; they may overlap by a cell. A bin has
    the largest value of its cells, and 0 where it lies outside of the map.

    The largest values of windows of 1, 2, 4, ... cells are computed once; a bin is the union of four such windows.

    Args:
        maps: (B, H, W, C).
        boxes: (B, R, 4) [pixels].
        size: bins along each side.
        stride: pixels from a cell to the next one.

    Source: Girshick 2015, https://arxiv.org/abs/1504.08083, section 2.1; torchvision's `roi_pool`.
    """
    batch, height, width, channels = ops.shape(maps)
    levels = [_levels(side, size) for side in maps.shape[1:3]]
    table = ops.stack([ops.stack(_windows(rows, 2, levels[1]), 1) for rows in _windows(maps, 1, levels[0])], 1)
    cells = ops.reshape(table, (-1, channels))
    corners = ops.cast(ops.floor(boxes / stride + 0.5), "int32")
    rows, columns = (_bins(corners[..., i], corners[..., i + 2], size, side) for i, side in ((1, height), (0, width)))
    (row_start, row_end), (column_start, column_end) = rows, columns
    row_level = _level(row_end - row_start, levels[0])[..., :, None]
    column_level = _level(column_end - column_start, levels[1])[..., None, :]
    first = ops.arange(batch, dtype="int32")[:, None, None, None] * levels[0] + row_level
    first = (first * levels[1] + column_level) * (height * width)
    row_starts = row_start[..., :, None], row_end[..., :, None] - 2**row_level
    column_starts = column_start[..., None, :], column_end[..., None, :] - 2**column_level
    pooled = None
    for row in row_starts:
        for column in column_starts:
            index = ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1)
            values = ops.take(cells, first + index, axis=0)
            pooled = values if pooled is None else ops.maximum(pooled, values)
    is_empty = (row_end <= row_start)[..., :, None] | (column_end <= column_start)[..., None, :]
    return ops.where(is_empty[..., None], ops.cast(0.0, pooled.dtype), pooled)


def _levels(side, size):
    """Returns the number of window lengths 1, 2, 4, ... that the bins of a side need."""
    return LEVELS if side is None else 1 + int(math.log2(side / size + 2))


def _windows(maps, axis, levels):
    """Returns the largest values of the 2 ** level cells from each cell on, along an axis, for each level."""
    windows, low = [maps], float("-inf")
    for level in range(levels - 1):
        stride = 2**level
        padding = [(0, stride) if i == axis else (0, 0) for i in range(4)]
        padded = ops.pad(windows[-1], padding, constant_values=low)
        following = padded[:, stride:] if axis == 1 else padded[:, :, stride:]
        windows.append(ops.maximum(windows[-1], following))
    return windows


def _bins(low, high, size, side):
    """Returns the first cell and the one after the last, (B, R, size) each, of the bins of spans (B, R)."""
    length = ops.cast(ops.maximum(high - low + 1, 1), "float32")[..., None] / size
    index = ops.arange(size, dtype="float32")
    start = ops.cast(ops.floor(index * length), "int32") + low[..., None]
    end = ops.cast(ops.ceil((index + 1) * length), "int32") + low[..., None]
    return ops.clip(start, 0, side), ops.clip(end, 0, side)


def _level(length, levels):
    """Returns the level of the largest window that is not longer than a bin."""
    thresholds = ops.convert_to_tensor([2**level for level in range(1, levels)] or [2**30], "int32")
    return ops.sum(ops.cast(length[..., None] >= thresholds, "int32"), axis=-1)


@keras.saving.register_keras_serializable("zoo")
class RoIPool(layers.Layer):
    """Features of regions from a map. Call: `RoIPool(size, stride)([map, regions])`.

    (B, H, W, C), (B, R, 4) [pixels]  ->  (B R, size, size, C) float32. The regions of all images follow each other on
    the first axis, so that any layer can follow. The regions have no gradient.

    Args:
        size: bins along each side.
        stride: of the map [pixels].
        **kwargs: passed to `keras.layers.Layer`.

    Source: Girshick 2015, https://arxiv.org/abs/1504.08083, section 2.1.
    """

    def __init__(self, size, stride, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = convert(size, Count, "RoIPool: `size`")
        self.stride = convert(stride, Count, "RoIPool: `stride`")

    def call(self, inputs):
        maps, regions = inputs
        pooled = roi_pool(maps, ops.stop_gradient(regions), self.size, self.stride)
        return ops.reshape(pooled, (-1, self.size, self.size, maps.shape[-1]))

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), (_, count, _) = input_shape
        return (None if None in (batch, count) else batch * count, self.size, self.size, channels)

    def macs(self, shapes):
        """Comparisons are not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "size": self.size, "stride": self.stride}
