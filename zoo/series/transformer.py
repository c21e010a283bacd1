"""The Transformer: attention instead of recurrence; the encoder by itself, and encoder with decoder."""

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
    """The Transformer's encoder: every step asks every other, and the mean over the steps answers.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    With `vocabulary`, `causal` and `every_step` it is a language model: the answer at step t is about step t + 1.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None: any length.
        outputs: number of outputs (numbers or classes).
        vocabulary: how many tokens there are, 0 being padding.
        depth: blocks.
        width: length of a step's vector; even.
        units: width of the hidden layer of each block's network.
        heads: attention heads; they divide `width`.
        causal: whether a step asks only itself and those before it.
        every_step: whether every step is answered; otherwise the mean over the steps that are not skipped.
        mask_value: a step whose features are all this number is skipped; None skips none. Series of different lengths
            are padded with it. With `every_step`, give such steps no weight in the loss.
        dropout: share dropped after the positions and after each part of a block.
        activation: linear (or None) for numbers and logits, softmax for one class of several, sigmoid for yes or no.
        name: the model's name.
    Returns:
        Uncompiled functional model; each block has 3,152,384 parameters at the defaults. The answer to a series of
        skipped steps only is NaN.
    Raises:
        ValueError: if the input shape does not fit, `heads` does not divide `width`, `width` is odd, or `mask_value` is
            given for tokens.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, sections 3.1 to 3.5; table 3 for the defaults.
    Differs: a head of its own in place of the decoder. Features enter by a dense layer, not scaled by sqrt(width).
    """
    _check(name, width, heads)
    keep = None
    if vocabulary is None:
        inputs = layers.Input(series_shape(name, input_shape), name="series")
        if mask_value is not None:
            keep = ops.any(ops.not_equal(inputs, mask_value), axis=-1)
        x = layers.Dense(width, name="embedding")(inputs)
    else:
        if mask_value is not None:
            raise ValueError(f"{name}: `mask_value` must be None for tokens, whose padding is 0, got {mask_value}.")
        inputs = layers.Input(series_shape(name, input_shape, sizes="(T,)"), dtype="int32", name="tokens")
        keep = ops.not_equal(inputs, 0)
        x = layers.Embedding(vocabulary, width, _normal(width), name="embedding")(inputs)
    x = SinusoidalPosition(1.0 if vocabulary is None else None, name="position")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    for i in range(depth):
        x = _attend(x, x, keep, heads, dropout, f"block{i}_attention", causal=causal)
        x = _feed(x, units, dropout, f"block{i}_mlp")
    if not every_step:
        x = layers.GlobalAveragePooling1D(name="pool")(x, mask=keep)
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
    """The Transformer: an encoder reads the source, a decoder writes the target, token by token.

    {"source": (B, S), "target": (B, T)} tokens  ->  (B, T, vocabulary): at t, the target's token t + 1.

    The target that goes in begins with a token for the start, and the one to learn is the same without it. Both lengths
    are free; 0 is padding, in the loss too: `SparseCategoricalCrossentropy(ignore_class=0)`.

    Args:
        vocabulary: how many tokens there are, in source and target together.
        depth: blocks of the encoder, and of the decoder.
        width: length of a token's vector; even.
        units: width of the hidden layer of each block's network.
        heads: attention heads; they divide `width`.
        dropout: share dropped after the positions and after each part of a block; 0.3 in the big model.
        activation: softmax, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 44,138,496 parameters at the defaults, and 512 for each token.
    Raises:
        ValueError: if `heads` does not divide `width`, or `width` is odd.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, figure 1; table 3 for base and big.
    Differs: none
    """
    _check(name, width, heads)
    inputs = {n: layers.Input((None,), dtype="int32", name=n) for n in ("source", "target")}
    # one table for both languages and, transposed, for the logits: section 3.4
    tokens = layers.ReversibleEmbedding(
        vocabulary, width, embeddings_initializer=_normal(width), reverse_dtype="float32", name="embedding"
    )
    kept = {n: ops.not_equal(x, 0) for n, x in inputs.items()}

    def embed(side):
        x = SinusoidalPosition(name=f"{side}_position")(tokens(inputs[side]))
        return layers.Dropout(dropout, name=f"{side}_dropout")(x) if dropout else x

    memory, x = embed("source"), embed("target")
    for i in range(depth):
        memory = _attend(memory, memory, kept["source"], heads, dropout, f"encoder{i}_attention")
        memory = _feed(memory, units, dropout, f"encoder{i}_mlp")
    for i in range(depth):
        x = _attend(x, x, kept["target"], heads, dropout, f"decoder{i}_attention", causal=True)
        x = _attend(x, memory, kept["source"], heads, dropout, f"decoder{i}_memory")
        x = _feed(x, units, dropout, f"decoder{i}_mlp")
    x = tokens(x, reverse=True)
    x = layers.Activation(activation or "linear", dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)


def _check(name, width, heads):
    if width % 2 or width % heads:
        raise ValueError(f"{name}: `width` must be even and divisible by `heads` = {heads}, got {width}.")


def _normal(width):
    """With this spread, vectors times sqrt(width) have about the size of the positions."""
    return keras.initializers.RandomNormal(stddev=width**-0.5)


def _attend(x, memory, keep, heads, dropout, name, causal=False):
    """x asks memory where `keep` is true, and the answer is added and normalized.

    (B, T, width), (B, S, width), (B, S)  ->  (B, T, width).

    The masks are said, not left to Keras to pass on: its attention takes them off the tensors that it gets.
    """
    if keep is not None:
        keep = ops.expand_dims(keep, 1)  # (B, 1, S)
    y = attention(x.shape[-1], heads, name)(x, memory, attention_mask=keep, use_causal_mask=causal)
    return _add(x, y, dropout, name)


def attention(width, heads, name):
    """A multi-head attention layer whose kernels start as Glorot's for (width, width).

    Keras by itself takes its (width, heads, size) kernels for those of convolutions.
    """
    bound = (3 / width) ** 0.5
    kernel = keras.initializers.RandomUniform(-bound, bound)
    return FusedAttention(heads, width // heads, kernel_initializer=kernel, name=name)


def _feed(x, units, dropout, name):
    """Two dense layers at each step by itself, added and normalized; eq. 2."""
    y = layers.Dense(units, activation="relu", name=f"{name}1")(x)
    return _add(x, layers.Dense(x.shape[-1], name=f"{name}2")(y), dropout, name)


def _add(x, y, dropout, name):
    """LayerNorm(x + y), sections 3.1 and 5.4."""
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


transformer_big = variant(transformer, "transformer_big", width=1024, units=4096, heads=16, dropout=0.3)
