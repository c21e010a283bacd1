"""The plain convolutional network of introductory lectures: blocks of 3 x 3 convolutions and pooling."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Positive, Rate, Shape, image_shape
from zoo.blocks import head
from zoo.registry import register


@register(
    task="classify",
    source="https://arxiv.org/abs/1409.1556",
    example={"input_shape": (32, 32, 3), "classes": 10},
)
def cnn(
    input_shape: Shape,
    classes: Count,
    *,
    filters: tuple[Count, ...] = (32, 64, 128),
    convolutions: Count = 2,
    units: tuple[Count, ...] = (1024,),
    max_norm: Positive | None = 3.0,
    dropout: Rate = 0.2,
    activation: Activation = "softmax",
    name: str = "cnn",
) -> keras.Model:
    """Convolutional network: blocks of 3 x 3 convolutions that each end in 2 x 2 max pooling, then dense layers.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    The defaults are three blocks: 32-32-64-64-128-128. The ecology lecture's network of four blocks with one
    convolution each is `filters=(32, 64, 128, 256), convolutions=1, units=512, max_norm=None, dropout=0.5`.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W at least 2 ** len(filters).
        classes: number of classes.
        filters: number of filters of the convolutions in each block.
        convolutions: number of convolutions in each block.
        units: number of units of each dense layer before the head.
        max_norm: largest L2 norm of the incoming weights of a unit of `units`, or None for no constraint.
        dropout: dropout rate between the convolutions of a block and before each dense layer of `units`.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if there is no block, the image is too small for the blocks, or H or W is None.

    Source: the block is that of VGG, Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556, section 2.1;
        the max-norm of 3 is from Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html, section 5.1.
    Differs: widths and depth are those of the lectures, for 32 x 32 images.
    """
    if not filters:
        raise ValueError(f"{name}: `filters` must have one block or more, got ().")
    image_shape(name, input_shape, at_least=2 ** len(filters), fixed=True)
    inputs = layers.Input(input_shape, name="image")
    x = features(inputs, filters=filters, convolutions=convolutions, dropout=dropout)[-1]
    x = layers.Flatten(name="pool")(x)
    for i, width in enumerate(units):
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
        constraint = keras.constraints.MaxNorm(max_norm, axis=0) if max_norm else None
        x = layers.Dense(width, activation="relu", kernel_constraint=constraint, name=f"hidden{i}")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, filters=(32, 64, 128), convolutions=2, dropout=0.2):
    """Returns the output of each block, finest first.

    They are (B, H / 2, W / 2, filters[0]), (B, H / 4, W / 4, filters[1]), ...
    """
    stages = []
    for i, width in enumerate(filters):
        for j in range(convolutions):
            if j and dropout:
                x = layers.Dropout(dropout, name=f"block{i}_dropout{j}")(x)
            x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"block{i}_conv{j}")(x)
        x = layers.MaxPooling2D(2, name=f"block{i}_pool")(x)
        stages.append(x)
    return stages
