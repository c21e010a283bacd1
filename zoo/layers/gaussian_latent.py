"""The latent numbers of a variational autoencoder."""

import keras
from keras import layers, ops

from zoo.arguments import NonNegative, convert


@keras.saving.register_keras_serializable("zoo")
class GaussianLatent(layers.Layer):
    """A draw from N(mean, variance) in training, the mean at inference; its divergence from N(0, 1) becomes a loss.

    Two (B, D) float, the mean and the logarithm of the variance  ->  (B, D) float32; the call is
    `GaussianLatent()([mean, log_variance])`.

    The loss is `beta` times the mean over the batch of `kl`.

    Args:
        beta: weight of the divergence; 1 makes the sum with a log-likelihood the evidence lower bound.
        seed: seed of its own random numbers, or None.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if `beta` is below 0.

    Source: Kingma and Welling 2013, https://arxiv.org/abs/1312.6114, sections 2.4 and 3, and appendix B.
    """

    def __init__(self, beta=1.0, seed=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.beta = convert(beta, NonNegative, "GaussianLatent: `beta`")

    def call(self, inputs, training=False):
        mean, log_variance = inputs
        self.add_loss(self.beta * ops.mean(self.kl(mean, log_variance)))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seed_generator)
        return mean + ops.exp(log_variance / 2) * noise

    @staticmethod
    def kl(mean, log_variance):
        """Kullback-Leibler divergence of N(mean, variance) from N(0, 1) [nats]: two (B, D)  ->  (B,)."""
        return ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1) / 2

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def macs(self, shapes):
        """Multiply-accumulates of one input: none, as for all that has no weights."""
        return 0

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "beta": self.beta}
