"""Restricted Boltzmann machine layer."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class Boltzmann(layers.Layer):
    """Restricted Boltzmann machine with binary visible units v and binary hidden units h.

    `layer(v)` returns p(h = 1 | v): (B, V) float, 0 to 1  ->  (B, H).
    `layer(h, down=True)` returns p(v = 1 | h): (B, H)  ->  (B, V).

    The layer computes in float32 under every dtype policy.

    Args:
        units: number H of hidden units.
        steps: number of Gibbs steps per update of contrastive divergence, the k of CD-k.
        seed: random seed, or None.
        **kwargs: arguments of `keras.layers.Layer`.
    Raises:
        ValueError: if `units` or `steps` is not a whole number of at least 1.

    Source: Hinton 2002, https://doi.org/10.1162/089976602760128018; weights are initialized from N(0, 0.01), as in
        Hinton 2010, https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf, section 8.
    """

    def __init__(self, units, steps=1, seed=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.units = convert(units, Count, "Boltzmann: `units`")
        self.steps = convert(steps, Count, "Boltzmann: `steps`")

    def build(self, input_shape):
        visible = input_shape[-1]
        normal = keras.initializers.RandomNormal(stddev=0.01)
        self.kernel = self.add_weight(shape=(visible, self.units), initializer=normal, name="kernel")
        self.visible_bias = self.add_weight(shape=(visible,), initializer="zeros", name="visible_bias")
        self.hidden_bias = self.add_weight(shape=(self.units,), initializer="zeros", name="hidden_bias")

    def call(self, x, down=False):
        if down:
            return ops.sigmoid(ops.matmul(x, ops.transpose(self.kernel)) + self.visible_bias)
        return ops.sigmoid(ops.matmul(x, self.kernel) + self.hidden_bias)

    def free_energy(self, v):
        """Returns the free energy F(v) = -log sum_h exp(-E(v, h)) [nats]: (B, V)  ->  (B,)."""
        hidden = ops.softplus(ops.matmul(v, self.kernel) + self.hidden_bias)
        return -ops.matmul(v, self.visible_bias) - ops.sum(hidden, axis=-1)

    def gibbs_step(self, v, uniform):
        """Runs one Gibbs step: samples h given v, then v given h.

        Args:
            v: (B, V) visible units.
            uniform: function of an index (0 for the hidden units, 1 for the visible ones) and a shape; it returns
                uniform random numbers from 0 to 1.
        Returns:
            (B, V) sampled visible units, 0 or 1, and (B, V) their probabilities of 1.
        """
        hidden = self.call(v)
        hidden = ops.cast(uniform(0, ops.shape(hidden)) < hidden, "float32")
        visible = self.call(hidden, down=True)
        return ops.cast(uniform(1, ops.shape(visible)) < visible, "float32"), visible

    def contrastive_divergence(self, v):
        """Returns the loss of contrastive divergence (CD-k), whose gradient is that of CD-k.

        The loss is the mean free energy of the data minus that of the samples after `steps` Gibbs steps.

        (B, V) float, 0 to 1  ->  a number [nats].
        """
        sampled = v
        for _ in range(self.steps):
            sampled, _ = self.gibbs_step(
                sampled, lambda _, shape: keras.random.uniform(shape, seed=self.seed_generator)
            )
        return ops.mean(self.free_energy(v) - self.free_energy(ops.stop_gradient(sampled)))

    def macs(self, shape):
        """Multiply-accumulate operations per example, in either direction."""
        return self.kernel.shape[0] * self.kernel.shape[1]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "units": self.units, "steps": self.steps}
