"""A restricted Boltzmann machine as a layer."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class Boltzmann(layers.Layer):
    """Visible and hidden units, 0 or 1 each, with a weight for every pair of one and the other; in float32.

    Up, `layer(v)`: (B, V) float, 0 to 1  ->  (B, H), the probability that each hidden unit is 1.
    Down, `layer(h, down=True)`: (B, H)  ->  (B, V), the probability that each visible unit is 1.

    Args:
        units: hidden units H.
        steps: Gibbs steps of the chain that `contrastive` compares the data with.
        seed: seed of its own random numbers, or None.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if `units` or `steps` is no whole number of at least 1.

    Source: Hinton 2002, https://doi.org/10.1162/089976602760128018; weights start as N(0, 0.01), as in Hinton 2010,
        https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf, section 8.
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
        """-log of the sum over h of exp(-E(v, h)) [nats]: (B, V)  ->  (B,)."""
        hidden = ops.softplus(ops.matmul(v, self.kernel) + self.hidden_bias)
        return -ops.matmul(v, self.visible_bias) - ops.sum(hidden, axis=-1)

    def gibbs(self, v, draw):
        """One step of the chain: the hidden units given the visible ones, then these anew.

        Args:
            v: (B, V).
            draw: function of 0 (for the hidden units) or 1 and a shape that answers numbers from 0 to 1.
        Returns:
            The visible units, (B, V) of 0 and 1, and the probabilities that they were drawn with.
        """
        hidden = self.call(v)
        hidden = ops.cast(draw(0, ops.shape(hidden)) < hidden, "float32")
        visible = self.call(hidden, down=True)
        return ops.cast(draw(1, ops.shape(visible)) < visible, "float32"), visible

    def contrastive(self, v):
        """Free energy of the data less that of the chain's end, whose gradient is that of contrastive divergence.

        (B, V) float, 0 to 1  ->  a number [nats].
        """
        end = v
        for _ in range(self.steps):
            end, _ = self.gibbs(end, lambda _, shape: keras.random.uniform(shape, seed=self.seed_generator))
        return ops.mean(self.free_energy(v) - self.free_energy(ops.stop_gradient(end)))

    def macs(self, shape):
        """Multiply-accumulates of one input, up or down."""
        return self.kernel.shape[0] * self.kernel.shape[1]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed, "units": self.units, "steps": self.steps}
