"""Autoencoder: an image through a few numbers and back."""

import math
from typing import Literal

import keras
import numpy as np
from keras import layers

from zoo.arguments import Count, NonNegative, Shape, checked, image_shape
from zoo.blocks import head, map_head
from zoo.generate.generative import between, signature
from zoo.generate.unsupervised import Bernoulli, Unsupervised
from zoo.layers.corrupt import KINDS, Corrupt
from zoo.registry import register, variant


@keras.saving.register_keras_serializable("zoo")
class Autoencoder(Unsupervised):
    """An encoder and a decoder; `compile()` readies it with Adam at 1e-3 and the Bernoulli loss, `fit(images)` trains.

    `encoder` and `decoder` are models that share its weights. `fit(images, others)` trains it to answer `others`.
    """

    @property
    def encoder(self):
        return self.get_layer("encoder")

    @property
    def decoder(self):
        return self.get_layer("decoder")

    def settings(self):
        return keras.optimizers.Adam(1e-3), Bernoulli(), None

    def code(self, images):
        """The code of each image: (N, H, W, C), 0 to 1  ->  (N, latent) or (N, h, w, filters)."""
        return self.encoder.predict(self.checked_images(images), verbose=0)

    @checked
    def interpolate(self, a, b, steps: Count, path: Literal["sphere", "line"] = "line"):
        """Images from one image to another, through their codes.

        Args:
            a, b: (H, W, C) images from 0 to 1.
            steps: how many images; the first and the last are the reconstructions of `a` and `b`.
            path: as `zoo.generate.generative.between` has it.
        Returns:
            (steps, H, W, C) float32 array.
        Raises:
            ValueError: if an image has another shape or range.
        """
        codes = self.code(np.stack([a, b]))
        points = between(codes[0].ravel(), codes[1].ravel(), steps, path)
        return self.decoder.predict(points.reshape(steps, *codes.shape[1:]), verbose=0)

    def signatures(self):
        """What an export offers: reconstruct, encode, decode."""
        parts = {"reconstruct": self, "encode": self.encoder, "decode": self.decoder}
        return {name: signature(part) for name, part in parts.items()}


@register(
    task="generate",
    source="https://doi.org/10.1126/science.1127647",
    example={"input_shape": (28, 28, 1), "latent": 30},
)
def autoencoder(
    input_shape: Shape,
    latent: Count | None,
    *,
    units: tuple[Count, ...] = (1000, 500, 250),
    filters: tuple[Count, ...] = (),
    hidden_activation: str = "relu",
    corruption: KINDS | None = None,
    strength: NonNegative = 0.25,
    name: str = "autoencoder",
) -> keras.Model:
    """Autoencoder, dense or convolutional: what an image needs to be made again, in `latent` numbers.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: the image again.

    Args:
        input_shape: (H, W, C) of one image [pixels]; with `filters`, H and W divisible by 2 ** len(filters).
        latent: length of the code, which is linear; None leaves the last map of the convolutions as the code.
        units: widths of the encoder's hidden dense layers; the decoder mirrors them. Not used with `filters`.
        filters: widths of 3 x 3 convolutions, each halving the map, which the decoder mirrors; empty for none.
        hidden_activation: relu, tanh, sigmoid, ... of the hidden layers.
        corruption: noise in training that the model learns to undo, as `zoo.layers.Corrupt` has it; None for none.
        strength: of the corruption: a share of the pixels, or of gaussian the standard deviation.
        name: the model's name.
    Returns:
        Uncompiled `Autoencoder`; 2,837,314 parameters for 28 x 28 pixels and 30 numbers.
    Raises:
        ValueError: if H or W does not divide, or `latent` is None without `filters`.

    Source: Hinton and Salakhutdinov 2006, figure 1; `denoising_autoencoder` is Vincent et al. 2008 on the maps of
        https://keras.io/examples/vision/autoencoder/.
    Differs: trained at once by Adam, where the paper trains layer by layer first (see `dbn`) and has logistic units;
        keras.io's maps are halved by strides, not by pooling, with the same weights.
    """
    image_shape(name, input_shape, fixed=True, multiple=2 ** len(filters))
    if latent is None and not filters:
        raise ValueError(f"{name}: `latent` must be a whole number of at least 1 without `filters`, got None.")
    inputs = layers.Input(input_shape, name="image")
    x = inputs if corruption is None else Corrupt(corruption, strength, name="corrupt")(inputs)
    entry = layers.Input(input_shape, name="image")
    features, fold = hidden(entry, () if filters else units, filters, hidden_activation)
    code = features
    if latent is not None:
        code = layers.Dense(latent, name="code")(layers.Flatten(name="flat")(features) if filters else features)
    encoder = keras.Model(entry, code, name="encoder")
    decoder = decode(code.shape[1:], input_shape, units[::-1], filters, hidden_activation, fold)
    return Autoencoder(inputs, decoder(encoder(x)), name=name)


def first(spread):
    """A dense layer's first weights: N(0, spread), or Glorot's where it is None; one that no other layer uses."""
    return "glorot_uniform" if spread is None else keras.initializers.RandomNormal(stddev=spread)


def hidden(x, units, filters, activation, spread=None):
    """The encoder's hidden layers: (their answer, (h, w, C) of the last map or None)."""
    for i, width in enumerate(filters):
        x = layers.Conv2D(width, 3, 2, "same", activation=activation, name=f"encoder_conv{i}")(x)
    fold = x.shape[1:] if filters else None
    if not filters or units:
        x = layers.Flatten(name="flat")(x)
    for i, width in enumerate(units):
        x = layers.Dense(width, activation, kernel_initializer=first(spread), name=f"encoder_dense{i}")(x)
    return x, fold


def decode(code_shape, output_shape, units, filters, activation, fold, spread=None):
    """The decoder as a model: from the code by dense layers, or by transposed convolutions, to probabilities."""
    code = x = layers.Input(code_shape, name="code")
    if filters:
        if len(code_shape) == 1:
            x = layers.Dense(math.prod(fold), activation, name="decoder_dense")(x)
            x = layers.Reshape(fold, name="decoder_fold")(x)
        for i, width in enumerate(reversed(filters)):
            x = layers.Conv2DTranspose(width, 3, 2, "same", activation=activation, name=f"decoder_conv{i}")(x)
        return keras.Model(code, map_head(x, output_shape[-1], "sigmoid", kernel_size=3), name="decoder")
    for i, width in enumerate(units):
        x = layers.Dense(width, activation, kernel_initializer=first(spread), name=f"decoder_dense{i}")(x)
    x = head(x, math.prod(output_shape), "sigmoid", first(spread))
    return keras.Model(code, layers.Reshape(output_shape, dtype="float32", name="fold")(x), name="decoder")


denoising_autoencoder = variant(
    autoencoder,
    "denoising_autoencoder",
    source="https://doi.org/10.1145/1390156.1390294",
    example={"input_shape": (28, 28, 1)},
    latent=None,
    filters=(32, 32),
    corruption="gaussian",
    strength=0.4,
)
