"""DeepMaxent: the maximum entropy model of species' distributions with features that a network learns."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, Whole
from zoo.blocks import head
from zoo.registry import register
from zoo.tabular.tabm import table_inputs


@register(
    task="tabular",
    source="https://arxiv.org/abs/2412.19217",
    example={"input_shape": (14,), "classes": 2},
)
def deepmaxent(
    input_shape: Shape,
    classes: Count,
    *,
    width: Count = 250,
    depth: Whole = 2,
    activation: Activation = "softmax",
    name: str = "deepmaxent",
) -> keras.Model:
    """Residual perceptron of DeepMaxent.

    (B, *input_shape) float  ->  (B, classes) probabilities.

    The method is the network with the loss of `recipes.SpeciesDistribution`. The authors train it by Adam for 100
    epochs with a learning rate of 0.0002, batches of 250 and a weight decay of 0.0003.

    Args:
        input_shape: (F,) standardized numbers and one-hot categories, or the shape of another input, which is
            flattened.
        classes: number of classes: background and presence; or of species, with `activation="sigmoid"`.
        width: units of each hidden layer.
        depth: number of residual layers after the first.
        activation: of the output: softmax, sigmoid, or linear for the logarithm of the relative intensity.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if `input_shape` is empty or contains None.

    Source: Ranarijaona et al. 2024, https://arxiv.org/abs/2412.19217, and the authors' code deepmaxent.
    Differs: none
    """
    inputs, x, _ = table_inputs(name, input_shape, ())
    x = layers.Dense(width, activation="relu", name="hidden0")(x)
    for i in range(1, depth + 1):
        residual = layers.Dense(width, activation="relu", name=f"hidden{i}")(x)
        x = layers.Add(name=f"add{i}")([residual, x])
    return keras.Model(inputs, head(x, classes, activation), name=name)
