"""RBM: restricted Boltzmann machine, an energy-based model of images."""

import itertools

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, checked, image_shape
from zoo.generate.generative import first_batch, signature
from zoo.generate.unsupervised import Unsupervised, sample_specs
from zoo.layers.boltzmann import Boltzmann
from zoo.registry import register

MAX_ENUMERATED_UNITS = 20  # 2 ** 20 states are summed


@keras.saving.register_keras_serializable("zoo")
class RBM(Unsupervised):
    """A restricted Boltzmann machine; `compile()` uses SGD at 0.1 with momentum 0.5, and `fit(images)` trains.

    Training is by contrastive divergence. Its loss is the free energy of the data minus that of samples after a few
    Gibbs steps, and need not fall. The metric is the mean squared error of the reconstruction. The first `fit`
    initializes the visible biases from the pixels' means. Pixels between 0 and 1 are treated as probabilities.
    """

    @property
    def boltzmann(self):
        """The `Boltzmann` layer with the weights."""
        return self.get_layer("boltzmann")

    def default_settings(self):
        return keras.optimizers.SGD(0.1, momentum=0.5), None, ["mean_squared_error"]

    def fit(self, x=None, y=None, *args, **kwargs):
        self.verify(*first_batch(x, y))
        initialize_visible_bias(self.boltzmann, first_batch(x)[0])
        return super().fit(x, y, *args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.boltzmann.contrastive_divergence(flatten_images(x))

    def free_energy(self, images):
        """Returns the free energy F of each image [nats]: (N, H, W, C)  ->  (N,) float32 array.

        The probability of an image is exp(-F) / Z: the higher the free energy, the less likely the image.
        """
        return np.asarray(self.boltzmann.free_energy(flatten_images(self.checked_images(images))))

    def log_partition(self):
        """Returns the exact log Z [nats], summed over all states of the visible or the hidden units.

        Raises:
            ValueError: if there are more than 20 visible and more than 20 hidden units.
        """
        kernel, visible, hidden = (np.asarray(w, "float64") for w in self.boltzmann.weights)
        if min(kernel.shape) > MAX_ENUMERATED_UNITS:
            raise ValueError(
                f"{self.name}: log Z is computed for up to {MAX_ENUMERATED_UNITS} units, got {min(kernel.shape)}."
            )
        if kernel.shape[1] < kernel.shape[0]:
            kernel, visible, hidden = kernel.T, hidden, visible
        states, total = itertools.product((0.0, 1.0), repeat=len(visible)), -np.inf
        while block := list(itertools.islice(states, 4096)):
            v = np.array(block)
            energies = -v @ visible - np.logaddexp(0, v @ kernel + hidden).sum(axis=1)
            total = np.logaddexp(total, np.logaddexp.reduce(-energies))
        return float(total)

    def log_likelihood(self, images):
        """Returns the exact log p(image) [nats] of a small machine: (N, H, W, C)  ->  (N,) float64 array.

        Raises:
            ValueError: if there are more than 20 visible and more than 20 hidden units.
        """
        return -self.free_energy(images).astype("float64") - self.log_partition()

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None, steps: Count = 1000):
        """Samples images by Gibbs sampling, starting from pixels sampled from the visible biases.

        Contrastive divergence only explores the neighborhood of the data. Long chains of a machine that was trained
        with it may therefore end in few modes of the data.

        Args:
            n: number of images.
            seed: random seed, or None.
            steps: number of Gibbs steps.
        Returns:
            (n, H, W, C) float32 array, the probability of each pixel to be 1 in the last step.
        """
        if seed is None:
            seed = np.random.default_rng().integers(2**31)
        return np.asarray(gibbs_sampler(self, self.boltzmann, steps)(n, int(seed)))

    def signatures(self):
        """Returns the export signatures: reconstruct, free_energy, and sample with a count and a seed."""
        reconstruct, specs = signature(self)
        return {
            "reconstruct": (reconstruct, specs),
            "free_energy": (lambda image: self.boltzmann.free_energy(flatten_images(image)), specs),
            "sample": (gibbs_sampler(self, self.boltzmann, 1000), sample_specs()),
        }


@register(
    task="generate",
    source="https://doi.org/10.1162/089976602760128018",
    example={"input_shape": (28, 28, 1), "latent": 500},
)
def rbm(input_shape: Shape, latent: Count, *, steps: Count = 1, name: str = "rbm") -> keras.Model:
    """Restricted Boltzmann machine: an energy-based model of binary pixels with hidden units.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: the reconstruction through the hidden units.

    Args:
        input_shape: (H, W, C) of one image [pixels].
        latent: number of hidden units.
        steps: Gibbs steps per update of contrastive divergence, the k of CD-k.
        name: the model's name.
    Returns:
        Uncompiled `RBM`; 393,284 parameters for 28 x 28 pixels and 500 units.
    Raises:
        ValueError: if H, W or C is None.

    Source: Hinton 2002; learning rate, momentum and initial weights from Hinton 2010,
        https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf.
    Differs: no weight decay.
    """
    image_shape(name, input_shape, fixed=True)
    inputs = layers.Input(input_shape, name="image")
    layer = Boltzmann(latent, steps, name="boltzmann")
    x = layer(layers.Flatten(dtype="float32", name="flat")(inputs))
    return RBM(inputs, layers.Reshape(input_shape, dtype="float32", name="fold")(layer(x, down=True)), name=name)


def initialize_visible_bias(layer, images):
    """Sets visible biases that are still zero to the logit of each pixel's mean (Hinton 2010, section 8.1).

    Without this, hidden units learn the background, and a Gibbs chain in which they turn off does not return.
    """
    if hasattr(images, "shape") and not np.any(layer.visible_bias):
        values = np.asarray(images, "float64").reshape(len(images), -1)
        mean = (values.sum(axis=0) + 0.5) / (len(values) + 1)
        layer.visible_bias.assign(np.log(mean / (1 - mean)))


def flatten_images(x):
    """(B, H, W, C)  ->  (B, H * W * C) float32."""
    x = ops.cast(x, "float32")
    return ops.reshape(x, (ops.shape(x)[0], -1))


def gibbs_sampler(model, layer, steps, decode=None):
    """Returns a compiled function of a count and a seed (int32 scalars) that samples images by Gibbs sampling.

    Args:
        model: the model, for the images' shape.
        layer: the `Boltzmann` layer to sample from.
        steps: number of Gibbs steps.
        decode: function from the layer's visible units to the pixels' probabilities, or None where these are the
            pixels.
    """
    import tensorflow as tf

    size, shape = layer.visible_bias.shape[0], model.input.shape[1:]

    @tf.function(autograph=False)
    def sample(count, seed):
        def uniform(stream, shape):
            return tf.random.stateless_uniform(shape, seed=tf.stack([seed, stream]))

        def step(i, v, _):
            return i + 1, *layer.gibbs_step(v, lambda side, shape: uniform(2 * i + side, shape))

        v = tf.cast(uniform(0, (count, size)) < tf.sigmoid(layer.visible_bias), "float32")
        *_, probabilities = tf.while_loop(lambda i, *_: i <= steps, step, [tf.constant(1), v, v])
        return tf.reshape(probabilities if decode is None else decode(probabilities), (count, *shape))

    return sample
