"""Features relative to the last step of the window."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class SinceLast(layers.Layer):
    """Replaces some features by their scaled difference from the last step; the others are unchanged.

    (B, T, F) float  ->  (B, T, F) float.

    Args:
        features: indices, from 0 to F - 1, of the features that become differences.
        stretch: factor on each of these differences, which are small relative to the values if a series drifts.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if an index is out of range, or the lists differ in length.
    """

    def __init__(self, features, stretch, **kwargs):
        super().__init__(**kwargs)
        self.features = tuple(int(i) for i in features)
        self.stretch = tuple(float(v) for v in stretch)
        if len(self.features) != len(self.stretch):
            raise ValueError(
                f"SinceLast: `features` and `stretch` must have equal lengths, got {len(self.features)} and "
                f"{len(self.stretch)}."
            )

    def build(self, input_shape):
        if len(input_shape) != 3 or not all(0 <= i < input_shape[-1] for i in self.features):
            raise ValueError(
                f"SinceLast: `features` must be indices of the last axis of (B, T, F), got {self.features} for "
                f"{tuple(input_shape)}."
            )

    def call(self, x):
        is_relative = [float(i in self.features) for i in range(x.shape[-1])]
        factor = [dict(zip(self.features, self.stretch, strict=True)).get(i, 1.0) for i in range(x.shape[-1])]
        is_relative, factor = (ops.convert_to_tensor(v, dtype=x.dtype) for v in (is_relative, factor))
        return (x - x[:, -1:] * is_relative) * factor

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "features": self.features, "stretch": self.stretch}
