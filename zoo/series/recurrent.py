"""Recurrent networks: Elman's, LSTM and GRU, stacked, in one direction or both."""

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
    """Elman's recurrent network: each step's state is a tanh of its input and the state before.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None: any length.
        outputs: number of outputs (numbers or classes).
        units: width of each layer's state, lowest first.
        vocabulary: how many tokens there are, 0 being padding; each has a learned vector of units[0] numbers.
        bidirectional: whether a second network reads each layer's input from its end; their states are joined.
        every_step: whether every step is answered; otherwise the last state answers.
        mask_value: a step whose features are all this number is skipped; None skips none. Series of different lengths
            are padded with it.
        dropout: share of each layer's answer that training drops, anew at each step.
        activation: linear (or None) for numbers and logits, softmax for one class of several, sigmoid for yes or no.
        name: the model's name.
    Returns:
        Uncompiled functional model. At a skipped step the answer repeats the one before.
    Raises:
        ValueError: if the input shape does not fit, or `mask_value` is given for tokens.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1; both directions are Schuster and Paliwal 1997's,
        https://doi.org/10.1109/78.650093; dropout and token vectors are Zaremba et al. 2014's,
        https://arxiv.org/abs/1409.2329.
    Differs: trained through all steps, where Elman copies the state as one more input.
    """
    inputs, x = _inputs(name, input_shape, units, vocabulary, mask_value)
    x = stack(x, layers.SimpleRNN, units, bidirectional, every_step, dropout)
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
    """Long short-term memory: gates decide what a cell takes in, keeps and shows.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None: any length.
        outputs: number of outputs (numbers or classes).
        units: cells of each layer, lowest first.
        vocabulary: how many tokens there are, 0 being padding; each has a learned vector of units[0] numbers.
        bidirectional: whether a second network reads each layer's input from its end; their states are joined.
        every_step: whether every step is answered; otherwise the last state answers.
        mask_value: a step whose features are all this number is skipped; None skips none. Series of different lengths
            are padded with it.
        dropout: share of each layer's answer that training drops, anew at each step.
        activation: linear (or None) for numbers and logits, softmax for one class of several, sigmoid for yes or no.
        name: the model's name.
    Returns:
        Uncompiled functional model. At a skipped step the answer repeats the one before.
    Raises:
        ValueError: if the input shape does not fit, or `mask_value` is given for tokens.

    Source: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; both directions are Schuster
        and Paliwal 1997's, https://doi.org/10.1109/78.650093; dropout and token vectors are Zaremba et al. 2014's,
        https://arxiv.org/abs/1409.2329.
    Differs: with the forget gate of Gers et al. 2000, https://doi.org/10.1162/089976600300015015, its bias starting at
        one; no peepholes. Trained through all steps, where the paper cuts the gradient off.
    """
    inputs, x = _inputs(name, input_shape, units, vocabulary, mask_value)
    x = stack(x, layers.LSTM, units, bidirectional, every_step, dropout)
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
    """Gated recurrent units: one gate forgets, one weighs the old state against the new.

    (B, T, F) float, or (B, T) tokens  ->  (B, outputs), or (B, T, outputs) with `every_step`.

    Args:
        input_shape: (T, F) steps and features; (T,) with `vocabulary`. T may be None: any length.
        outputs: number of outputs (numbers or classes).
        units: width of each layer's state, lowest first.
        reset_after: whether the reset gate acts after the state's product (as cuDNN has it, with a second bias) or
            before it (as the paper's first version has it).
        vocabulary: how many tokens there are, 0 being padding; each has a learned vector of units[0] numbers.
        bidirectional: whether a second network reads each layer's input from its end; their states are joined.
        every_step: whether every step is answered; otherwise the last state answers.
        mask_value: a step whose features are all this number is skipped; None skips none. Series of different lengths
            are padded with it.
        dropout: share of each layer's answer that training drops, anew at each step.
        activation: linear (or None) for numbers and logits, softmax for one class of several, sigmoid for yes or no.
        name: the model's name.
    Returns:
        Uncompiled functional model. At a skipped step the answer repeats the one before.
    Raises:
        ValueError: if the input shape does not fit, or `mask_value` is given for tokens.

    Source: Cho et al. 2014, https://arxiv.org/abs/1406.1078, eqs. 5 to 8; both directions are Schuster and Paliwal
        1997's, https://doi.org/10.1109/78.650093; dropout and token vectors are Zaremba et al. 2014's,
        https://arxiv.org/abs/1409.2329.
    Differs: with biases; the reset gate acts after the product unless `reset_after=False`.
    """
    inputs, x = _inputs(name, input_shape, units, vocabulary, mask_value)
    x = stack(x, functools.partial(layers.GRU, reset_after=reset_after), units, bidirectional, every_step, dropout)
    return keras.Model(inputs, head(x, outputs, activation), name=name)


def _inputs(name, input_shape, units, vocabulary, mask_value):
    """(the input, what the first layer reads): features, or the vectors of tokens; both with their mask."""
    if not units:
        raise ValueError(f"{name}: `units` must have a width for each layer, got none.")
    if vocabulary is None:
        inputs = layers.Input(series_shape(name, input_shape), name="series")
        if mask_value is None:
            return inputs, inputs
        return inputs, layers.Masking(mask_value, dtype="float32", name="mask")(inputs)  # bfloat16 rounds the number
    if mask_value is not None:
        raise ValueError(f"{name}: `mask_value` must be None for tokens, whose padding is 0, got {mask_value}.")
    inputs = layers.Input(series_shape(name, input_shape, sizes="(T,)"), dtype="int32", name="tokens")
    return inputs, layers.Embedding(vocabulary, units[0], mask_zero=True, name="embedding")(inputs)


def stack(x, kind, units, bidirectional, every_step, dropout):
    """Recurrent layers made by `kind`, one a width; the last answers every step, or only the last."""
    for i, width in enumerate(units):
        layer = kind(width, return_sequences=every_step or i + 1 < len(units), name=f"recurrent{i}")
        x = layers.Bidirectional(layer, name=f"both{i}")(x) if bidirectional else layer(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{i}")(x)
    return x
