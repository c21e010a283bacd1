"""EDSR: super-resolution by residual blocks without normalization."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import Count, Positive, Shape, image_shape
from zoo.blocks import map_head
from zoo.registry import register, variant

UPSCALING_STEPS = {2: (2,), 3: (3,), 4: (2, 2)}


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
    """EDSR: residual blocks on the low-resolution image, then upscaling by sub-pixel convolutions.

    (B, H, W, C) float  ->  (B, scale * H, scale * W, C) float.

    Args:
        input_shape: (H, W, C) of one low-resolution image [pixels]; H and W may be None.
        scale: upscaling factor along each side; 4 is two steps of 2.
        depth: number of residual blocks of two 3 x 3 convolutions.
        filters: number of filters of every convolution but the last and the sub-pixel convolutions.
        residual_scale: factor on a block's output before it is added, which stabilizes wide networks.
        name: the model's name.
    Returns:
        Uncompiled functional model; 40,729,603 parameters on three bands at scale 2.
    Raises:
        ValueError: if `scale` is not 2, 3 or 4.

    Source: Lim, Son, Kim, Nah, Lee 2017, table 1 and figures 2 and 3; `edsr_baseline` is that table's baseline.
        Sub-pixel convolution: Shi et al. 2016, https://arxiv.org/abs/1609.05158.
    Differs: the mean color of the training set is not part of the network. Subtract it from the input and add it to the
        output. The channels of a sub-pixel convolution are in Keras' order, not in PyTorch's.
    """
    image_shape(name, input_shape)
    inputs = layers.Input(input_shape, name="image")
    x = first = layers.Conv2D(filters, 3, padding="same", name="stem")(inputs)
    for i in range(depth):
        x = residual(x, filters, residual_scale, f"block{i}")
    x = layers.Conv2D(filters, 3, padding="same", name="body")(x)
    x = layers.Add(name="body_add")([first, x])
    for i, step in enumerate(UPSCALING_STEPS[scale]):
        x = layers.Conv2D(filters * step**2, 3, padding="same", name=f"up{i}")(x)
        x = ops.depth_to_space(x, step)
    x = map_head(x, input_shape[-1], kernel_size=3, kernel_initializer="glorot_uniform")
    return keras.Model(inputs, x, name=name)


def residual(x, filters, scale, name):
    """Returns the input plus the scaled output of convolution, ReLU, convolution."""
    y = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv0")(x)
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(y)
    if scale != 1:
        y = layers.Rescaling(scale, name=f"{name}_scale")(y)
    return layers.Add(name=f"{name}_add")([x, y])


edsr_baseline = variant(edsr, "edsr_baseline", depth=16, filters=64, residual_scale=1.0)
