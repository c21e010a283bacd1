"""Last observation carried forward, for gaps in series."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class CarryForward(layers.Layer):
    """Replaces every NaN by the last earlier value of its feature. Gaps at the start of a window stay NaN.

    (B, T, F) float  ->  (B, T, F) float.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def call(self, x):
        shift = 1
        while shift < x.shape[1]:  # each iteration doubles how far back values are searched
            before = ops.pad(x[:, :-shift], ((0, 0), (shift, 0), (0, 0)), constant_values=float("nan"))
            x = ops.where(ops.isnan(x), before, x)
            shift *= 2
        return x

    def compute_output_shape(self, input_shape):
        return input_shape
