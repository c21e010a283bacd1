"""EfficientNet-Lite: EfficientNet for small devices, without squeeze-and-excitation and with ReLU6."""

import math
from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Positive, Rate, Shape, image_shape
from zoo.blocks import conv_norm, he_fan_out, head
from zoo.classify.mobilenet_v2 import inverted_residual, round_filters
from zoo.registry import register, variant

BUILDER = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"

# EfficientNet-B0's stages: blocks, kernel, stride, expansion, width (table 1 of the paper).
STAGES = (
    *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
    *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
NORM = {"epsilon": 1e-3, "momentum": 0.99}


@register(task="classify", source=BUILDER, example={"input_shape": (224, 224, 3), "classes": 1000})
def efficientnet_lite(
    input_shape: Shape,
    classes: Count,
    *,
    width: Positive = 1.0,
    depth: Positive = 1.0,
    padding: Literal["same", "symmetric"] = "same",
    drop_path: Rate = 0.2,
    dropout: Rate = 0.2,
    activation: Activation = "softmax",
    name: str = "efficientnet_lite",
) -> keras.Model:
    """EfficientNet-Lite: the stages of EfficientNet-B0, scaled in width and depth. Stem and head are not scaled.

    (B, H, W, C) float, (pixels - 127) / 128 for the published weights  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 32, or None; 224 to 300 in the published models.
        classes: number of classes.
        width: factor on the number of filters of each stage.
        depth: factor on the number of blocks of each stage but the first and the last.
        padding: "same" as in TensorFlow, for weights trained there; "symmetric" as in PyTorch.
        drop_path: stochastic depth rate of the last block. The rate rises linearly from 0 in the first block.
        dropout: dropout rate of the pooled features before the head.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 4,652,008 trainable parameters with 1000 classes, and 42,016 statistics.
    Raises:
        ValueError: if H or W is below 32.

    Source: Tan and Le 2019, https://arxiv.org/abs/1905.11946, table 1; the Lite changes are those of the authors'
        builder, https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
    Differs: none
    """
    image_shape(name, input_shape, at_least=32)
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, width=width, depth=depth, padding=padding, drop_path=drop_path)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # The authors initialize the dense layer uniformly within 1 / sqrt(classes).
    initializer = keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")
    return keras.Model(inputs, head(x, classes, activation, initializer), name=name)


def features(x, *, width=1.0, depth=1.0, padding="same", drop_path=0.2):
    """Returns the last feature map at each stride, finest first.

    The strides are 2, 4, 8, 16 and 32, with 16, 24, 40, 112 and 1280 channels at width 1.
    """
    options = {"padding": padding, **NORM}
    # The first and the last stage have one block at every depth.
    depths = [n if i in (0, len(STAGES) - 1) else math.ceil(n * depth) for i, (n, *_) in enumerate(STAGES)]
    x = conv_norm(x, 32, 3, strides=2, activation="relu6", kernel_initializer=he_fan_out(), **options, name="stem")
    stages, block_index = [], 0
    for i, (_, kernel_size, strides, expansion, filters) in enumerate(STAGES):
        if strides == 2:
            stages.append(x)
        for j in range(depths[i]):
            x = inverted_residual(
                x,
                round_filters(filters * width),
                kernel_size,
                strides if j == 0 else 1,
                expansion=expansion,
                drop_path=drop_path * block_index / sum(depths),
                name=f"stage{i}_block{j}",
                **options,
            )
            block_index += 1
    x = conv_norm(x, 1280, 1, activation="relu6", kernel_initializer=he_fan_out(), **options, name="last")
    return [*stages, x]


def _photo_shape(size):
    return {"input_shape": (size, size, 3), "classes": 1000}


efficientnet_lite0 = variant(efficientnet_lite, "efficientnet_lite0", example=_photo_shape(224), width=1.0, depth=1.0)
efficientnet_lite1 = variant(efficientnet_lite, "efficientnet_lite1", example=_photo_shape(240), width=1.0, depth=1.1)
efficientnet_lite2 = variant(
    efficientnet_lite, "efficientnet_lite2", example=_photo_shape(260), width=1.1, depth=1.2, dropout=0.3
)
efficientnet_lite3 = variant(
    efficientnet_lite, "efficientnet_lite3", example=_photo_shape(280), width=1.2, depth=1.4, dropout=0.3
)
efficientnet_lite4 = variant(
    efficientnet_lite, "efficientnet_lite4", example=_photo_shape(300), width=1.4, depth=1.8, dropout=0.3
)
