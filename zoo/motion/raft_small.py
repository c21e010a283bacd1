"""RAFT, small: one recurrent unit that updates the flow again and again."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, image_shape
from zoo.layers.all_pairs import AllPairs
from zoo.layers.correlation_lookup import CorrelationLookup
from zoo.layers.upsample import Upsample
from zoo.registry import register

STAGES = ((32, 1), (64, 2), (96, 2))  # maps, stride of two bottlenecks each, after a stem of 32 at stride 2
HIDDEN, CONTEXT = 96, 64


@register(
    task="motion",
    source="https://arxiv.org/abs/2003.12039",
    example={"input_shape": (368, 496, 3)},
)
def raft_small(
    input_shape: Shape,
    *,
    updates: Count = 12,
    levels: Count = 4,
    search_radius: Whole = 3,
    all_flows: bool = False,
    name: str = "raft_small",
) -> keras.Model:
    """RAFT's small network: all pairs of places are compared once, then a GRU looks up what it needs to move the flow.

    {"first", "second"}: (B, H, W, C) float each, -1 to 1  ->  (B, H, W, 2) flow (u, v) [pixels]: what the first frame
    shows at (x, y), the second shows at (x + u, y + v).

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 8 and at least 2 ** (levels + 2), or None.
        updates: how often the flow is updated; 12 in training.
        levels: of the pyramid of costs.
        search_radius: how far the GRU looks at each level [places].
        all_flows: whether the answer is a list: the flow, then those after one update less, ..., after the first, for
            a loss on all of them. The weights are the same.
        name: the model's name.
    Returns:
        Uncompiled functional model; 990,162 parameters on three bands, whatever the number of updates.
    Raises:
        ValueError: if H or W does not divide, or is too small for the pyramid.

    Source: Teed and Deng 2020, section 3 and appendix; sizes as in torchvision's raft_small.
    Differs: none
    """
    image_shape(name, input_shape, at_least=2 ** (levels + 2), multiple=8)
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    # both frames see the same kernels: they go through the encoder as one batch
    both = ops.concatenate([inputs["first"], inputs["second"]], axis=0)
    first, second = ops.split(encode(both, 128, True, "features"), 2, axis=0)
    pyramid = AllPairs(levels, name="costs")([first, second])
    state = encode(inputs["first"], HIDDEN + CONTEXT, False, "context")
    hidden = layers.Activation("tanh", name="hidden")(state[..., :HIDDEN])
    context = layers.Activation("relu", name="context_relu")(state[..., HIDDEN:])
    look, step, enlarge = (
        CorrelationLookup(search_radius, name="lookup"),
        update(),
        Upsample(8, corners=True, dtype="float32", name="flow"),
    )
    flow = ops.zeros_like(state[..., :2], dtype="float32")
    flows = []
    for _ in range(updates):
        flow = ops.stop_gradient(flow)  # no gradient from one update to the one before but through the state
        hidden, change = step(hidden, context, look([*pyramid, flow]), flow)
        flow = flow + change
        flows.insert(0, flow)
    answers = [enlarge(8.0 * f) for f in (flows if all_flows else flows[:1])]
    return keras.Model(inputs, answers if all_flows else answers[0], name=name)


def encode(x, filters, norm, name):
    """Maps of stride 8."""
    x = _conv(x, 32, 7, norm, f"{name}_stem", strides=2)
    for i, (width, strides) in enumerate(STAGES):
        for j in range(2):
            x = bottleneck(x, width, strides if j == 0 else 1, norm, f"{name}_stage{i}_block{j}")
    return layers.Conv2D(filters, 1, kernel_initializer=_start(), name=f"{name}_out")(x)


def bottleneck(x, filters, strides, norm, name):
    """ReLU of the input plus 1 x 1, 3 x 3 and 1 x 1 convolutions, the last with its own ReLU."""
    y = _conv(x, filters // 4, 1, norm, f"{name}_conv0")
    y = _conv(y, filters // 4, 3, norm, f"{name}_conv1", strides=strides)
    y = _conv(y, filters, 1, norm, f"{name}_conv2")
    if strides > 1:
        x = _conv(x, filters, 1, norm, f"{name}_shortcut", strides=strides, activation=None)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _conv(x, filters, kernel_size, norm, name, strides=1, activation="relu"):
    """A convolution with bias, instance normalization without weights if asked, and a ReLU."""
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, kernel_size, strides, kernel_initializer=_start(), name=name)(x)
    if norm:
        x = layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False, name=f"{name}_norm")(x)
    return layers.Activation(activation, name=f"{name}_relu")(x) if activation else x


def _start():
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def update():
    """One step of the recurrent unit, as a function; every call of it has the same weights."""

    def conv(filters, kernel_size, name, activation=None, **options):
        return layers.Conv2D(filters, kernel_size, padding="same", activation=activation, name=name, **options)

    cost, motion = conv(96, 1, "motion_cost", "relu"), conv(80, 3, "motion_out", "relu")
    flow0, flow1 = conv(64, 7, "motion_flow0", "relu"), conv(32, 3, "motion_flow1", "relu")
    renew, reset = conv(HIDDEN, 3, "gru_update", "sigmoid"), conv(HIDDEN, 3, "gru_reset", "sigmoid")
    candidate = conv(HIDDEN, 3, "gru_candidate", "tanh")
    change0, change1 = conv(128, 3, "change", "relu"), conv(2, 3, "head", dtype="float32")
    join_motion, join_given, join_state, join_reset = (
        layers.Concatenate(name=f"{part}_concat") for part in ("motion", "given", "state", "reset")
    )

    def step(hidden, context, costs, flow):
        """The next state, and what is added to the flow."""
        seen = motion(join_motion([cost(costs), flow1(flow0(flow))]))
        given = join_given([context, seen, flow])
        both = join_state([hidden, given])
        z, r = renew(both), reset(both)
        hidden = (1 - z) * hidden + z * candidate(join_reset([r * hidden, given]))
        return hidden, change1(change0(hidden))

    return step
