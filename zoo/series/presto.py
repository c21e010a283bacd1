"""Presto: a small transformer over the months of one pixel, pre-trained on many sensors."""

import math
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Activation, Count, Shape
from zoo.blocks import head
from zoo.layers.mask_token import MaskToken
from zoo.layers.months import Months
from zoo.layers.presto_bands import BANDS, GROUPS, PrestoBands
from zoo.layers.season_position import SeasonPosition
from zoo.registry import register
from zoo.series.transformer import attention

PAPER = "https://arxiv.org/abs/2304.14065"
CHANNELS = (*GROUPS, "dynamic_world")
CLASSES = 9  # of Dynamic World: water, trees, grass, flooded vegetation, crops, shrub, built, bare, snow; 9 is missing
STEPS = 24  # the longest series

Month = Literal["first", "every"]


@register(task="series", source=PAPER, example={"input_shape": (12, 17)})
def presto(
    input_shape: Shape,
    outputs: Count | None = None,
    *,
    width: Count = 128,
    depth: Count = 2,
    units: Count = 512,
    heads: Count = 8,
    month: Month = "first",
    masked: bool = True,
    raw: bool = False,
    activation: Activation = "linear",
    name: str = "presto",
) -> keras.Model:
    """Presto's encoder: what satellites, weather and terrain say of one place, month by month, becomes one vector.

    {"x": (B, T, 17) float, "dynamic_world": (B, T) int, "latlons": (B, 2) degrees, "month": (B,) or (B, T) int,
    "mask": (B, T, 17), 0 where x is known}  ->  (B, width) embedding, or (B, outputs).

    `zoo.layers.presto_bands` has the bands and their units. Each group of bands is one token a month, SRTM one in all;
    a group is left out where any of its bands is masked, SRTM where it is in the first month. What x holds there does
    not count, NaN neither. Examples may differ in what they lack.

    Args:
        input_shape: (T, 17) months, up to 24, and bands.
        outputs: how many numbers (or classes) a dense layer on the embedding answers; None for the embedding itself.
        width: length of a token, divisible by 16.
        depth: blocks.
        units: width of the hidden layer of each block's network.
        heads: attention heads; they divide `width`.
        month: what the input `month` says, 0 being January: that of the first step, the others following month by
            month; or that of every step.
        masked: whether there is an input `mask`.
        raw: whether x comes in the bands' own units, and the model scales it and computes NDVI; otherwise scaled.
        activation: of the answer, where `outputs` is given: linear, softmax, sigmoid; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 402,240 trainable parameters at the defaults, and 1,920 that are fixed.
    Raises:
        ValueError: if the input shape is not (T, 17) with T up to 24, or `width` does not divide.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 3; https://github.com/nasaharvest/presto.
    Differs: tokens that are left out stay in their places and nobody asks them: the same answer, for more work.
    """
    _check(name, input_shape, width, heads)
    inputs = _inputs(input_shape[0], month, masked)
    x, keep, *_ = _encode(inputs, width, depth, units, heads, raw)
    x = layers.GlobalAveragePooling1D(name="pool")(x, mask=keep)
    x = layers.LayerNormalization(epsilon=1e-5, dtype="float32", name="norm")(x)
    return keras.Model(inputs, x if outputs is None else head(x, outputs, activation), name=name)


@register(task="series", source=PAPER, example={"input_shape": (12, 17)})
def presto_autoencoder(
    input_shape: Shape,
    *,
    width: Count = 128,
    depth: Count = 2,
    decoder_depth: Count = 2,
    units: Count = 512,
    heads: Count = 8,
    month: Month = "first",
    raw: bool = False,
    name: str = "presto_autoencoder",
) -> keras.Model:
    """Presto as it is pre-trained: the decoder fills in what the mask hides from the encoder.

    {"x": (B, T, 17) float, "dynamic_world": (B, T) int, "latlons": (B, 2) degrees, "month": (B,) or (B, T) int,
    "mask": (B, T, 17), 0 where x is known}  ->
    {"dynamic_world": (B, T, 9) logits, "reconstruction": (B, T, 17), scaled; SRTM the same in every month}.

    Dynamic World is hidden where it is 9.

    Args:
        input_shape: (T, 17) months, up to 24, and bands.
        width: length of a token, divisible by 16.
        depth: blocks of the encoder.
        decoder_depth: blocks of the decoder.
        units: width of the hidden layer of each block's network.
        heads: attention heads; they divide `width`.
        month: what the input `month` says, 0 being January: that of the first step, the others following month by
            month; or that of every step.
        raw: whether x comes in the bands' own units, and the model scales it and computes NDVI; otherwise scaled.
        name: the model's name.
    Returns:
        Uncompiled functional model; 819,034 trainable parameters at the defaults, and 3,648 that are fixed.
    Raises:
        ValueError: if the input shape is not (T, 17) with T up to 24, or `width` does not divide.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 3; https://github.com/nasaharvest/presto.
    Differs: tokens that are left out stay in their places and nobody asks them: the same answer, for more work.
    """
    _check(name, input_shape, width, heads)
    inputs = _inputs(input_shape[0], month, masked=True)
    x, keep, months, channel = _encode(inputs, width, depth, units, heads, raw)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.Dense(width, name="decoder_embed")(x)
    x = MaskToken(name="decoder_mask")([x, keep])
    rest = width - channel.shape[-1]
    places = _places(months, channel, rest // 2, rest // 2, "decoder_season")
    x = layers.Add(name="decoder_place")([x, places])
    for i in range(decoder_depth):
        x = _block(x, None, units, heads, f"decoder{i}")
    x = layers.LayerNormalization(epsilon=1e-5, name="decoder_norm")(x)
    return keras.Model(inputs, _predict(x, input_shape[0]), name=name)


def _check(name, input_shape, width, heads):
    if len(input_shape) != 2 or None in input_shape or input_shape[1] != len(BANDS) or input_shape[0] > STEPS:
        needed = f"(T, {len(BANDS)}) with T from 1 to {STEPS}"
        raise ValueError(f"{name}: `input_shape` must be {needed}, got {input_shape}.")
    if width % 16 or width % heads:
        raise ValueError(f"{name}: `width` must be divisible by 16 and by `heads` = {heads}, got {width}.")


def _inputs(steps, month, masked):
    inputs = {
        "dynamic_world": layers.Input((steps,), dtype="int32", name="dynamic_world"),
        "latlons": layers.Input((2,), name="latlons"),
        "mask": layers.Input((steps, len(BANDS)), name="mask") if masked else None,
        "month": layers.Input((steps,) if month == "every" else (), dtype="int32", name="month"),
        "x": layers.Input((steps, len(BANDS)), name="x"),
    }
    return {name: tensor for name, tensor in inputs.items() if tensor is not None}


def _encode(inputs, width, depth, units, heads, raw):
    """(tokens (B, N, width), which of them are kept (B, N), months (B, T), channels (B, N, width / 4)); N = 9 T + 2."""
    x, dynamic_world = inputs["x"], inputs["dynamic_world"]
    months = Months(dtype="int32", name="months")(inputs["month"])
    if len(months.shape) == 1:
        months = ops.mod(ops.expand_dims(months, 1) + np.arange(x.shape[1], dtype="int32"), 12)
    if raw:
        x = PrestoBands(name="bands")(x)
    known = {group: ops.ones_like(dynamic_world, dtype="bool") for group in GROUPS}
    if "mask" in inputs:
        gaps = ops.not_equal(inputs["mask"], 0)
        known = {group: ops.logical_not(ops.any(_of(gaps, group), axis=-1)) for group in GROUPS}
        x = ops.where(gaps, 0.0, x)  # a NaN would reach the others even with no weight
    known["dynamic_world"] = ops.not_equal(dynamic_world, CLASSES)

    normal = keras.initializers.RandomNormal
    tokens = {group: layers.Dense(width, name=f"embed_{group}")(_of(x, group)) for group in GROUPS}
    embed = layers.Embedding(CLASSES + 1, width, normal(stddev=1.0), name="embed_dynamic_world")
    tokens["dynamic_world"] = embed(dynamic_world)
    globe = ops.expand_dims(layers.Dense(width, name="embed_latlons")(_cartesian(inputs["latlons"])), 1)

    numbers = {group: ops.full_like(months, i) for i, group in enumerate(CHANNELS)}
    channel = layers.Embedding(len(CHANNELS), width // 4, normal(stddev=1.0), name="channel")(_in_order(numbers))
    channel = ops.pad(channel, ((0, 0), (1, 0), (0, 0)))  # nothing for the place on the globe
    x = layers.Concatenate(axis=1, name="tokens")([globe, _in_order(tokens)])
    x = layers.Add(name="place")([x, _places(months, channel, width // 4, width // 2, "season")])
    keep = ops.pad(_in_order(known), ((0, 0), (1, 0)), constant_values=True)
    for i in range(depth):
        x = _block(x, keep, units, heads, f"block{i}")
    return x, keep, months, channel


def _of(x, group):
    """The bands of a group: (B, T, 17)  ->  (B, T, bands)."""
    first = BANDS.index(GROUPS[group][0])
    return x[:, :, first : first + len(GROUPS[group])]


def _cartesian(latlons):
    """(B, 2) latitude and longitude [degrees]  ->  (B, 3) on the unit sphere."""
    radians = latlons * (math.pi / 180)
    latitude, longitude = radians[:, 0], radians[:, 1]
    east = ops.cos(latitude) * ops.sin(longitude)
    return ops.stack([ops.cos(latitude) * ops.cos(longitude), east, ops.sin(latitude)], axis=-1)


def _in_order(groups):
    """What each group has for its months, (B, T, ...), one group after the other, with SRTM once: (B, 9 T + 1, ...)."""
    return ops.concatenate([x[:, :1] if group == "srtm" else x for group, x in groups.items()], axis=1)


def _places(months, channel, season_width, position_width, name):
    """What tells the tokens apart: [season, channel, position], (B, N, width); SRTM and the globe have no time."""
    timed = SeasonPosition(STEPS, season_width, position_width, name=name)(months)
    season, position = (
        ops.pad(_in_order({g: ops.zeros_like(x) if g == "srtm" else x for g in CHANNELS}), ((0, 0), (1, 0), (0, 0)))
        for x in timed
    )
    return layers.Concatenate(name=f"{name}_places")([season, channel, position])


def _block(x, keep, units, heads, name):
    """A pre-norm block; no token asks those that are not kept."""
    width = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm1")(x)
    mask = None if keep is None else ops.expand_dims(keep, 1)  # (B, 1, N)
    y = attention(width, heads, f"{name}_attention")(y, y, attention_mask=mask)
    x = layers.Add(name=f"{name}_attention_add")([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm2")(x)
    y = layers.Dense(units, activation="gelu", name=f"{name}_mlp1")(y)
    y = layers.Dense(width, name=f"{name}_mlp2")(y)
    return layers.Add(name=f"{name}_mlp_add")([x, y])


def _predict(x, steps):
    """(B, N, width)  ->  what the tokens of each group say of its bands, and of Dynamic World."""
    start, answers = 1, []
    for group in CHANNELS:
        length = 1 if group == "srtm" else steps
        width = CLASSES if group == "dynamic_world" else len(GROUPS[group])
        y = layers.Dense(width, dtype="float32", name=f"predict_{group}")(x[:, start : start + length])
        answers.append(ops.repeat(y, steps, axis=1) if group == "srtm" else y)
        start += length
    *bands, dynamic_world = answers
    reconstruction = layers.Concatenate(dtype="float32", name="reconstruction")(bands)
    return {"dynamic_world": dynamic_world, "reconstruction": reconstruction}
