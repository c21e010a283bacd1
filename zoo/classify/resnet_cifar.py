"""The small ResNets for 32 x 32 images, whose shortcuts have no parameters."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, image_shape
from zoo.blocks import conv_norm, head
from zoo.registry import register, variant


@register(
    task="classify",
    source="https://arxiv.org/abs/1512.03385",
    example={"input_shape": (32, 32, 3), "classes": 10},
)
def resnet_cifar(
    input_shape: Shape,
    classes: Count,
    *,
    depths: tuple[Count, ...] = (3, 3, 3),
    activation: Activation = "softmax",
    name: str = "resnet_cifar",
) -> keras.Model:
    """ResNet for CIFAR: 6n + 1 convolutions of 3 x 3 with 16, 32 and 64 filters, and one dense layer.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 2 ** (len(depths) - 1), or None; 32 in the paper.
        classes: number of classes.
        depths: number of blocks in each stage; the paper's n for all three.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 269,722 trainable parameters with n = 3 and 10 classes, and 1,376 statistics.
    Raises:
        ValueError: if there is no stage, or the image is too small for the stages.

    Source: He, Zhang, Ren, Sun 2015, section 4.2, option A.
    Differs: none
    """
    if not depths:
        raise ValueError(f"{name}: `depths` must have one stage or more, got ().")
    image_shape(name, input_shape, at_least=2 ** (len(depths) - 1))
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, depths=depths)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, depths=(3, 3, 3)):
    """Returns the output of each stage, finest first: strides 1, 2, 4 with 16, 32, 64 channels."""
    x = conv_norm(x, 16, 3, name="stem")
    stages = []
    for i, depth in enumerate(depths):
        for j in range(depth):
            x = residual(x, 16 * 2**i, 2 if i and not j else 1, f"stage{i}_block{j}")
        stages.append(x)
    return stages


def residual(x, filters, strides, name):
    """Returns ReLU(input + residual).

    If the shapes differ, the shortcut is every second pixel, padded with zero channels (option A).
    """
    y = conv_norm(x, filters, 3, strides=strides, name=f"{name}_conv0")
    y = conv_norm(y, filters, 3, activation=None, name=f"{name}_conv1")
    if strides > 1:
        added = filters - x.shape[-1]
        x = layers.MaxPooling2D(1, strides, name=f"{name}_subsample")(x)
        # A layer with channels first takes the last two axes for space: W is padded by 0, C by `added`.
        pad = ((0, 0), (added // 2, added - added // 2))
        x = layers.ZeroPadding2D(pad, data_format="channels_first", name=f"{name}_widen")(x)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


resnet20 = variant(resnet_cifar, "resnet20", depths=(3, 3, 3))
resnet32 = variant(resnet_cifar, "resnet32", depths=(5, 5, 5))
resnet44 = variant(resnet_cifar, "resnet44", depths=(7, 7, 7))
resnet56 = variant(resnet_cifar, "resnet56", depths=(9, 9, 9))
resnet110 = variant(resnet_cifar, "resnet110", depths=(18, 18, 18))
