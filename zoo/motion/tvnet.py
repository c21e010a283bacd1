"""TVNet: the iterations of TV-L1 optical flow, unrolled into a network with learned derivatives."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Positive, Shape, image_shape
from zoo.layers.primal_dual import PrimalDual
from zoo.layers.upsample import Upsample
from zoo.registry import register

GRAY_MAX = 255.0  # the gray level of the brightest pixel, for which the default weights are meant
SMOOTHING_SIGMA = 0.853  # standard deviation of the Gaussian filter of the frames [pixels]


@register(
    task="motion",
    source="https://arxiv.org/abs/1804.00413",
    example={"input_shape": (240, 320, 3)},
)
def tvnet(
    input_shape: Shape,
    *,
    scales: Count = 1,
    warps: Count = 1,
    iterations: Count = 50,
    attachment: Positive = 0.15,
    tightness: Positive = 0.3,
    all_flows: bool = False,
    name: str = "tvnet",
) -> keras.Model:
    """TVNet: optical flow by unrolled iterations of TV-L1, which balances brightness constancy and smoothness.

    {"first", "second"}: (B, H, W, C) float each  ->  (B, H, W, 2) flow (u, v) [pixels]: the point at (x, y) in the
    first frame is at (x + u, y + v) in the second.

    The untrained network already computes the flow of TV-L1. Training adapts the derivatives of each iteration. The
    unit of the frames does not matter: the darkest and the brightest pixel of each pair become 0 and 255.

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 2 ** (scales - 1), or None.
        scales: number of scales, each half as large as the one before. The largest motion is about two pixels of the
            coarsest scale.
        warps: number of times that the second frame is warped at each scale.
        iterations: number of iterations after each warp.
        attachment: weight of brightness constancy relative to smoothness; the paper's lambda.
        tightness: coupling of the data term's flow and the smooth flow; the paper's theta.
        all_flows: whether the output is a list of flows for a loss at every scale: the flow at full size, then the
            intermediate flows at 1/2, 1/4, ... of the size, all in pixels of the frames. The weights are the same in
            both cases.
        name: the model's name.
    Returns:
        Uncompiled functional model; 784 trainable parameters at the defaults, TVNet-50.
    Raises:
        ValueError: if H or W is not divisible, or `warps` * `iterations` is 1.

    Source: Fan, Huang, Gan, Ermon, Gong, Huang 2018, section 3; defaults as in https://github.com/LijieFan/tvnet.
    Differs: the initial flow is 0, not a learned map of one fixed size. Bands are averaged, not weighted as red, green
        and blue. Scales are halved by averaging. The 16 weights of each scale that have no effect are omitted.
    """
    image_shape(name, input_shape, at_least=2**scales, multiple=2 ** (scales - 1))
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    pyramid = [to_gray(*inputs.values())]
    for _ in range(scales - 1):
        pyramid.append([layers.AveragePooling2D(2, dtype="float32")(x) for x in pyramid[-1]])
    flows = []
    for scale in reversed(range(scales)):
        first, second = pyramid[scale]
        if flows:
            flow = Upsample(2, dtype="float32", name=f"flow{scale}_up")(flows[0] * 2.0)
        else:
            flow = ops.zeros_like(ops.concatenate([first, first], axis=-1))
        solve = PrimalDual(warps, iterations, attachment, tightness, name=f"scale{scale}")
        flows.insert(0, solve([first, second, flow]))
    flows = [layers.Rescaling(2.0**i, dtype="float32", name=f"pixels{i}")(flow) for i, flow in enumerate(flows)]
    return keras.Model(inputs, flows if all_flows else flows[0], name=name)


def to_gray(first, second):
    """Returns both frames as one smoothed band, scaled so that the pair spans 0 to 255."""
    frames = [ops.mean(ops.cast(x, "float32"), axis=-1, keepdims=True) for x in (first, second)]
    low = ops.minimum(*(ops.min(x, axis=(1, 2, 3), keepdims=True) for x in frames))
    high = ops.maximum(*(ops.max(x, axis=(1, 2, 3), keepdims=True) for x in frames))
    scale = GRAY_MAX / ops.maximum(high - low, 1e-6)
    squares = np.square(np.arange(-2, 3))
    kernel = np.exp(-(squares[:, None] + squares) / (2 * SMOOTHING_SIGMA**2))
    smooth = layers.Conv2D(
        1, 5, use_bias=False, kernel_initializer=keras.initializers.Constant((kernel / kernel.sum())[..., None, None]),
        trainable=False, dtype="float32", name="smooth",
    )  # fmt: skip
    return [smooth(ops.pad((x - low) * scale, ((0, 0), (2, 2), (2, 2), (0, 0)), "symmetric")) for x in frames]
