"""AlexNet: the two-tower network of 2012 and the single-tower network of 2014."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import head
from zoo.layers.local_response import LocalResponse
from zoo.registry import register, variant

MIN_SIDE = {2012: 67, 2014: 63}  # smallest side for which the last pooling has a complete window [pixels]


@register(
    task="classify",
    source="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
    example={"input_shape": (227, 227, 3), "classes": 1000},
)
def alexnet(
    input_shape: Shape,
    classes: Count,
    *,
    filters: tuple[Count, Count, Count, Count, Count] = (96, 256, 384, 384, 256),
    groups: Count = 2,
    version: Literal[2012, 2014] = 2012,
    units: tuple[Count, ...] = (4096, 4096),
    dropout: Rate = 0.5,
    activation: Activation = "softmax",
    name: str = "alexnet",
) -> keras.Model:
    """AlexNet: five convolutions, overlapping pooling, three dense layers.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 67 (2012) or 63 (2014). The paper states 224, but
            its 55 x 55 maps need 227.
        classes: number of classes.
        filters: number of filters of the five convolutions.
        groups: number of towers that convolutions 2, 4 and 5 are split into; 1 means a single tower.
        version: 2012 has local response normalization. 2014 has none and pads the image with 2 zeros, so that 224
            pixels also give 55 x 55 maps.
        units: number of units of each dense layer before the head.
        dropout: dropout rate after each dense layer of `units`.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 60,965,224 parameters on 227 x 227 x 3 with 1000 classes.
    Raises:
        ValueError: if H or W is too small or None, or `groups` does not divide every entry of `filters`.

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3 and figure 2; initial weights as in section 5. `alexnet_owt`
        is Krizhevsky 2014, https://arxiv.org/abs/1404.5997, with torchvision's numbers of filters.
    Differs: the towers are grouped convolutions on one device.
    """
    image_shape(name, input_shape, at_least=MIN_SIDE[version], fixed=True)
    if any(f % groups for f in filters):
        raise ValueError(f"{name}: `groups` must divide every entry of `filters` = {filters}, got {groups}.")
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, filters=filters, groups=groups, version=version)[-1]
    x = layers.Flatten(name="pool")(x)
    for i, width in enumerate(units):
        x = layers.Dense(width, activation="relu", **_initializers(1.0), name=f"hidden{i}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return keras.Model(inputs, head(x, classes, activation, _initializers(0.0)["kernel_initializer"]), name=name)


def features(x, *, filters=(96, 256, 384, 384, 256), groups=2, version=2012):
    """Returns the last feature map at each stride, finest first.

    The strides are 4, 8, 16 (before pooling) and 32: sides of 55, 27, 13 and 6 for an image of 227 pixels.
    """
    image_shape("alexnet", x.shape[1:], at_least=MIN_SIDE[version])
    stages, name = [], "stem"
    if version == 2014:
        x = layers.ZeroPadding2D(2, name="stem_pad")(x)
    x = layers.Conv2D(filters[0], 11, strides=4, activation="relu", **_initializers(0.0), name=name)(x)
    for i, width in enumerate(filters[1:], 1):
        if i < 3:  # the input of the paper's convolutions 2 and 3 is normalized and pooled
            if version == 2012:
                x = LocalResponse(name=f"{name}_response")(x)
            stages.append(x)
            x = layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
        name = f"conv{i}"
        all_maps = i == 2  # the paper's convolution 3 reads both towers, and its initial bias is 0
        x = layers.Conv2D(
            width,
            5 if i == 1 else 3,
            padding="same",
            groups=1 if all_maps else groups,
            activation="relu",
            **_initializers(0.0 if all_maps else 1.0),
            name=name,
        )(x)
    return [*stages, x, layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)]


def _initializers(bias):
    """Section 5: kernels from N(0, 0.01); biases of 1 where ReLUs should have positive inputs at first, else 0."""
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.01),
        "bias_initializer": keras.initializers.Constant(bias),
    }


alexnet_owt = variant(
    alexnet,
    "alexnet_owt",
    source="https://arxiv.org/abs/1404.5997",
    example={"input_shape": (224, 224, 3), "classes": 1000},
    filters=(64, 192, 384, 256, 256),
    groups=1,
    version=2014,
)
