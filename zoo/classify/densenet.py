"""DenseNet: the input of every layer is the concatenation of all earlier feature maps of its block."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, image_shape
from zoo.blocks import conv_norm, head
from zoo.registry import register, variant


@register(
    task="classify",
    source="https://arxiv.org/abs/1608.06993",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def densenet(
    input_shape: Shape,
    classes: Count,
    *,
    depths: tuple[Count, ...] = (6, 12, 24, 16),
    growth: Count = 32,
    activation: Activation = "softmax",
    name: str = "densenet",
) -> keras.Model:
    """DenseNet-BC for photos: dense blocks of bottlenecks, with transitions that halve the size and the channels.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 2 ** (len(depths) + 1), or None.
        classes: number of classes.
        depths: number of layers in each dense block.
        growth: number of channels that each layer adds, the paper's k.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 7,978,856 trainable parameters with 1000 classes, and 83,648 statistics.
    Raises:
        ValueError: if the image is too small for the blocks.

    Source: Huang, Liu, van der Maaten, Weinberger 2016, table 1; bottlenecks of 4k maps, compression 0.5.
    Differs: none
    """
    image_shape(name, input_shape, at_least=2 ** (len(depths) + 1))
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, depths=depths, growth=growth)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, depths=(6, 12, 24, 16), growth=32):
    """Returns the last feature map at each stride, finest first.

    They are the stem at stride 2 and the output of each block after its normalization, at strides 4 to 32.
    """
    x = conv_norm(x, 2 * growth, 7, strides=2, name="stem")
    stages = [x]
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # zeros never exceed the output of a ReLU
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for i, depth in enumerate(depths):
        if i:
            x = layers.Conv2D(
                x.shape[-1] // 2, 1, use_bias=False, kernel_initializer="he_normal", name=f"stage{i}_transition"
            )(x)
            x = layers.AveragePooling2D(2, name=f"stage{i}_pool")(x)
        for j in range(depth):
            x = dense_layer(x, growth, f"stage{i}_block{j}")
        x = _norm_relu(x, f"stage{i}_post")
        stages.append(x)
    return stages


def dense_layer(x, growth, name):
    """Concatenates the input and `growth` new channels: BN, ReLU, 1 x 1, BN, ReLU, 3 x 3."""
    y = _norm_relu(x, f"{name}_before")
    y = conv_norm(y, 4 * growth, 1, name=f"{name}_conv0")
    y = layers.Conv2D(growth, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv1")(
        y
    )
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def _norm_relu(x, name):
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_norm")(
        x
    )  # as in PyTorch and the authors' code
    return layers.Activation("relu", name=f"{name}_relu")(x)


densenet121 = variant(densenet, "densenet121", depths=(6, 12, 24, 16))
densenet161 = variant(densenet, "densenet161", depths=(6, 12, 36, 24), growth=48)
densenet169 = variant(densenet, "densenet169", depths=(6, 12, 32, 32))
densenet201 = variant(densenet, "densenet201", depths=(6, 12, 48, 32))
