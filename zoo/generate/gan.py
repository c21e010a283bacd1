"""GAN: the first generative adversarial network (Goodfellow et al. 2014)."""

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
    """GAN with a dense generator and a maxout discriminator, the MNIST model of the original paper.

    (B, latent) standard normal noise  ->  (B, H, W, C) images from 0 to 1.

    `fit` takes images from 0 to 1.

    Args:
        image_shape: (H, W, C) of one image [pixels].
        latent: size of the noise.
        units: number of units of the generator's hidden layers.
        maxout: number of units of the discriminator's hidden maxout layers.
        maxout_pieces: affine functions per maxout unit.
        dropout: dropout rate after the discriminator's hidden layers. The rate at its input is 0.2, or 0 where this is
            0.
        name: the model's name.
    Returns:
        Uncompiled `Adversarial`; for 28 x 28 x 1 the generator has 2,503,984 parameters and the discriminator
        1,231,441. `compile()` takes SGD with momentum 0.5 and learning rate 0.1, which decays by a fraction of 4e-6
        per step, for both.
    Raises:
        ValueError: if H, W or C is None.

    Source: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1; sizes, noise and settings of
        https://github.com/goodfeli/adversarial/blob/master/mnist.yaml.
    Differs: the momentum is constant, where the authors raise it to 0.7 over 250 epochs; the generator's last bias is
        initialized with 0, not with the pixels' mean; the networks are updated in turns as in the paper, where the
        code updates both in one step.
    """
    arguments.image_shape(name, image_shape, fixed=True, argument="image_shape")
    x = noise = layers.Input((latent,), name="noise")
    for i, width in enumerate(units):
        x = layers.Dense(width, "relu", kernel_initializer=uniform(0.05), name=f"generator_dense{i}")(x)
    generator = keras.Model(noise, image_head(x, image_shape, 0.05), name="generator")

    inputs = layers.Input(image_shape, name="image")
    x = layers.Flatten(name="discriminator_flatten")(inputs)
    x = layers.Dropout(0.2 if dropout else 0.0, name="discriminator_dropout")(x)
    for i, width in enumerate(maxout):
        x = Maxout(width, maxout_pieces, kernel_initializer=uniform(0.005), name=f"discriminator_maxout{i}")(x)
        x = layers.Dropout(dropout, name=f"discriminator_maxout{i}_dropout")(x)
    x = layers.Dense(1, kernel_initializer=uniform(0.005), dtype="float32", name="discriminator_head")(x)
    discriminator = keras.Model(inputs, x, name="discriminator")
    return Adversarial(generator, discriminator, optimizer=SGD, low=0.0, weight=0.5, name=name)


def uniform(limit):
    """Initializer with the uniform distribution from -limit to limit."""
    return keras.initializers.RandomUniform(-limit, limit)


def image_head(x, shape, limit):
    """Adds the generator's last layer: dense with a sigmoid, in float32, reshaped to an image."""
    options = {"kernel_initializer": uniform(limit), "dtype": "float32", "name": "generator_head"}
    x = layers.Dense(math.prod(shape), "sigmoid", **options)(x)
    return layers.Reshape(shape, dtype="float32", name="generator_image")(x)
