"""Conditional GAN: the class label is an input of both networks."""

import keras
from keras import layers, ops

from zoo import arguments
from zoo.arguments import Count, Rate, Shape
from zoo.generate.adversarial import Adversarial
from zoo.generate.gan import SGD, image_head, uniform
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
    """Conditional GAN: generates images of a given class; the label is an input of generator and discriminator.

    (B, latent) standard normal noise, (B,) int labels  ->  (B, H, W, C) images from 0 to 1.

    `fit(images, labels)` takes images from 0 to 1 and class indices from 0.

    Args:
        image_shape: (H, W, C) of one image [pixels].
        classes: number of classes.
        latent: size of the noise.
        units: number of units of the generator's layers for the noise, for the label, and for both joined.
        maxout: number of units of the discriminator's layers for the image, for the label, and for both joined.
        maxout_pieces: affine functions per unit of these maxout layers.
        dropout: dropout rate after the hidden layers of both networks.
        name: the model's name.
    Returns:
        Uncompiled `Adversarial`; for 28 x 28 x 1 and ten classes the generator has 2,413,984 parameters and the
        discriminator 1,224,351. `compile()` takes SGD as in `gan`.
    Raises:
        ValueError: if H, W or C is None.

    Source: Mirza, Osindero 2014, https://arxiv.org/abs/1411.1784, section 4.1.
    Differs: noise is normal, where the paper has the uniform distribution over the unit hypercube; the momentum is
        constant at 0.5, where the paper raises it to 0.7; the learning rate decays as in the code of `gan`.
    """
    arguments.image_shape(name, image_shape, fixed=True, argument="image_shape")
    noise, label = layers.Input((latent,), name="noise"), layers.Input((), dtype="int32", name="label")
    x = _hidden(noise, units[0], dropout, "generator_noise")
    y = _hidden(ops.one_hot(label, classes), units[1], dropout, "generator_label")
    x = layers.Concatenate(name="generator_both")([x, y])
    x = image_head(_hidden(x, units[2], dropout, "generator_joint"), image_shape, 0.05)
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
