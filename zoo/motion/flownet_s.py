"""FlowNetS: optical flow from two stacked frames."""

import keras
from keras import layers

from zoo.arguments import Positive, Shape, image_shape
from zoo.layers.upsample import Upsample
from zoo.registry import register

# name, filters, kernel size, stride
ENCODER = (
    ("conv1", 64, 7, 2),
    ("conv2", 128, 5, 2),
    ("conv3", 256, 5, 2),
    ("conv3_1", 256, 3, 1),
    ("conv4", 512, 3, 2),
    ("conv4_1", 512, 3, 1),
    ("conv5", 512, 3, 2),
    ("conv5_1", 512, 3, 1),
    ("conv6", 1024, 3, 2),
    ("conv6_1", 1024, 3, 1),
)
DECODER = {5: 512, 4: 256, 3: 128, 2: 64}  # level, with stride 2 ** level: filters
FLOW_SCALE = 20.0  # pixels in one unit of the network's internal flow


@register(
    task="motion",
    source="https://arxiv.org/abs/1504.06852",
    example={"input_shape": (384, 512, 3)},
)
def flownet_s(
    input_shape: Shape,
    *,
    width: Positive = 1.0,
    all_flows: bool = False,
    name: str = "flownet_s",
) -> keras.Model:
    """FlowNetS: convolutions on the two frames stacked, then a decoder that refines the flow at five scales.

    {"first", "second"}: (B, H, W, C) float each  ->  (B, H, W, 2) flow (u, v) [pixels]: the point at (x, y) in the
    first frame is at (x + u, y + v) in the second.

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 64, or None.
        width: factor on the number of filters of every layer; 1 in the paper.
        all_flows: whether the output is a list of flows for a loss at every scale: the flow at full size, then the
            intermediate flows at 1/4, 1/8, ..., 1/64 of the size, all in pixels of the frames. The weights are the
            same in both cases.
        name: the model's name.
    Returns:
        Uncompiled functional model; 38,675,536 parameters on three bands.
    Raises:
        ValueError: if H or W is not divisible by 64.

    Source: Fischer, Dosovitskiy, Ilg et al. 2015, figures 2 and 3. As in
        https://github.com/ClementPinard/FlowNetPytorch, the decoder has no biases and a unit of flow is 20 pixels.
    Differs: none
    """
    image_shape(name, input_shape, multiple=64)
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    x = layers.Concatenate(name="frames")([inputs["first"], inputs["second"]])
    maps = {}
    for layer_name, filters, kernel_size, strides in ENCODER:
        x = _conv(x, scale_filters(filters, width), kernel_size, strides, layer_name)
        maps[int(layer_name[4])] = x  # conv4_1 is the last of level 4
    flows = [_flow(x, 6)]
    for level, filters in DECODER.items():
        up = layers.Conv2DTranspose(2, 4, strides=2, padding="same", use_bias=False, name=f"flow{level}_up")
        x = _upsample(x, scale_filters(filters, width), level)
        x = layers.Concatenate(name=f"decoder{level}")([maps[level], x, up(flows[0])])
        flows.insert(0, _flow(x, level))
    flows = [layers.Rescaling(FLOW_SCALE, dtype="float32", name=f"pixels{i + 2}")(flow) for i, flow in enumerate(flows)]
    full_flow = Upsample(4, dtype="float32", name="flow")(flows[0])
    return keras.Model(inputs, [full_flow, *flows] if all_flows else full_flow, name=name)


def scale_filters(filters, width):
    """Returns `filters` times `width`, rounded, at least 1."""
    return max(round(filters * width), 1)


def _conv(x, filters, kernel_size, strides, name):
    x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, kernel_size, strides, kernel_initializer="he_normal", name=name)(x)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(x)


def _upsample(x, filters, level):
    """Doubles height and width by a transposed convolution."""
    x = layers.Conv2DTranspose(
        filters, 4, strides=2, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"decoder{level}_up"
    )(x)
    return layers.LeakyReLU(0.1, name=f"decoder{level}_relu")(x)


def _flow(x, level):
    """Returns the flow at one scale, in units of 20 pixels."""
    name = "head" if level == 2 else f"flow{level}"
    return layers.Conv2D(2, 3, padding="same", use_bias=False, dtype="float32", name=name)(x)
