"""Autoencoder: encodes an image as a short code and decodes it again."""

import math
from typing import Literal

import keras
import numpy as np
from keras import layers

from zoo.arguments import Count, NonNegative, Shape, checked, image_shape
from zoo.blocks import head, map_head
from zoo.generate.generative import interpolate_latent, signature
from zoo.generate.unsupervised import Bernoulli, Unsupervised
from zoo.layers.corrupt import KINDS, Corrupt
from zoo.registry import register, variant

HiddenActivation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid", "linear"]


@keras.saving.register_keras_serializable("zoo")
class Autoencoder(Unsupervised):
    """An encoder and a decoder; `compile()` uses Adam at 1e-3 and the Bernoulli loss, and `fit(images)` trains.

    `encoder` and `decoder` are models that share its weights. `fit(images, targets)` trains it to predict other images
    than its inputs.
    """

    @property
    def encoder(self):
        return self.get_layer("encoder")

    @property
    def decoder(self):
        return self.get_layer("decoder")

    def default_settings(self):
        return keras.optimizers.Adam(1e-3), Bernoulli(), None

    def encode(self, images):
        """Returns the code of each image: (N, H, W, C), 0 to 1  ->  (N, latent) or (N, h, w, filters)."""
        return self.encoder.predict(self.checked_images(images), verbose=0)

    @checked
    def interpolate(self, a, b, steps: Count, path: Literal["sphere", "line"] = "line"):
        """Interpolates between the codes of two images and decodes the result.

        Args:
            a, b: (H, W, C) images from 0 to 1.
            steps: number of images; the first and the last are the reconstructions of `a` and `b`.
            path: "line" or "sphere", as in `zoo.generate.generative.interpolate_latent`.
        Returns:
            (steps, H, W, C) float32 array.
        Raises:
            ValueError: if an image has another shape or range.
        """
        codes = self.encode(np.stack([a, b]))
        points = interpolate_latent(codes[0].ravel(), codes[1].ravel(), steps, path)
        return self.decoder.predict(points.reshape(steps, *codes.shape[1:]), verbose=0)

    def signatures(self):
        """Returns the export signatures: reconstruct, encode, decode."""
        models = {"reconstruct": self, "encode": self.encoder, "decode": self.decoder}
        return {name: signature(model) for name, model in models.items()}


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
    hidden_activation: HiddenActivation = "relu",
    corruption: KINDS | None = None,
    strength: NonNegative = 0.25,
    name: str = "autoencoder",
) -> keras.Model:
    """Autoencoder, dense or convolutional: encodes an image as `latent` numbers and reconstructs it from them.

    (B, H, W, C) float, 0 to 1  ->  (B, H, W, C) probabilities: the reconstructed image.

    Args:
        input_shape: (H, W, C) of one image [pixels]; with `filters`, H and W divisible by 2 ** len(filters).
        latent: size of the code, which has no activation; None for the last feature map of the convolutions.
        units: number of units of the encoder's hidden dense layers; the decoder mirrors them. Not used with `filters`.
        filters: number of channels of the encoder's 3 x 3 convolutions with stride 2; the decoder mirrors them. Empty
            for a dense autoencoder.
        hidden_activation: activation of the hidden layers: relu, leaky_relu, elu, selu, gelu, silu, softplus, tanh,
            sigmoid or linear.
        corruption: kind of noise added to the inputs in training, as in `zoo.layers.Corrupt`; None for none.
        strength: strength of the corruption: the fraction of the pixels, or the standard deviation of "gaussian".
        name: the model's name.
    Returns:
        Uncompiled `Autoencoder`; 2,837,314 parameters for 28 x 28 pixels and a code of 30 numbers.
    Raises:
        ValueError: if H or W is not divisible by 2 ** len(filters), or `latent` is None without `filters`.

    Source: Hinton and Salakhutdinov 2006, figure 1; `denoising_autoencoder` is Vincent et al. 2008 with the layers of
        https://keras.io/examples/vision/autoencoder/.
    Differs: trained end to end with Adam, where the paper pretrains layer by layer (see `dbn`) and has logistic units;
        downsampling is by stride, where keras.io has pooling, with the same number of weights.
    """
    image_shape(name, input_shape, fixed=True, multiple=2 ** len(filters))
    if latent is None and not filters:
        raise ValueError(f"{name}: `latent` must be a whole number of at least 1 without `filters`, got None.")
    inputs = layers.Input(input_shape, name="image")
    x = inputs if corruption is None else Corrupt(corruption, strength, name="corrupt")(inputs)
    entry = layers.Input(input_shape, name="image")
    features, map_shape = encoder_layers(entry, () if filters else units, filters, hidden_activation)
    code = features
    if latent is not None:
        code = layers.Dense(latent, name="code")(layers.Flatten(name="flat")(features) if filters else features)
    encoder = keras.Model(entry, code, name="encoder")
    decoder = build_decoder(code.shape[1:], input_shape, units[::-1], filters, hidden_activation, map_shape)
    return Autoencoder(inputs, decoder(encoder(x)), name=name)


def dense_initializer(stddev):
    """Returns a new initializer of a dense layer: N(0, stddev), or Glorot uniform where `stddev` is None."""
    return "glorot_uniform" if stddev is None else keras.initializers.RandomNormal(stddev=stddev)


def encoder_layers(x, units, filters, activation, stddev=None):
    """Adds the encoder's hidden layers; returns their output and the shape (h, w, C) of the last feature map or None.

    Args:
        x: symbolic images.
        units: number of units of the dense layers.
        filters: number of channels of the convolutions.
        activation: activation of the hidden layers.
        stddev: standard deviation of the dense layers' initial weights, or None for Glorot uniform.
    """
    for i, width in enumerate(filters):
        x = layers.Conv2D(width, 3, 2, "same", activation=activation, name=f"encoder_conv{i}")(x)
    map_shape = x.shape[1:] if filters else None
    if not filters or units:
        x = layers.Flatten(name="flat")(x)
    for i, width in enumerate(units):
        x = layers.Dense(width, activation, kernel_initializer=dense_initializer(stddev), name=f"encoder_dense{i}")(x)
    return x, map_shape


def build_decoder(code_shape, output_shape, units, filters, activation, map_shape, stddev=None):
    """Returns the decoder as a model: dense layers or transposed convolutions from the code to probabilities.

    Args:
        code_shape: shape of one code.
        output_shape: (H, W, C) of one image.
        units: number of units of the dense layers, unused with `filters`.
        filters: number of channels of the encoder's convolutions.
        activation: activation of the hidden layers.
        map_shape: (h, w, C) of the encoder's last feature map, or None.
        stddev: standard deviation of the dense layers' initial weights, or None for Glorot uniform.
    """
    code = x = layers.Input(code_shape, name="code")
    if filters:
        if len(code_shape) == 1:
            x = layers.Dense(math.prod(map_shape), activation, name="decoder_dense")(x)
            x = layers.Reshape(map_shape, name="decoder_fold")(x)
        for i, width in enumerate(reversed(filters)):
            x = layers.Conv2DTranspose(width, 3, 2, "same", activation=activation, name=f"decoder_conv{i}")(x)
        return keras.Model(code, map_head(x, output_shape[-1], "sigmoid", kernel_size=3), name="decoder")
    for i, width in enumerate(units):
        x = layers.Dense(width, activation, kernel_initializer=dense_initializer(stddev), name=f"decoder_dense{i}")(x)
    x = head(x, math.prod(output_shape), "sigmoid", dense_initializer(stddev))
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
