"""TempCNN: temporal convolutions for satellite image time series."""

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
    """TempCNN: one-dimensional convolutions over time, then a dense layer on all steps.

    (B, T, F) float  ->  (B, outputs) probabilities.

    The network uses the order of the dates, not their distances: series should have regular dates and no gaps.

    Args:
        input_shape: (T, F) steps and bands; neither may be None.
        outputs: number of outputs: classes, or numbers with `activation="linear"`.
        filters: number of filters of each convolution.
        kernel_size: length of the kernels [steps].
        units: number of units of each dense layer before the head.
        dropout: dropout rate after each convolution and dense layer.
        l2: L2 regularization factor of the kernels of convolutions and dense layers.
        activation: of the output: softmax, sigmoid, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 800,269 trainable parameters at the defaults on (46, 3) with 13 classes.
    Raises:
        ValueError: if `input_shape` contains None.

    Source: Pelletier et al. 2019, https://arxiv.org/abs/1811.10166, section 2.3 and figure 3; initialization, padding
        and `l2` from the authors' code, https://github.com/charlotte-pel/temporalCNN.
    Differs: the head has no L2 penalty.
    """
    series_shape(name, input_shape, fixed=True)
    x = inputs = layers.Input(input_shape, name="series")

    def regularized(layer_class, *sizes, **options):
        regularizer = keras.regularizers.L2(l2) if l2 else None
        return layer_class(*sizes, kernel_initializer="he_normal", kernel_regularizer=regularizer, **options)

    def norm_relu_dropout(x, name):
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = layers.Activation("relu", name=f"{name}_relu")(x)
        return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x

    for i, width in enumerate(filters):
        x = regularized(layers.Conv1D, width, kernel_size, padding="same", name=f"conv{i}")(x)
        x = norm_relu_dropout(x, f"conv{i}")
    x = layers.Flatten(name="pool")(x)
    for i, width in enumerate(units):
        x = regularized(layers.Dense, width, name=f"hidden{i}")(x)
        x = norm_relu_dropout(x, f"hidden{i}")
    return keras.Model(inputs, head(x, outputs, activation), name=name)
