"""The last value known in the place of every gap."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class CarryForward(layers.Layer):
    """Puts the value before it in the place of every NaN, feature by feature; a gap at a window's start stays NaN.

    (B, T, F) float  ->  (B, T, F) float.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def call(self, x):
        shift = 1
        while shift < x.shape[1]:  # each turn doubles how far back a value is looked for
            before = ops.pad(x[:, :-shift], ((0, 0), (shift, 0), (0, 0)), constant_values=float("nan"))
            x = ops.where(ops.isnan(x), before, x)
            shift *= 2
        return x

    def compute_output_shape(self, input_shape):
        return input_shape
