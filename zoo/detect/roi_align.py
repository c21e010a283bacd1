"""RoIAlign: the features of a region, sampled at a fixed number of points without rounding."""

from keras import ops


def roi_align(feature_map, boxes, size, stride, samples=2):
    """Returns the features of regions: (B, H, W, C), (B, R, 4)  ->  (B, R, size, size, C).

    Each of size x size bins has the mean of samples x samples points, which are interpolated bilinearly. The value of a
    cell is at its index, times `stride` [pixels]. Points up to a cell outside of the map have the value at the border,
    and those beyond 0. Regions are at least a cell wide.

    Args:
        feature_map: (B, H, W, C).
        boxes: (B, R, 4) [pixels].
        size: bins along each side.
        stride: pixels from a cell to the next one.
        samples: points along each side of a bin.

    Source: He et al. 2017, https://arxiv.org/abs/1703.06870, section 3; torchvision's `roi_align` with aligned=False.
    """
    batch, height, width, channels = ops.shape(feature_map)
    low, high = boxes[..., :2] / stride, boxes[..., 2:] / stride
    step = ops.maximum(high - low, 1.0) / (size * samples)
    index = ops.arange(size * samples, dtype=boxes.dtype) + 0.5
    points = low[..., None, :] + index[:, None] * step[..., None, :]  # (B, R, size * samples, 2)
    column, row = _neighbors(points[..., 0], width), _neighbors(points[..., 1], height)
    cells = ops.reshape(feature_map, (batch, height * width, channels))
    sampled = 0.0
    for i, row_weight in row:
        for j, column_weight in column:
            cell = ops.reshape(i[..., :, None] * width + j[..., None, :], (batch, -1, 1))
            weight = ops.reshape(row_weight[..., :, None] * column_weight[..., None, :], (batch, -1, 1))
            sampled += ops.take_along_axis(cells, cell, axis=1) * ops.cast(weight, cells.dtype)
    sampled = ops.reshape(sampled, (batch, -1, size, samples, size, samples, channels))
    return ops.mean(sampled, axis=(3, 5))


def _neighbors(points, side):
    """Returns the two cells around each point along one side, as (index, weight) pairs of the points' shape."""
    last = ops.cast(side - 1, points.dtype)
    inside = ops.cast((points >= -1) & (points <= last + 1), points.dtype)
    points = ops.clip(points, 0.0, last)
    below = ops.floor(points)
    fraction = points - below
    above = ops.minimum(below + 1, last)
    return [
        (ops.cast(below, "int32"), inside * (1 - fraction)),
        (ops.cast(above, "int32"), inside * fraction),
    ]
