"""The iterations of TV-L1 optical flow at one scale, as a layer with learned derivatives."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Positive, convert
from zoo.layers.warp import pixel_coordinates, sample

EPSILON = 1e-12


@keras.saving.register_keras_serializable("zoo")
class PrimalDual(layers.Layer):
    """Refines the optical flow between two gray frames by iterations of TV-L1 with learned derivatives.

    Two (B, H, W, 1) float and (B, H, W, 2) flow (u, v) [pixels]  ->  (B, H, W, 2) float32; the call is
    `PrimalDual()([first, second, flow])`.

    The second frame is warped by the flow and linearized `warps` times. After each warp, `iterations` steps move the
    flow towards brightness constancy and towards the flow of its neighbors. Each step has its own taps for the four
    derivatives of the flow and for the two divergences of its dual: 16 weights. Initially they are the differences of
    neighbors. Pixels that the flow moves out of the frame have no data term.

    Args:
        warps: number of times that the second frame is warped.
        iterations: number of steps after each warp.
        attachment: weight of brightness constancy relative to smoothness, for frames from 0 to 255; the paper's lambda.
        tightness: coupling of the data term's flow and the smooth flow; the paper's theta.
        rate: step size of the dual, the paper's tau; stable up to 0.25.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a number is out of range, or `warps` * `iterations` is 1.

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
            raise ValueError("PrimalDual: `iterations` must be at least 2 with one warp, got 1.")

    def build(self, input_shape):
        # The dual is 0 at the first step and unused after the last one: there is one pair fewer than steps
        shape = (self.warps * self.iterations - 1, 2, 2, 2)  # step; x and y; tap; u and v
        self.slopes, self.divergences = (
            self.add_weight(shape=shape, initializer=difference_taps, name=name) for name in ("slopes", "divergences")
        )

    def call(self, inputs):
        first, second, flow = (ops.cast(x, "float32") for x in inputs)
        frame_and_gradient = ops.concatenate([second, *image_gradient(second)], axis=-1)
        column, row = pixel_coordinates(second)
        bottom, right = (ops.cast(side - 1, "float32") for side in ops.shape(second)[1:3])
        max_step = self.attachment * self.tightness
        # The first and the last step have no derivatives: their taps are 0
        zeros = ops.zeros((1, *self.slopes.shape[1:]))
        taps = ops.concatenate([zeros, self.divergences]), ops.concatenate([self.slopes, zeros])
        dual = ops.zeros_like(flow), ops.zeros_like(flow)
        for warp in range(self.warps):
            x, y = column + flow[..., 0], row + flow[..., 1]
            inside = (x >= 0) & (x <= right) & (y >= 0) & (y <= bottom)
            warped = sample(frame_and_gradient, ops.clip(x, 0.0, right), ops.clip(y, 0.0, bottom))
            gradient = warped[..., 1:] * ops.cast(inside, "float32")[..., None]
            squared_norm = ops.sum(ops.square(gradient), axis=-1, keepdims=True) + EPSILON
            constant = warped[..., :1] - first - ops.sum(gradient * flow, axis=-1, keepdims=True)

            def step(i, state, gradient=gradient, squared_norm=squared_norm, constant=constant):
                flow, *dual = state
                residual = (constant + ops.sum(gradient * flow, axis=-1, keepdims=True)) / squared_norm
                flow = flow - ops.clip(residual, -max_step, max_step) * gradient
                divergence_taps, slope_taps = (ops.take(t, i, axis=0) for t in taps)
                flow = flow + self.tightness * divergence(*dual, divergence_taps)
                return (flow, *self.update_dual(*dual, flow, slope_taps))

            flow, *dual = iterate(step, warp * self.iterations, self.iterations, (flow, *dual))
        return flow

    def update_dual(self, dual_x, dual_y, flow, taps):
        """Returns the next dual of u and v: a step along the gradient of the flow, with a norm of at most 1."""
        step_size = self.rate / self.tightness
        x, y = forward_difference(flow, taps[0], 2), forward_difference(flow, taps[1], 1)
        norm = 1 + step_size * ops.sqrt(ops.square(x) + ops.square(y) + EPSILON)
        return (dual_x + step_size * x) / norm, (dual_y + step_size * y) / norm

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[2])

    def macs(self, shapes):
        """Multiply-accumulates of one input: the taps, and two products of gradient and flow in each step."""
        _, height, width, _ = shapes[0]
        steps = self.warps * self.iterations
        return height * width * (16 * (steps - 1) + 4 * steps)

    def get_config(self):
        names = ("warps", "iterations", "attachment", "tightness", "rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("zoo")
def difference_taps(shape, dtype=None):
    """Returns taps of -1 and 1: the difference of a value and the one before it."""
    return ops.broadcast_to(ops.reshape(ops.convert_to_tensor([-1.0, 1.0], dtype=dtype), (2, 1)), shape)


def iterate(step, start, count, state):
    """Returns the state after `state = step(i, state)` for `count` values of i from `start` on, as a graph loop.

    An unrolled loop would make the graph, and with it the time before the first training step, grow with the count.
    """
    stop = start + count
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(start, stop, step, state)
    # The same loop. XLA needs the maximum number of iterations for its gradient.
    return ops.while_loop(
        lambda i, *_: i < stop, lambda i, *state: (i + 1, *step(i, state)), (start, *state), maximum_iterations=count
    )[1:]


def image_gradient(image):
    """Returns the central differences of an image (B, H, W, 1) in x and y; half the one-sided ones at the border."""
    gradient = []
    for axis in (2, 1):
        first, last = first_and_last(image, axis)
        before = ops.concatenate([first, drop_last(image, axis)], axis)
        gradient.append((ops.concatenate([drop_first(image, axis), last], axis) - before) / 2)
    return gradient


def forward_difference(flow, taps, axis):
    """Applies taps to each value and the next one; 0 at the last value, which has no next one."""
    change = taps[0] * drop_last(flow, axis) + taps[1] * drop_first(flow, axis)
    return ops.concatenate([change, ops.zeros_like(first_and_last(flow, axis)[1])], axis)


def divergence(dual_x, dual_y, taps):
    """Applies taps to the previous value and each value, along each axis; the dual is 0 beyond the border."""
    total = 0.0
    for dual, axis, (tap_before, tap) in ((dual_x, 2, (taps[0, 0], taps[0, 1])), (dual_y, 1, (taps[1, 0], taps[1, 1]))):
        inner = drop_last(dual, axis)
        zeros = ops.zeros_like(first_and_last(dual, axis)[0])
        before, current = ops.concatenate([zeros, inner], axis), ops.concatenate([inner, zeros], axis)
        total = total + tap_before * before + tap * current
    return total


def first_and_last(x, axis):
    """Returns the first and the last slice of an axis (1 or 2), which is kept."""
    return (x[:, :1], x[:, -1:]) if axis == 1 else (x[:, :, :1], x[:, :, -1:])


def drop_first(x, axis):
    """Returns all but the first slice of an axis (1 or 2)."""
    return x[:, 1:] if axis == 1 else x[:, :, 1:]


def drop_last(x, axis):
    """Returns all but the last slice of an axis (1 or 2)."""
    return x[:, :-1] if axis == 1 else x[:, :, :-1]
