"""GAN: the first pair of networks that train each other."""

import math

import keras
from keras import layers

from zoo import arguments
from zoo.arguments import Count, Rate, Shape
from zoo.generate.adversarial import Adversarial
from zoo.layers.maxout import Maxout
from zoo.registry import register

SGD = {
    "class_name": "SGD",
    "config": {
        "learning_rate": {
            "module": "keras.optimizers.schedules",
            "class_name": "ExponentialDecay",
            "config": {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 1 / 1.000004},
            "registered_name": None,
        },
        "momentum": 0.5,
    },
}


@register(task="generate", source="https://arxiv.org/abs/1406.2661", example={"image_shape": (28, 28, 1)})
def gan(
    image_shape: Shape,
    latent: Count = 100,
    *,
    units: tuple[Count, ...] = (1200, 1200),
    maxout: tuple[Count, ...] = (240, 240),
    maxout_pieces: Count = 5,
    dropout: Rate = 0.5,
    name: str = "gan",
) -> keras.Model:
    """The first GAN, as its authors trained it on MNIST: dense layers that make digits, maxout that judges them.

    (B, latent) standard normal noise  ->  (B, H, W, C) images from 0 to 1.

    `fit` takes images from 0 to 1.

    Args:
        image_shape: (H, W, C) of one image [pixels].
        latent: size of the noise.
        units: widths of the generator's hidden layers.
        maxout: widths of the discriminator's hidden layers.
        maxout_pieces: affine functions of each of the discriminator's units.
        dropout: rate after the discriminator's hidden layers; that of its input is 0.2, or none where this is 0.
        name: the model's name.
    Returns:
        Uncompiled `Adversarial`; for 28 x 28 x 1 the generator has 2,503,984 parameters and the discriminator
        1,231,441. `compile()` takes stochastic gradient descent with the rate 0.1, which falls by 4e-6 of itself at
        each step, and momentum 0.5 for both.
    Raises:
        ValueError: if a size is missing.

    Source: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1; sizes, noise and settings of
        https://github.com/goodfeli/adversarial/blob/master/mnist.yaml.
    Differs: the momentum stays where the authors raise it to 0.7 over 250 epochs; the generator's last bias starts at
        0, not at the pixels' mean; the updates take turns as in the paper, where the code has both at once.
    """
    arguments.image_shape(name, image_shape, fixed=True, argument="image_shape")
    x = noise = layers.Input((latent,), name="noise")
    for i, width in enumerate(units):
        x = layers.Dense(width, "relu", kernel_initializer=uniform(0.05), name=f"generator_dense{i}")(x)
    generator = keras.Model(noise, as_image(x, image_shape, 0.05), name="generator")

    inputs = layers.Input(image_shape, name="image")
    x = layers.Flatten(name="discriminator_flatten")(inputs)
    x = layers.Dropout(0.2 if dropout else 0.0, name="discriminator_dropout")(x)
    for i, width in enumerate(maxout):
        x = Maxout(width, maxout_pieces, kernel_initializer=uniform(0.005), name=f"discriminator_maxout{i}")(x)
        x = layers.Dropout(dropout, name=f"discriminator_maxout{i}_dropout")(x)
    x = layers.Dense(1, kernel_initializer=uniform(0.005), dtype="float32", name="discriminator_head")(x)
    discriminator = keras.Model(inputs, x, name="discriminator")
    return Adversarial(generator, discriminator, optimizer=SGD, low=0.0, weight=0.5, name=name)


def uniform(extent):
    """Weights from -reach to reach."""
    return keras.initializers.RandomUniform(-extent, extent)


def as_image(x, shape, extent):
    """The generator's last layer: a dense one with a sigmoid, in float32, as an image."""
    options = {"kernel_initializer": uniform(extent), "dtype": "float32", "name": "generator_head"}
    x = layers.Dense(math.prod(shape), "sigmoid", **options)(x)
    return layers.Reshape(shape, dtype="float32", name="generator_image")(x)
