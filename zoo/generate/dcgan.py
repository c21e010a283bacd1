"""DCGAN: convolutions all the way."""

import keras
from keras import layers

from zoo import arguments
from zoo.arguments import Count, Shape
from zoo.generate.adversarial import Adversarial
from zoo.layers.downsample_conv import DownsampleConv2D
from zoo.layers.narrow_conv_transpose import MAX_BANDS, NarrowConv2DTranspose
from zoo.registry import register, variant

PAPER = "https://arxiv.org/abs/1511.06434"
ADAM = {"class_name": "Adam", "config": {"learning_rate": 2e-4, "beta_1": 0.5}}


@register(task="generate", source=PAPER, example={"image_shape": (64, 64, 3)})
def dcgan(
    image_shape: Shape,
    latent: Count = 100,
    *,
    filters: Count = 64,
    kernel_size: Count = 4,
    name: str = "dcgan",
) -> keras.Model:
    """DCGAN: the generator doubles the map until it is an image, the discriminator halves it until it is a verdict.

    (B, latent) standard normal noise  ->  (B, H, W, C) images from -1 to 1.

    Both have as many stages of stride 2 as the sides can be halved with at least 4 pixels left: 64 = 4 x 2^4,
    32 = 4 x 2^3, 28 = 7 x 2^2. `fit` takes images from -1 to 1.

    Args:
        image_shape: (H, W, C) of one image [pixels]; H and W even and at least 8.
        latent: size of the noise.
        filters: width of the stage next to the image; it doubles at each further stage.
        kernel_size: side of the square kernels of stride 2.
        name: the model's name.
    Returns:
        Uncompiled `Adversarial`; for 64 x 64 x 3 the generator has 3,576,704 trainable parameters and the discriminator
        2,765,568. `compile()` takes Adam with the rate 2e-4 and beta1 0.5 for both.
    Raises:
        ValueError: if a side is not even or below 8.

    Source: Radford, Metz, Chintala 2015, https://arxiv.org/abs/1511.06434, section 3 and figure 1; the widths and
        kernels are those of https://github.com/pytorch/examples/tree/main/dcgan, the paper's are `dcgan_paper`.
    Differs: noise from the normal distribution, as PyTorch's example has it, where the paper has the uniform one.
    """
    stages = halvings(name, image_shape)
    start = (image_shape[0] >> stages, image_shape[1] >> stages)
    widths = [filters * 2**i for i in range(stages)]
    generator = _generator(start, widths[::-1], image_shape[2], latent, kernel_size)
    discriminator = _discriminator(image_shape, widths, kernel_size)
    return Adversarial(generator, discriminator, optimizer=ADAM, name=name)


def halvings(name, shape):
    """How often both sides of an image can be halved with at least 4 pixels left; a ValueError if not once."""
    arguments.image_shape(name, shape, at_least=8, multiple=2, fixed=True, argument="image_shape")
    stages = 1
    while all(side % 2 ** (stages + 1) == 0 and side >> (stages + 1) >= 4 for side in shape[:2]):
        stages += 1
    return stages


def _generator(start, widths, bands, latent, kernel_size):
    inputs = layers.Input((latent,), name="noise")
    x = _dense(start[0] * start[1] * widths[0], "generator_stage0")(inputs)
    x = layers.Reshape((*start, widths[0]), name="generator_reshape")(x)
    for i, width in enumerate(widths):
        x = transposed(width, kernel_size, 2, "same", f"generator_stage{i}")(x) if i else x
        x = norm(f"generator_stage{i}_norm")(x)
        x = layers.ReLU(name=f"generator_stage{i}_relu")(x)
    x = transposed(bands, kernel_size, 2, "same", "generator_head", dtype="float32")(x)
    x = layers.Activation("tanh", dtype="float32", name="generator_tanh")(x)
    return keras.Model(inputs, x, name="generator")


def _discriminator(image_shape, widths, kernel_size):
    inputs = x = layers.Input(image_shape, name="image")
    for i, width in enumerate(widths):
        x = convolution(width, kernel_size, 2, "same", f"discriminator_stage{i}", bands=x.shape[-1])(x)
        x = norm(f"discriminator_stage{i}_norm")(x) if i else x
        x = layers.LeakyReLU(0.2, name=f"discriminator_stage{i}_relu")(x)
    x = layers.Flatten(name="discriminator_flatten")(x)
    return keras.Model(inputs, _dense(1, "discriminator_head", dtype="float32")(x), name="discriminator")


def _dense(units, name, dtype=None):
    """What PyTorch's example computes by a convolution as large as its map: the same numbers, by one product."""
    start = keras.initializers.RandomNormal(0, 0.02)
    return layers.Dense(units, use_bias=False, kernel_initializer=start, dtype=dtype, name=name)


def transposed(filters, kernel_size, strides, padding, name, *, use_bias=False, dtype=None):
    """A transposed convolution that starts as DCGAN's do, N(0, 0.02)."""
    start = keras.initializers.RandomNormal(0, 0.02)
    options = {"use_bias": use_bias, "kernel_initializer": start, "dtype": dtype, "name": name}
    if (kernel_size, strides, padding) == (4, 2, "same") and filters <= MAX_BANDS:
        return NarrowConv2DTranspose(filters, **options)
    return layers.Conv2DTranspose(filters, kernel_size, strides, padding, **options)


def convolution(filters, kernel_size, strides, padding, name, *, bands=None, use_bias=False, dtype=None):
    """A convolution that starts as DCGAN's do, N(0, 0.02)."""
    start = keras.initializers.RandomNormal(0, 0.02)
    options = {"use_bias": use_bias, "kernel_initializer": start, "dtype": dtype, "name": name}
    if (kernel_size, strides, padding) == (4, 2, "same") and bands is not None and bands <= MAX_BANDS:
        return DownsampleConv2D(filters, **options)
    return layers.Conv2D(filters, kernel_size, strides, padding, **options)


def norm(name):
    """A batch normalisation with PyTorch's constants whose scale starts as N(1, 0.02)."""
    start = keras.initializers.RandomNormal(1, 0.02)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=start, name=name)


dcgan_paper = variant(dcgan, "dcgan_paper", filters=128, kernel_size=5)
