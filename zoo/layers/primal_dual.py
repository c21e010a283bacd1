"""The steps by which total variation and brightness constancy find a motion, as one layer with weights."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Positive, convert
from zoo.layers.warp import places, sample

TINY = 1e-12


@keras.saving.register_keras_serializable("zoo")
class PrimalDual(layers.Layer):
    """A motion between two gray frames, from a first guess: the steps of TV-L1, whose derivatives are learned.

    Two (B, H, W, 1) float and (B, H, W, 2) flow (u, v) [pixels]  ->  (B, H, W, 2) float32; the call is
    `PrimalDual()([first, second, flow])`.

    `warps` times the second frame is seen where the flow points, and linearised there; then `iterations` times the flow
    goes towards what the frames say, and towards what its neighbors do. Each step has taps of its own for the four
    derivatives of the flow and for the two divergences of its dual: 16 weights, which start as the differences between
    neighbors. What the flow leads out of the frame says nothing.

    Args:
        warps: how often the second frame is looked at anew.
        iterations: steps after each look.
        attachment: weight of the frames beside the smoothness, for frames from 0 to 255; the paper's lambda.
        tightness: how closely what the frames say and the smooth flow hold together; theta.
        rate: of the dual's steps; tau, stable up to 0.25.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a number is out of range, or there is but one step.

    Source: Zach, Pock, Bischof 2007, algorithm 1, unrolled by Fan et al. 2018, https://arxiv.org/abs/1804.00413, eq. 3
        to 8.
    """

    def __init__(self, warps=1, iterations=50, attachment=0.15, tightness=0.3, rate=0.25, **kwargs):
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})
        self.warps = convert(warps, Count, "PrimalDual: `warps`")
        self.iterations = convert(iterations, Count, "PrimalDual: `iterations`")
        self.attachment = convert(attachment, Positive, "PrimalDual: `attachment`")
        self.tightness = convert(tightness, Positive, "PrimalDual: `tightness`")
        self.rate = convert(rate, Positive, "PrimalDual: `rate`")
        if self.warps * self.iterations < 2:
            raise ValueError("PrimalDual: `iterations` must be at least 2 where there is one warp, got 1.")

    def build(self, input_shape):
        # The dual is 0 at the first step and of no use after the last one: between the steps there is one pair less
        shape = (self.warps * self.iterations - 1, 2, 2, 2)  # step; x and y; tap; u and v
        self.slopes, self.divergences = (
            self.add_weight(shape=shape, initializer=differences, name=name) for name in ("slopes", "divergences")
        )

    def call(self, inputs):
        first, second, flow = (ops.cast(x, "float32") for x in inputs)
        shown = ops.concatenate([second, *slopes(second)], axis=-1)
        column, row = places(second)
        bottom, right = (ops.cast(side - 1, "float32") for side in ops.shape(second)[1:3])
        most = self.attachment * self.tightness
        # Taps of 0 stand for the derivatives that the first and the last step go without
        none = ops.zeros((1, *self.slopes.shape[1:]))
        taps = ops.concatenate([none, self.divergences]), ops.concatenate([self.slopes, none])
        dual = ops.zeros_like(flow), ops.zeros_like(flow)
        for warp in range(self.warps):
            x, y = column + flow[..., 0], row + flow[..., 1]
            inside = (x >= 0) & (x <= right) & (y >= 0) & (y <= bottom)
            seen = sample(shown, ops.clip(x, 0.0, right), ops.clip(y, 0.0, bottom))
            slope = seen[..., 1:] * ops.cast(inside, "float32")[..., None]
            steepness = ops.sum(ops.square(slope), axis=-1, keepdims=True) + TINY
            rest = seen[..., :1] - first - ops.sum(slope * flow, axis=-1, keepdims=True)

            def step(i, state, slope=slope, steepness=steepness, rest=rest):
                flow, *dual = state
                wrong = (rest + ops.sum(slope * flow, axis=-1, keepdims=True)) / steepness
                flow = flow - ops.clip(wrong, -most, most) * slope
                before, after = (ops.take(part, i, axis=0) for part in taps)
                flow = flow + self.tightness * divergence(*dual, before)
                return (flow, *self.dual(*dual, flow, after))

            flow, *dual = repeated(step, warp * self.iterations, self.iterations, (flow, *dual))
        return flow

    def dual(self, across, down, flow, taps):
        """The next dual, of the same size for u and v: where the flow changes, and no longer than 1."""
        pace = self.rate / self.tightness
        x, y = ahead(flow, taps[0], 2), ahead(flow, taps[1], 1)
        length = 1 + pace * ops.sqrt(ops.square(x) + ops.square(y) + TINY)
        return (across + pace * x) / length, (down + pace * y) / length

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[2])

    def macs(self, shapes):
        """Multiply-accumulates of one input: the taps, and two products of slope and flow in each step."""
        _, height, width, _ = shapes[0]
        steps = self.warps * self.iterations
        return height * width * (16 * (steps - 1) + 4 * steps)

    def get_config(self):
        own = ("warps", "iterations", "attachment", "tightness", "rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable("zoo")
def differences(shape, dtype=None):
    """Taps -1 and 1: a value less the one before it."""
    return ops.broadcast_to(ops.reshape(ops.convert_to_tensor([-1.0, 1.0], dtype=dtype), (2, 1)), shape)


def repeated(step, begin, times, state):
    """The state after `state = step(i, state)` for so many i from `begin` on, as one loop of the graph.

    Written out, the graph grows with the steps, and with it the time until the first of them is trained.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(begin, begin + times, step, state)
    # The same; but XLA must be told how often, to go back through it
    end = begin + times
    more, once = (lambda i, *_: i < end), (lambda i, *state: (i + 1, *step(i, state)))
    return ops.while_loop(more, once, (begin, *state), maximum_iterations=times)[1:]


def slopes(image):
    """(B, H, W, 1) central differences of an image to the right and down; half as wide at the border."""
    found = []
    for axis in (2, 1):
        low, high = ends(image, axis)
        before = ops.concatenate([low, rest(image, axis, False)], axis)
        found.append((ops.concatenate([rest(image, axis), high], axis) - before) / 2)
    return found


def ahead(flow, taps, axis):
    """Taps on each value and the one after it; 0 at the last, which has none after it."""
    change = taps[0] * rest(flow, axis, False) + taps[1] * rest(flow, axis)
    return ops.concatenate([change, ops.zeros_like(ends(flow, axis)[1])], axis)


def divergence(across, down, taps):
    """Taps on the one before each value and the value, along each axis; the dual is 0 beyond the border."""
    found = 0.0
    for part, axis, (before, own) in ((across, 2, (taps[0, 0], taps[0, 1])), (down, 1, (taps[1, 0], taps[1, 1]))):
        kept = rest(part, axis, False)
        nothing = ops.zeros_like(ends(part, axis)[0])
        shifted, kept = ops.concatenate([nothing, kept], axis), ops.concatenate([kept, nothing], axis)
        found = found + before * shifted + own * kept
    return found


def ends(x, axis):
    """The first and the last of an axis, which stays."""
    return (x[:, :1], x[:, -1:]) if axis == 1 else (x[:, :, :1], x[:, :, -1:])


def rest(x, axis, later=True):
    """All but the first of an axis, or all but the last."""
    if axis == 1:
        return x[:, 1:] if later else x[:, :-1]
    return x[:, :, 1:] if later else x[:, :, :-1]
