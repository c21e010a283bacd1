"""ResNet: blocks that learn a residual, which is added to their input."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, image_shape
from zoo.blocks import conv_norm, head
from zoo.registry import register, variant


@register(
    task="classify",
    source="https://arxiv.org/abs/1512.03385",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def resnet(
    input_shape: Shape,
    classes: Count,
    *,
    depths: tuple[Count, ...] = (3, 4, 6, 3),
    block: Literal["basic", "bottleneck"] = "bottleneck",
    version: Literal[1, 1.5] = 1.5,
    stem: Literal["7x7", "3x3"] = "7x7",
    activation: Activation = "softmax",
    name: str = "resnet",
) -> keras.Model:
    """ResNet for photos: a 7 x 7 stem, stages of residual blocks at strides 4 to 32, global pooling.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 2 ** (len(depths) + 1), with the stem 3x3 a
            quarter of that, or None.
        classes: number of classes.
        depths: number of blocks in each stage. The stages have 64, 128, 256 and 512 filters, and four times as many
            output channels with bottlenecks.
        block: "basic" is two 3 x 3 convolutions; "bottleneck" is 1 x 1, 3 x 3, 1 x 1.
        version: which convolution of a bottleneck has the stride: the 3 x 3 convolution with 1.5, as in PyTorch; the
            first 1 x 1 convolution with 1, as in the paper and `keras.applications`. The weights have the same shapes.
            Basic blocks are the same in both versions.
        stem: 7x7 is a 7 x 7 convolution with stride 2 and a max pooling with stride 2; 3x3 is a 3 x 3 convolution with
            stride 1 without pooling, for small images, so that the stages have strides 1, 2, 4 and 8.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 25,557,032 trainable parameters with 1000 classes, and 53,120 statistics.
    Raises:
        ValueError: if the image is too small for the stages.

    Source: He, Zhang, Ren, Sun 2015, table 1 and figures 3 and 5, option B; version 1.5 is torchvision's,
        https://github.com/pytorch/vision/blob/main/torchvision/models/resnet.py.
    Differs: the default is version 1.5; `version=1` is the paper's. The stem 3x3 is that of the paper's networks for
        CIFAR-10, which have three stages of fewer filters.
    """
    image_shape(name, input_shape, at_least=2 ** (len(depths) + (1 if stem == "7x7" else -1)))
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, depths=depths, block=block, version=version, stem=stem)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, depths=(3, 4, 6, 3), block="bottleneck", version=1.5, stem="7x7"):
    """Returns the stem (stride 2, 64 channels) and the output of each stage (strides 4, 8, 16, 32), finest first.

    With the stem 3x3 the strides are 1, then 1, 2, 4 and 8.
    """
    x = conv_norm(x, 64, 7, strides=2, name="stem") if stem == "7x7" else conv_norm(x, 64, 3, name="stem")
    stages = [x]
    if stem == "7x7":
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # zeros never exceed the output of a ReLU
        x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for i, depth in enumerate(depths):
        for j in range(depth):
            x = residual(x, 64 * 2**i, 2 if i and not j else 1, block, version, f"stage{i}_block{j}")
        stages.append(x)
    return stages


def residual(x, filters, strides, block, version, name):
    """Returns ReLU(input + residual). The shortcut is a projection only if the shapes differ (option B)."""
    if block == "basic":
        width = filters
        y = conv_norm(x, filters, 3, strides=strides, name=f"{name}_conv0")
        y = conv_norm(y, filters, 3, activation=None, name=f"{name}_conv1")
    else:
        width = 4 * filters
        first, second = (strides, 1) if version == 1 else (1, strides)
        y = conv_norm(x, filters, 1, strides=first, name=f"{name}_conv0")
        y = conv_norm(y, filters, 3, strides=second, name=f"{name}_conv1")
        y = conv_norm(y, width, 1, activation=None, name=f"{name}_conv2")
    if strides > 1 or x.shape[-1] != width:
        x = conv_norm(x, width, 1, strides=strides, activation=None, name=f"{name}_shortcut")
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


resnet18 = variant(resnet, "resnet18", depths=(2, 2, 2, 2), block="basic")
resnet34 = variant(resnet, "resnet34", depths=(3, 4, 6, 3), block="basic")
resnet50 = variant(resnet, "resnet50", depths=(3, 4, 6, 3), block="bottleneck")
resnet101 = variant(resnet, "resnet101", depths=(3, 4, 23, 3), block="bottleneck")
resnet152 = variant(resnet, "resnet152", depths=(3, 8, 36, 3), block="bottleneck")
