"""TVNet: the steps of TV-L1 unrolled, so that their derivatives can be learned."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Positive, Shape, image_shape
from zoo.layers.primal_dual import PrimalDual
from zoo.layers.upsample import Upsample
from zoo.registry import register

GRAY = 255.0  # the brightest of the frames, as the weights of the method are meant
SMOOTH = 0.853  # standard deviation of the Gaussian that the frames go through first [pixels]


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
    """TVNet: a motion under which the frames agree and that is smooth, found in steps as TV-L1 does.

    {"first", "second"}: (B, H, W, C) float each  ->  (B, H, W, 2) flow (u, v) [pixels]: what the first frame shows at
    (x, y), the second shows at (x + u, y + v).

    It answers a motion before it has learned anything; training adapts the derivatives of each step. The frames' unit
    does not matter, as darkest and brightest pixel of a pair become 0 and 255.

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 2 ** (scales - 1), or None.
        scales: each half as large as the one before; a motion can be as long as about two pixels of the coarsest.
        warps: how often the second frame is looked at anew at each scale.
        iterations: steps after each look.
        attachment: weight of the frames beside the smoothness; the paper's lambda.
        tightness: how closely what the frames say and the smooth flow hold together; the paper's theta.
        all_flows: whether the answer is a list: the flow, then what it grew from, at half of the size, a quarter, ...,
            for a loss at every scale; all in pixels of the frames. The weights are the same.
        name: the model's name.
    Returns:
        Uncompiled functional model; 784 trainable parameters at the defaults, TVNet-50.
    Raises:
        ValueError: if H or W does not divide, or there is but one step.

    Source: Fan, Huang, Gan, Ermon, Gong, Huang 2018, section 3; numbers as in https://github.com/LijieFan/tvnet.
    Differs: the flow starts at 0, not at a map that is learned for one size; bands are averaged, not weighted as red,
        green and blue; halving is by averages; 16 weights of every scale that have no effect are left out.
    """
    image_shape(name, input_shape, at_least=2**scales, multiple=2 ** (scales - 1))
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    pyramid = [gray(*inputs.values())]
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


def gray(first, second):
    """Both frames as one smoothed band, from 0 to 255 over the two."""
    frames = [ops.mean(ops.cast(x, "float32"), axis=-1, keepdims=True) for x in (first, second)]
    low = ops.minimum(*(ops.min(x, axis=(1, 2, 3), keepdims=True) for x in frames))
    high = ops.maximum(*(ops.max(x, axis=(1, 2, 3), keepdims=True) for x in frames))
    scale = GRAY / ops.maximum(high - low, 1e-6)
    away = np.square(np.arange(-2, 3))
    taps = np.exp(-(away[:, None] + away) / (2 * SMOOTH**2))
    smooth = layers.Conv2D(
        1, 5, use_bias=False, kernel_initializer=keras.initializers.Constant((taps / taps.sum())[..., None, None]),
        trainable=False, dtype="float32", name="smooth",
    )  # fmt: skip
    return [smooth(ops.pad((x - low) * scale, ((0, 0), (2, 2), (2, 2), (0, 0)), "symmetric")) for x in frames]
