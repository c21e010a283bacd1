"""MobileNetV2: inverted residuals with linear bottlenecks."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Positive, Rate, Shape, image_shape
from zoo.blocks import conv_norm, he_fan_out, head
from zoo.layers.drop_path import DropPath
from zoo.registry import register

# Table 2 of the paper: expansion t, channels c, stride s. Its n are `depths`.
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 2), (6, 64, 2), (6, 96, 1), (6, 160, 2), (6, 320, 1))
NORM = {"epsilon": 1e-3, "momentum": 0.999}  # as in keras.applications

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
    """MobileNetV2: inverted residual blocks, whose shortcuts connect the narrow bottlenecks.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 32, or None.
        classes: number of classes.
        alpha: width multiplier. Below 1, the last convolution still has 1280 filters.
        depths: number of blocks in each of the seven stages, the paper's n.
        padding: "same" as in TensorFlow, for weights trained there; "symmetric" as in PyTorch.
        dropout: dropout rate of the pooled features before the head.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 3,504,872 trainable parameters with 1000 classes, and 34,112 statistics.
    Raises:
        ValueError: if H or W is below 32.

    Source: Sandler, Howard, Zhu, Zhmoginov, Chen 2018, tables 1 and 2. Numbers of filters are rounded as in
        `keras.applications`.
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
    """Returns the last feature map at each stride, finest first.

    The strides are 2, 4, 8, 16 and 32, with 16, 24, 32, 96 and 1280 channels at alpha 1.
    """
    options = {"padding": padding, **NORM}
    first, last = round_filters(32 * alpha), round_filters(1280 * max(alpha, 1.0))
    x = conv_norm(x, first, 3, strides=2, activation="relu6", kernel_initializer=he_fan_out(), **options, name="stem")
    stages = []
    for i, ((expansion, width, strides), depth) in enumerate(zip(STAGES, depths, strict=True)):
        if strides == 2:
            stages.append(x)
        for j in range(depth):
            x = inverted_residual(
                x,
                round_filters(width * alpha),
                3,
                strides if j == 0 else 1,
                expansion=expansion,
                name=f"stage{i}_block{j}",
                **options,
            )
    x = conv_norm(x, last, 1, activation="relu6", kernel_initializer=he_fan_out(), **options, name="last")
    return [*stages, x]


def inverted_residual(x, filters, kernel_size, strides, *, expansion, padding, epsilon, momentum, drop_path=0.0, name):
    """Applies a 1 x 1 expansion, a depthwise convolution and a linear 1 x 1 projection.

    The input is added if the shapes agree.
    """

    def convolve(x, filters, kernel_size, part, strides=1, activation="relu6"):
        return conv_norm(
            x,
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            activation=activation,
            kernel_initializer=he_fan_out(),
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


def round_filters(filters):
    """Rounds to the nearest multiple of 8, or up if rounding down would remove more than a tenth."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * filters else rounded + 8
