"""DCGAN: deep convolutional GAN."""

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
    """DCGAN: the generator upsamples noise to an image, the discriminator downsamples an image to one logit.

    (B, latent) standard normal noise  ->  (B, H, W, C) images from -1 to 1.

    Both networks have as many stages of stride 2 as possible with at least 4 pixels per side in the smallest feature
    map: 64 = 4 x 2^4, 32 = 4 x 2^3, 28 = 7 x 2^2. `fit` takes images from -1 to 1.

    Args:
        image_shape: (H, W, C) of one image [pixels]; H and W even and at least 8.
        latent: size of the noise.
        filters: number of channels of the stage next to the image; it doubles at each further stage.
        kernel_size: side of the kernels of stride 2 [pixels].
        name: the model's name.
    Returns:
        Uncompiled `Adversarial`; for 64 x 64 x 3 the generator has 3,576,704 trainable parameters and the discriminator
        2,765,568. `compile()` takes Adam with learning rate 2e-4 and beta_1 0.5 for both.
    Raises:
        ValueError: if H or W is odd or below 8.

    Source: Radford, Metz, Chintala 2015, https://arxiv.org/abs/1511.06434, section 3 and figure 1; the numbers of
        channels and the kernels are those of https://github.com/pytorch/examples/tree/main/dcgan, those of the paper
        are in `dcgan_paper`.
    Differs: noise is normal, as in PyTorch's example, where the paper has the uniform distribution.
    """
    stages = stride_2_stages(name, image_shape)
    start_size = (image_shape[0] >> stages, image_shape[1] >> stages)
    widths = [filters * 2**i for i in range(stages)]
    generator = _generator(start_size, widths[::-1], image_shape[2], latent, kernel_size)
    discriminator = _discriminator(image_shape, widths, kernel_size)
    return Adversarial(generator, discriminator, optimizer=ADAM, name=name)


def stride_2_stages(name, shape):
    """Returns how often H and W can be halved with at least 4 pixels left.

    Raises:
        ValueError: if H or W is odd or below 8.
    """
    arguments.image_shape(name, shape, at_least=8, multiple=2, fixed=True, argument="image_shape")
    stages = 1
    while all(side % 2 ** (stages + 1) == 0 and side >> (stages + 1) >= 4 for side in shape[:2]):
        stages += 1
    return stages


def _generator(start_size, widths, bands, latent, kernel_size):
    inputs = layers.Input((latent,), name="noise")
    x = _dense(start_size[0] * start_size[1] * widths[0], "generator_stage0")(inputs)
    x = layers.Reshape((*start_size, widths[0]), name="generator_reshape")(x)
    for i, width in enumerate(widths):
        x = conv_transpose(width, kernel_size, 2, "same", f"generator_stage{i}")(x) if i else x
        x = norm(f"generator_stage{i}_norm")(x)
        x = layers.ReLU(name=f"generator_stage{i}_relu")(x)
    x = conv_transpose(bands, kernel_size, 2, "same", "generator_head", dtype="float32")(x)
    x = layers.Activation("tanh", dtype="float32", name="generator_tanh")(x)
    return keras.Model(inputs, x, name="generator")


def _discriminator(image_shape, widths, kernel_size):
    inputs = x = layers.Input(image_shape, name="image")
    for i, width in enumerate(widths):
        x = conv(width, kernel_size, 2, "same", f"discriminator_stage{i}", input_bands=x.shape[-1])(x)
        x = norm(f"discriminator_stage{i}_norm")(x) if i else x
        x = layers.LeakyReLU(0.2, name=f"discriminator_stage{i}_relu")(x)
    x = layers.Flatten(name="discriminator_flatten")(x)
    return keras.Model(inputs, _dense(1, "discriminator_head", dtype="float32")(x), name="discriminator")


def _dense(units, name, dtype=None):
    """Dense layer in place of a convolution whose kernel covers the whole feature map, as in PyTorch's example."""
    initializer = keras.initializers.RandomNormal(0, 0.02)
    return layers.Dense(units, use_bias=False, kernel_initializer=initializer, dtype=dtype, name=name)


def conv_transpose(filters, kernel_size, strides, padding, name, *, use_bias=False, dtype=None):
    """Transposed convolution initialized from N(0, 0.02), as in DCGAN."""
    initializer = keras.initializers.RandomNormal(0, 0.02)
    options = {"use_bias": use_bias, "kernel_initializer": initializer, "dtype": dtype, "name": name}
    if (kernel_size, strides, padding) == (4, 2, "same") and filters <= MAX_BANDS:
        return NarrowConv2DTranspose(filters, **options)
    return layers.Conv2DTranspose(filters, kernel_size, strides, padding, **options)


def conv(filters, kernel_size, strides, padding, name, *, input_bands=None, use_bias=False, dtype=None):
    """Convolution initialized from N(0, 0.02), as in DCGAN."""
    initializer = keras.initializers.RandomNormal(0, 0.02)
    options = {"use_bias": use_bias, "kernel_initializer": initializer, "dtype": dtype, "name": name}
    if (kernel_size, strides, padding) == (4, 2, "same") and input_bands is not None and input_bands <= MAX_BANDS:
        return DownsampleConv2D(filters, **options)
    return layers.Conv2D(filters, kernel_size, strides, padding, **options)


def norm(name):
    """Batch normalization with PyTorch's constants and gamma initialized from N(1, 0.02)."""
    initializer = keras.initializers.RandomNormal(1, 0.02)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=initializer, name=name)


dcgan_paper = variant(dcgan, "dcgan_paper", filters=128, kernel_size=5)
