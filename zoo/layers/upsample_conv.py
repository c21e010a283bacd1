"""A map twice as large and a convolution of it, computed on the small map."""

import keras
import numpy as np
from keras import layers, ops

# What a pixel of the small map is multiplied with, by the taps of the large one: first, first + second, ...
SUMS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], "float32")


@keras.saving.register_keras_serializable("zoo")
class UpsampleConv2D(layers.Conv2D):
    """`keras.layers.UpSampling2D(2)` and a 3 x 3 convolution that keeps the size, as one transposed convolution.

    (B, H, W, C) float  ->  (B, 2 H, 2 W, filters) float.

    Of the nine pixels below a kernel only four differ, as every pixel stands four times: the weights that meet the same
    pixel are summed first, which leaves 16 of 36 products. Weights and answers are those of the two layers, up to the
    rounding; a training step takes half to two thirds of the time (benchmarks/ddpm_speed.py).

    Args:
        filters: maps that come out.
        **kwargs: as `keras.layers.Conv2D` has them, but for `kernel_size`, `strides`, `padding`, `dilation_rate` and
            `groups`, which are fixed.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 3, padding="same", **kwargs)

    def call(self, x):
        channels = self.kernel.shape[2]
        taps = ops.reshape(self.kernel, (9, channels * self.filters))
        taps = ops.matmul(ops.cast(np.kron(SUMS, SUMS), taps.dtype), taps)
        taps = ops.transpose(ops.reshape(taps, (16, channels, self.filters)), (0, 2, 1))
        kernel = ops.reshape(taps, (4, 4, self.filters, channels))
        return ended(self, ops.conv_transpose(x, kernel, strides=2, padding="same", data_format="channels_last"))

    def compute_output_shape(self, input_shape):
        b, h, w, _ = input_shape
        return (b, h and 2 * h, w and 2 * w, self.filters)

    def macs(self, input_shape):
        """16 products for each input, output map and pixel of the small map."""
        b, h, w, c = input_shape
        return b * h * w * 16 * c * self.filters

    def get_config(self):
        fixed = ("rank", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups")
        return {k: v for k, v in super().get_config().items() if k not in fixed}


def ended(layer, x):
    """What a convolutional layer does after its product: bias and activation."""
    x = x + layer.bias if layer.use_bias else x
    return x if layer.activation is None else layer.activation(x)
