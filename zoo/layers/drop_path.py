"""Stochastic depth: drops whole residual branches per example."""

import keras
from keras import layers, ops

from zoo.arguments import Rate, convert


@keras.saving.register_keras_serializable("zoo")
class DropPath(layers.Layer):
    """Drops a residual branch for a random fraction of the examples and scales it by 1 / (1 - rate) for the others.

    (B, ...) float  ->  (B, ...) float. It is the identity at inference and at rate 0.

    The layer belongs on the branch, before the sum. The scaling preserves the mean of the branch, so inference needs
    none.

    Args:
        rate: fraction of examples whose branch is dropped, in [0, 1).
        seed: seed of the random numbers, or None.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `rate` is not in [0, 1).

    Source: Huang et al. 2016, https://arxiv.org/abs/1603.09382, eq. 2.
    Differs: the scaling is applied in training, where eq. 5 applies it at inference. Branches are dropped per example,
        not per batch.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = convert(rate, Rate, "DropPath: `rate`"), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, x, training=False):
        if not training or not self.rate:
            return x
        shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
        keep = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) >= self.rate
        return x * ops.cast(ops.cast(keep, "float32") / (1 - self.rate), x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
