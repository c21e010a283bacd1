"""Upsampling by 2 and a 3 x 3 convolution, computed as one transposed convolution."""

import keras
import numpy as np
from keras import layers, ops

# Maps the 3 taps of a kernel row to the 4 taps of the equivalent transposed convolution, which are sums of them.
TAP_SUMS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], "float32")


@keras.saving.register_keras_serializable("zoo")
class UpsampleConv2D(layers.Conv2D):
    """`keras.layers.UpSampling2D(2)` followed by a 3 x 3 convolution with "same" padding, in one operation.

    (B, H, W, C) float  ->  (B, 2 H, 2 W, filters) float.

    After upsampling each input pixel occurs four times, so only four of the nine pixels under a kernel differ. The
    layer first sums the kernel weights that meet the same pixel, which leaves 16 of 36 products. Weights and outputs
    equal those of the two Keras layers up to rounding. A training step takes half to two thirds of the time
    (benchmarks/ddpm_speed.py).

    Args:
        filters: number of output channels.
        **kwargs: arguments of `keras.layers.Conv2D`, except `kernel_size`, `strides`, `padding`, `dilation_rate` and
            `groups`, which are fixed.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 3, padding="same", **kwargs)

    def call(self, x):
        channels = self.kernel.shape[2]
        taps = ops.reshape(self.kernel, (9, channels * self.filters))
        taps = ops.matmul(ops.cast(np.kron(TAP_SUMS, TAP_SUMS), taps.dtype), taps)
        taps = ops.transpose(ops.reshape(taps, (16, channels, self.filters)), (0, 2, 1))
        kernel = ops.reshape(taps, (4, 4, self.filters, channels))
        x = ops.conv_transpose(x, kernel, strides=2, padding="same", data_format="channels_last")
        return add_bias_and_activation(self, x)

    def compute_output_shape(self, input_shape):
        b, h, w, _ = input_shape
        return (b, h and 2 * h, w and 2 * w, self.filters)

    def macs(self, input_shape):
        """16 products per input channel, output channel and input pixel."""
        b, h, w, c = input_shape
        return b * h * w * 16 * c * self.filters

    def get_config(self):
        fixed = ("rank", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups")
        return {k: v for k, v in super().get_config().items() if k not in fixed}


def add_bias_and_activation(layer, x):
    """Applies the bias and the activation of a convolutional layer to the result of its convolution."""
    x = x + layer.bias if layer.use_bias else x
    return x if layer.activation is None else layer.activation(x)
