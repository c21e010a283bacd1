"""Presto: a small transformer for the monthly time series of a pixel, pre-trained on many sensors."""

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
CLASSES = 9  # Dynamic World: water, trees, grass, flooded vegetation, crops, shrub, built, bare, snow; 9 is missing
MAX_STEPS = 24  # largest length of a series

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
    """Presto's encoder: embeds the monthly satellite, weather and terrain data of one location as a vector.

    {"x": (B, T, 17) float, "dynamic_world": (B, T) int, "latlons": (B, 2) degrees, "month": (B,) or (B, T) int,
    "mask": (B, T, 17), 0 for valid x}  ->  (B, width) embedding, or (B, outputs).

    The bands and their units are in `zoo.layers.presto_bands`. Each group of bands is one token per month; SRTM is one
    token in total. A group is masked in a month if any of its bands is masked, SRTM if it is masked in the first month.
    Values of x at masked groups are ignored, including NaN. Masks may differ between examples.

    Args:
        input_shape: (T, 17) months, up to 24, and bands.
        outputs: number of outputs of a dense layer on the embedding (numbers or classes); None for the embedding.
        width: length of a token vector, divisible by 16.
        depth: number of blocks.
        units: number of units of the hidden layer of each block.
        heads: number of attention heads; must divide `width`.
        month: meaning of the input `month` (0 is January): "first" is the month of the first step, with monthly steps;
            "every" is the month of every step.
        masked: whether the model has an input `mask`.
        raw: whether x is in the original units of the bands, so that the model scales it and computes NDVI. Otherwise x
            must be scaled.
        activation: of the output, if `outputs` is not None: linear, softmax, sigmoid; None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 402,240 trainable parameters at the defaults, and 1,920 non-trainable.
    Raises:
        ValueError: if the input shape is not (T, 17) with T up to 24, or `width` is not divisible by 16 and `heads`.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 3; https://github.com/nasaharvest/presto.
    Differs: masked tokens stay in the sequence and no token attends to them: the same output at a higher cost.
    """
    _check_shape(name, input_shape, width, heads)
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
    """Presto's pre-training model: the decoder reconstructs the inputs that the mask hides from the encoder.

    {"x": (B, T, 17) float, "dynamic_world": (B, T) int, "latlons": (B, 2) degrees, "month": (B,) or (B, T) int,
    "mask": (B, T, 17), 0 for valid x}  ->
    {"dynamic_world": (B, T, 9) logits, "reconstruction": (B, T, 17), scaled; SRTM is the same in every month}.

    Dynamic World is masked where it is 9.

    Args:
        input_shape: (T, 17) months, up to 24, and bands.
        width: length of a token vector, divisible by 16.
        depth: number of blocks of the encoder.
        decoder_depth: number of blocks of the decoder.
        units: number of units of the hidden layer of each block.
        heads: number of attention heads; must divide `width`.
        month: meaning of the input `month` (0 is January): "first" is the month of the first step, with monthly steps;
            "every" is the month of every step.
        raw: whether x is in the original units of the bands, so that the model scales it and computes NDVI. Otherwise x
            must be scaled.
        name: the model's name.
    Returns:
        Uncompiled functional model; 819,034 trainable parameters at the defaults, and 3,648 non-trainable.
    Raises:
        ValueError: if the input shape is not (T, 17) with T up to 24, or `width` is not divisible by 16 and `heads`.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 3; https://github.com/nasaharvest/presto.
    Differs: masked tokens stay in the sequence and no token attends to them: the same output at a higher cost.
    """
    _check_shape(name, input_shape, width, heads)
    inputs = _inputs(input_shape[0], month, masked=True)
    x, keep, months, channel = _encode(inputs, width, depth, units, heads, raw)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.Dense(width, name="decoder_embed")(x)
    x = MaskToken(name="decoder_mask")([x, keep])
    rest = width - channel.shape[-1]
    positions = _token_positions(months, channel, rest // 2, rest // 2, "decoder_season")
    x = layers.Add(name="decoder_place")([x, positions])
    for i in range(decoder_depth):
        x = _block(x, None, units, heads, f"decoder{i}")
    x = layers.LayerNormalization(epsilon=1e-5, name="decoder_norm")(x)
    return keras.Model(inputs, _reconstruct(x, input_shape[0]), name=name)


def _check_shape(name, input_shape, width, heads):
    if len(input_shape) != 2 or None in input_shape or input_shape[1] != len(BANDS) or input_shape[0] > MAX_STEPS:
        expected = f"(T, {len(BANDS)}) with T from 1 to {MAX_STEPS}"
        raise ValueError(f"{name}: `input_shape` must be {expected}, got {input_shape}.")
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
    """Returns the tokens (B, N, width), their mask (B, N), months (B, T) and channels (B, N, width / 4); N = 9 T + 2.

    The mask is True for tokens that are not masked.
    """
    x, dynamic_world = inputs["x"], inputs["dynamic_world"]
    months = Months(dtype="int32", name="months")(inputs["month"])
    if len(months.shape) == 1:
        months = ops.mod(ops.expand_dims(months, 1) + np.arange(x.shape[1], dtype="int32"), 12)
    if raw:
        x = PrestoBands(name="bands")(x)
    keep = {group: ops.ones_like(dynamic_world, dtype="bool") for group in GROUPS}
    if "mask" in inputs:
        is_masked = ops.not_equal(inputs["mask"], 0)
        keep = {group: ops.logical_not(ops.any(_group_bands(is_masked, group), axis=-1)) for group in GROUPS}
        x = ops.where(is_masked, 0.0, x)  # NaN times an attention weight of 0 would still be NaN
    keep["dynamic_world"] = ops.not_equal(dynamic_world, CLASSES)

    normal = keras.initializers.RandomNormal
    tokens = {group: layers.Dense(width, name=f"embed_{group}")(_group_bands(x, group)) for group in GROUPS}
    embed = layers.Embedding(CLASSES + 1, width, normal(stddev=1.0), name="embed_dynamic_world")
    tokens["dynamic_world"] = embed(dynamic_world)
    location = ops.expand_dims(layers.Dense(width, name="embed_latlons")(_cartesian(inputs["latlons"])), 1)

    indices = {group: ops.full_like(months, i) for i, group in enumerate(CHANNELS)}
    channel = layers.Embedding(len(CHANNELS), width // 4, normal(stddev=1.0), name="channel")(
        _concatenate_groups(indices)
    )
    channel = ops.pad(channel, ((0, 0), (1, 0), (0, 0)))  # zeros for the location token
    x = layers.Concatenate(axis=1, name="tokens")([location, _concatenate_groups(tokens)])
    x = layers.Add(name="place")([x, _token_positions(months, channel, width // 4, width // 2, "season")])
    keep = ops.pad(_concatenate_groups(keep), ((0, 0), (1, 0)), constant_values=True)
    for i in range(depth):
        x = _block(x, keep, units, heads, f"block{i}")
    return x, keep, months, channel


def _group_bands(x, group):
    """Returns the bands of a group: (B, T, 17)  ->  (B, T, bands)."""
    first = BANDS.index(GROUPS[group][0])
    return x[:, :, first : first + len(GROUPS[group])]


def _cartesian(latlons):
    """Converts latitude and longitude (B, 2) [degrees] to points (B, 3) on the unit sphere."""
    radians = latlons * (math.pi / 180)
    latitude, longitude = radians[:, 0], radians[:, 1]
    y = ops.cos(latitude) * ops.sin(longitude)
    return ops.stack([ops.cos(latitude) * ops.cos(longitude), y, ops.sin(latitude)], axis=-1)


def _concatenate_groups(groups):
    """Concatenates the tensors (B, T, ...) of all groups, SRTM with its first month only: (B, 9 T + 1, ...)."""
    return ops.concatenate([x[:, :1] if group == "srtm" else x for group, x in groups.items()], axis=1)


def _token_positions(months, channel, season_width, position_width, name):
    """Returns the encodings [season, channel, position] of the tokens (B, N, width); SRTM and location have no time."""
    encodings = SeasonPosition(MAX_STEPS, season_width, position_width, name=name)(months)
    season, position = (
        ops.pad(
            _concatenate_groups({g: ops.zeros_like(x) if g == "srtm" else x for g in CHANNELS}),
            ((0, 0), (1, 0), (0, 0)),
        )
        for x in encodings
    )
    return layers.Concatenate(name=f"{name}_places")([season, channel, position])


def _block(x, keep, units, heads, name):
    """Applies a pre-norm transformer block in which tokens attend only to those with `keep`."""
    width = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm1")(x)
    mask = None if keep is None else ops.expand_dims(keep, 1)  # (B, 1, N)
    y = attention(width, heads, f"{name}_attention")(y, y, attention_mask=mask)
    x = layers.Add(name=f"{name}_attention_add")([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm2")(x)
    y = layers.Dense(units, activation="gelu", name=f"{name}_mlp1")(y)
    y = layers.Dense(width, name=f"{name}_mlp2")(y)
    return layers.Add(name=f"{name}_mlp_add")([x, y])


def _reconstruct(x, steps):
    """Reconstructs the bands and Dynamic World from the tokens (B, N, width) of each group."""
    start, outputs = 1, []
    for group in CHANNELS:
        length = 1 if group == "srtm" else steps
        width = CLASSES if group == "dynamic_world" else len(GROUPS[group])
        y = layers.Dense(width, dtype="float32", name=f"predict_{group}")(x[:, start : start + length])
        outputs.append(ops.repeat(y, steps, axis=1) if group == "srtm" else y)
        start += length
    *bands, dynamic_world = outputs
    reconstruction = layers.Concatenate(dtype="float32", name="reconstruction")(bands)
    return {"dynamic_world": dynamic_world, "reconstruction": reconstruction}
