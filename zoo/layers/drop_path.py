"""Stochastic depth: whole residual branches are dropped, example by example."""

import keras
from keras import layers, ops

from zoo.arguments import Rate, convert


@keras.saving.register_keras_serializable("zoo")
class DropPath(layers.Layer):
    """A residual branch that training drops for a share `rate` of the examples, and makes 1 / (1 - rate) as large else.

    (B, ...) float  ->  (B, ...) float; at inference, or at rate 0, what goes in comes out.

    It stands on the branch, before the sum. The scaling keeps the branch's mean, so inference needs none.

    Args:
        rate: share of examples whose branch is dropped, [0, 1).
        seed: seed of its own random numbers, or None.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `rate` is not in [0, 1).

    Source: Huang et al. 2016, https://arxiv.org/abs/1603.09382, eq. 2.
    Differs: it scales in training, where eq. 5 scales at inference; and it draws for each example, not for each batch.
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
