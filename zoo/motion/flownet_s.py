"""FlowNetS: two frames go in as one image, and the motion comes out."""

import keras
from keras import layers

from zoo.arguments import Positive, Shape, image_shape
from zoo.layers.upsample import Upsample
from zoo.registry import register

# name, maps, kernel, stride
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
DECODER = {5: 512, 4: 256, 3: 128, 2: 64}  # level, of stride 2 ** level: maps
UNIT = 20.0  # pixels in one unit of what the network computes with


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

    {"first", "second"}: (B, H, W, C) float each  ->  (B, H, W, 2) flow (u, v) [pixels]: what the first frame shows at
    (x, y), the second shows at (x + u, y + v).

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 64, or None.
        width: factor on the number of maps in every layer; 1 in the paper.
        all_flows: whether the answer is a list: the flow, then what it grew from, at a quarter of the size, an eighth,
            ..., a 64th, for a loss at every scale; all in pixels of the frames. The weights are the same.
        name: the model's name.
    Returns:
        Uncompiled functional model; 38,675,536 parameters on three bands.
    Raises:
        ValueError: if H or W does not divide.

    Source: Fischer, Dosovitskiy, Ilg et al. 2015, figures 2 and 3; biases and units as in
        https://github.com/ClementPinard/FlowNetPytorch: none in the decoder, 20 pixels.
    Differs: none
    """
    image_shape(name, input_shape, multiple=64)
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    x = layers.Concatenate(name="frames")([inputs["first"], inputs["second"]])
    maps = {}
    for part, filters, kernel_size, strides in ENCODER:
        x = _conv(x, _wide(filters, width), kernel_size, strides, part)
        maps[int(part[4])] = x  # conv4_1 is the last of level 4
    flows = [_flow(x, 6)]
    for level, filters in DECODER.items():
        up = layers.Conv2DTranspose(2, 4, strides=2, padding="same", use_bias=False, name=f"flow{level}_up")
        x = _grow(x, _wide(filters, width), level)
        x = layers.Concatenate(name=f"decoder{level}")([maps[level], x, up(flows[0])])
        flows.insert(0, _flow(x, level))
    flows = [layers.Rescaling(UNIT, dtype="float32", name=f"pixels{i + 2}")(flow) for i, flow in enumerate(flows)]
    answer = Upsample(4, dtype="float32", name="flow")(flows[0])
    return keras.Model(inputs, [answer, *flows] if all_flows else answer, name=name)


def _wide(filters, width):
    return max(round(filters * width), 1)


def _conv(x, filters, kernel_size, strides, name):
    x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, kernel_size, strides, kernel_initializer="he_normal", name=name)(x)
    return layers.LeakyReLU(0.1, name=f"{name}_relu")(x)


def _grow(x, filters, level):
    """Maps twice as high and wide."""
    x = layers.Conv2DTranspose(
        filters, 4, strides=2, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"decoder{level}_up"
    )(x)
    return layers.LeakyReLU(0.1, name=f"decoder{level}_relu")(x)


def _flow(x, level):
    """The flow at one scale, in units of 20 pixels."""
    name = "head" if level == 2 else f"flow{level}"
    return layers.Conv2D(2, 3, padding="same", use_bias=False, dtype="float32", name=name)(x)
