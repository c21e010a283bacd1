"""Conditional GAN: both networks are told the class."""

import keras
from keras import layers, ops

from zoo import arguments
from zoo.arguments import Count, Rate, Shape
from zoo.generate.adversarial import Adversarial
from zoo.generate.gan import SGD, as_image, uniform
from zoo.layers.maxout import Maxout
from zoo.registry import register


@register(
    task="generate", source="https://arxiv.org/abs/1411.1784", example={"image_shape": (28, 28, 1), "classes": 10}
)
def conditional_gan(
    image_shape: Shape,
    classes: Count,
    latent: Count = 100,
    *,
    units: tuple[Count, Count, Count] = (200, 1000, 1200),
    maxout: tuple[Count, Count, Count] = (240, 50, 240),
    maxout_pieces: tuple[Count, Count, Count] = (5, 5, 4),
    dropout: Rate = 0.5,
    name: str = "conditional_gan",
) -> keras.Model:
    """Conditional GAN: noise and a class become an image of that class, and the discriminator knows the class too.

    (B, latent) standard normal noise, (B,) int labels  ->  (B, H, W, C) images from 0 to 1.

    `fit(images, labels)` takes images from 0 to 1 and labels from 0.

    Args:
        image_shape: (H, W, C) of one image [pixels].
        classes: how many classes there are.
        latent: size of the noise.
        units: widths of the generator's layers: of the noise, of the label, and of both together.
        maxout: widths of the discriminator's layers: of the image, of the label, and of both together.
        maxout_pieces: affine functions of a unit in each of those.
        dropout: rate after the hidden layers of both networks.
        name: the model's name.
    Returns:
        Uncompiled `Adversarial`; for 28 x 28 x 1 and ten classes the generator has 2,413,984 parameters and the
        discriminator 1,224,351. `compile()` takes stochastic gradient descent as `gan` has it.
    Raises:
        ValueError: if a size is missing.

    Source: Mirza, Osindero 2014, https://arxiv.org/abs/1411.1784, section 4.1.
    Differs: normal noise where the paper draws it uniformly from a unit hypercube; the momentum stays 0.5 where the
        paper's rises to 0.7; the rate falls as in `gan`'s code.
    """
    arguments.image_shape(name, image_shape, fixed=True, argument="image_shape")
    noise, label = layers.Input((latent,), name="noise"), layers.Input((), dtype="int32", name="label")
    x = _hidden(noise, units[0], dropout, "generator_noise")
    y = _hidden(ops.one_hot(label, classes), units[1], dropout, "generator_label")
    x = layers.Concatenate(name="generator_both")([x, y])
    x = as_image(_hidden(x, units[2], dropout, "generator_joint"), image_shape, 0.05)
    generator = keras.Model([noise, label], x, name="generator")

    image, label = layers.Input(image_shape, name="image"), layers.Input((), dtype="int32", name="label")
    x = layers.Flatten(name="discriminator_flatten")(image)
    x = _maxout(x, maxout[0], maxout_pieces[0], dropout, "discriminator_image")
    y = _maxout(ops.one_hot(label, classes), maxout[1], maxout_pieces[1], dropout, "discriminator_label")
    x = layers.Concatenate(name="discriminator_both")([x, y])
    x = _maxout(x, maxout[2], maxout_pieces[2], dropout, "discriminator_joint")
    x = layers.Dense(1, kernel_initializer=uniform(0.005), dtype="float32", name="discriminator_head")(x)
    discriminator = keras.Model([image, label], x, name="discriminator")
    return Adversarial(generator, discriminator, optimizer=SGD, low=0.0, classes=classes, weight=0.5, name=name)


def _hidden(x, units, dropout, name):
    x = layers.Dense(units, "relu", kernel_initializer=uniform(0.05), name=name)(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)


def _maxout(x, units, maxout_pieces, dropout, name):
    x = Maxout(units, maxout_pieces, kernel_initializer=uniform(0.005), name=name)(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x)
