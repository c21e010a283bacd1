"""RAFT, small: optical flow by repeated updates of a recurrent unit."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, image_shape
from zoo.blocks import he_fan_out
from zoo.layers.all_pairs import AllPairs
from zoo.layers.correlation_lookup import CorrelationLookup
from zoo.layers.upsample import Upsample
from zoo.registry import register

STAGES = (
    (32, 1),
    (64, 2),
    (96, 2),
)  # filters and stride of two bottlenecks each, after a stem with 32 filters and stride 2
HIDDEN, CONTEXT = 96, 64  # channels of the recurrent state and of the context features


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
    """RAFT's small network: correlations of all pairs of cells, from which a GRU repeatedly updates the flow.

    {"first", "second"}: (B, H, W, C) float each, -1 to 1  ->  (B, H, W, 2) flow (u, v) [pixels]: the point at
    (x, y) in the first frame is at (x + u, y + v) in the second.

    Args:
        input_shape: (H, W, C) of one frame [pixels]; H and W divisible by 8 and at least 2 ** (levels + 2), or None.
        updates: number of updates of the flow; 12 in the paper's training.
        levels: number of levels of the correlation pyramid.
        search_radius: radius of the window that is looked up at each level [cells of the level].
        all_flows: whether the output is a list of the flows after every update, the last one first, for a loss on all
            of them. The weights are the same in both cases.
        name: the model's name.
    Returns:
        Uncompiled functional model; 990,162 parameters on three bands, whatever the number of updates.
    Raises:
        ValueError: if H or W is not divisible by 8, or too small for the pyramid.

    Source: Teed and Deng 2020, section 3 and appendix; sizes as in torchvision's raft_small.
    Differs: none
    """
    image_shape(name, input_shape, at_least=2 ** (levels + 2), multiple=8)
    inputs = {n: layers.Input(input_shape, name=n) for n in ("first", "second")}
    # the kernels are shared: both frames pass through the encoder as one batch
    frames = ops.concatenate([inputs["first"], inputs["second"]], axis=0)
    first, second = ops.split(encode(frames, 128, True, "features"), 2, axis=0)
    pyramid = AllPairs(levels, name="costs")([first, second])
    state = encode(inputs["first"], HIDDEN + CONTEXT, False, "context")
    hidden = layers.Activation("tanh", name="hidden")(state[..., :HIDDEN])
    context = layers.Activation("relu", name="context_relu")(state[..., HIDDEN:])
    lookup = CorrelationLookup(search_radius, name="lookup")
    upsample = Upsample(8, corners=True, dtype="float32", name="flow")
    update = build_update()
    flow = ops.zeros_like(state[..., :2], dtype="float32")
    flows = []
    for _ in range(updates):
        flow = ops.stop_gradient(flow)  # gradients reach earlier updates through the state only
        hidden, change = update(hidden, context, lookup([*pyramid, flow]), flow)
        flow = flow + change
        flows.insert(0, flow)
    outputs = [upsample(8.0 * f) for f in (flows if all_flows else flows[:1])]
    return keras.Model(inputs, outputs if all_flows else outputs[0], name=name)


def encode(x, filters, norm, name):
    """Returns features at stride 8."""
    x = _conv(x, 32, 7, norm, f"{name}_stem", strides=2)
    for i, (width, strides) in enumerate(STAGES):
        for j in range(2):
            x = bottleneck(x, width, strides if j == 0 else 1, norm, f"{name}_stage{i}_block{j}")
    return layers.Conv2D(filters, 1, kernel_initializer=he_fan_out(), name=f"{name}_out")(x)


def bottleneck(x, filters, strides, norm, name):
    """Returns ReLU(input + residual); the residual is 1 x 1, 3 x 3 and 1 x 1 convolutions, each with a ReLU."""
    y = _conv(x, filters // 4, 1, norm, f"{name}_conv0")
    y = _conv(y, filters // 4, 3, norm, f"{name}_conv1", strides=strides)
    y = _conv(y, filters, 1, norm, f"{name}_conv2")
    if strides > 1:
        x = _conv(x, filters, 1, norm, f"{name}_shortcut", strides=strides, activation=None)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _conv(x, filters, kernel_size, norm, name, strides=1, activation="relu"):
    """Applies a convolution with bias, optional instance normalization without weights, and an activation."""
    if kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, kernel_size, strides, kernel_initializer=he_fan_out(), name=name)(x)
    if norm:
        x = layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False, name=f"{name}_norm")(x)
    return layers.Activation(activation, name=f"{name}_relu")(x) if activation else x


def build_update():
    """Returns the update of state and flow as a function; all its calls share their weights."""

    def conv(filters, kernel_size, name, activation=None, **options):
        return layers.Conv2D(filters, kernel_size, padding="same", activation=activation, name=name, **options)

    cost, motion = conv(96, 1, "motion_cost", "relu"), conv(80, 3, "motion_out", "relu")
    flow0, flow1 = conv(64, 7, "motion_flow0", "relu"), conv(32, 3, "motion_flow1", "relu")
    update_gate, reset_gate = conv(HIDDEN, 3, "gru_update", "sigmoid"), conv(HIDDEN, 3, "gru_reset", "sigmoid")
    candidate = conv(HIDDEN, 3, "gru_candidate", "tanh")
    change0, change1 = conv(128, 3, "change", "relu"), conv(2, 3, "head", dtype="float32")
    concat_motion, concat_given, concat_state, concat_reset = (
        layers.Concatenate(name=f"{n}_concat") for n in ("motion", "given", "state", "reset")
    )

    def update(hidden, context, costs, flow):
        """Returns the next state and the change of the flow."""
        motion_features = motion(concat_motion([cost(costs), flow1(flow0(flow))]))
        inputs = concat_given([context, motion_features, flow])
        state = concat_state([hidden, inputs])
        z, r = update_gate(state), reset_gate(state)
        hidden = (1 - z) * hidden + z * candidate(concat_reset([r * hidden, inputs]))
        return hidden, change1(change0(hidden))

    return update
