"""Real NVP: images as a reversible function of normal numbers, so that their density is known exactly."""

import math
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Fraction, NonNegative, Shape, Whole, checked, image_shape
from zoo.generate.generative import between, noise, signature
from zoo.generate.unsupervised import Unsupervised, drawn, scalars
from zoo.layers.coupling import Coupling
from zoo.layers.pixel_logit import PixelLogit
from zoo.registry import register


@keras.saving.register_keras_serializable("zoo")
class RealNVP(Unsupervised):
    """A flow; `compile()` readies it with Adam at 1e-3, and `fit(images)` lowers the bits per dimension.

    Calling it answers (z, log-determinant); `inverse` goes back. The loss in training fills the levels evenly; that of
    `evaluate` takes the density in the middle of each, which flatters: the figure to report is `bits_per_dimension`.
    """

    def settings(self):
        return keras.optimizers.Adam(1e-3), None, None

    @property
    def image_shape(self):
        """(H, W, C) of the images that it makes, which are what it is called with."""
        return self.input_shape[1:]

    @property
    def levels(self):
        """Values that a pixel can have."""
        return self.get_layer("logit").levels

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(self._bits(_log_density(*y_pred)))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return self.get_metrics_result()

    def _bits(self, log_likelihood):
        """Bits per dimension of the levels, from the log-density [nats] of images from 0 to 1."""
        return math.log2(self.levels - 1) - log_likelihood / (math.log(2) * math.prod(self.input.shape[1:]))

    def log_likelihood(self, images):
        """The exact logarithm of the density of images from 0 to 1 [nats]: (N, H, W, C)  ->  (N,) float32 array."""
        return np.asarray(_log_density(*self.predict(self.checked_images(images), verbose=0)))

    @checked
    def bits_per_dimension(self, images, *, seed: Whole | None = None):
        """What a pixel's level costs [bits], which bounds its true cost from above; the dequantisation is drawn.

        Args:
            images: (N, H, W, C), k / (levels - 1).
            seed: for the same draws again.
        Returns:
            (N,) float32 array; log2(levels) where every level is as likely as the others.
        Source: Dinh et al. 2016, section 4.1; Theis et al. 2015, https://arxiv.org/abs/1511.01844, section 3.1.
        """
        images = self.checked_images(images)
        place = np.random.default_rng(seed).random(images.shape, "float32") - 0.5  # from the middle of a level
        images = (images + place / (self.levels - 1)).astype("float32")
        return self._bits(np.asarray(_log_density(*self.predict(images, verbose=0))))

    def inverse(self, z):
        """The images that answer z: (B, H * W * C)  ->  (B, H, W, C); a draw's may lie a little outside 0 to 1."""
        x = _backward(z, self.get_layer, self.input.shape[1:], self._scales())
        return self.get_layer("logit")(x, inverse=True)

    def _scales(self):
        return 1 + max(int(layer.name[5:].split("_")[0]) for layer in self.layers if layer.name.startswith("scale"))

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None, temperature: NonNegative = 1.0):
        """Images from z drawn from N(0, 1).

        Args:
            n: how many.
            seed: for the same images again; None for others each time.
            temperature: what z is multiplied with; below 1 draws what is likelier and less varied.
        Returns:
            (n, H, W, C) float32 array, 0 to 1.
        """
        size = math.prod(self.input.shape[1:])
        return self._images(temperature * noise(n, size, seed))

    def _images(self, z):
        return np.clip(np.asarray(self.inverse(ops.convert_to_tensor(z, "float32"))), 0, 1)

    @checked
    def interpolate(self, a, b, steps: Count, path: Literal["sphere", "line"] = "sphere"):
        """Images from one image to another, through z.

        Args:
            a, b: (H, W, C) images from 0 to 1.
            steps: how many images; the first and the last are `a` and `b`.
            path: as `zoo.generate.generative.between` has it.
        Returns:
            (steps, H, W, C) float32 array, 0 to 1.
        Raises:
            ValueError: if an image has another shape or range.
        """
        z, _ = self.predict(self.checked_images(np.stack([a, b])), verbose=0)
        return self._images(between(z[0], z[1], steps, path))

    def signatures(self):
        """What an export offers: encode to z, decode from z, log_likelihood, and sample from a count and a seed."""
        import tensorflow as tf

        size = math.prod(self.input.shape[1:])

        def decode(z):
            return tf.clip_by_value(self.inverse(z), 0.0, 1.0)

        return {
            "encode": signature(self, lambda answer: answer[0]),
            "decode": (decode, (tf.TensorSpec((None, size), "float32", name="z"),)),
            "log_likelihood": signature(self, lambda answer: _log_density(*answer)),
            "sample": (lambda count, seed: decode(drawn(count, seed, size)), scalars()),
        }


@register(
    task="generate",
    source="https://arxiv.org/abs/1605.08803",
    example={"input_shape": (32, 32, 3)},
)
def realnvp(
    input_shape: Shape,
    *,
    scales: Count = 4,
    filters: Count = 64,
    blocks: Count = 8,
    levels: Count = 256,
    alpha: Fraction = 0.05,
    name: str = "realnvp",
) -> keras.Model:
    """Real NVP: affine couplings at several scales, reversible, with the exact density of every image.

    (B, H, W, C) float, 0 to 1  ->  z, (B, H * W * C) float32, which is N(0, 1) for images like those of training; and
    the logarithm of the determinant of the Jacobian of z with respect to the image, (B,) float32.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W divisible by 2 ** (scales - 1).
        scales: at each but the last, three couplings with checkerboard masks, three with channel masks on half the
            side, and half of the numbers leave; the last has four with checkerboard masks.
        filters: width of the couplings' convolutions.
        blocks: residual blocks in each coupling.
        levels: values that a pixel can have; 256 for images of 8 bits.
        alpha: distance from 0 and from 1 that pixels keep before their logit is taken: logit(alpha + (1 - 2 alpha) x).
        name: the model's name.
    Returns:
        Uncompiled `RealNVP`; 13,711,505 parameters for 32 x 32 pixels of 3 bands.
    Raises:
        ValueError: if H or W does not divide, or `alpha` is not above 0 and below 0.5.

    Source: Dinh, Sohl-Dickstein, Bengio 2016, sections 3 and 4.1.
    Differs: no batch or weight normalisation, and no weight decay; every scale has the same width; all computes in
        float32 whatever the policy, for a density needs it.
    """
    image_shape(name, input_shape, fixed=True, multiple=2 ** (scales - 1))
    if scales == 1 and input_shape[0] * input_shape[1] == 1:
        raise ValueError(f"{name}: `input_shape` must have more than one pixel, got {input_shape}.")
    inputs = layers.Input(input_shape, name="image")
    x, first = PixelLogit(levels, alpha, name="logit")(inputs)

    def coupling(place):
        mask = "channel" if "channel" in place else "checkerboard"
        return Coupling(mask, int(place[-1]) % 2 == 1, filters, blocks, name=place)

    z, determinants = _forward(x, coupling, scales)
    return RealNVP(inputs, [z, layers.Add(dtype="float32", name="log_determinant")([first, *determinants])], name=name)


def _places(scale, scales):
    """The names of a scale's couplings: those before the squeeze, and those after it."""
    before = [f"scale{scale}_checkerboard{i}" for i in range(4 if scale == scales - 1 else 3)]
    return before, [] if scale == scales - 1 else [f"scale{scale}_channel{i}" for i in range(3)]


def _forward(x, coupling, scales):
    """(z, log-determinants) of the couplings, `coupling` answering the layer of a name."""
    gone, determinants = [], []
    for scale in range(scales):
        before, after = _places(scale, scales)
        for place in before:
            x, determinant = coupling(place)(x)
            determinants.append(determinant)
        if after:
            x = _squeeze(x)
            for place in after:
                x, determinant = coupling(place)(x)
                determinants.append(determinant)
            x, leaves = ops.split(x, 2, axis=-1)
            gone.append(layers.Flatten(dtype="float32", name=f"scale{scale}_leaves")(leaves))
    gone.append(layers.Flatten(dtype="float32", name="stays")(x))
    z = layers.Concatenate(dtype="float32", name="z")(gone) if scales > 1 else gone[0]
    return z, determinants


def _backward(z, coupling, shape, scales):
    """What `_forward` made z of."""
    height, width, bands = shape
    size = height * width * bands
    ends = [size - size // 2**i for i in range(1, scales)]  # half of what is there leaves at every scale but the last
    *gone, x = ops.split(z, ends, axis=-1) if ends else [z]
    factor = 2 ** (scales - 1)
    x = ops.reshape(x, (-1, height // factor, width // factor, bands * factor))
    for scale in reversed(range(scales)):
        before, after = _places(scale, scales)
        if after:
            x = ops.concatenate([x, ops.reshape(gone[scale], (-1, *x.shape[1:]))], axis=-1)
            for place in reversed(after):
                x = coupling(place)(x, inverse=True)
            x = _unsqueeze(x)
        for place in reversed(before):
            x = coupling(place)(x, inverse=True)
    return x


def _squeeze(x):
    """Squares of 2 x 2 pixels become bands: (B, H, W, C)  ->  (B, H / 2, W / 2, 4 C)."""
    _, h, w, c = x.shape
    x = ops.transpose(ops.reshape(x, (-1, h // 2, 2, w // 2, 2, c)), (0, 1, 3, 5, 2, 4))
    return ops.reshape(x, (-1, h // 2, w // 2, 4 * c))


def _unsqueeze(x):
    _, h, w, c = x.shape
    x = ops.transpose(ops.reshape(x, (-1, h, w, c // 4, 2, 2)), (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (-1, 2 * h, 2 * w, c // 4))


def _log_density(z, log_determinant):
    """log p(image) [nats] by the change of variables, eq. 2: (B, D) and (B,)  ->  (B,)."""
    return log_determinant - ops.sum(z**2 + math.log(2 * math.pi), axis=-1) / 2
