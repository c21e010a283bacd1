"""DBN: stacked restricted Boltzmann machines with greedy layer-wise training."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, checked, image_shape
from zoo.generate.generative import first_batch, signature
from zoo.generate.rbm import flatten_images, gibbs_sampler, initialize_visible_bias
from zoo.generate.unsupervised import Unsupervised, sample_specs
from zoo.layers.boltzmann import Boltzmann
from zoo.registry import register


@keras.saving.register_keras_serializable("zoo")
class DBN(Unsupervised):
    """A stack of restricted Boltzmann machines; `compile()` uses SGD at 0.1, and `fit(images)` trains.

    `fit` trains one level after the other for `epochs` epochs each, on the hidden probabilities of the level below. The
    levels below are not updated. `level` is the index of the level in training and is saved with the model: after
    loading, `fit` continues at this level, and `initial_epoch` counts its epochs. When all levels are trained, `fit`
    continues to train the last one.
    """

    level = 0

    @property
    def machines(self):
        """The `Boltzmann` layers, the one next to the pixels first."""
        return [layer for layer in self.layers if isinstance(layer, Boltzmann)]

    def default_settings(self):
        return keras.optimizers.SGD(0.1), None, ["mean_squared_error"]

    def fit(self, x=None, y=None, *args, epochs=1, initial_epoch=0, **kwargs):
        """Trains the remaining levels as `keras.Model.fit`, with `epochs` epochs per level.

        Returns:
            `keras.callbacks.History` of all these levels, one after the other.
        """
        self.verify(*first_batch(x, y))
        initialize_visible_bias(self.machines[0], first_batch(x)[0])
        last, logs = len(self.machines) - 1, {}
        while True:
            history = super().fit(x, y, *args, epochs=epochs, initial_epoch=initial_epoch, **kwargs)
            logs = {name: logs.get(name, []) + values for name, values in history.history.items()}
            if self.level == last:
                history.history = logs
                return history
            self.level, initial_epoch = self.level + 1, 0
            # A new optimizer: momentum would still change the level below.
            self.compile_from_config(self.get_compile_config())

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        *below, machine = self.machines[: self.level + 1]
        v = flatten_images(x)
        for lower in below:
            v = ops.stop_gradient(lower(v))
        # Keras warns of weights without a gradient; times 0.0 the other machines have gradients of 0.
        others = sum(ops.sum(w) for other in self.machines if other is not machine for w in other.trainable_weights)
        return machine.contrastive_divergence(v) + 0.0 * others

    def encode(self, images):
        """Returns the probabilities of the top hidden units: (N, H, W, C), 0 to 1  ->  (N, latent)."""
        return np.asarray(self._up(self.checked_images(images)))

    def _up(self, images):
        x = flatten_images(images)
        for machine in self.machines:
            x = machine(x)
        return x

    def _down(self, x):
        """Visible units of the top machine, (B, V)  ->  pixel probabilities, (B, H * W * C)."""
        for machine in reversed(self.machines[:-1]):
            x = machine(x, down=True)
        return x

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None, steps: Count = 1000):
        """Samples images by Gibbs sampling in the top machine and a pass down through the other machines.

        Args:
            n: number of images.
            seed: random seed, or None.
            steps: number of Gibbs steps.
        Returns:
            (n, H, W, C) float32 array, the probability of each pixel to be 1.
        """
        if seed is None:
            seed = np.random.default_rng().integers(2**31)
        return np.asarray(self._sampler(steps)(n, int(seed)))

    def _sampler(self, steps):
        return gibbs_sampler(self, self.machines[-1], steps, self._down)

    def signatures(self):
        """Returns the export signatures: reconstruct, encode, and sample with a count and a seed."""
        image = signature(self)
        return {"reconstruct": image, "encode": (self._up, image[1]), "sample": (self._sampler(1000), sample_specs())}

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
    """Deep belief network: stacked restricted Boltzmann machines, each trained on the hidden units of the one below.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: the reconstruction through the top hidden units.

    Args:
        input_shape: (H, W, C) of one image [pixels].
        latent: number of hidden units of the top machine.
        units: number of hidden units of the machines below, the one next to the pixels first; empty for a single
            machine, an `rbm`.
        steps: Gibbs steps per update of contrastive divergence, the k of CD-k.
        name: the model's name.
    Returns:
        Uncompiled `DBN`; 1,646,784 parameters for 28 x 28 pixels and 500, 500 and 2000 units.
    Raises:
        ValueError: if H, W or C is None.

    Source: Hinton, Osindero, Teh 2006, figure 1 and section 4.
    Differs: no labels in the top machine, and no fine-tuning with the up-down algorithm afterwards; recognition and
        generative weights are tied, as after the paper's greedy learning.
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
