"""Bilinear upsampling by an integer factor."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert
from zoo.layers.warp import sample


@keras.saving.register_keras_serializable("zoo")
class Upsample(layers.Layer):
    """Upsamples maps by bilinear interpolation, computed in float32.

    (B, H, W, C) float  ->  (B, factor * H, factor * W, C) float.

    Unlike `keras.layers.UpSampling2D`, it can also be exported for maps of unknown size.

    Args:
        factor: factor along each side.
        corners: whether the centers of the corner pixels are aligned (PyTorch's `align_corners`), or else their outer
            edges.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `factor` is not an integer of at least 1.
    """

    def __init__(self, factor, corners=False, **kwargs):
        super().__init__(**kwargs)
        self.factor = convert(factor, Count, "Upsample: `factor`")
        self.corners = convert(corners, bool, "Upsample: `corners`")

    def call(self, x):
        _, height, width, _ = ops.shape(x)
        rows, columns = self._source_coordinates(height), self._source_coordinates(width)
        zeros = ops.zeros_like(x[:, :1, :1, 0], dtype="float32")  # (B, 1, 1), for the size of the batch
        upsampled = sample(x, zeros + columns[None, None], zeros + rows[None, :, None])
        return ops.cast(upsampled, self.compute_dtype)

    def _source_coordinates(self, side):
        """Returns the coordinates of the output pixels along a side of the input."""
        index = ops.arange(side * self.factor, dtype="float32")
        last = ops.cast(side - 1, "float32")
        if self.corners:
            return index * last / ops.maximum(ops.cast(side * self.factor - 1, "float32"), 1.0)
        return ops.clip((index + 0.5) / self.factor - 0.5, 0.0, last)

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return (b, h and h * self.factor, w and w * self.factor, c)

    def macs(self, input_shape):
        """Interpolation is not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "corners": self.corners}
