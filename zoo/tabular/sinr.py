"""SINR: spatial implicit neural representations, networks from a location to the species that live there."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, Whole
from zoo.layers.location_encoding import LocationEncoding
from zoo.registry import register
from zoo.tabular.tabm import table_inputs


@register(
    task="tabular",
    source="https://arxiv.org/abs/2306.02564",
    example={"input_shape": (2,), "classes": 47375},
)
def sinr(
    input_shape: Shape,
    classes: Count,
    *,
    environment: Whole = 0,
    width: Count = 256,
    depth: Whole = 4,
    dropout: Rate = 0.5,
    use_bias: bool = False,
    activation: Activation = "sigmoid",
    name: str = "sinr",
) -> keras.Model:
    """Residual perceptron on the sines and cosines of coordinates.

    (B, F) float  ->  (B, classes) probabilities.

    The authors train it by Adam for 10 epochs with a learning rate of 0.0005 and batches of 2,048.

    Args:
        input_shape: (F,) coordinates, such as (longitude / 180, latitude / 90), then environmental variables. Recipes
            map the range of the training split's coordinates to half a turn; see `zoo.layers.LocationEncoding`.
        classes: number of species; or of classes, with `activation="softmax"`.
        environment: how many of the F inputs, the last ones, are environmental variables, which are not encoded.
        width: units of each hidden layer.
        depth: number of residual blocks of two layers.
        dropout: dropout rate between the two layers of a block.
        use_bias: whether the last layer has a bias.
        activation: of the output: sigmoid, softmax, or linear for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if no input is a coordinate, or `input_shape` is empty or contains None.

    Source: Cole et al. 2023, https://arxiv.org/abs/2306.02564, section 3.2 and appendix, and the authors' code sinr.
    Differs: none
    """
    inputs, x, numbers = table_inputs(name, input_shape, ())
    if environment >= numbers:
        raise ValueError(
            f"sinr: `input_shape` must have a coordinate before the {environment} inputs of `environment`, got "
            f"{input_shape}."
        )
    coordinates = numbers - environment
    encoded = LocationEncoding(name="encoding")(x[:, :coordinates])
    x = layers.Concatenate(name="features")([encoded, x[:, coordinates:]]) if environment else encoded
    x = layers.Dense(width, activation="relu", name="hidden0")(x)
    for i in range(1, depth + 1):
        residual = layers.Dense(width, activation="relu", name=f"block{i}_hidden0")(x)
        if dropout:
            residual = layers.Dropout(dropout, name=f"block{i}_dropout")(residual)
        residual = layers.Dense(width, activation="relu", name=f"block{i}_hidden1")(residual)
        x = layers.Add(name=f"block{i}_add")([x, residual])
    x = layers.Dense(classes, use_bias=use_bias, dtype="float32", name="head")(x)
    if activation not in (None, "linear"):
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)
