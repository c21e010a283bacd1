"""CoAtNet: a network of convolutional stages followed by attention stages."""

from typing import Literal

import keras
import numpy as np
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import he_fan_out, head
from zoo.layers.drop_path import DropPath
from zoo.layers.relative_attention import RelativeAttention
from zoo.registry import register, variant


@register(
    task="classify",
    source="https://arxiv.org/abs/2106.04803",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def coatnet(
    input_shape: Shape,
    classes: Count,
    *,
    depths: tuple[Count, ...] = (2, 2, 3, 5, 2),
    filters: tuple[Count, ...] = (64, 96, 192, 384, 768),
    layout: str = "C-C-T-T",
    head_size: Count = 32,
    downsample: Literal["expansion", "depthwise"] = "expansion",
    drop_path: Rate = 0.0,
    activation: Activation = "softmax",
    name: str = "coatnet",
) -> keras.Model:
    """CoAtNet: stages of inverted bottlenecks, then of relative attention, each at half the resolution of the last.

    (B, H, W, C) float  ->  (B, classes) probabilities.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are not None and are divisible by 32 (by 2 per stage).
        classes: number of classes.
        depths: number of blocks of the stem S0, then of each letter of `layout`.
        filters: number of channels of the stem, then of each letter of `layout`.
        layout: stages after the stem, joined by hyphens. C is a sequence of inverted bottlenecks (MBConv), T a
            sequence of transformer blocks. C-C-T-T in the paper's small networks, C-C-CT-T in its two largest.
        head_size: channels of one attention head; must divide the channels of each T.
        downsample: the convolution of a stage's first inverted bottleneck that has the stride: the 1 x 1 expansion
            (eq. 5) or the depthwise convolution, which is slower and better for small networks (table 9).
        drop_path: stochastic depth rate of the last block. The rate rises linearly from 0 in the first block. On
            ImageNet-1k the paper uses 0.2, 0.3, 0.5 and 0.7 for CoAtNet-0 to -3 (table 10).
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 25,036,820 trainable parameters at the defaults on (224, 224, 3) with 1000 classes.
    Raises:
        ValueError: if H or W is None or not divisible, `layout` is not valid, `depths` or `filters` do not match it,
            or `head_size` does not divide the channels of a T.

    Source: Dai et al. 2021, https://arxiv.org/abs/2106.04803, tables 3, 11 and 12 and appendix A.1.
    Differs: the authors published no code. The following details are timm's: a hidden layer with tanh before the head
        (with it the parameter counts round to the paper's), expansion and squeeze widths relative to a block's output,
        SiLU in the squeeze, biases, and the epsilons. The last stage of CoAtNet-6 has 3072 channels. This gives
        1,471,125,232 parameters, the paper's 1.47 B, and the paper's cost. Table 12 prints 2048, which would give
        1,348,435,040 parameters.
    """
    stages = _stages(name, layout, depths, filters, head_size)
    image_shape(name, input_shape, multiple=2 ** (len(stages) + 1), fixed=True)
    inputs = layers.Input(input_shape, name="image")
    x = features(
        inputs,
        depths=depths,
        filters=filters,
        layout=layout,
        head_size=head_size,
        downsample=downsample,
        drop_path=drop_path,
    )[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.Dense(filters[-1], activation="tanh", name="hidden")(x)
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(
    x,
    *,
    depths=(2, 2, 3, 5, 2),
    filters=(64, 96, 192, 384, 768),
    layout="C-C-T-T",
    head_size=32,
    downsample="expansion",
    drop_path=0.0,
):
    """Returns the output of each stage, finest first.

    They are (B, H / 2, W / 2, filters[0]), (B, H / 4, W / 4, filters[1]), ...
    """
    for i in range(depths[0]):
        if i:
            x = _norm(f"stem_norm{i - 1}", "gelu")(x)
        name = f"stem{i}" if i else "stem"
        x = _conv(filters[0], 3, name=name, strides=1 if i else 2, use_bias=False)(x)
    maps = [x]
    rates = iter(np.linspace(0, drop_path, sum(depths[1:])))
    for s, groups in enumerate(_stages("coatnet", layout, depths, filters, head_size), start=1):
        blocks = [(kind, width) for kind, depth, width in groups for _ in range(depth)]
        for i, (kind, width) in enumerate(blocks):
            name, strides, rate = f"stage{s}_block{i}", 1 if i else 2, float(next(rates))
            if kind == "C":
                x = _inverted_bottleneck(x, name, width, strides, downsample, rate)
            else:
                x = _transformer(x, name, width, strides, width // head_size, rate)
        maps.append(x)
    return maps


def _stages(name, layout, depths, filters, head_size):
    """Returns one list of (kind, depth, width) per stage: [[("C", 2, 96)], [("C", 3, 192)], [("T", 5, 384)], ...]."""
    if not all(stage and set(stage) <= {"C", "T"} for stage in layout.split("-")):
        raise ValueError(
            f"{name}: `layout` must be stages of C and T joined by hyphens, such as C-C-T-T, got {layout!r}."
        )
    letters = layout.replace("-", "")
    for key, values in (("depths", depths), ("filters", filters)):
        if len(values) != len(letters) + 1:
            raise ValueError(
                f"{name}: `{key}` must have {len(letters) + 1} entries, for the stem and {layout}, got {values}."
            )
    for kind, width in zip(letters, filters[1:], strict=True):
        if kind == "T" and width % head_size:
            raise ValueError(
                f"{name}: `head_size` must divide the entry of each T in `filters` = {filters}, got {head_size}."
            )
    groups = iter(zip(letters, depths[1:], filters[1:], strict=True))
    return [[next(groups) for _ in stage] for stage in layout.split("-")]


def _norm(name, activation=None):
    norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)
    if activation is None:
        return norm
    return lambda x: layers.Activation(activation, name=f"{name}_{activation}")(norm(x))


def _conv(filters, kernel_size, **kwargs):
    return layers.Conv2D(filters, kernel_size, padding="same", kernel_initializer=he_fan_out(), **kwargs)


def _add(x, branch, name, rate):
    if rate:
        branch = DropPath(rate, name=f"{name}_path")(branch)
    return layers.Add(name=f"{name}_add")([x, branch])


def _shortcut(x, name, width, strides, project):
    """Proj(Pool(x)) of eqs. 4 and 5; the identity if neither the size nor the number of channels changes."""
    if strides > 1:
        x = layers.MaxPooling2D(strides, name=f"{name}_shortcut_pool")(x)
    return x if x.shape[-1] == width else project(name=f"{name}_shortcut")(x)


def _inverted_bottleneck(x, name, width, strides, downsample, rate):
    """Eq. 5 with batch normalization first: expansion, depthwise convolution, squeeze and excitation, projection."""
    first, second = (strides, 1) if downsample == "expansion" else (1, strides)
    hidden = 4 * width
    shortcut = _shortcut(x, name, width, strides, lambda name: _conv(width, 1, name=name))
    x = _norm(f"{name}_norm0")(x)
    x = _conv(hidden, 1, strides=first, use_bias=False, name=f"{name}_expand")(x)
    x = _norm(f"{name}_norm1", "gelu")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=second,
        padding="same",
        use_bias=False,
        depthwise_initializer=he_fan_out(),
        name=f"{name}_depthwise",
    )(x)
    x = _norm(f"{name}_norm2", "gelu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = _conv(max(1, width // 4), 1, activation="silu", name=f"{name}_squeeze1")(gate)
    gate = _conv(hidden, 1, activation="sigmoid", name=f"{name}_squeeze2")(gate)
    x = layers.Multiply(name=f"{name}_excite")([x, gate])
    return _add(shortcut, _conv(width, 1, name=f"{name}_project")(x), name, rate)


def _transformer(x, name, width, strides, heads, rate):
    """Eq. 4 with layer normalization first: relative attention, then an MLP with four times the channels."""
    shortcut = _shortcut(x, name, width, strides, lambda name: layers.Dense(width, name=name))
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
    if strides > 1:
        y = layers.MaxPooling2D(strides, name=f"{name}_pool")(y)
    x = _add(shortcut, RelativeAttention(heads, width, name=f"{name}_attention")(y), f"{name}_attention", rate)
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
    biases = [keras.initializers.RandomNormal(stddev=1e-6) for _ in range(2)]
    y = layers.Dense(4 * width, activation="gelu", bias_initializer=biases[0], name=f"{name}_mlp1")(y)
    y = layers.Dense(width, bias_initializer=biases[1], name=f"{name}_mlp2")(y)
    return _add(x, y, f"{name}_mlp", rate)


# Table 3
DEEP = (2, 2, 6, 14, 2)
coatnet_0 = variant(coatnet, "coatnet_0")
coatnet_1 = variant(coatnet, "coatnet_1", depths=DEEP)
coatnet_2 = variant(coatnet, "coatnet_2", depths=DEEP, filters=(128, 128, 256, 512, 1024))
coatnet_3 = variant(coatnet, "coatnet_3", depths=DEEP, filters=(192, 192, 384, 768, 1536))
coatnet_4 = variant(coatnet, "coatnet_4", depths=(2, 2, 12, 28, 2), filters=(192, 192, 384, 768, 1536))
# Table 11
coatnet_5 = variant(coatnet, "coatnet_5", depths=(2, 2, 12, 28, 2), filters=(192, 256, 512, 1280, 2048), head_size=64)
# Table 12: S3 has two widths
MIXED = {"depths": (2, 2, 4, 8, 42, 2), "layout": "C-C-CT-T", "head_size": 128}
coatnet_6 = variant(coatnet, "coatnet_6", filters=(192, 192, 384, 768, 1536, 3072), **MIXED)
coatnet_7 = variant(coatnet, "coatnet_7", filters=(192, 256, 512, 1024, 2048, 3072), **MIXED)
