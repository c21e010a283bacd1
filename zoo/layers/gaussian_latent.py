"""Sampling layer of a variational autoencoder."""

import keras
from keras import layers, ops

from zoo.arguments import NonNegative, convert


@keras.saving.register_keras_serializable("zoo")
class GaussianLatent(layers.Layer):
    """Samples z from N(mean, variance) in training and returns the mean at inference; adds the KL divergence as a loss.

    Called as `GaussianLatent()([mean, log_variance])`: two (B, D) float  ->  (B, D) float32.

    The loss is `beta` times the mean over the batch of the KL divergence from N(0, 1).

    Args:
        beta: weight of the KL divergence; 1 gives the ELBO.
        seed: random seed, or None.
        **kwargs: arguments of `keras.layers.Layer`.
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
        """Returns the KL divergence of N(mean, variance) from N(0, 1) [nats]: two (B, D)  ->  (B,)."""
        return ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1) / 2

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def macs(self, shapes):
        """Multiply-accumulate operations per example: none, as for every layer without weights."""
        return 0

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "beta": self.beta}
