"""PWC-Net: optical flow by a feature pyramid, warping and cost volumes."""

import keras
from keras import layers, ops

from zoo.arguments import Positive, Shape, Whole, image_shape
from zoo.layers.cost_volume import CostVolume
from zoo.layers.upsample import Upsample
from zoo.layers.warp import Warp
from zoo.motion.flownet_s import FLOW_SCALE, scale_filters
from zoo.registry import register

PYRAMID = (16, 32, 64, 96, 128, 196)  # filters at strides 2, 4, ..., 64
ESTIMATOR = (128, 128, 96, 64, 32)
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))  # filters, dilation


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
    """PWC-Net: at each scale, warps the second frame's features by the flow and compares them with the first frame's.

    {"first", "second"}: (B, H, W, C) float each  ->  (B, H, W, 2) flow (u, v) [pixels]: the point at (x, y) in the
    first frame is at (x + u, y + v) in the second.

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 64, or None.
        width: factor on the number of filters of every layer; 1 in the paper.
        search_radius: largest displacement in the cost volume of each scale [cells of the map].
        all_flows: whether the output is a list of flows for a loss at every scale: the flow at full size, then the
            intermediate flows at 1/4, 1/8, ..., 1/64 of the size, all in pixels of the frames. The weights are the
            same in both cases.
        name: the model's name.
    Returns:
        Uncompiled functional model; 8,749,214 parameters on three bands.
    Raises:
        ValueError: if H or W is not divisible by 64.

    Source: Sun, Yang, Liu, Kautz 2017, section 3 and appendix. Two convolutions at each scale of the pyramid and
        dense connections in the estimators give the paper's 8.75 M parameters.
    Differs: none
    """
    image_shape(name, input_shape, multiple=64)
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    # the kernels are shared: both frames pass through the pyramid as one batch
    frames = ops.concatenate([inputs["first"], inputs["second"]], axis=0)
    maps = feature_pyramid(frames, width)
    flows, x = [], None
    for level in range(6, 1, -1):
        first, second = ops.split(maps[level], 2, axis=0)
        estimates = []
        if flows:
            flow = _upsample_flow(flows[0], f"flow{level}_up")
            second = Warp(name=f"level{level}_warp")(
                [second, _rescale(flow, FLOW_SCALE / 2**level, f"level{level}_flow")]
            )
            estimates = [first, flow, _upsample_flow(x, f"level{level}_up")]
        cost = layers.LeakyReLU(0.1, name=f"cost{level}_relu")(
            CostVolume(search_radius, name=f"cost{level}")([first, second])
        )
        x = layers.Concatenate(name=f"level{level}_given")([cost, *estimates]) if estimates else cost
        x = flow_estimator(x, width, level)
        flows.insert(0, _flow(x, f"flow{level}"))
    flows[0] = layers.Add(dtype="float32", name="refined")([flows[0], context_network(x, width)])
    flows = [_rescale(flow, FLOW_SCALE, f"pixels{i + 2}") for i, flow in enumerate(flows)]
    full_flow = Upsample(4, dtype="float32", name="flow")(flows[0])
    return keras.Model(inputs, [full_flow, *flows] if all_flows else full_flow, name=name)


def feature_pyramid(x, width):
    """Returns a dict from level to the features at stride 2 ** level."""
    maps = {}
    for level, filters in enumerate(PYRAMID, 1):
        for i, strides in enumerate((2, 1)):
            x = _conv(x, scale_filters(filters, width), f"pyramid{level}_conv{i}", strides)
        maps[level] = x
    return maps


def flow_estimator(x, width, level):
    """Applies five densely connected convolutions; each output is concatenated in front of its input."""
    for i, filters in enumerate(ESTIMATOR):
        y = _conv(x, scale_filters(filters, width), f"level{level}_conv{i}")
        x = layers.Concatenate(name=f"level{level}_dense{i}")([y, x])
    return x


def context_network(x, width):
    """Returns the refinement of the finest flow, by dilated convolutions with a large receptive field."""
    for i, (filters, dilation) in enumerate(CONTEXT):
        x = _conv(x, scale_filters(filters, width), f"context{i}", dilation=dilation)
    return _flow(x, "head")


def _conv(x, filters, name, strides=1, dilation=1):
    x = layers.ZeroPadding2D(dilation, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, 3, strides, dilation_rate=dilation, kernel_initializer="he_normal", name=name)(x)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(x)


def _flow(x, name):
    """Returns a flow in units of 20 pixels."""
    return layers.Conv2D(2, 3, padding="same", dtype="float32", name=name)(x)


def _upsample_flow(x, name):
    """Returns two channels at twice the height and width, by a transposed convolution."""
    return layers.Conv2DTranspose(2, 4, strides=2, padding="same", dtype="float32", name=name)(x)


def _rescale(flow, factor, name):
    return layers.Rescaling(factor, dtype="float32", name=name)(flow)
