"""Recurrent networks: Elman's network, LSTM and GRU, stacked, unidirectional or bidirectional."""

import functools

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, series_shape
from zoo.blocks import head
from zoo.registry import register


@register(
    task="series",
    source="https://doi.org/10.1207/s15516709cog1402_1",
    example={"input_shape": (100, 32), "outputs": 1},
)
def rnn(
    input_shape: Shape,
    outputs: Count,
    *,
    units: tuple[Count, ...] = (64,),
    vocabulary: Count | None = None,
    bidirectional: bool = False,
    every_step: bool = False,
    mask_value: float | None = None,
    dropout: Rate = 0.0,
    activation: Activation = "linear",
    name: str = "rnn",
) -> keras.Model:
    """Elman's recurrent network: the state of each step is a tanh of its input and the previous state.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None for any length.
        outputs: number of outputs (numbers or classes).
        units: number of units of each layer, first layer first.
        vocabulary: number of tokens, of which 0 is padding. Each has a learned vector of length units[0].
        bidirectional: whether each layer also reads its input backward; both outputs are concatenated.
        every_step: whether there is an output for every step, or else only for the last state.
        mask_value: value that marks padding of series of different lengths: steps whose features all have it are
            skipped. None skips no steps.
        dropout: dropout rate of the output of each layer, drawn independently for each step.
        activation: of the output: linear (or None) for numbers and logits, softmax for one of several classes, sigmoid
            for one class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model. The output of a skipped step repeats the previous one.
    Raises:
        ValueError: if `input_shape` is not valid, or `mask_value` is not None for tokens.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1; bidirectional: Schuster and Paliwal 1997,
        https://doi.org/10.1109/78.650093; dropout and token vectors: Zaremba et al. 2014,
        https://arxiv.org/abs/1409.2329.
    Differs: gradients flow through all steps, where Elman copies the state as an additional input.
    """
    inputs, x = _inputs(name, input_shape, units, vocabulary, mask_value)
    x = recurrent_stack(x, layers.SimpleRNN, units, bidirectional, every_step, dropout)
    return keras.Model(inputs, head(x, outputs, activation), name=name)


@register(
    task="series",
    source="https://doi.org/10.1162/neco.1997.9.8.1735",
    example={"input_shape": (100, 32), "outputs": 1},
)
def lstm(
    input_shape: Shape,
    outputs: Count,
    *,
    units: tuple[Count, ...] = (64,),
    vocabulary: Count | None = None,
    bidirectional: bool = False,
    every_step: bool = False,
    mask_value: float | None = None,
    dropout: Rate = 0.0,
    activation: Activation = "linear",
    name: str = "lstm",
) -> keras.Model:
    """Long short-term memory: gates control what a cell reads, keeps and outputs.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None for any length.
        outputs: number of outputs (numbers or classes).
        units: number of units of each layer, first layer first.
        vocabulary: number of tokens, of which 0 is padding. Each has a learned vector of length units[0].
        bidirectional: whether each layer also reads its input backward; both outputs are concatenated.
        every_step: whether there is an output for every step, or else only for the last state.
        mask_value: value that marks padding of series of different lengths: steps whose features all have it are
            skipped. None skips no steps.
        dropout: dropout rate of the output of each layer, drawn independently for each step.
        activation: of the output: linear (or None) for numbers and logits, softmax for one of several classes, sigmoid
            for one class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model. The output of a skipped step repeats the previous one.
    Raises:
        ValueError: if `input_shape` is not valid, or `mask_value` is not None for tokens.

    Source: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; bidirectional: Schuster
        and Paliwal 1997, https://doi.org/10.1109/78.650093; dropout and token vectors: Zaremba et al. 2014,
        https://arxiv.org/abs/1409.2329.
    Differs: with the forget gate of Gers et al. 2000, https://doi.org/10.1162/089976600300015015, with an initial bias
        of one; no peepholes. Gradients flow through all steps, where the paper truncates them.
    """
    inputs, x = _inputs(name, input_shape, units, vocabulary, mask_value)
    x = recurrent_stack(x, layers.LSTM, units, bidirectional, every_step, dropout)
    return keras.Model(inputs, head(x, outputs, activation), name=name)


@register(
    task="series",
    source="https://arxiv.org/abs/1406.1078",
    example={"input_shape": (100, 32), "outputs": 1},
)
def gru(
    input_shape: Shape,
    outputs: Count,
    *,
    units: tuple[Count, ...] = (64,),
    reset_after: bool = True,
    vocabulary: Count | None = None,
    bidirectional: bool = False,
    every_step: bool = False,
    mask_value: float | None = None,
    dropout: Rate = 0.0,
    activation: Activation = "linear",
    name: str = "gru",
) -> keras.Model:
    """Gated recurrent units: a reset gate, and an update gate that interpolates between the old and the new state.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None for any length.
        outputs: number of outputs (numbers or classes).
        units: number of units of each layer, first layer first.
        reset_after: whether the reset gate is applied after the product with the state, as in cuDNN with a second bias,
            or before it, as in the first version of the paper.
        vocabulary: number of tokens, of which 0 is padding. Each has a learned vector of length units[0].
        bidirectional: whether each layer also reads its input backward; both outputs are concatenated.
        every_step: whether there is an output for every step, or else only for the last state.
        mask_value: value that marks padding of series of different lengths: steps whose features all have it are
            skipped. None skips no steps.
        dropout: dropout rate of the output of each layer, drawn independently for each step.
        activation: of the output: linear (or None) for numbers and logits, softmax for one of several classes, sigmoid
            for one class or several independent ones.
        name: the model's name.
    Returns:
        Uncompiled functional model. The output of a skipped step repeats the previous one.
    Raises:
        ValueError: if `input_shape` is not valid, or `mask_value` is not None for tokens.

    Source: Cho et al. 2014, https://arxiv.org/abs/1406.1078, eqs. 5 to 8; bidirectional: Schuster and Paliwal
        1997, https://doi.org/10.1109/78.650093; dropout and token vectors: Zaremba et al. 2014,
        https://arxiv.org/abs/1409.2329.
    Differs: with biases. The reset gate is applied after the product unless `reset_after=False`.
    """
    inputs, x = _inputs(name, input_shape, units, vocabulary, mask_value)
    x = recurrent_stack(
        x, functools.partial(layers.GRU, reset_after=reset_after), units, bidirectional, every_step, dropout
    )
    return keras.Model(inputs, head(x, outputs, activation), name=name)


def _inputs(name, input_shape, units, vocabulary, mask_value):
    """Returns the input and the input of the first layer: features or token vectors, with their mask."""
    if not units:
        raise ValueError(f"{name}: `units` must have at least one entry, got none.")
    if vocabulary is None:
        inputs = layers.Input(series_shape(name, input_shape), name="series")
        if mask_value is None:
            return inputs, inputs
        return inputs, layers.Masking(mask_value, dtype="float32", name="mask")(
            inputs
        )  # bfloat16 would round `mask_value`
    if mask_value is not None:
        raise ValueError(f"{name}: `mask_value` must be None for tokens, whose padding is 0, got {mask_value}.")
    inputs = layers.Input(series_shape(name, input_shape, sizes="(T,)"), dtype="int32", name="tokens")
    return inputs, layers.Embedding(vocabulary, units[0], mask_zero=True, name="embedding")(inputs)


def recurrent_stack(x, layer_class, units, bidirectional, every_step, dropout):
    """Applies one recurrent layer per entry of `units`. The last returns all steps with `every_step`, else the last."""
    for i, width in enumerate(units):
        layer = layer_class(width, return_sequences=every_step or i + 1 < len(units), name=f"recurrent{i}")
        x = layers.Bidirectional(layer, name=f"both{i}")(x) if bidirectional else layer(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return x
