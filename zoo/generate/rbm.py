"""RBM: the distribution of images as that of a network's energy."""

import itertools

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, checked, image_shape
from zoo.generate.generative import first_batch, signature
from zoo.generate.unsupervised import Unsupervised, scalars
from zoo.layers.boltzmann import Boltzmann
from zoo.registry import register

ENUMERABLE = 20  # units whose 2 ** 20 states are counted


@keras.saving.register_keras_serializable("zoo")
class RBM(Unsupervised):
    """A restricted Boltzmann machine; `compile()` readies it with SGD at 0.1 and momentum 0.5, `fit(images)` trains.

    The first `fit` sets the biases of the pixels by their means. It trains by contrastive divergence, whose loss is the
    free energy of the data less that of a short chain: it need not fall. The metric is the squared error of the
    reconstruction. Pixels between 0 and 1 count as probabilities.
    """

    @property
    def boltzmann(self):
        """The layer that has the weights."""
        return self.get_layer("boltzmann")

    def settings(self):
        return keras.optimizers.SGD(0.1, momentum=0.5), None, ["mean_squared_error"]

    def fit(self, x=None, y=None, *args, **kwargs):
        self.verify(*first_batch(x, y))
        begin(self.boltzmann, first_batch(x)[0])
        return super().fit(x, y, *args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.boltzmann.contrastive_divergence(flat(x))

    def free_energy(self, images):
        """What makes an image unlikely [nats]: p is exp(-free energy) / Z; (N, H, W, C)  ->  (N,) float32 array."""
        return np.asarray(self.boltzmann.free_energy(flat(self.checked_images(images))))

    def log_partition(self):
        """log Z [nats], exactly: by all states of the visible or of the hidden units, whichever are fewer.

        Raises:
            ValueError: if both are more than 20.
        """
        kernel, visible, hidden = (np.asarray(w, "float64") for w in self.boltzmann.weights)
        if min(kernel.shape) > ENUMERABLE:
            raise ValueError(f"{self.name}: log Z is counted up to {ENUMERABLE} units, got {min(kernel.shape)}.")
        if kernel.shape[1] < kernel.shape[0]:
            kernel, visible, hidden = kernel.T, hidden, visible
        states, total = itertools.product((0.0, 1.0), repeat=len(visible)), -np.inf
        while block := list(itertools.islice(states, 4096)):
            v = np.array(block)
            energies = -v @ visible - np.logaddexp(0, v @ kernel + hidden).sum(axis=1)
            total = np.logaddexp(total, np.logaddexp.reduce(-energies))
        return float(total)

    def log_likelihood(self, images):
        """log p(image) [nats], exactly, of a machine with few units: (N, H, W, C)  ->  (N,) float64 array.

        Raises:
            ValueError: as `log_partition`.
        """
        return -self.free_energy(images).astype("float64") - self.log_partition()

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None, steps: Count = 1000):
        """Images from the end of Gibbs chains that start from pixels drawn by their biases.

        Contrastive divergence looks only a few steps around the data, so that long chains of a machine that it trained
        may end in few of their modes.

        Args:
            n: how many.
            seed: for the same images again; None for others each time.
            steps: of each chain.
        Returns:
            (n, H, W, C) float32 array, each pixel's probability of 1 in the last step.
        """
        if seed is None:
            seed = np.random.default_rng().integers(2**31)
        return np.asarray(chain(self, self.boltzmann, steps)(n, int(seed)))

    def signatures(self):
        """What an export offers: reconstruct, free_energy, and sample from a count and a seed."""
        image = signature(self)
        energy = (lambda image: self.boltzmann.free_energy(flat(image)), image[1])
        return {"reconstruct": image, "free_energy": energy, "sample": (chain(self, self.boltzmann, 1000), scalars())}


@register(
    task="generate",
    source="https://doi.org/10.1162/089976602760128018",
    example={"input_shape": (28, 28, 1), "latent": 500},
)
def rbm(input_shape: Shape, latent: Count, *, steps: Count = 1, name: str = "rbm") -> keras.Model:
    """Restricted Boltzmann machine: pixels and hidden units that are likely together have a low energy.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: up to the hidden units' and down again.

    Args:
        input_shape: (H, W, C) of one image [pixels].
        latent: hidden units.
        steps: of the chain in contrastive divergence.
        name: the model's name.
    Returns:
        Uncompiled `RBM`; 393,284 parameters for 28 x 28 pixels and 500 units.
    Raises:
        ValueError: if a size is not given.

    Source: Hinton 2002; rates and first weights from Hinton 2010,
        https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf.
    Differs: no weight decay.
    """
    image_shape(name, input_shape, fixed=True)
    inputs = layers.Input(input_shape, name="image")
    layer = Boltzmann(latent, steps, name="boltzmann")
    x = layer(layers.Flatten(dtype="float32", name="flat")(inputs))
    return RBM(inputs, layers.Reshape(input_shape, dtype="float32", name="fold")(layer(x, down=True)), name=name)


def begin(layer, images):
    """Gives visible biases that are still zero the logit of each pixel's mean (Hinton 2010, section 8.1).

    Without, hidden units learn the background, and a chain that has lost them does not come back.
    """
    if hasattr(images, "shape") and not np.any(layer.visible_bias):
        values = np.asarray(images, "float64").reshape(len(images), -1)
        mean = (values.sum(axis=0) + 0.5) / (len(values) + 1)
        layer.visible_bias.assign(np.log(mean / (1 - mean)))


def flat(x):
    """(B, H, W, C)  ->  (B, H * W * C) float32."""
    x = ops.cast(x, "float32")
    return ops.reshape(x, (ops.shape(x)[0], -1))


def chain(model, layer, steps, down=None):
    """A compiled function of a count and a seed (int32 scalars) that answers images from the end of Gibbs chains.

    Args:
        model: whose images' shape is answered.
        layer: the `Boltzmann` that is drawn from.
        steps: of each chain.
        down: function from its visible units to the pixels' probabilities, or None where these are the pixels.
    """
    import tensorflow as tf

    size, shape = layer.visible_bias.shape[0], model.input.shape[1:]

    @tf.function(autograph=False)
    def run(count, seed):
        def draw(i, shape):
            return tf.random.stateless_uniform(shape, seed=tf.stack([seed, i]))

        def step(i, v, _):
            return i + 1, *layer.gibbs_step(v, lambda part, shape: draw(2 * i + part, shape))

        start = tf.cast(draw(0, (count, size)) < tf.sigmoid(layer.visible_bias), "float32")
        *_, x = tf.while_loop(lambda i, *_: i <= steps, step, [tf.constant(1), start, start])
        return tf.reshape(x if down is None else down(x), (count, *shape))

    return run
