"""PWC-Net: a pyramid of maps, warping, and a cost volume at every scale."""

import keras
from keras import layers, ops

from zoo.arguments import Positive, Shape, Whole, image_shape
from zoo.layers.cost_volume import CostVolume
from zoo.layers.upsample import Upsample
from zoo.layers.warp import Warp
from zoo.registry import register

PYRAMID = (16, 32, 64, 96, 128, 196)  # maps at strides 2, 4, ..., 64
ESTIMATOR = (128, 128, 96, 64, 32)
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))  # maps, dilation
UNIT = 20.0  # pixels in one unit of what the network computes with


@register(
    task="motion",
    source="https://arxiv.org/abs/1709.02371",
    example={"input_shape": (384, 448, 3)},
)
def pwcnet(
    input_shape: Shape,
    *,
    width: Positive = 1.0,
    search_radius: Whole = 4,
    all_flows: bool = False,
    name: str = "pwcnet",
) -> keras.Model:
    """PWC-Net: scale by scale, the second frame's maps are warped by the flow so far and compared with the first's.

    {"first", "second"}: (B, H, W, C) float each  ->  (B, H, W, 2) flow (u, v) [pixels]: what the first frame shows at
    (x, y), the second shows at (x + u, y + v).

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 64, or None.
        width: factor on the number of maps in every layer; 1 in the paper.
        search_radius: how far the cost volume looks at each scale [places].
        all_flows: whether the answer is a list: the flow, then what it grew from, at a quarter of the size, an eighth,
            ..., a 64th, for a loss at every scale; all in pixels of the frames. The weights are the same.
        name: the model's name.
    Returns:
        Uncompiled functional model; 8,749,214 parameters on three bands.
    Raises:
        ValueError: if H or W does not divide.

    Source: Sun, Yang, Liu, Kautz 2017, section 3 and appendix; two convolutions at each scale of the pyramid and dense
        connections in the estimators, which make the paper's 8.75 M.
    Differs: none
    """
    image_shape(name, input_shape, multiple=64)
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    # both frames see the same kernels: they go through the pyramid as one batch
    both = ops.concatenate([inputs["first"], inputs["second"]], axis=0)
    maps = pyramid(both, width)
    flows, x = [], None
    for level in range(6, 1, -1):
        first, second = ops.split(maps[level], 2, axis=0)
        given = []
        if flows:
            flow = _double(flows[0], f"flow{level}_up")
            second = Warp(name=f"level{level}_warp")([second, _scaled(flow, UNIT / 2**level, f"level{level}_flow")])
            given = [first, flow, _double(x, f"level{level}_up")]
        cost = layers.LeakyReLU(0.1, name=f"cost{level}_relu")(
            CostVolume(search_radius, name=f"cost{level}")([first, second])
        )
        x = estimate(layers.Concatenate(name=f"level{level}_given")([cost, *given]) if given else cost, width, level)
        flows.insert(0, _flow(x, f"flow{level}"))
    flows[0] = layers.Add(dtype="float32", name="refined")([flows[0], context(x, width)])
    flows = [_scaled(flow, UNIT, f"pixels{i + 2}") for i, flow in enumerate(flows)]
    answer = Upsample(4, dtype="float32", name="flow")(flows[0])
    return keras.Model(inputs, [answer, *flows] if all_flows else answer, name=name)


def pyramid(x, width):
    """Level -> maps of stride 2 ** level."""
    maps = {}
    for level, filters in enumerate(PYRAMID, 1):
        for i, strides in enumerate((2, 1)):
            x = _conv(x, _wide(filters, width), f"pyramid{level}_conv{i}", strides)
        maps[level] = x
    return maps


def estimate(x, width, level):
    """What is given and, in front of it, the answers of five convolutions, each of which sees all before it."""
    for i, filters in enumerate(ESTIMATOR):
        y = _conv(x, _wide(filters, width), f"level{level}_conv{i}")
        x = layers.Concatenate(name=f"level{level}_dense{i}")([y, x])
    return x


def context(x, width):
    """What dilated convolutions, which see far, add to the finest flow."""
    for i, (filters, dilation) in enumerate(CONTEXT):
        x = _conv(x, _wide(filters, width), f"context{i}", dilation=dilation)
    return _flow(x, "head")


def _wide(filters, width):
    return max(round(filters * width), 1)


def _conv(x, filters, name, strides=1, dilation=1):
    x = layers.ZeroPadding2D(dilation, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, 3, strides, dilation_rate=dilation, kernel_initializer="he_normal", name=name)(x)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(x)


def _flow(x, name):
    """A flow in units of 20 pixels."""
    return layers.Conv2D(2, 3, padding="same", dtype="float32", name=name)(x)


def _double(x, name):
    """Two maps, twice as high and wide."""
    return layers.Conv2DTranspose(2, 4, strides=2, padding="same", dtype="float32", name=name)(x)


def _scaled(flow, factor, name):
    return layers.Rescaling(factor, dtype="float32", name=name)(flow)
