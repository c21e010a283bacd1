"""From pixels to all real numbers, for models of densities."""

import math

import keras
from keras import layers, ops

from zoo.arguments import Count, Fraction, convert


@keras.saving.register_keras_serializable("zoo")
class PixelLogit(layers.Layer):
    """The logit of images from 0 to 1, brought off the ends; in training each level is filled evenly.

    Forwards, `layer(x)`: (B, ...) float, 0 to 1  ->  (B, ...) float32, and the logarithm of the determinant of the
    Jacobian, (B,). Backwards, `layer(y, inverse=True)`: (B, ...)  ->  (B, ...).

    A level k / (levels - 1) is the interval from k / levels to (k + 1) / levels: in training it becomes a draw from it,
    otherwise its middle. Then p = (1 + constraint * (2 x - 1)) / 2, and the answer is log(p / (1 - p)).

    Args:
        levels: values that a pixel can have; 256 for images of 8 bits.
        constraint: share of the range from 0 to 1 that p covers.
        seed: seed of its own random numbers, or None.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if there are no 2 levels, or `constraint` is not above 0 and below 1.

    Source: Dinh et al. 2016, https://arxiv.org/abs/1605.08803, section 4.1; the `data_constraint` of 0.9 is that of
        the authors' code, https://github.com/tensorflow/models/tree/archive/research/real_nvp.
    """

    def __init__(self, levels=256, constraint=0.9, seed=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.levels = convert(levels, Count, "PixelLogit: `levels`")
        self.constraint = convert(constraint, Fraction, "PixelLogit: `constraint`")
        if self.levels < 2:
            raise ValueError(f"PixelLogit: `levels` must be a whole number of at least 2, got {levels}.")
        if not 0 < self.constraint < 1:
            raise ValueError(f"PixelLogit: `constraint` must be above 0 and below 1, got {constraint:g}.")

    def call(self, x, inverse=False, training=False):
        if inverse:
            p = ops.sigmoid(x)
            return (((2 * p - 1) / self.constraint + 1) / 2 * self.levels - 0.5) / (self.levels - 1)
        place = keras.random.uniform(ops.shape(x), seed=self.seed_generator) if training else 0.5
        x = (x * (self.levels - 1) + place) / self.levels
        p = (1 + self.constraint * (2 * x - 1)) / 2
        below, above = ops.log(p), ops.log1p(-p)
        slope = math.log(self.constraint * (self.levels - 1) / self.levels) - below - above
        return below - above, ops.sum(slope, axis=tuple(range(1, len(x.shape))))

    def macs(self, shape):
        """Multiply-accumulates of one input: none, as for all that has no weights."""
        return 0

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "levels": self.levels, "constraint": self.constraint}
