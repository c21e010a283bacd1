"""The Transformer: its encoder alone, and encoder with decoder."""

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, Shape, series_shape
from zoo.blocks import head
from zoo.layers.fused_attention import FusedAttention
from zoo.layers.sinusoidal_position import SinusoidalPosition
from zoo.registry import register, variant

PAPER = "https://arxiv.org/abs/1706.03762"


@register(
    task="series",
    source=PAPER,
    example={"input_shape": (100,), "outputs": 2, "vocabulary": 37000},
)
def transformer_encoder(
    input_shape: Shape,
    outputs: Count,
    *,
    vocabulary: Count | None = None,
    depth: Count = 6,
    width: Count = 512,
    units: Count = 2048,
    heads: Count = 8,
    causal: bool = False,
    every_step: bool = False,
    mask_value: float | None = None,
    dropout: Rate = 0.1,
    activation: Activation = "linear",
    name: str = "transformer_encoder",
) -> keras.Model:
    """The Transformer's encoder: every step attends to all steps, and the head reads the mean over the steps.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    With `vocabulary`, `causal` and `every_step` it is a language model: the output at step t predicts step t + 1.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None for any length.
        outputs: number of outputs (numbers or classes).
        vocabulary: number of tokens, of which 0 is padding.
        depth: number of blocks.
        width: length of the vector of a step, even.
        units: number of units of the hidden layer of each block.
        heads: number of attention heads; must divide `width`.
        causal: whether a step attends only to itself and earlier steps.
        every_step: whether there is an output for every step, or else for the mean over the steps that are not skipped.
        mask_value: value that marks padding of series of different lengths: steps whose features all have it are
            skipped. None skips no steps. With `every_step`, give such steps no weight in the loss.
        dropout: dropout rate after the position encoding and each part of a block.
        activation: of the output: linear (or None) for numbers and logits, softmax for one of several classes, sigmoid
            for one class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model; each block has 3,152,384 parameters at the defaults. The output for a series of
        which all steps are skipped is NaN.
    Raises:
        ValueError: if `input_shape` is not valid, `heads` does not divide `width`, `width` is odd, or `mask_value` is
            given for tokens.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, sections 3.1 to 3.5; table 3 for the defaults.
    Differs: a dense head instead of the decoder. Features are projected by a dense layer, without the factor
        sqrt(width).
    """
    _check(name, width, heads)
    mask = None
    if vocabulary is None:
        inputs = layers.Input(series_shape(name, input_shape), name="series")
        if mask_value is not None:
            mask = ops.any(ops.not_equal(inputs, mask_value), axis=-1)
        x = layers.Dense(width, name="embedding")(inputs)
    else:
        if mask_value is not None:
            raise ValueError(f"{name}: `mask_value` must be None for tokens, whose padding is 0, got {mask_value}.")
        inputs = layers.Input(series_shape(name, input_shape, sizes="(T,)"), dtype="int32", name="tokens")
        mask = ops.not_equal(inputs, 0)
        x = layers.Embedding(vocabulary, width, _normal(width), name="embedding")(inputs)
    x = SinusoidalPosition(1.0 if vocabulary is None else None, name="position")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    for i in range(depth):
        x = _attention_block(x, x, mask, heads, dropout, f"block{i}_attention", causal=causal)
        x = _feed_forward_block(x, units, dropout, f"block{i}_mlp")
    if not every_step:
        x = layers.GlobalAveragePooling1D(name="pool")(x, mask=mask)
    return keras.Model(inputs, head(x, outputs, activation), name=name)


@register(
    task="series",
    source=PAPER,
    example={"vocabulary": 37000},
)
def transformer(
    vocabulary: Count,
    *,
    depth: Count = 6,
    width: Count = 512,
    units: Count = 2048,
    heads: Count = 8,
    dropout: Rate = 0.1,
    activation: Activation = "softmax",
    name: str = "transformer",
) -> keras.Model:
    """The Transformer: the encoder reads the source, the decoder predicts the target token by token.

    {"source": (B, S), "target": (B, T)} tokens  ->  (B, T, vocabulary): the output at t predicts target token t + 1.

    The target input begins with a start token. The labels are the target without it. Both lengths are free. Token 0 is
    padding, which the loss must ignore: `SparseCategoricalCrossentropy(ignore_class=0)`.

    Args:
        vocabulary: number of tokens, shared by source and target.
        depth: number of blocks of the encoder, and of the decoder.
        width: length of a token vector, even.
        units: number of units of the hidden layer of each block.
        heads: number of attention heads; must divide `width`.
        dropout: dropout rate after the position encoding and each part of a block; 0.3 in the big model.
        activation: of the output: softmax, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 44,138,496 parameters at the defaults, plus 512 for each token of the vocabulary.
    Raises:
        ValueError: if `heads` does not divide `width`, or `width` is odd.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, figure 1; table 3 for base and big.
    Differs: none
    """
    _check(name, width, heads)
    inputs = {n: layers.Input((None,), dtype="int32", name=n) for n in ("source", "target")}
    # section 3.4: one table for both languages and, transposed, for the logits
    embedding = layers.ReversibleEmbedding(
        vocabulary, width, embeddings_initializer=_normal(width), reverse_dtype="float32", name="embedding"
    )
    masks = {n: ops.not_equal(x, 0) for n, x in inputs.items()}

    def embed(side):
        x = SinusoidalPosition(name=f"{side}_position")(embedding(inputs[side]))
        return layers.Dropout(dropout, name=f"{side}_dropout")(x) if dropout else x

    memory, x = embed("source"), embed("target")
    for i in range(depth):
        memory = _attention_block(memory, memory, masks["source"], heads, dropout, f"encoder{i}_attention")
        memory = _feed_forward_block(memory, units, dropout, f"encoder{i}_mlp")
    for i in range(depth):
        x = _attention_block(x, x, masks["target"], heads, dropout, f"decoder{i}_attention", causal=True)
        x = _attention_block(x, memory, masks["source"], heads, dropout, f"decoder{i}_memory")
        x = _feed_forward_block(x, units, dropout, f"decoder{i}_mlp")
    x = embedding(x, reverse=True)
    x = layers.Activation(activation or "linear", dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)


def _check(name, width, heads):
    if width % 2 or width % heads:
        raise ValueError(f"{name}: `width` must be even and divisible by `heads` = {heads}, got {width}.")


def _normal(width):
    """Returns an initializer whose vectors, times sqrt(width), have about the size of the position encoding."""
    return keras.initializers.RandomNormal(stddev=width**-0.5)


def _attention_block(x, memory, mask, heads, dropout, name, causal=False):
    """Lets x attend to the memory where `mask` is true, then adds and normalizes.

    (B, T, width), (B, S, width), (B, S)  ->  (B, T, width).

    Masks are passed explicitly, since Keras' attention does not propagate them.
    """
    if mask is not None:
        mask = ops.expand_dims(mask, 1)  # (B, 1, S)
    y = attention(x.shape[-1], heads, name)(x, memory, attention_mask=mask, use_causal_mask=causal)
    return _add_and_norm(x, y, dropout, name)


def attention(width, heads, name):
    """Returns a multi-head attention layer whose kernels have Glorot's initializer for (width, width).

    Keras' default takes the (width, heads, size) kernels for those of convolutions.
    """
    bound = (3 / width) ** 0.5
    kernel = keras.initializers.RandomUniform(-bound, bound)
    return FusedAttention(heads, width // heads, kernel_initializer=kernel, name=name)


def _feed_forward_block(x, units, dropout, name):
    """Applies two dense layers to each step (eq. 2), then adds and normalizes."""
    y = layers.Dense(units, activation="relu", name=f"{name}1")(x)
    return _add_and_norm(x, layers.Dense(x.shape[-1], name=f"{name}2")(y), dropout, name)


def _add_and_norm(x, y, dropout, name):
    """Returns LayerNorm(x + Dropout(y)), sections 3.1 and 5.4."""
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


transformer_big = variant(transformer, "transformer_big", width=1024, units=4096, heads=16, dropout=0.3)
