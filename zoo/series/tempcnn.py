"""TempCNN: convolutions along time, for satellite image time series."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, NonNegative, Rate, Shape, series_shape
from zoo.blocks import head
from zoo.registry import register


@register(
    task="series",
    source="https://arxiv.org/abs/1811.10166",
    example={"input_shape": (46, 3), "outputs": 13},
)
def tempcnn(
    input_shape: Shape,
    outputs: Count,
    *,
    filters: tuple[Count, ...] = (64, 64, 64),
    kernel_size: Count = 5,
    units: tuple[Count, ...] = (256,),
    dropout: Rate = 0.5,
    l2: NonNegative = 1e-6,
    activation: Activation = "softmax",
    name: str = "tempcnn",
) -> keras.Model:
    """TempCNN: one-dimensional convolutions along time, then a dense layer over all steps.

    (B, T, F) float  ->  (B, outputs) probabilities.

    The order of dates counts and their distance does not: series should be on regular dates, gaps filled.

    Args:
        input_shape: (T, F) steps and bands, both given.
        outputs: number of classes (or of numbers, with `activation="linear"`).
        filters: width of each convolution.
        kernel_size: steps that a convolution sees.
        units: width of each dense layer before the head.
        dropout: share dropped after each convolution and dense layer.
        l2: penalty on the sum of the squared kernels of convolutions and dense layers.
        activation: softmax, sigmoid, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 800,269 trainable parameters at the defaults on (46, 3) with 13 classes.
    Raises:
        ValueError: if the input shape is not fixed.

    Source: Pelletier et al. 2019, https://arxiv.org/abs/1811.10166, section 2.3 and figure 3; initialization, padding
        and `l2` from the authors' code, https://github.com/charlotte-pel/temporalCNN.
    Differs: the head has no L2 penalty.
    """
    series_shape(name, input_shape, fixed=True)
    x = inputs = layers.Input(input_shape, name="series")

    def weighted(layer, *size, **options):
        penalty = keras.regularizers.L2(l2) if l2 else None
        return layer(*size, kernel_initializer="he_normal", kernel_regularizer=penalty, **options)

    def norm_relu_drop(x, name):
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = layers.Activation("relu", name=f"{name}_relu")(x)
        return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x

    for i, width in enumerate(filters):
        x = weighted(layers.Conv1D, width, kernel_size, padding="same", name=f"conv{i}")(x)
        x = norm_relu_drop(x, f"conv{i}")
    x = layers.Flatten(name="pool")(x)
    for i, width in enumerate(units):
        x = weighted(layers.Dense, width, name=f"hidden{i}")(x)
        x = norm_relu_drop(x, f"hidden{i}")
    return keras.Model(inputs, head(x, outputs, activation), name=name)
