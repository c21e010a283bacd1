"""Dequantization and logit of pixels, the first layer of a normalizing flow."""

import math

import keras
from keras import layers, ops

from zoo.arguments import Count, Fraction, convert


@keras.saving.register_keras_serializable("zoo")
class PixelLogit(layers.Layer):
    """Dequantizes images from 0 to 1 and returns the logit of the pixels.

    `layer(x)`: (B, ...) float, 0 to 1  ->  (B, ...) float32, and the log-determinant of the Jacobian, (B,).
    `layer(y, inverse=True)`: (B, ...)  ->  (B, ...).

    Level k / (levels - 1) of a pixel stands for the interval from k / levels to (k + 1) / levels. In training x is
    sampled uniformly from this interval; at inference it is the middle. The output is then
    logit(alpha + (1 - 2 alpha) x), so that the logit stays finite at 0 and 1.

    Args:
        levels: number of values that a pixel can have; 256 for 8-bit images.
        alpha: distance from 0 and from 1 that the logit's argument keeps, above 0 and below 0.5.
        seed: random seed, or None.
        **kwargs: arguments of `keras.layers.Layer`.
    Raises:
        ValueError: if `levels` is below 2, or `alpha` is not above 0 and below 0.5.

    Source: Dinh et al. 2016, https://arxiv.org/abs/1605.08803, section 4.1, with alpha = 0.05 as there.
    Differs: the paper prints logit(alpha + (1 - alpha) x / 256); the factor 1 - 2 alpha is that of the authors' code,
        where it is the `data_constraint` of 0.9, https://github.com/tensorflow/models/tree/archive/research/real_nvp.
    """

    def __init__(self, levels=256, alpha=0.05, seed=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.levels = convert(levels, Count, "PixelLogit: `levels`")
        self.alpha = convert(alpha, Fraction, "PixelLogit: `alpha`")
        if self.levels < 2:
            raise ValueError(f"PixelLogit: `levels` must be a whole number of at least 2, got {levels}.")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"PixelLogit: `alpha` must be above 0 and below 0.5, got {alpha:g}.")

    def call(self, x, inverse=False, training=False):
        slope = 1 - 2 * self.alpha
        if inverse:
            x = (ops.sigmoid(x) - self.alpha) / slope
            return (x * self.levels - 0.5) / (self.levels - 1)
        offset = keras.random.uniform(ops.shape(x), seed=self.seed_generator) if training else 0.5
        x = (x * (self.levels - 1) + offset) / self.levels
        p = self.alpha + slope * x
        log_p, log_1_minus_p = ops.log(p), ops.log1p(-p)
        log_derivative = math.log(slope * (self.levels - 1) / self.levels) - log_p - log_1_minus_p
        return log_p - log_1_minus_p, ops.sum(log_derivative, axis=tuple(range(1, len(x.shape))))

    def macs(self, shape):
        """Multiply-accumulate operations per example: none, as for every layer without weights."""
        return 0

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "levels": self.levels, "alpha": self.alpha}
