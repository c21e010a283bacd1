"""CRNN: convolutions over a spectrogram, and recurrent layers over time."""

from typing import Literal

import keras
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, Shape, series_shape
from zoo.blocks import head
from zoo.layers.spec_augment import SpecAugment
from zoo.layers.spectrogram import spectrogram_layer
from zoo.registry import register

MUSIC = {"bands": 96, "window": 512 / 12000, "hop": 256 / 12000, "low": 0.0}
STRIDES = (2, 3, 4, 4)  # of the pooling after each convolution, over frequency and time


@register(
    task="sound",
    source="https://arxiv.org/abs/1609.04243",
    example={"input_shape": (349440, 1), "classes": 50, "sample_rate": 12000, "spectrogram": MUSIC,
             "activation": "sigmoid"},
)  # fmt: skip
def crnn(
    input_shape: Shape,
    classes: Count,
    *,
    sample_rate: Count = 12000,
    spectrogram: dict | None = None,
    filters: tuple[Count, ...] = (64, 128, 128, 128),
    time_strides: tuple[Count, ...] = STRIDES,
    units: tuple[Count, ...] = (32, 32),
    cell: Literal["gru", "lstm"] = "gru",
    bidirectional: bool = False,
    spec_augment: Rate = 0.0,
    activation: Activation = "softmax",
    name: str = "crnn",
) -> keras.Model:
    """CRNN: 3 x 3 convolutions with pooling over frequency and time, then recurrent layers over the remaining steps.

    (B, N, C) float, samples from -1 to 1  ->  (B, classes) probabilities.

    After a convolution the frequencies are pooled by 2, 3, 4 and 4, as far as there are so many, and the steps by
    `time_strides`. For clips of a few seconds, small strides leave steps for the recurrent layers.

    Args:
        input_shape: (N, C) of one sound: number of samples, and channels.
        classes: number of classes.
        sample_rate: samples per second [Hz].
        spectrogram: arguments of `zoo.layers.Spectrogram`; those that are not set are the paper's: 96 bands, windows of
            512 and hops of 256 samples at 12 kHz.
        filters: number of filters of each convolution, at most four.
        time_strides: steps that are pooled after each convolution.
        units: number of units of each recurrent layer.
        cell: gru or lstm.
        bidirectional: whether each recurrent layer also reads its input backward; both outputs are concatenated.
        spec_augment: largest fraction of the bands and of the steps that are masked in training; 0 masks none.
        activation: of the output: softmax, sigmoid for several labels, linear; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 394,098 trainable parameters for the paper's 29 s and 50 labels.
    Raises:
        ValueError: if a size is None, the sound is too short for the window or the strides, there are more than four
            filters, or an option of the spectrogram is unknown.

    Source: Choi et al. 2016, https://arxiv.org/abs/1609.04243, section 2.3; widths, dropout and activations of the
        authors' music_tagger_crnn.py, https://github.com/keunwoochoi/music-auto_tagging-keras.
    Differs: the spectrogram is normalized per band; the authors' code normalizes each of 1,440 padded steps, which has
        2 x (1440 - 96) more parameters. Steps that are no multiple of the strides are left out instead of padding.
    """
    series_shape(name, input_shape, sizes="(N, C)", fixed=True)
    if not 0 < len(filters) <= len(STRIDES) or len(time_strides) < len(filters):
        raise ValueError(
            f"{name}: `filters` must have 1 to {len(STRIDES)} entries, and `time_strides` as many, got {filters} and "
            f"{time_strides}."
        )
    if not units:
        raise ValueError(f"{name}: `units` must have at least one entry, got none.")
    inputs = layers.Input(input_shape, name="sound")
    x = spectrogram_layer(name, sample_rate, {**MUSIC, **(spectrogram or {})}, input_shape)(inputs)
    x = layers.BatchNormalization(axis=1, momentum=0.9, dtype="float32", name="norm")(x)
    if spec_augment:
        x = SpecAugment(spec_augment, name="spec_augment")(x)
    for i, (width, bands, steps) in enumerate(zip(filters, STRIDES, time_strides, strict=False)):
        bands = min(bands, x.shape[1])
        if steps > x.shape[2]:
            raise ValueError(
                f"{name}: `input_shape` must have more samples for `time_strides` {tuple(time_strides)}, got "
                f"{tuple(input_shape)}: {x.shape[2]} steps are left for a stride of {steps}."
            )
        x = layers.Conv2D(width, 3, padding="same", name=f"conv{i}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(x)
        x = layers.Activation("elu", name=f"elu{i}")(x)
        x = layers.MaxPooling2D((bands, steps), name=f"pool{i}")(x)
        x = layers.Dropout(0.1, name=f"dropout{i}")(x)
    x = ops.transpose(x, (0, 2, 1, 3))
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="steps")(x)
    for i, width in enumerate(units):
        is_last = i == len(units) - 1
        options = {"return_sequences": not is_last, "name": f"recurrent{i}"}
        layer = layers.LSTM(width, **options) if cell == "lstm" else layers.GRU(width, reset_after=False, **options)
        x = (layers.Bidirectional(layer, name=f"bidirectional{i}") if bidirectional else layer)(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)
