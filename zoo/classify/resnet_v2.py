"""ResNet with pre-activation: normalization and ReLU come before each convolution."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, image_shape
from zoo.blocks import conv_norm, head
from zoo.registry import register, variant

NORM = {"epsilon": 1.001e-5, "momentum": 0.99}  # as in keras.applications


@register(
    task="classify",
    source="https://arxiv.org/abs/1603.05027",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def resnet_v2(
    input_shape: Shape,
    classes: Count,
    *,
    depths: tuple[Count, ...] = (3, 4, 6, 3),
    activation: Activation = "softmax",
    name: str = "resnet_v2",
) -> keras.Model:
    """ResNet v2 in the layout of `keras.applications`: bottlenecks with pre-activation and identity shortcuts.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 2 ** (len(depths) + 1), or None.
        classes: number of classes.
        depths: number of blocks in each stage. The stages have 256, 512, 1024 and 2048 output channels.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 25,613,800 parameters with 1000 classes, including moving statistics.
    Raises:
        ValueError: if the image is too small for the stages.

    Source: He, Zhang, Ren, Sun 2016, figure 4e; the layout is https://keras.io/api/applications/resnet/.
    Differs: as in `keras.applications`, the last block of a stage has the stride, not the first block of the next
        stage. The stem, the shortcuts and the last convolution of each block have a bias, since no normalization
        follows.
    """
    image_shape(name, input_shape, at_least=2 ** (len(depths) + 1))
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, depths=depths)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, depths=(3, 4, 6, 3)):
    """Returns the last feature map at each stride, finest first.

    They are the stem at stride 2 and each stage after normalization, before its stride, at strides 4 to 32.
    """
    x = layers.ZeroPadding2D(3, name="stem_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, kernel_initializer="he_normal", name="stem")(x)
    stages = [x]
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # without a ReLU before, zeros exceed negative values
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for i, depth in enumerate(depths):
        for j in range(depth):
            strides = 2 if j == depth - 1 and i < len(depths) - 1 else 1
            x, normalized = residual(x, 64 * 2**i, strides, j == 0, f"stage{i}_block{j}")
            if strides == 2:
                stages.append(normalized)
    return [*stages, _norm_relu(x, "post")]


def residual(x, filters, strides, project, name):
    """Returns (input + residual, normalized input). A projection shortcut reads the normalized input."""
    normalized = _norm_relu(x, f"{name}_before")
    y = conv_norm(normalized, filters, 1, **NORM, name=f"{name}_conv0")
    y = conv_norm(y, filters, 3, strides=strides, **NORM, name=f"{name}_conv1")
    y = layers.Conv2D(4 * filters, 1, kernel_initializer="he_normal", name=f"{name}_conv2")(y)
    if project:
        x = layers.Conv2D(4 * filters, 1, strides=strides, kernel_initializer="he_normal", name=f"{name}_shortcut")(
            normalized
        )
    elif strides > 1:
        x = layers.MaxPooling2D(1, strides, name=f"{name}_shortcut")(x)  # every second pixel
    return layers.Add(name=f"{name}_add")([x, y]), normalized


def _norm_relu(x, name):
    x = layers.BatchNormalization(**NORM, name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


resnet50v2 = variant(resnet_v2, "resnet50v2", depths=(3, 4, 6, 3))
resnet101v2 = variant(resnet_v2, "resnet101v2", depths=(3, 4, 23, 3))
resnet152v2 = variant(resnet_v2, "resnet152v2", depths=(3, 8, 36, 3))
