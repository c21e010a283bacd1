"""Backward warping of images by a flow, and bilinear sampling."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Warp(layers.Layer):
    """Warps an image by a flow: the output at (x, y) is the image at (x + u, y + v), by bilinear interpolation.

    (B, H, W, C) and (B, H, W, 2) float  ->  (B, H, W, C) float. Call: `Warp()([image, flow])`.

    The flow is (u, v) [pixels], to the right and down. With the flow from a first frame to a second, the warped second
    frame resembles the first. Pixels outside the image are zero.

    Args:
        **kwargs: passed to `keras.layers.Layer`.

    Source: Jaderberg et al. 2015, https://arxiv.org/abs/1506.02025, eq. 5.
    """

    def __init__(self, **kwargs):
        # half precision is too coarse for coordinates: the flow is not cast
        super().__init__(**{"autocast": False, **kwargs})

    def call(self, inputs):
        image, flow = inputs
        x, y = pixel_coordinates(image)
        flow = ops.cast(flow, "float32")
        return ops.cast(sample(image, x + flow[..., 0], y + flow[..., 1]), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def macs(self, shapes):
        """Interpolation is not counted."""
        return 0


def pixel_coordinates(image):
    """Returns the x (1, 1, W) and y (1, H, 1) of every pixel."""
    _, height, width, _ = ops.shape(image)
    return (
        ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1)),
        ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1)),
    )


def sample(image, x, y):
    """Samples an image at any coordinates by bilinear interpolation, with zeros outside.

    Args:
        image: (B, H, W, C).
        x, y: (B, h, w) float32 coordinates [pixels]; (0, 0) is the center of the first pixel.
    Returns:
        (B, h, w, C) float32.
    """
    batch, height, width, _ = ops.shape(image)
    rows = ops.reshape(image, (-1, image.shape[-1]))
    start = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    right_end, bottom_end = (ops.cast(side - 1, "float32") for side in (width, height))
    left, top = ops.floor(x), ops.floor(y)
    total = 0.0
    for column, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
        for row, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
            # coordinates far outside may exceed the integers, so they are clipped before the cast
            column_in, row_in = ops.clip(column, 0.0, right_end), ops.clip(row, 0.0, bottom_end)
            inside = ops.logical_and(ops.equal(column, column_in), ops.equal(row, row_in))
            weight = ops.where(inside, weight_x * weight_y, 0.0)
            index = start + ops.cast(row_in, "int32") * width + ops.cast(column_in, "int32")
            total = total + weight[..., None] * ops.cast(ops.take(rows, index, axis=0), "float32")
    return total
