"""The multi-layer perceptron of introductory lectures."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, NonNegative, Positive, Rate, Shape
from zoo.blocks import head
from zoo.layers.maxout import Maxout
from zoo.registry import register

Hidden = Literal["relu", "sigmoid", "tanh", "leaky_relu", "elu", "maxout"]


@register(
    task="tabular",
    source="https://www.deeplearningbook.org/contents/mlp.html",
    example={"input_shape": (784,), "outputs": 10, "units": (512, 512)},
)
def dnn(
    input_shape: Shape,
    outputs: Count,
    *,
    units: tuple[Count, ...] = (512,),
    hidden_activation: Hidden = "relu",
    dropout: Rate = 0.0,
    l1: NonNegative = 0.0,
    l2: NonNegative = 0.0,
    max_norm: Positive | None = None,
    activation: Activation = "linear",
    name: str = "dnn",
) -> keras.Model:
    """Multi-layer perceptron: dense layers on a vector, or on an input that is flattened to one.

    (B, *input_shape) float  ->  (B, outputs): numbers, or probabilities with `activation="softmax"`.

    Args:
        input_shape: (F,) features, or the shape of an image or series, which is flattened first.
        outputs: number of outputs (numbers or classes).
        units: number of units of each hidden layer; `()` for linear regression.
        hidden_activation: relu, sigmoid, tanh, leaky_relu (slope 0.2), elu, or maxout with two pieces per unit.
        dropout: dropout rate after each hidden layer.
        l1: L1 regularization factor of the hidden kernels.
        l2: L2 regularization factor of the hidden kernels.
        max_norm: largest L2 norm of the incoming weights of a hidden unit, or None for no constraint.
        activation: of the output: linear (or None) for numbers and logits, softmax for one of several classes, sigmoid
            for one class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if `input_shape` is empty or contains None.

    Source: Goodfellow, Bengio, Courville 2016, Deep Learning, chapters 6 and 7.
    Differs: none
    """
    if None in input_shape or not input_shape:
        raise ValueError(
            f"dnn: `input_shape` must have every size given, such as (4,) or (28, 28, 1), got {input_shape}."
        )
    x = inputs = layers.Input(input_shape, name="inputs")
    if len(input_shape) > 1:
        x = layers.Flatten(name="flatten")(x)
    for i, width in enumerate(units):
        options = {
            "kernel_regularizer": keras.regularizers.L1L2(l1, l2) if l1 or l2 else None,
            "kernel_constraint": keras.constraints.MaxNorm(max_norm, axis=0) if max_norm else None,
            "name": f"hidden{i}",
        }
        if hidden_activation == "maxout":
            x = Maxout(width, **options)(x)
        else:
            x = layers.Dense(width, activation=hidden_activation, **options)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return keras.Model(inputs, head(x, outputs, activation), name=name)
