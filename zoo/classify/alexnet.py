"""AlexNet, the network of 2012 on two towers, and the single tower of 2014."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import head
from zoo.layers.local_response import LocalResponse
from zoo.registry import register, variant

LEAST = {2012: 67, 2014: 63}  # side from which the last pooling has a whole window [pixels]


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
        input_shape: (H, W, C) of one image [pixels]; H and W from 67 (2012) or 63 (2014). The paper says 224, but its
            55 x 55 maps need 227.
        classes: how many classes it tells apart.
        filters: width of the five convolutions.
        groups: towers that convolutions 2, 4 and 5 are split into; 1 joins them.
        version: 2012 has local response normalisation; 2014 has none, and 2 zeros around the image, so that 224 pixels
            also give 55 x 55 maps.
        units: width of each dense layer before the head.
        dropout: share dropped after each dense layer of `units`.
        activation: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 60,965,224 parameters on 227 x 227 x 3 with 1000 classes.
    Raises:
        ValueError: if H or W is too small or not given, or `groups` does not divide the filters.

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3 and figure 2, weights as section 5 starts them; `alexnet_owt`
        is Krizhevsky 2014, https://arxiv.org/abs/1404.5997, with the widths that torchvision trained.
    Differs: the towers are grouped convolutions on one device.
    """
    image_shape(name, input_shape, at_least=LEAST[version], fixed=True)
    if any(f % groups for f in filters):
        raise ValueError(f"{name}: `groups` must divide each of `filters`, {filters}, got {groups}.")
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, filters=filters, groups=groups, version=version)[-1]
    x = layers.Flatten(name="pool")(x)
    for i, width in enumerate(units):
        x = layers.Dense(width, activation="relu", **_start(1.0), name=f"hidden{i}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return keras.Model(inputs, head(x, classes, activation, _start(0.0)["kernel_initializer"]), name=name)


def features(x, *, filters=(96, 256, 384, 384, 256), groups=2, version=2012):
    """The last map at each stride, finest first: 4, 8, 16 (before pooling) and 32; 55, 27, 13 and 6 pixels of 227."""
    image_shape("alexnet", x.shape[1:], at_least=LEAST[version])
    stages, name = [], "stem"
    if version == 2014:
        x = layers.ZeroPadding2D(2, name="stem_pad")(x)
    x = layers.Conv2D(filters[0], 11, strides=4, activation="relu", **_start(0.0), name=name)(x)
    for i, width in enumerate(filters[1:], 1):
        if i < 3:  # convolutions 2 and 3 of the paper read what was normalised and pooled
            if version == 2012:
                x = LocalResponse(name=f"{name}_response")(x)
            stages.append(x)
            x = layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
        name = f"conv{i}"
        joined = i == 2  # the paper's convolution 3 sees both towers, and its bias starts at 0
        x = layers.Conv2D(
            width,
            5 if i == 1 else 3,
            padding="same",
            groups=1 if joined else groups,
            activation="relu",
            **_start(0.0 if joined else 1.0),
            name=name,
        )(x)
    return [*stages, x, layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)]


def _start(bias):
    """Section 5: weights from N(0, 0.01); biases 1 where ReLUs should start with positive input, else 0."""
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
