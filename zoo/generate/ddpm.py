"""DDPM: denoising diffusion probabilistic model with a U-Net."""

import math

import keras
from keras import initializers, layers

from zoo.arguments import Count, Rate, Shape, Whole
from zoo.arguments import image_shape as verify_image_shape
from zoo.blocks import map_head
from zoo.generate.diffusion import Diffusion
from zoo.layers.dropout_16bit import Dropout16Bit
from zoo.layers.group_norm import GroupNorm
from zoo.layers.map_attention import MapAttention
from zoo.layers.step_embedding import StepEmbedding
from zoo.layers.upsample_conv import UpsampleConv2D
from zoo.registry import register, variant


@register(
    task="generate",
    source="https://arxiv.org/abs/2006.11239",
    example={"image_shape": (32, 32, 3)},
)
def ddpm(
    image_shape: Shape,
    *,
    filters: tuple[Count, ...] = (128, 256, 256, 256),
    depth: Count = 2,
    attention: tuple[Whole, ...] = (1,),
    dropout: Rate = 0.1,
    steps: Count = 1000,
    name: str = "ddpm",
) -> keras.Model:
    """DDPM: a U-Net that predicts the noise in an image; removing it step by step turns noise into an image.

    [(B, H, W, C) float noisy image, (B,) int timestep index, 0 to steps - 1]  ->  (B, H, W, C) float predicted noise.

    `compile()` uses the paper's settings, `fit(images)` trains on images in [-1, 1] and `sample(n)` generates images.
    See `zoo.generate.diffusion.Diffusion` for these and for `encode`, `interpolate` and `variational_bound`.

    Args:
        image_shape: (H, W, C) of one image [pixels]; H and W divisible by 2 ** (len(filters) - 1).
        filters: number of channels at each scale, finest first, divisible by 4; three scales for 28 x 28.
        depth: residual blocks per scale of the encoder; the decoder has one more.
        attention: indices of the scales with self-attention after each block, 0 the finest: 1 is 16 x 16 pixels of a
            32 x 32 image. The middle block at the coarsest scale always has self-attention.
        dropout: dropout rate within each residual block.
        steps: number T of timesteps, above 20; beta_t rises linearly from 1e-4 to 0.02 with 1000 timesteps, and is
            multiplied by 1000 / steps otherwise.
        name: the model's name.
    Returns:
        Uncompiled `Diffusion`, a functional model; 35,746,307 parameters for 32 x 32 x 3.
    Raises:
        ValueError: if H or W is not divisible by 2 ** (len(filters) - 1), `filters` are not divisible by 4, `attention`
            has an unknown scale, or `steps` is too small.

    Source: Ho, Jain, Abbeel 2020, section 4 and appendix B, and their code, https://github.com/hojonathanho/diffusion.
    Differs: group normalization has fewer than 32 groups where a group would have less than four channels, which does
        not happen with the paper's numbers of channels.
    """
    verify_arguments(name, image_shape, filters, attention)
    image = layers.Input(image_shape, name="image")
    step = layers.Input((), dtype="int32", name="step")
    time = StepEmbedding(filters[0], name="time")(step)
    for i in range(2):  # each block applies swish to the embedding first, so it is applied once, here
        time = layers.Dense(4 * filters[0], "swish", kernel_initializer=initializer(), name=f"time_dense{i}")(time)
    x = conv(filters[0], "stem")(image)
    skips = [x]
    for i, width in enumerate(filters):
        for j in range(depth):
            x = residual(x, time, width, dropout, f"down{i}_block{j}", i in attention)
            skips.append(x)
        if i < len(filters) - 1:
            x = conv(width, f"down{i}_halve", strides=2)(x)
            skips.append(x)
    x = residual(x, time, filters[-1], dropout, "middle_block0", True)
    x = residual(x, time, filters[-1], dropout, "middle_block1", False)
    for i, width in reversed(list(enumerate(filters))):
        for j in range(depth + 1):
            x = layers.Concatenate(name=f"up{i}_concat{j}")([x, skips.pop()])
            x = residual(x, time, width, dropout, f"up{i}_block{j}", i in attention)
        if i:
            x = UpsampleConv2D(width, kernel_initializer=initializer(), name=f"up{i}_conv")(x)
    noise = map_head(norm(x, "head_norm"), image_shape[-1], kernel_size=3, kernel_initializer=initializer(1e-10))
    return Diffusion([image, step], noise, steps=steps, name=name)


def verify_arguments(name, shape, filters, attention):
    """Raises a ValueError for an image shape, `filters` or `attention` that the U-Net cannot have."""
    if not filters or any(width % 4 for width in filters):
        raise ValueError(f"{name}: `filters` must be one or more numbers divisible by 4, got {filters}.")
    verify_image_shape(name, shape, multiple=2 ** (len(filters) - 1), fixed=True, argument="image_shape")
    if any(scale >= len(filters) for scale in attention):
        raise ValueError(f"{name}: `attention` must be scales from 0 to {len(filters) - 1}, got {attention}.")


def initializer(scale=1.0):
    """Glorot uniform initializer with a scale; the authors' code has 1e-10 for the last layer of a branch."""
    return initializers.VarianceScaling(scale, "fan_avg", "uniform")


def conv(filters, name, strides=1, scale=1.0):
    return layers.Conv2D(filters, 3, strides, "same", kernel_initializer=initializer(scale), name=name)


def norm(x, name):
    """Group normalization and swish."""
    groups = math.gcd(32, x.shape[-1] // 4)
    x = GroupNorm(groups, epsilon=1e-6, name=name)(x)
    return layers.Activation("swish", name=f"{name}_swish")(x)


def residual(x, time, filters, dropout, name, attention):
    """Residual block of two convolutions, with the timestep embedding added between them; then self-attention."""
    y = conv(filters, f"{name}_conv0")(norm(x, f"{name}_norm0"))
    shift = layers.Dense(filters, kernel_initializer=initializer(), name=f"{name}_time")(time)
    y = layers.Add(name=f"{name}_shift")([y, layers.Reshape((1, 1, filters), name=f"{name}_place")(shift)])
    y = norm(y, f"{name}_norm1")
    if dropout:
        y = Dropout16Bit(dropout, name=f"{name}_dropout")(y)
    y = conv(filters, f"{name}_conv1", scale=1e-10)(y)
    if x.shape[-1] != filters:
        x = layers.Dense(filters, kernel_initializer=initializer(), name=f"{name}_shortcut")(x)
    x = layers.Add(name=f"{name}_add")([x, y])
    if attention:
        groups = math.gcd(32, filters // 4)
        y = GroupNorm(groups, epsilon=1e-6, name=f"{name}_attention_norm")(x)
        x = layers.Add(name=f"{name}_attention_add")([x, MapAttention(name=f"{name}_attention")(y)])
    return x


ddpm_256 = variant(
    ddpm,
    "ddpm_256",
    filters=(128, 128, 256, 256, 512, 512),
    attention=(4,),
    dropout=0.0,
    example={"image_shape": (256, 256, 3)},
)
