"""Imputation of missing values by constants."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Impute(layers.Layer):
    """Replaces every NaN by a constant of its feature and optionally appends missing-value indicators.

    (..., F) float  ->  (..., F + len(indicator)) float: the features, then indicators (1 for NaN, else 0).

    Args:
        values: F finite numbers, one per feature; usually the medians of the training split.
        indicator: indices, from 0 to F - 1, of the features with an indicator; none by default.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if the number of values differs from F, a value is not finite, or an index is out of range.
    """

    def __init__(self, values, indicator=(), **kwargs):
        super().__init__(**kwargs)
        self.values = tuple(float(v) for v in values)
        self.indicator = tuple(int(i) for i in indicator)
        if not all(abs(v) < float("inf") for v in self.values):
            raise ValueError(f"Impute: `values` must be finite, got {self.values}.")
        if not all(0 <= i < len(self.values) for i in self.indicator):
            raise ValueError(
                f"Impute: `indicator` must have indices from 0 to {len(self.values) - 1}, got {self.indicator}."
            )

    def build(self, input_shape):
        if input_shape[-1] != len(self.values):
            raise ValueError(f"Impute: `values` must have {input_shape[-1]} numbers, got {len(self.values)}.")

    def call(self, x):
        is_missing = ops.isnan(x)
        imputed = ops.where(is_missing, ops.convert_to_tensor(self.values, dtype=x.dtype), x)
        if not self.indicator:
            return imputed
        indicators = ops.take(ops.cast(is_missing, x.dtype), self.indicator, axis=-1)
        return ops.concatenate([imputed, indicators], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.values) + len(self.indicator))

    def get_config(self):
        return {**super().get_config(), "values": self.values, "indicator": self.indicator}
