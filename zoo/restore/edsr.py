"""EDSR: super-resolution by residual blocks without normalization."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import Count, Positive, Shape, image_shape
from zoo.blocks import map_head
from zoo.registry import register, variant

STEPS = {2: (2,), 3: (3,), 4: (2, 2)}  # four is reached in two steps


@register(
    task="restore",
    source="https://arxiv.org/abs/1707.02921",
    example={"input_shape": (48, 48, 3)},
)
def edsr(
    input_shape: Shape,
    *,
    scale: Literal[2, 3, 4] = 2,
    depth: Count = 32,
    filters: Count = 256,
    residual_scale: Positive = 0.1,
    name: str = "edsr",
) -> keras.Model:
    """EDSR: residual blocks on the coarse image, then sub-pixel convolutions that enlarge it.

    (B, H, W, C) float  ->  (B, scale * H, scale * W, C) float.

    Args:
        input_shape: (H, W, C) of one coarse image [pixels]; H and W may be None.
        scale: how many times larger the answer is along each side.
        depth: residual blocks of two 3 x 3 convolutions.
        filters: width of every convolution but the last.
        residual_scale: what a block's answer is multiplied with before it is added, which steadies wide networks.
        name: the model's name.
    Returns:
        Uncompiled functional model; 40,729,603 parameters on three bands at scale 2.
    Raises:
        ValueError: if the scale is not 2, 3 or 4.

    Source: Lim, Son, Kim, Nah, Lee 2017, table 1 and figures 2 and 3; `edsr_baseline` is that table's baseline.
        Sub-pixel convolution: Shi et al. 2016, https://arxiv.org/abs/1609.05158.
    Differs: the training set's mean color is no part of the network; subtract it from the input and add it to the
        answer, as preprocessing. Maps within a sub-pixel are ordered as Keras has them, not as PyTorch.
    """
    image_shape(name, input_shape)
    inputs = layers.Input(input_shape, name="image")
    x = first = layers.Conv2D(filters, 3, padding="same", name="stem")(inputs)
    for i in range(depth):
        x = residual(x, filters, residual_scale, f"block{i}")
    x = layers.Conv2D(filters, 3, padding="same", name="body")(x)
    x = layers.Add(name="body_add")([first, x])
    for i, step in enumerate(STEPS[scale]):
        x = layers.Conv2D(filters * step**2, 3, padding="same", name=f"up{i}")(x)
        x = ops.depth_to_space(x, step)
    x = map_head(x, input_shape[-1], kernel_size=3, kernel_initializer="glorot_uniform")
    return keras.Model(inputs, x, name=name)


def residual(x, filters, scale, name):
    """The input plus the scaled answer of convolution, ReLU, convolution."""
    y = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv0")(x)
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(y)
    if scale != 1:
        y = layers.Rescaling(scale, name=f"{name}_scale")(y)
    return layers.Add(name=f"{name}_add")([x, y])


edsr_baseline = variant(edsr, "edsr_baseline", depth=16, filters=64, residual_scale=1.0)
