"""The convolutional LSTM with peepholes."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class PeepholeConvLSTM2D(layers.Layer):
    """Convolutional LSTM with peepholes: its gates also read the cell state, with one coefficient per channel.

    x (B, T, H, W, C) float  ->  [sequence (B, T, H, W, filters), h (B, H, W, filters), c (B, H, W, filters)]: the
    states of all steps, and the last state and cell.

    The layer is called on x, or on [x, h, c] to continue from a state and a cell. With `steps` it is called on [h, c],
    runs for that number of steps without an input, and has no input kernel.

    Args:
        filters: number of channels of the state.
        kernel_size: side of the square kernel on the input [pixels].
        recurrent_kernel_size: side of the square kernel on the state [pixels].
        steps: number of steps without an input, or None for a layer with an input.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if an argument is not an integer of at least 1, or the number of steps of x is None.

    Source: Shi et al. 2015, https://arxiv.org/abs/1506.04214, eq. 3.
    Differs: a peephole has one coefficient per channel, as the paper's parameter counts imply. Eq. 3 has one per pixel.
    """

    def __init__(self, filters, kernel_size, recurrent_kernel_size, steps=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = convert(filters, Count, "PeepholeConvLSTM2D: `filters`")
        self.kernel_size = convert(kernel_size, Count, "PeepholeConvLSTM2D: `kernel_size`")
        self.recurrent_kernel_size = convert(
            recurrent_kernel_size, Count, "PeepholeConvLSTM2D: `recurrent_kernel_size`"
        )
        self.steps = convert(steps, Count | None, "PeepholeConvLSTM2D: `steps`")

    def build(self, input_shape):
        k, r, f = self.kernel_size, self.recurrent_kernel_size, self.filters
        if not self.steps:
            x = _first_shape(input_shape)
            if x[1] is None:
                raise ValueError(f"PeepholeConvLSTM2D: the number of steps must be given, got {tuple(x)}.")
            self.kernel = self.add_weight(shape=(k, k, x[-1], 4 * f), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(r, r, f, 4 * f), initializer="orthogonal", name="recurrent_kernel"
        )
        self.peephole = self.add_weight(shape=(3, f), initializer="zeros", name="peephole")
        self.bias = self.add_weight(shape=(4 * f,), initializer=_initial_bias, name="bias")

    def call(self, inputs):
        x = None
        if self.steps:
            h, c = inputs
        elif isinstance(inputs, list | tuple):
            x, h, c = inputs
        else:
            x = inputs
            h = c = ops.zeros((ops.shape(x)[0], *x.shape[2:4], self.filters), x.dtype)
        if x is not None:  # all steps in one convolution, since it does not depend on the state
            _, t, rows, columns, channels = x.shape
            projected = ops.conv(ops.reshape(x, (-1, rows, columns, channels)), self.kernel, padding="same")
            projected = ops.unstack(ops.reshape(projected, (-1, t, rows, columns, 4 * self.filters)), t, axis=1)
        states = []
        for step in range(self.steps or x.shape[1]):
            z = ops.conv(h, self.recurrent_kernel, padding="same") + self.bias
            i, f, g, o = ops.split(z if x is None else z + projected[step], 4, axis=-1)
            i = ops.sigmoid(i + self.peephole[0] * c)
            f = ops.sigmoid(f + self.peephole[1] * c)
            c = f * c + i * ops.tanh(g)
            h = ops.sigmoid(o + self.peephole[2] * c) * ops.tanh(c)
            states.append(h)
        return [ops.stack(states, axis=1), h, c]

    def compute_output_shape(self, input_shape):
        first = _first_shape(input_shape)
        steps, sides = (self.steps, first[1:3]) if self.steps else (first[1], first[2:4])
        state = (first[0], *sides, self.filters)
        return [(first[0], steps, *sides, self.filters), state, state]

    def macs(self, input_shape):
        """Multiply-accumulates of one call."""
        _, steps, rows, columns, _ = self.compute_output_shape(input_shape)[0]
        kernels = [self.recurrent_kernel] if self.steps else [self.kernel, self.recurrent_kernel]
        sizes = [k * k * c * f for k, _, c, f in (kernel.shape for kernel in kernels)]
        return steps * rows * columns * sum(sizes)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "recurrent_kernel_size": self.recurrent_kernel_size,
            "steps": self.steps,
        }


def _first_shape(shapes):
    """Returns the shape of the first input if there are several, else of the only one."""
    return shapes[0] if isinstance(shapes[0], list | tuple) else shapes


def _initial_bias(shape, dtype=None):
    """Returns zeros, and ones for the forget gate: Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15.html."""
    quarter = (shape[0] // 4,)
    zeros = ops.zeros(quarter, dtype)
    return ops.concatenate([zeros, ops.ones(quarter, dtype), zeros, zeros])
