"""A convolution whose output channels are connected to some of the input channels only (C3 of LeNet-5)."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class TableConv2D(layers.Layer):
    """Convolution with a connection table, which has one kernel per connection.

    (B, H, W, C) float  ->  (B, H - k + 1, W - k + 1, len(table)) float.

    Args:
        table: for each output channel, the indices of its input channels.
        kernel_size: side k of the square kernels [pixels].
        **kwargs: passed to `keras.layers.Layer`.

    Source: LeCun et al. 1998, section II.B and table I.
    """

    def __init__(self, table, kernel_size, **kwargs):
        super().__init__(**kwargs)
        self.table = tuple(tuple(row) for row in table)
        self.kernel_size = kernel_size

    def build(self, input_shape):
        pairs = [(i, o) for o, row in enumerate(self.table) for i in row]
        channels = input_shape[-1]
        one_hot = np.zeros((len(pairs), channels * len(self.table)), "float32")  # connection -> entry of a dense kernel
        for n, (i, o) in enumerate(pairs):
            one_hot[n, i * len(self.table) + o] = 1
        self.connections = one_hot
        fan_in = np.array([len(self.table[o]) for _, o in pairs]) * self.kernel_size**2
        k = self.kernel_size
        self.kernel = self.add_weight(shape=(k, k, len(pairs)), initializer=_uniform_initializer(fan_in), name="kernel")
        self.bias = self.add_weight(shape=(len(self.table),), initializer="zeros", name="bias")
        self.dense_shape = (k, k, channels, len(self.table))

    def call(self, x):
        dense = ops.reshape(ops.matmul(self.kernel, ops.cast(self.connections, self.kernel.dtype)), self.dense_shape)
        return ops.conv(x, ops.cast(dense, x.dtype), padding="valid") + self.bias

    def compute_output_shape(self, input_shape):
        b, h, w, _ = input_shape
        border = self.kernel_size - 1
        return (b, h and h - border, w and w - border, len(self.table))

    def macs(self, input_shape):
        """Multiply-accumulates of one input: those of the connections in the table."""
        _, h, w, _ = self.compute_output_shape(input_shape)
        return h * w * self.kernel_size**2 * sum(len(row) for row in self.table)

    def get_config(self):
        return {**super().get_config(), "table": self.table, "kernel_size": self.kernel_size}


def _uniform_initializer(fan_in):
    """Returns an initializer U(-2.4 / fan-in, 2.4 / fan-in) with the fan-in of each connection's output channel."""
    bound = 2.4 / fan_in

    def initialize(shape, dtype=None):
        return keras.random.uniform(shape, -1, 1, dtype=dtype) * ops.cast(bound, dtype or keras.config.floatx())

    return initialize
