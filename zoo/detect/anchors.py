"""Anchors: boxes of a few sizes and aspect ratios around every cell of a map."""

import numpy as np
from keras import ops

ASPECT_RATIOS = (0.5, 1.0, 2.0)  # height divided by width


def cell_anchors(sizes):
    """Returns the anchors around the origin, rounded to whole pixels: (3 ratios * sizes, 4) float32, ratio by ratio.

    Args:
        sizes: square root of each anchor's area [pixels].

    Source: torchvision's `AnchorGenerator`.
    """
    root = np.sqrt(np.asarray(ASPECT_RATIOS, np.float32))[:, None]
    sizes = np.asarray(sizes, np.float32)
    width, height = np.ravel(sizes / root), np.ravel(sizes * root)
    return np.round(np.stack([-width, -height, width, height], axis=1) / 2)


def grid_anchors(anchors, rows, columns, height, width):
    """Returns the anchors of every cell of a map, row by row: (rows * columns * A, 4) float32 [pixels].

    A cell is a whole number of pixels from the next one, and its anchors are centered at its upper left corner.

    Args:
        anchors: (A, 4) anchors around the origin.
        rows, columns: size of the map.
        height, width: size of the image [pixels].
    """
    y = ops.arange(rows, dtype="float32") * ops.cast(height // rows, "float32")
    x = ops.arange(columns, dtype="float32") * ops.cast(width // columns, "float32")
    y, x = ops.meshgrid(y, x, indexing="ij")
    corners = ops.stack([x, y, x, y], axis=-1)
    return ops.reshape(corners[:, :, None] + ops.convert_to_tensor(anchors, "float32"), (-1, 4))
