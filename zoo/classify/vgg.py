"""VGG: a deep stack of 3 x 3 convolutions."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import head
from zoo.registry import register, variant


@register(
    task="classify",
    source="https://arxiv.org/abs/1409.1556",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def vgg(
    input_shape: Shape,
    classes: Count,
    *,
    depths: tuple[Count, ...] = (2, 2, 3, 3, 3),
    batch_norm: bool = False,
    units: tuple[Count, ...] = (4096, 4096),
    dropout: Rate = 0.5,
    activation: Activation = "softmax",
    name: str = "vgg",
) -> keras.Model:
    """VGG: stages of 3 x 3 convolutions, each ending in 2 x 2 max pooling, then three dense layers.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 2 ** len(depths), 224 in the paper.
        classes: number of classes.
        depths: number of convolutions in each stage. The stages have 64, 128, 256, 512 and 512 filters.
        batch_norm: whether batch normalization follows each convolution, as in torchvision's `_bn` networks.
        units: number of units of each dense layer before the head.
        dropout: dropout rate after each dense layer of `units`.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 138,357,544 parameters on 224 x 224 x 3 with 1000 classes.
    Raises:
        ValueError: if the image is too small for the stages, or H or W is None.

    Source: Simonyan and Zisserman 2014, table 1: `vgg16` is column D, `vgg19` column E.
    Differs: Glorot initialization. Section 3.1 found that it replaces the pre-training of shallower networks.
    """
    image_shape(name, input_shape, at_least=2 ** len(depths), fixed=True)
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, depths=depths, batch_norm=batch_norm)[-1]
    x = layers.Flatten(name="pool")(x)
    for i, width in enumerate(units):
        x = layers.Dense(width, activation="relu", name=f"hidden{i}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, depths=(2, 2, 3, 3, 3), batch_norm=False):
    """Returns the last feature map at each stride, finest first.

    They are the output of each stage before its pooling, at strides 1, 2, 4, 8 and 16, and the last pooling at 32.
    """
    stages = []
    for i, depth in enumerate(depths):
        for j in range(depth):
            name = f"stage{i}_conv{j}" if i or j else "stem"
            x = layers.Conv2D(min(64 * 2**i, 512), 3, padding="same", name=name)(x)
            if batch_norm:  # epsilon and momentum as in PyTorch
                x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_norm")(x)
            x = layers.Activation("relu", name=f"{name}_relu")(x)
        stages.append(x)
        x = layers.MaxPooling2D(2, name=f"stage{i}_pool")(x)
    return [*stages, x]


vgg16 = variant(vgg, "vgg16", depths=(2, 2, 3, 3, 3))
vgg19 = variant(vgg, "vgg19", depths=(2, 2, 4, 4, 4))
