"""What a denoising autoencoder must undo."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import NonNegative, convert

KINDS = Literal["masking", "salt_and_pepper", "gaussian"]


@keras.saving.register_keras_serializable("zoo")
class Corrupt(layers.Layer):
    """Images from 0 to 1 with noise, drawn anew at every call in training; at inference what goes in comes out.

    (B, ...) float, 0 to 1  ->  (B, ...) float, 0 to 1.

    Args:
        kind: masking sets a share of the numbers to 0; salt_and_pepper sets it to 0 or 1, each as often; gaussian
            adds a normal number to each and cuts the sum to 0 and 1.
        strength: the share, 0 to 1; of gaussian, the standard deviation.
        seed: seed of its own random numbers, or None.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if there is no such kind, or the share is above 1.

    Source: Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294, section 2.3, masking; Vincent et al. 2010,
        https://jmlr.org/papers/v11/vincent10a.html, section 3.3, the others.
    Differs: gaussian is cut to the images' range, as in keras.io's example.
    """

    def __init__(self, kind, strength, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.kind = convert(kind, KINDS, "Corrupt: `kind`")
        self.strength = convert(strength, NonNegative, "Corrupt: `strength`")
        if kind != "gaussian" and self.strength > 1:
            raise ValueError(f"Corrupt: `strength` must be a share from 0 to 1 with {kind}, got {self.strength:g}.")

    def call(self, x, training=False):
        if not training:
            return x
        if self.kind == "gaussian":
            noise = keras.random.normal(ops.shape(x), stddev=self.strength, dtype=x.dtype, seed=self.seed_generator)
            return ops.clip(x + noise, 0.0, 1.0)
        draw = keras.random.uniform(ops.shape(x), dtype="float32", seed=self.seed_generator)
        # Below the share is what is hit, and below half the share is what becomes 1.
        new = ops.cast(draw < (self.strength / 2 if self.kind == "salt_and_pepper" else 0.0), x.dtype)
        return ops.where(draw < self.strength, new, x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def macs(self, shape):
        """Multiply-accumulates of one input: none, as for all that has no weights."""
        return 0

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "kind": self.kind, "strength": self.strength}
