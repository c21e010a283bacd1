"""Bilinear enlargement by a whole factor, of maps of any size."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert
from zoo.layers.warp import sample


@keras.saving.register_keras_serializable("zoo")
class Upsample(layers.Layer):
    """Maps `factor` times as high and wide, bilinearly; computed in float32.

    (B, H, W, C) float  ->  (B, factor * H, factor * W, C) float.

    `keras.layers.UpSampling2D` does the same where the size is known; this one also where it is not, and exported.

    Args:
        factor: how many times larger along each side.
        corners: whether the centers of the corner pixels stay where they are, so that the grid is stretched (PyTorch's
            `align_corners`); otherwise the outer edges of the corner pixels do.
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
        down, across = self._places(height), self._places(width)
        batched = ops.zeros_like(x[:, :1, :1, 0], dtype="float32")  # (B, 1, 1)
        found = sample(x, batched + across[None, None], batched + down[None, :, None])
        return ops.cast(found, self.compute_dtype)

    def _places(self, side):
        """Where the pixels of the answer lie along a side of what comes in."""
        place = ops.arange(side * self.factor, dtype="float32")
        last = ops.cast(side - 1, "float32")
        if self.corners:
            return place * last / ops.maximum(ops.cast(side * self.factor - 1, "float32"), 1.0)
        return ops.clip((place + 0.5) / self.factor - 0.5, 0.0, last)

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return (b, h and h * self.factor, w and w * self.factor, c)

    def macs(self, input_shape):
        """Interpolation counts nothing."""
        return 0

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "corners": self.corners}
