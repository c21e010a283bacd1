"""EfficientNet-Lite: EfficientNet for small devices, without squeeze-and-excitation and with ReLU6."""

import math
from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Positive, Rate, Shape, image_shape
from zoo.blocks import conv_norm, head
from zoo.classify.mobilenet_v2 import inverted_residual, rounded, wide_start
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
    """EfficientNet-Lite: the stages of EfficientNet-B0, scaled in width and depth; stem and head are never scaled.

    (B, H, W, C) float, (pixels - 127) / 128 in the published weights  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 32, or None; 224 to 300 published.
        classes: how many classes it tells apart.
        width: what each stage's width is multiplied by.
        depth: what each inner stage's number of blocks is multiplied by.
        padding: same is TensorFlow's, for weights trained there; symmetric is PyTorch's.
        drop_path: share of examples for which training drops the last shortcut's branch; earlier ones less, in a line.
        dropout: share of the pooled features dropped before the head.
        activation: softmax, sigmoid, or None for logits.
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
    # The authors start the dense layer uniformly within 1 / sqrt(classes).
    start = keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")
    return keras.Model(inputs, head(x, classes, activation, start), name=name)


def features(x, *, width=1.0, depth=1.0, padding="same", drop_path=0.2):
    """The last map at each stride, finest first: strides 2, 4, 8, 16, 32 with 16, 24, 40, 112, 1280 maps at width 1."""
    options = {"padding": padding, **NORM}
    # The first and the last stage keep their one block.
    depths = [n if i in (0, len(STAGES) - 1) else math.ceil(n * depth) for i, (n, *_) in enumerate(STAGES)]
    x = conv_norm(x, 32, 3, strides=2, activation="relu6", kernel_initializer=wide_start(), **options, name="stem")
    stages, before = [], 0
    for i, (_, kernel_size, strides, expansion, filters) in enumerate(STAGES):
        if strides == 2:
            stages.append(x)
        for j in range(depths[i]):
            x = inverted_residual(
                x,
                rounded(filters * width),
                kernel_size,
                strides if j == 0 else 1,
                expansion=expansion,
                drop_path=drop_path * before / sum(depths),
                name=f"stage{i}_block{j}",
                **options,
            )
            before += 1
    x = conv_norm(x, 1280, 1, activation="relu6", kernel_initializer=wide_start(), **options, name="last")
    return [*stages, x]


def _photo(size):
    return {"input_shape": (size, size, 3), "classes": 1000}


efficientnet_lite0 = variant(efficientnet_lite, "efficientnet_lite0", example=_photo(224), width=1.0, depth=1.0)
efficientnet_lite1 = variant(efficientnet_lite, "efficientnet_lite1", example=_photo(240), width=1.0, depth=1.1)
efficientnet_lite2 = variant(
    efficientnet_lite, "efficientnet_lite2", example=_photo(260), width=1.1, depth=1.2, dropout=0.3
)
efficientnet_lite3 = variant(
    efficientnet_lite, "efficientnet_lite3", example=_photo(280), width=1.2, depth=1.4, dropout=0.3
)
efficientnet_lite4 = variant(
    efficientnet_lite, "efficientnet_lite4", example=_photo(300), width=1.4, depth=1.8, dropout=0.3
)
