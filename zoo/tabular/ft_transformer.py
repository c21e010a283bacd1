"""FT-Transformer: attention between the features of a row."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape
from zoo.blocks import head
from zoo.layers.batch_ensemble import uniform
from zoo.layers.feature_tokens import FeatureTokens
from zoo.layers.fused_attention import FusedAttention
from zoo.registry import register
from zoo.tabular.tabm import table_inputs


@register(
    task="tabular",
    source="https://arxiv.org/abs/2106.11959",
    example={"input_shape": (100,), "outputs": 10},
)
def ft_transformer(
    input_shape: Shape,
    outputs: Count,
    *,
    levels: tuple[Count, ...] = (),
    depth: Count = 3,
    width: Count = 192,
    units: Count = 256,
    heads: Count = 8,
    attention_dropout: Rate = 0.2,
    dropout: Rate = 0.1,
    activation: Activation = "linear",
    name: str = "ft_transformer",
) -> keras.Model:
    """FT-Transformer: a transformer whose tokens are the numbers and the categories of a row.

    (B, *input_shape) float  ->  (B, outputs): numbers, or probabilities with `activation="softmax"`.

    Memory and time grow with the square of the number of features. The authors train with AdamW, a learning rate of
    0.0001 and weight decay of 0.00001.

    Args:
        input_shape: (F,) standardized numbers and one-hot categories, or the shape of an image or series, which is
            flattened first.
        outputs: number of outputs (numbers or classes).
        levels: number of levels of each category, whose one-hot inputs are the last of F. Recipes set it for tables.
        depth: number of blocks.
        width: size of a token.
        units: hidden units of the gated linear units in each block.
        heads: attention heads; divides `width`.
        attention_dropout: dropout rate of the attention weights.
        dropout: dropout rate of the hidden units.
        activation: of the output: linear (or None) for numbers and logits, softmax for one of several classes, sigmoid
            for one class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if `input_shape` is empty or contains None, or has fewer inputs than `levels`, or `heads` does not
            divide `width`.

    Source: Gorishniy, Rubachev, Khrulkov, Babenko 2021, https://arxiv.org/abs/2106.11959, section 3.3, and the authors'
        package rtdl_revisiting_models, whose default of three blocks is the default here.
    Differs: none
    """
    if width % heads:
        raise ValueError(f"{name}: `heads` must divide `width` = {width}, got {heads}.")
    inputs, x, _ = table_inputs(name, input_shape, levels)
    x = FeatureTokens(width, levels, name="tokens")(x)
    bound = width**-0.5
    for i in range(depth):
        y = layers.LayerNormalization(epsilon=1e-5, name=f"block{i}_norm1")(x) if i else x
        query = y
        if i == depth - 1:  # of the last block only the row's token is used
            x, query = x[:, :1], y[:, :1]
        attention = FusedAttention(
            heads, width // heads, dropout=attention_dropout, name=f"block{i}_attention",
            kernel_initializer=keras.initializers.RandomUniform(-bound, bound),
        )  # fmt: skip
        x = layers.Add(name=f"block{i}_attention_add")([x, attention(query, y)])
        y = layers.LayerNormalization(epsilon=1e-5, name=f"block{i}_norm2")(x)
        value = _dense(units, y, f"block{i}_value")
        gate = layers.Activation("relu", name=f"block{i}_relu")(_dense(units, y, f"block{i}_gate"))
        y = layers.Multiply(name=f"block{i}_gated")([value, gate])
        if dropout:
            y = layers.Dropout(dropout, name=f"block{i}_dropout")(y)
        x = layers.Add(name=f"block{i}_add")([x, _dense(width, y, f"block{i}_output")])
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(layers.Flatten(name="row")(x))
    x = layers.Activation("relu", name="norm_relu")(x)
    return keras.Model(inputs, head(x, outputs, activation, kernel_initializer=uniform(width)), name=name)


def _dense(units, x, name):
    """Adds a dense layer with PyTorch's default initialization."""
    initializer = uniform(x.shape[-1])
    return layers.Dense(units, kernel_initializer=initializer, bias_initializer=initializer, name=name)(x)
