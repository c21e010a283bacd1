"""A convolution whose output maps see only some of the input maps (C3 of LeNet-5)."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class TableConv2D(layers.Layer):
    """Convolution with a connection table: it owns one kernel for each connection, and none for the others.

    (B, H, W, len over inputs) float  ->  (B, H - k + 1, W - k + 1, len(table)) float.

    Args:
        table: for each output map, the input maps that it sees.
        kernel_size: side k of the square kernels.
        **kwargs: passed to `keras.layers.Layer`.

    Source: LeCun et al. 1998, section II.B and table I.
    """

    def __init__(self, table, kernel_size, **kwargs):
        super().__init__(**kwargs)
        self.table = tuple(tuple(row) for row in table)
        self.kernel_size = kernel_size

    def build(self, input_shape):
        pairs = [(i, o) for o, row in enumerate(self.table) for i in row]
        maps = input_shape[-1]
        place = np.zeros((len(pairs), maps * len(self.table)), "float32")  # connection -> place in the dense kernel
        for n, (i, o) in enumerate(pairs):
            place[n, i * len(self.table) + o] = 1
        self.place = place
        fan_in = np.array([len(self.table[o]) for _, o in pairs]) * self.kernel_size**2
        k = self.kernel_size
        self.kernel = self.add_weight(shape=(k, k, len(pairs)), initializer=_uniform_over(fan_in), name="kernel")
        self.bias = self.add_weight(shape=(len(self.table),), initializer="zeros", name="bias")
        self.dense_shape = (k, k, maps, len(self.table))

    def call(self, x):
        dense = ops.reshape(ops.matmul(self.kernel, ops.cast(self.place, self.kernel.dtype)), self.dense_shape)
        return ops.conv(x, ops.cast(dense, x.dtype), padding="valid") + self.bias

    def compute_output_shape(self, input_shape):
        b, h, w, _ = input_shape
        cut = self.kernel_size - 1
        return (b, h and h - cut, w and w - cut, len(self.table))

    def macs(self, input_shape):
        """Multiply-accumulates of one input: those of the connections that there are."""
        _, h, w, _ = self.compute_output_shape(input_shape)
        return h * w * self.kernel_size**2 * sum(len(row) for row in self.table)

    def get_config(self):
        return {**super().get_config(), "table": self.table, "kernel_size": self.kernel_size}


def _uniform_over(fan_in):
    """U(-2.4 / fan-in, 2.4 / fan-in), the fan-in being that of each connection's output map."""
    bound = 2.4 / fan_in

    def initialize(shape, dtype=None):
        return keras.random.uniform(shape, -1, 1, dtype=dtype) * ops.cast(bound, dtype or keras.config.floatx())

    return initialize
