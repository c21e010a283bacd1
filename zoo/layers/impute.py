"""A value in the place of every gap."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Impute(layers.Layer):
    """Puts a given value in the place of every NaN, feature by feature, and shows where it did so if asked.

    (..., F) float  ->  (..., F + len(indicator)) float: the features, then for the indicator's 1 where there was a NaN.

    Args:
        values: F finite numbers, one for each feature; usually the medians of the training part.
        indicator: the places, from 0 to F - 1, of the features whose gaps are shown; none by default.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if the features are not as many as the values, a value is not finite, or a place is out of range.
    """

    def __init__(self, values, indicator=(), **kwargs):
        super().__init__(**kwargs)
        self.values = tuple(float(v) for v in values)
        self.indicator = tuple(int(i) for i in indicator)
        if not all(abs(v) < float("inf") for v in self.values):
            raise ValueError(f"Impute: `values` must be finite, got {self.values}.")
        if not all(0 <= i < len(self.values) for i in self.indicator):
            raise ValueError(
                f"Impute: `indicator` must name places from 0 to {len(self.values) - 1}, got {self.indicator}."
            )

    def build(self, input_shape):
        if input_shape[-1] != len(self.values):
            raise ValueError(f"Impute: `values` must have {input_shape[-1]} numbers, got {len(self.values)}.")

    def call(self, x):
        gap = ops.isnan(x)
        filled = ops.where(gap, ops.convert_to_tensor(self.values, dtype=x.dtype), x)
        if not self.indicator:
            return filled
        shown = ops.take(ops.cast(gap, x.dtype), self.indicator, axis=-1)
        return ops.concatenate([filled, shown], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.values) + len(self.indicator))

    def get_config(self):
        return {**super().get_config(), "values": self.values, "indicator": self.indicator}
