"""A window told from its own end."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class SinceLast(layers.Layer):
    """Some features as differences from their last step, stretched; the others as they are.

    (B, T, F) float  ->  (B, T, F) float.

    Args:
        features: places, from 0 to F - 1, of those that become differences.
        stretch: factor of each of them; of a series that drifts, differences are small beside its values.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a place is out of range, or the lists differ in length.
    """

    def __init__(self, features, stretch, **kwargs):
        super().__init__(**kwargs)
        self.features = tuple(int(i) for i in features)
        self.stretch = tuple(float(v) for v in stretch)
        if len(self.features) != len(self.stretch):
            raise ValueError(
                f"SinceLast: `features` and `stretch` must be as many, got {len(self.features)} and "
                f"{len(self.stretch)}."
            )

    def build(self, input_shape):
        if len(input_shape) != 3 or not all(0 <= i < input_shape[-1] for i in self.features):
            raise ValueError(
                f"SinceLast: `features` must name places of (B, T, F), got {self.features} for {tuple(input_shape)}."
            )

    def call(self, x):
        chosen = [float(i in self.features) for i in range(x.shape[-1])]
        factor = [dict(zip(self.features, self.stretch, strict=True)).get(i, 1.0) for i in range(x.shape[-1])]
        chosen, factor = (ops.convert_to_tensor(v, dtype=x.dtype) for v in (chosen, factor))
        return (x - x[:, -1:] * chosen) * factor

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "features": self.features, "stretch": self.stretch}
