"""MobileNetV2: inverted residuals with linear bottlenecks."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Positive, Rate, Shape, image_shape
from zoo.blocks import conv_norm, head
from zoo.layers.drop_path import DropPath
from zoo.registry import register

# Table 2 of the paper: expansion t, width c, stride s; its n are `depths`.
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
NORM = {"epsilon": 1e-3, "momentum": 0.999}  # keras.applications'

Depths = tuple[Count, Count, Count, Count, Count, Count, Count]


@register(
    task="classify",
    source="https://arxiv.org/abs/1801.04381",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def mobilenet_v2(
    input_shape: Shape,
    classes: Count,
    *,
    alpha: Positive = 1.0,
    depths: Depths = (1, 2, 3, 4, 3, 3, 1),
    padding: Literal["same", "symmetric"] = "same",
    dropout: Rate = 0.2,
    activation: Activation = "softmax",
    name: str = "mobilenet_v2",
) -> keras.Model:
    """MobileNetV2: narrow maps are joined by shortcuts; between them a wide depthwise convolution.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 32, or None.
        classes: how many classes it tells apart.
        alpha: width multiplier; below 1 the last convolution keeps its 1280 maps.
        depths: blocks in each of the seven stages, the paper's n.
        padding: same is TensorFlow's, for weights trained there; symmetric is PyTorch's.
        dropout: share of the pooled features dropped before the head.
        activation: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 3,504,872 trainable parameters with 1000 classes, and 34,112 statistics.
    Raises:
        ValueError: if H or W is below 32.

    Source: Sandler, Howard, Zhu, Zhmoginov, Chen 2018, tables 1 and 2; widths rounded as `keras.applications` has it.
    Differs: none
    """
    image_shape(name, input_shape, at_least=32)
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, alpha=alpha, depths=depths, padding=padding)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, alpha=1.0, depths=(1, 2, 3, 4, 3, 3, 1), padding="same"):
    """The last map at each stride, finest first: strides 2, 4, 8, 16, 32 with 16, 24, 32, 96, 1280 maps at alpha 1."""
    options = {"padding": padding, **NORM}
    first, last = rounded(32 * alpha), rounded(1280 * max(alpha, 1.0))
    x = conv_norm(x, first, 3, strides=2, activation="relu6", kernel_initializer=wide_start(), **options, name="stem")
    stages = []
    for i, ((expansion, width, strides), depth) in enumerate(zip(STAGES, depths, strict=True)):
        if strides == 2:
            stages.append(x)
        for j in range(depth):
            x = inverted_residual(
                x,
                rounded(width * alpha),
                3,
                strides if j == 0 else 1,
                expansion=expansion,
                name=f"stage{i}_block{j}",
                **options,
            )
    x = conv_norm(x, last, 1, activation="relu6", kernel_initializer=wide_start(), **options, name="last")
    return [*stages, x]


def inverted_residual(x, filters, kernel_size, strides, *, expansion, padding, epsilon, momentum, drop_path=0.0, name):
    """Widen by `expansion`, convolve map by map, narrow without an activation; plus the input where shapes agree."""

    def convolve(x, filters, kernel_size, part, strides=1, activation="relu6"):
        return conv_norm(
            x,
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            activation=activation,
            kernel_initializer=wide_start(),
            epsilon=epsilon,
            momentum=momentum,
            name=f"{name}_{part}",
        )

    y = convolve(x, expansion * x.shape[-1], 1, "expand") if expansion > 1 else x
    y = convolve(y, None, kernel_size, "depthwise", strides)
    y = convolve(y, filters, 1, "project", activation=None)
    if strides > 1 or x.shape[-1] != filters:
        return y
    if drop_path:
        y = DropPath(drop_path, name=f"{name}_drop_path")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def rounded(width):
    """The multiple of 8 nearest to `width`, unless that takes more than a tenth away."""
    eights = max(8, int(width + 4) // 8 * 8)
    return eights if eights >= 0.9 * width else eights + 8


def wide_start():
    """He's normal start by fan-out, new for each layer; the fan of a depthwise kernel is its own k x k."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
