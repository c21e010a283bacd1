"""DBN: Boltzmann machines on top of each other, trained one after the other."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, checked, image_shape
from zoo.generate.generative import first_batch, signature
from zoo.generate.rbm import begin, chain, flat
from zoo.generate.unsupervised import Unsupervised, scalars
from zoo.layers.boltzmann import Boltzmann
from zoo.registry import register


@keras.saving.register_keras_serializable("zoo")
class DBN(Unsupervised):
    """A stack of restricted Boltzmann machines; `compile()` readies it with SGD at 0.1, `fit(images)` trains.

    `fit` trains level after level, each on the hidden probabilities of the one below, for as many epochs each; a level
    that is done does not move again. `level` is the one that is being trained, and is saved with the model: after a
    load, `fit` goes on there, `initial_epoch` being counted in it. Once all are done, `fit` trains the last one on.
    """

    level = 0

    @property
    def machines(self):
        """The `Boltzmann` layers, from the pixels up."""
        return [layer for layer in self.layers if isinstance(layer, Boltzmann)]

    def settings(self):
        return keras.optimizers.SGD(0.1), None, ["mean_squared_error"]

    def fit(self, x=None, y=None, *args, epochs=1, initial_epoch=0, **kwargs):
        """Trains the levels that are not done; as `keras.Model.fit`, but for `epochs`, which are those of each level.

        Returns:
            `keras.callbacks.History` of all these levels, one after the other.
        """
        self.verify(*first_batch(x, y))
        begin(self.machines[0], first_batch(x)[0])
        last, kept = len(self.machines) - 1, {}
        while True:
            found = super().fit(x, y, *args, epochs=epochs, initial_epoch=initial_epoch, **kwargs)
            kept = {name: kept.get(name, []) + values for name, values in found.history.items()}
            if self.level == last:
                found.history = kept
                return found
            self.level, initial_epoch = self.level + 1, 0
            # A fresh optimizer: momentum would move the level that is done.
            self.compile_from_config(self.get_compile_config())

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        *below, machine = self.machines[: self.level + 1]
        v = flat(x)
        for lower in below:
            v = ops.stop_gradient(lower(v))
        # The others' gradients are zeros, not missing ones, which Keras would warn of.
        still = sum(ops.sum(w) for other in self.machines if other is not machine for w in other.trainable_weights)
        return machine.contrastive_divergence(v) + 0.0 * still

    def code(self, images):
        """The probabilities of the topmost hidden units: (N, H, W, C), 0 to 1  ->  (N, latent)."""
        return np.asarray(self._up(self.checked_images(images)))

    def _up(self, images):
        x = flat(images)
        for machine in self.machines:
            x = machine(x)
        return x

    def _down(self, x):
        """(B, units) of the level below the topmost  ->  (B, H * W * C)."""
        for machine in reversed(self.machines[:-1]):
            x = machine(x, down=True)
        return x

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None, steps: Count = 1000):
        """Images from Gibbs chains in the topmost machine, brought down through the others.

        Args:
            n: how many.
            seed: for the same images again; None for others each time.
            steps: of each chain.
        Returns:
            (n, H, W, C) float32 array, each pixel's probability of 1.
        """
        if seed is None:
            seed = np.random.default_rng().integers(2**31)
        return np.asarray(self._chain(steps)(n, int(seed)))

    def _chain(self, steps):
        return chain(self, self.machines[-1], steps, self._down)

    def signatures(self):
        """What an export offers: reconstruct, encode, and sample from a count and a seed."""
        image = signature(self)
        return {"reconstruct": image, "encode": (self._up, image[1]), "sample": (self._chain(1000), scalars())}

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["level"] = np.asarray(self.level)

    def load_own_variables(self, store):
        self.level = int(np.asarray(store["level"]))
        super().load_own_variables({key: store[key] for key in store.keys() if key != "level"})  # noqa: SIM118


@register(
    task="generate",
    source="https://doi.org/10.1162/neco.2006.18.7.1527",
    example={"input_shape": (28, 28, 1), "latent": 2000},
)
def dbn(
    input_shape: Shape,
    latent: Count,
    *,
    units: tuple[Count, ...] = (500, 500),
    steps: Count = 1,
    name: str = "dbn",
) -> keras.Model:
    """Deep belief network: restricted Boltzmann machines, each of which learns what the one below makes of the images.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: up to the topmost units' and down again.

    Args:
        input_shape: (H, W, C) of one image [pixels].
        latent: topmost hidden units.
        units: hidden units of the machines below, from the pixels up; empty for one machine, which is an `rbm`.
        steps: of the chain in contrastive divergence.
        name: the model's name.
    Returns:
        Uncompiled `DBN`; 1,646,784 parameters for 28 x 28 pixels and 500, 500 and 2000 units.
    Raises:
        ValueError: if a size is not given.

    Source: Hinton, Osindero, Teh 2006, figure 1 and section 4.
    Differs: no labels beside the topmost machine, and no fine-tuning up and down afterwards; weights up and down
        are the same, as after the paper's greedy part.
    """
    image_shape(name, input_shape, fixed=True)
    inputs = layers.Input(input_shape, name="image")
    x = layers.Flatten(dtype="float32", name="flat")(inputs)
    machines = [Boltzmann(width, steps, name=f"level{i}") for i, width in enumerate((*units, latent))]
    for machine in machines:
        x = machine(x)
    for machine in reversed(machines):
        x = machine(x, down=True)
    return DBN(inputs, layers.Reshape(input_shape, dtype="float32", name="fold")(x), name=name)
