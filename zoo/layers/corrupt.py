"""Input corruption for denoising autoencoders."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import NonNegative, convert

KINDS = Literal["masking", "salt_and_pepper", "gaussian"]


@keras.saving.register_keras_serializable("zoo")
class Corrupt(layers.Layer):
    """Adds random noise to images in training; at inference the output equals the input.

    (B, ...) float, 0 to 1  ->  (B, ...) float, 0 to 1.

    Args:
        kind: "masking" sets a fraction of the values to 0. "salt_and_pepper" sets a fraction of the values to 0 or 1
            with equal probability. "gaussian" adds normal noise to every value and clips the sum to [0, 1].
        strength: fraction of the values that are replaced, 0 to 1; for "gaussian" the standard deviation of the noise.
        seed: random seed, or None.
        **kwargs: arguments of `keras.layers.Layer`.
    Raises:
        ValueError: if `kind` is unknown, or `strength` is above 1 where it is a fraction.

    Source: Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294, section 2.3, masking; Vincent et al. 2010,
        https://jmlr.org/papers/v11/vincent10a.html, section 3.3, the others.
    Differs: gaussian noise is clipped to the images' range, as in the example of keras.io.
    """

    def __init__(self, kind, strength, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.kind = convert(kind, KINDS, "Corrupt: `kind`")
        self.strength = convert(strength, NonNegative, "Corrupt: `strength`")
        if kind != "gaussian" and self.strength > 1:
            raise ValueError(
                f"Corrupt: `strength` must be a fraction from 0 to 1 where `kind` is {kind!r}, got {self.strength:g}."
            )

    def call(self, x, training=False):
        if not training:
            return x
        if self.kind == "gaussian":
            noise = keras.random.normal(ops.shape(x), stddev=self.strength, dtype=x.dtype, seed=self.seed_generator)
            return ops.clip(x + noise, 0.0, 1.0)
        uniform = keras.random.uniform(ops.shape(x), dtype="float32", seed=self.seed_generator)
        # One random number per value: below `strength` it is replaced, below half of `strength` it becomes 1.
        replacement = ops.cast(uniform < (self.strength / 2 if self.kind == "salt_and_pepper" else 0.0), x.dtype)
        return ops.where(uniform < self.strength, replacement, x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def macs(self, shape):
        """Multiply-accumulate operations per example: none, as for every layer without weights."""
        return 0

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "kind": self.kind, "strength": self.strength}
