"""The values of the last step of a window."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class LastStep(layers.Layer):
    """Returns the last step's values of some features, converted from normalized to original units.

    (B, T, F) float  ->  (B, len(features)) float.

    Args:
        features: indices, from 0 to F - 1, in the order of the output; repetitions are allowed.
        scale: standard deviation of each feature, by which it was divided.
        offset: mean of each feature, which was subtracted.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if an index is out of range, or the lists differ in length.
    """

    def __init__(self, features, scale, offset, **kwargs):
        super().__init__(**kwargs)
        self.features = tuple(int(i) for i in features)
        self.scale, self.offset = (tuple(float(v) for v in values) for values in (scale, offset))
        if not len(self.features) == len(self.scale) == len(self.offset):
            raise ValueError(
                f"LastStep: `features`, `scale` and `offset` must have equal lengths, got {len(self.features)}, "
                f"{len(self.scale)} and {len(self.offset)}."
            )

    def build(self, input_shape):
        if len(input_shape) != 3 or not all(0 <= i < input_shape[-1] for i in self.features):
            raise ValueError(
                f"LastStep: `features` must be indices of the last axis of (B, T, F), got {self.features} for "
                f"{tuple(input_shape)}."
            )

    def call(self, x):
        last = ops.take(x[:, -1], self.features, axis=-1)
        return last * ops.convert_to_tensor(self.scale, last.dtype) + ops.convert_to_tensor(self.offset, last.dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.features))

    def get_config(self):
        config = {"features": self.features, "scale": self.scale, "offset": self.offset}
        return {**super().get_config(), **config}
