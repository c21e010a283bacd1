"""The trainable subsampling of LeNet-5 (S2 and S4)."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Subsampling(layers.Layer):
    """Sums every 2 x 2 square, times a trainable coefficient, plus a trainable bias: two parameters per channel.

    (B, H, W, C) float  ->  (B, H // 2, W // 2, C) float.

    Source: LeCun et al. 1998, section II.B.
    """

    def build(self, input_shape):
        # Initialized from U(-2.4, 2.4) / fan-in, with a fan-in of 4.
        bound = 2.4 / 4
        self.coefficient = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.RandomUniform(-bound, bound),
            name="coefficient",
        )
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, x):
        return 4 * ops.average_pool(x, 2, 2, "valid") * self.coefficient + self.bias

    def compute_output_shape(self, input_shape):
        b, h, w, c = input_shape
        return (b, h and h // 2, w and w // 2, c)

    def macs(self, input_shape):
        """Multiply-accumulates of one input: one product per sum."""
        return math.prod(self.compute_output_shape(input_shape)[1:])
