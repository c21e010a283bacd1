"""Input normalization of a pretrained backbone, saved with it."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class BackboneInput(layers.Layer):
    """Rescales each band from the range of the raw data to the range that a backbone was trained on.

    (..., C) float, raw  ->  (..., C) float32: (raw - mean) / deviation * spread + centre.

    Each of `mean`, `deviation`, `centre` and `spread` has C numbers, or one for all bands. All numbers are saved in the
    layer's config.

    Args:
        mean: mean of each band of the raw data.
        deviation: standard deviation of each band of the raw data, above 0.
        centre: mean of each band of the backbone's training data.
        spread: standard deviation of each band of the backbone's training data.
        bands: names of the raw bands in their order, or empty.
        low: smallest possible raw value, or None where only mean and standard deviation are known.
        high: largest possible raw value, or None.
        reverse: whether to reverse the order of the bands: red, green, blue becomes blue, green, red.
        **kwargs: arguments of `keras.layers.Layer`.
    Raises:
        ValueError: if a number is not finite, a deviation is not above 0, or the number of values differs from the
            number of bands.
    """

    def __init__(
        self,
        mean=(0.0,),
        deviation=(1.0,),
        centre=(0.0,),
        spread=(1.0,),
        bands=(),
        low=None,
        high=None,
        reverse=False,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})  # bfloat16 cannot represent 12-bit reflectances exactly
        numbers = {"mean": mean, "deviation": deviation, "centre": centre, "spread": spread}
        for key, value in numbers.items():
            value = tuple(float(v) for v in value)
            if not all(abs(v) < float("inf") for v in value) or (key == "deviation" and min(value, default=0) <= 0):
                kind = "finite numbers above 0" if key == "deviation" else "finite numbers"
                raise ValueError(f"BackboneInput: `{key}` must be {kind}, got {value}.")
            if len(value) != 1 and bands and len(value) != len(bands):
                raise ValueError(
                    f"BackboneInput: `{key}` must have 1 or {len(bands)} numbers, one per band, got {len(value)}."
                )
            setattr(self, key, value)
        self.bands, self.low, self.high, self.reverse = tuple(bands), low, high, bool(reverse)

    def build(self, input_shape):
        lengths = {len(v) for v in (self.mean, self.deviation, self.centre, self.spread, self.bands)} - {0, 1}
        if lengths - {input_shape[-1]} or (self.bands and len(self.bands) != input_shape[-1]):
            expected = sorted({*lengths, len(self.bands)} - {0})
            raise ValueError(f"BackboneInput: inputs must have {expected} bands, got {input_shape[-1]}.")

    def call(self, x):
        x = (x - self._as_tensor(self.mean)) * self._as_tensor(
            s / d for s, d in _broadcast(self.spread, self.deviation)
        )
        x = x + self._as_tensor(self.centre)
        return ops.flip(x, axis=-1) if self.reverse else x

    def _as_tensor(self, numbers):
        return ops.convert_to_tensor(list(numbers), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        arguments = ("mean", "deviation", "centre", "spread", "bands", "low", "high", "reverse")
        return {**super().get_config(), **{name: getattr(self, name) for name in arguments}}


def _broadcast(first, second):
    """Pairs the numbers of two tuples; a tuple of one number is repeated."""
    length = max(len(first), len(second))
    return zip(first * (length // len(first)), second * (length // len(second)), strict=True)
