"""Backward warping: what an image shows where a flow points."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Warp(layers.Layer):
    """An image seen where a flow points: the answer at (x, y) is the image at (x + u, y + v), bilinearly.

    (B, H, W, C) and (B, H, W, 2) float  ->  (B, H, W, C) float; the call is `Warp()([image, flow])`.

    The flow is (u, v) [pixels], to the right and down. If it leads from a first frame to a second, the warped second
    frame looks like the first. What lies outside the image is zero.

    Args:
        **kwargs: passed to `keras.layers.Layer`.

    Source: Jaderberg et al. 2015, https://arxiv.org/abs/1506.02025, eq. 5.
    """

    def __init__(self, **kwargs):
        # half a precision is no precision for places: the flow stays as it comes
        super().__init__(**{"autocast": False, **kwargs})

    def call(self, inputs):
        image, flow = inputs
        x, y = places(image)
        flow = ops.cast(flow, "float32")
        return ops.cast(sample(image, x + flow[..., 0], y + flow[..., 1]), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def macs(self, shapes):
        """Interpolation counts nothing."""
        return 0


def places(image):
    """The x (1, 1, W) and y (1, H, 1) of every pixel."""
    _, height, width, _ = ops.shape(image)
    return (
        ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1)),
        ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1)),
    )


def sample(image, x, y):
    """An image between its pixels, bilinearly; zero outside.

    Args:
        image: (B, H, W, C).
        x, y: (B, h, w) float32, where to look [pixels], (0, 0) being the center of the first pixel.
    Returns:
        (B, h, w, C) float32.
    """
    batch, height, width, _ = ops.shape(image)
    rows = ops.reshape(image, (-1, image.shape[-1]))
    start = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    right_end, bottom_end = (ops.cast(side - 1, "float32") for side in (width, height))
    left, top = ops.floor(x), ops.floor(y)
    answer = 0.0
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            # a place far outside may not fit an integer, so it is cut before it becomes one
            column_in, row_in = ops.clip(column, 0.0, right_end), ops.clip(row, 0.0, bottom_end)
            inside = ops.logical_and(ops.equal(column, column_in), ops.equal(row, row_in))
            share = ops.where(inside, across * down, 0.0)
            place = start + ops.cast(row_in, "int32") * width + ops.cast(column_in, "int32")
            answer = answer + share[..., None] * ops.cast(ops.take(rows, place, axis=0), "float32")
    return answer
