"""What stands before a trained backbone: its preprocessing, which it carries with it."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class BackboneInput(layers.Layer):
    """From raw numbers to those that a backbone was trained on, band by band; all of it travels in the saved config.

    (..., C) float, raw  ->  (..., C) float32: (raw - mean) / deviation * spread + centre.

    Args:
        mean: of each band's raw numbers; C numbers, or one for all.
        deviation: standard deviation of each band's raw numbers, above 0; as many.
        centre: mean of what the backbone saw in each band when it was trained; as many.
        spread: standard deviation of that; as many.
        bands: the raw bands' names in their order, or none.
        low: smallest raw number there is, or None where only mean and deviation are known.
        high: largest raw number there is, or None.
        reverse: whether the bands leave in reverse order: red, green, blue as blue, green, red.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if a number is not finite, a deviation is not above 0, or the numbers are not as many as the bands.
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
        super().__init__(**{"dtype": "float32", **kwargs})  # bfloat16 would round 12-bit reflectances
        numbers = {"mean": mean, "deviation": deviation, "centre": centre, "spread": spread}
        for key, value in numbers.items():
            value = tuple(float(v) for v in value)
            if not all(abs(v) < float("inf") for v in value) or (key == "deviation" and min(value, default=0) <= 0):
                kind = "finite numbers above 0" if key == "deviation" else "finite numbers"
                raise ValueError(f"BackboneInput: `{key}` must be {kind}, got {value}.")
            if len(value) != 1 and bands and len(value) != len(bands):
                raise ValueError(
                    f"BackboneInput: `{key}` must have {len(bands)} numbers, one a band, got {len(value)}."
                )
            setattr(self, key, value)
        self.bands, self.low, self.high, self.reverse = tuple(bands), low, high, bool(reverse)

    def build(self, input_shape):
        widths = {len(v) for v in (self.mean, self.deviation, self.centre, self.spread, self.bands)} - {0, 1}
        if widths - {input_shape[-1]} or (self.bands and len(self.bands) != input_shape[-1]):
            wanted = sorted({*widths, len(self.bands)} - {0})
            raise ValueError(f"BackboneInput: inputs must have {wanted} bands, got {input_shape[-1]}.")

    def call(self, x):
        x = (x - self._row(self.mean)) * self._row(s / d for s, d in _pairs(self.spread, self.deviation))
        x = x + self._row(self.centre)
        return ops.flip(x, axis=-1) if self.reverse else x

    def _row(self, numbers):
        return ops.convert_to_tensor(list(numbers), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        keys = ("mean", "deviation", "centre", "spread", "bands", "low", "high", "reverse")
        return {**super().get_config(), **{key: getattr(self, key) for key in keys}}


def _pairs(first, second):
    """Number by number, a single one standing for all."""
    size = max(len(first), len(second))
    return zip(first * (size // len(first)), second * (size // len(second)), strict=True)
