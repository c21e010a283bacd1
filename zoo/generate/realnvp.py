"""Real NVP: normalizing flow with an exact density of images."""

import math
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Fraction, NonNegative, Shape, Whole, checked, image_shape
from zoo.generate.generative import interpolate_latent, noise, signature
from zoo.generate.unsupervised import Unsupervised, sample_specs, stateless_normal
from zoo.layers.coupling import Coupling
from zoo.layers.pixel_logit import PixelLogit
from zoo.registry import register


@keras.saving.register_keras_serializable("zoo")
class RealNVP(Unsupervised):
    """A normalizing flow; `compile()` uses Adam at 1e-3, and `fit(images)` minimizes the bits per dimension.

    Calling it returns (z, log-determinant); `inverse` maps z to images. The training loss uses random dequantization.
    The loss of `evaluate` uses the middle of each level and is too low; the value to report is `bits_per_dimension`.
    """

    def default_settings(self):
        return keras.optimizers.Adam(1e-3), None, None

    @property
    def image_shape(self):
        """(H, W, C) of the images, which are the model's inputs."""
        return self.input_shape[1:]

    @property
    def levels(self):
        """Number of values that a pixel can have."""
        return self.get_layer("logit").levels

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(self._bits(_log_density(*y_pred)))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return self.get_metrics_result()

    def _bits(self, log_likelihood):
        """Converts the log-density [nats] of images from 0 to 1 to bits per dimension of the levels."""
        return math.log2(self.levels - 1) - log_likelihood / (math.log(2) * math.prod(self.input.shape[1:]))

    def log_likelihood(self, images):
        """Returns the exact log-density of images from 0 to 1 [nats]: (N, H, W, C)  ->  (N,) float32 array."""
        return np.asarray(_log_density(*self.predict(self.checked_images(images), verbose=0)))

    @checked
    def bits_per_dimension(self, images, *, seed: Whole | None = None):
        """Returns the negative log-likelihood per dimension [bits] with random dequantization, an upper bound.

        Args:
            images: (N, H, W, C), k / (levels - 1).
            seed: random seed of the dequantization, or None.
        Returns:
            (N,) float32 array; log2(levels) where all levels are equally likely.
        Source: Dinh et al. 2016, section 4.1; Theis et al. 2015, https://arxiv.org/abs/1511.01844, section 3.1.
        """
        images = self.checked_images(images)
        offset = np.random.default_rng(seed).random(images.shape, "float32") - 0.5  # from the middle of a level
        images = (images + offset / (self.levels - 1)).astype("float32")
        return self._bits(np.asarray(_log_density(*self.predict(images, verbose=0))))

    def inverse(self, z):
        """Maps z to images: (B, H * W * C)  ->  (B, H, W, C); values may be slightly outside 0 to 1."""
        x = _backward(z, self.get_layer, self.input.shape[1:], self._scales())
        return self.get_layer("logit")(x, inverse=True)

    def _scales(self):
        return 1 + max(int(layer.name[5:].split("_")[0]) for layer in self.layers if layer.name.startswith("scale"))

    @checked
    def sample(self, n: Count, *, seed: Whole | None = None, temperature: NonNegative = 1.0):
        """Samples z from N(0, 1) and maps it to images.

        Args:
            n: number of images.
            seed: random seed, or None.
            temperature: factor of z; below 1 samples are likelier and less diverse.
        Returns:
            (n, H, W, C) float32 array, 0 to 1.
        """
        size = math.prod(self.input.shape[1:])
        return self._images(temperature * noise(n, size, seed))

    def _images(self, z):
        return np.clip(np.asarray(self.inverse(ops.convert_to_tensor(z, "float32"))), 0, 1)

    @checked
    def interpolate(self, a, b, steps: Count, path: Literal["sphere", "line"] = "sphere"):
        """Interpolates between the latent variables z of two images and maps the result to images.

        Args:
            a, b: (H, W, C) images from 0 to 1.
            steps: number of images; the first and the last are `a` and `b`.
            path: "sphere" or "line", as in `zoo.generate.generative.interpolate_latent`.
        Returns:
            (steps, H, W, C) float32 array, 0 to 1.
        Raises:
            ValueError: if an image has another shape or range.
        """
        z, _ = self.predict(self.checked_images(np.stack([a, b])), verbose=0)
        return self._images(interpolate_latent(z[0], z[1], steps, path))

    def signatures(self):
        """Returns the export signatures: encode, decode, log_likelihood, and sample with a count and a seed."""
        import tensorflow as tf

        size = math.prod(self.input.shape[1:])

        def decode(z):
            return tf.clip_by_value(self.inverse(z), 0.0, 1.0)

        return {
            "encode": signature(self, lambda outputs: outputs[0]),
            "decode": (decode, (tf.TensorSpec((None, size), "float32", name="z"),)),
            "log_likelihood": signature(self, lambda outputs: _log_density(*outputs)),
            "sample": (lambda count, seed: decode(stateless_normal(count, seed, size)), sample_specs()),
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
    """Real NVP: invertible affine coupling layers at several scales, with the exact density of every image.

    (B, H, W, C) float, 0 to 1  ->  the latent z, (B, H * W * C) float32, and the log-determinant of the Jacobian of z
    with respect to the image, (B,) float32. z has the distribution N(0, 1) for images like the training data.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W divisible by 2 ** (scales - 1).
        scales: number of scales. Each has three couplings with checkerboard masks and, after a squeeze, three with
            channel masks, after which half of the channels are factored out. The last scale has only four couplings
            with checkerboard masks.
        filters: number of channels of the couplings' convolutions.
        blocks: residual blocks per coupling.
        levels: number of values that a pixel can have; 256 for 8-bit images.
        alpha: pixels x are transformed to logit(alpha + (1 - 2 alpha) x), above 0 and below 0.5.
        name: the model's name.
    Returns:
        Uncompiled `RealNVP`; 13,711,505 parameters for 32 x 32 pixels of 3 bands.
    Raises:
        ValueError: if H or W is not divisible by 2 ** (scales - 1), or `alpha` is not above 0 and below 0.5.

    Source: Dinh, Sohl-Dickstein, Bengio 2016, sections 3 and 4.1.
    Differs: no batch or weight normalization, and no weight decay; every scale has the same number of channels; all
        layers compute in float32 under every dtype policy, because the density needs it; the paper's text has
        logit(alpha + (1 - alpha) x), its code the form used here (see `zoo.layers.PixelLogit`).
    """
    image_shape(name, input_shape, fixed=True, multiple=2 ** (scales - 1))
    if scales == 1 and input_shape[0] * input_shape[1] == 1:
        raise ValueError(f"{name}: `input_shape` must have more than one pixel, got {input_shape}.")
    inputs = layers.Input(input_shape, name="image")
    x, logit_determinant = PixelLogit(levels, alpha, name="logit")(inputs)

    def coupling(name):
        mask = "channel" if "channel" in name else "checkerboard"
        return Coupling(mask, int(name[-1]) % 2 == 1, filters, blocks, name=name)

    z, determinants = _forward(x, coupling, scales)
    return RealNVP(
        inputs, [z, layers.Add(dtype="float32", name="log_determinant")([logit_determinant, *determinants])], name=name
    )


def _coupling_names(scale, scales):
    """Returns the names of a scale's couplings: those before and those after the squeeze."""
    before = [f"scale{scale}_checkerboard{i}" for i in range(4 if scale == scales - 1 else 3)]
    return before, [] if scale == scales - 1 else [f"scale{scale}_channel{i}" for i in range(3)]


def _forward(x, coupling, scales):
    """Returns z and the log-determinants; `coupling` returns the layer with a name."""
    factored_out, determinants = [], []
    for scale in range(scales):
        before, after = _coupling_names(scale, scales)
        for name in before:
            x, determinant = coupling(name)(x)
            determinants.append(determinant)
        if after:
            x = _squeeze(x)
            for name in after:
                x, determinant = coupling(name)(x)
                determinants.append(determinant)
            x, half = ops.split(x, 2, axis=-1)
            factored_out.append(layers.Flatten(dtype="float32", name=f"scale{scale}_leaves")(half))
    factored_out.append(layers.Flatten(dtype="float32", name="stays")(x))
    z = layers.Concatenate(dtype="float32", name="z")(factored_out) if scales > 1 else factored_out[0]
    return z, determinants


def _backward(z, coupling, shape, scales):
    """Inverse of `_forward`: (B, H * W * C)  ->  (B, H, W, C)."""
    height, width, bands = shape
    size = height * width * bands
    ends = [size - size // 2**i for i in range(1, scales)]  # every scale but the last factors half of the rest out
    *factored_out, x = ops.split(z, ends, axis=-1) if ends else [z]
    factor = 2 ** (scales - 1)
    x = ops.reshape(x, (-1, height // factor, width // factor, bands * factor))
    for scale in reversed(range(scales)):
        before, after = _coupling_names(scale, scales)
        if after:
            x = ops.concatenate([x, ops.reshape(factored_out[scale], (-1, *x.shape[1:]))], axis=-1)
            for name in reversed(after):
                x = coupling(name)(x, inverse=True)
            x = _unsqueeze(x)
        for name in reversed(before):
            x = coupling(name)(x, inverse=True)
    return x


def _squeeze(x):
    """Space to depth, with 2 x 2 pixels: (B, H, W, C)  ->  (B, H / 2, W / 2, 4 C)."""
    _, h, w, c = x.shape
    x = ops.transpose(ops.reshape(x, (-1, h // 2, 2, w // 2, 2, c)), (0, 1, 3, 5, 2, 4))
    return ops.reshape(x, (-1, h // 2, w // 2, 4 * c))


def _unsqueeze(x):
    """Depth to space: (B, H, W, 4 C)  ->  (B, 2 H, 2 W, C)."""
    _, h, w, c = x.shape
    x = ops.transpose(ops.reshape(x, (-1, h, w, c // 4, 2, 2)), (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (-1, 2 * h, 2 * w, c // 4))


def _log_density(z, log_determinant):
    """Returns log p(image) [nats] by the change of variables, eq. 2: (B, D) and (B,)  ->  (B,)."""
    return log_determinant - ops.sum(z**2 + math.log(2 * math.pi), axis=-1) / 2
