"""TabM: an ensemble of perceptrons that share most of their weights."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, Whole
from zoo.layers.batch_ensemble import BatchEnsembleDense, EnsembleHead
from zoo.layers.piecewise_linear import PiecewiseLinear
from zoo.registry import register, variant


@register(
    task="tabular",
    source="https://arxiv.org/abs/2410.24210",
    example={"input_shape": (100,), "outputs": 10},
)
def tabm(
    input_shape: Shape,
    outputs: Count,
    *,
    levels: tuple[Count, ...] = (),
    members: Count = 32,
    depth: Count = 3,
    width: Count = 512,
    dropout: Rate = 0.1,
    bins: Whole = 0,
    embedding: Count = 16,
    activation: Activation = "linear",
    name: str = "tabm",
) -> keras.Model:
    """TabM: many perceptrons with one set of kernels and scales of their own, trained together and averaged.

    (B, *input_shape) float  ->  (B, outputs): numbers, or probabilities with `activation="softmax"`.

    Training minimizes the mean of the members' losses, and predictions are the mean of the members' probabilities or
    numbers; `zoo.layers.EnsembleHead` says how. The authors train with AdamW, a learning rate of 0.002, weight decay of
    0.0003 and early stopping.

    Args:
        input_shape: (F,) standardized numbers and one-hot categories, or the shape of an image or series, which is
            flattened first.
        outputs: number of outputs (numbers or classes).
        levels: number of levels of each category, whose one-hot inputs are the last of F. Recipes set it for tables.
        members: number of perceptrons.
        depth: number of hidden layers.
        width: units of each hidden layer.
        dropout: dropout rate after each hidden layer.
        bins: pieces of the embeddings of numbers (`zoo.layers.PiecewiseLinear`); 0 for no embeddings. Recipes set their
            edges from the training split; without recipes call the layer's `adapt`.
        embedding: size of a number's embedding.
        activation: of the output: linear (or None) for numbers, softmax for one of several classes, sigmoid for one
            class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if `input_shape` is empty or contains None, or has fewer inputs than `levels`.

    Source: Gorishniy, Kotelnikov, Babenko 2025, https://arxiv.org/abs/2410.24210, section 3, and the authors' package
        tabm.
    Differs: none
    """
    inputs, x, numbers = table_inputs(name, input_shape, levels)
    chunks = (1,) * numbers + tuple(levels)
    if bins and numbers:
        embedded = PiecewiseLinear(embedding, bins, name="embedding")(x[:, :numbers])
        embedded = layers.Flatten(name="embeddings")(embedded)
        x = layers.Concatenate(name="features")([embedded, x[:, numbers:]]) if levels else embedded
        chunks = (embedding,) * numbers + tuple(levels)
    for i in range(depth):
        scaling = ("normal" if bins and numbers else "signs") if i == 0 else "ones"
        x = BatchEnsembleDense(width, members, scaling, chunks if i == 0 else (), name=f"hidden{i}")(x)
        x = layers.Activation("relu", name=f"hidden{i}_relu")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    x = EnsembleHead(outputs, activation or "linear", dtype="float32", name="head")(x)
    if activation not in (None, "linear"):
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)


def table_inputs(name, input_shape, levels):
    """Returns the input, its (B, F) features, and the number of features before the one-hot categories.

    Args:
        name: of the architecture, for errors.
        input_shape: of one example.
        levels: number of levels of each category.
    Raises:
        ValueError: if the shape is empty or contains None, or has fewer inputs than `levels`.
    """
    if None in input_shape or not input_shape:
        raise ValueError(
            f"{name}: `input_shape` must have every size given, such as (4,) or (28, 28, 1), got {input_shape}."
        )
    x = inputs = layers.Input(input_shape, name="inputs")
    if len(input_shape) > 1:
        x = layers.Flatten(name="flatten")(x)
    numbers = x.shape[-1] - sum(levels)
    if numbers < 0:
        raise ValueError(
            f"{name}: `input_shape` must have at least the {sum(levels)} inputs of `levels`, got {input_shape}."
        )
    return inputs, x, numbers


# TabM with embeddings, of the paper's section 3.4; the package's defaults for it
tabm_ple = variant(tabm, "tabm_ple", depth=2, bins=48)
