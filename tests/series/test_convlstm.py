"""ConvLSTM: parity of the layer with its equations, and of the encoder-forecaster with the layer."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.layers import PeepholeConvLSTM2D

RNG = np.random.default_rng(6)
NAMES = ("encoder0", "encoder1", "forecaster1", "forecaster0", "head")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolve(x, kernel):
    """Convolves (B, H, W, C) with (k, k, C, F), with zero padding."""
    k = len(kernel)
    before = (k - 1) // 2
    padded = np.pad(x, ((0, 0), (before, k - 1 - before), (before, k - 1 - before), (0, 0)))
    _, h, w, _ = x.shape
    return sum(padded[:, i : i + h, j : j + w] @ kernel[i, j] for i in range(k) for j in range(k))


def run_cell(x, steps, h, c, kernel, recurrent_kernel, peephole, bias):
    """Runs eq. 3 with one peephole coefficient per channel; x is None without an input."""
    states = []
    for step in range(steps):
        z = convolve(h, recurrent_kernel) + bias + (0 if x is None else convolve(x[:, step], kernel))
        i, f, g, o = np.split(z, 4, axis=-1)
        i, f = sigmoid(i + peephole[0] * c), sigmoid(f + peephole[1] * c)
        c = f * c + i * np.tanh(g)
        h = sigmoid(o + peephole[2] * c) * np.tanh(c)
        states.append(h)
    return np.stack(states, 1), h, c


def perturb(layer):
    """Adds noise to all weights and returns them by name in float64."""
    layer.set_weights([w + RNG.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    return {w.name: w.numpy().astype("float64") for w in layer.weights}


@pytest.mark.parametrize(("kernel_size", "recurrent_kernel_size"), [(3, 3), (5, 1), (2, 3)])
def test_the_layer_equals_equation_3(kernel_size, recurrent_kernel_size):
    layer = PeepholeConvLSTM2D(3, kernel_size, recurrent_kernel_size)
    x = RNG.normal(size=(2, 4, 5, 6, 2)).astype("float32")
    layer.build(x.shape)
    w = perturb(layer)
    zeros = np.zeros((2, 5, 6, 3))
    expected = run_cell(x, 4, zeros, zeros, **w)
    for actual, desired in zip(layer(x), expected, strict=True):
        assert_close(actual, desired)


def test_without_peepholes_the_layer_equals_keras():
    ours = PeepholeConvLSTM2D(3, 3, 3)
    theirs = keras.layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, recurrent_activation="sigmoid")
    x = RNG.normal(size=(2, 4, 5, 6, 2)).astype("float32")
    expected = theirs(x)
    ours.build(x.shape)
    kernel, recurrent, bias = theirs.get_weights()
    np.testing.assert_array_equal(ours.bias.numpy(), bias)  # both initialize the forget gates with a bias of one
    ours.set_weights([kernel, recurrent, np.zeros((3, 3)), bias])
    assert_close(ours(x)[0], expected)


def test_continuing_from_a_state_equals_one_run():
    layer = PeepholeConvLSTM2D(2, 3, 3)
    x = RNG.normal(size=(1, 5, 4, 4, 2)).astype("float32")
    sequence, h, c = layer(x)
    _, *state = layer(x[:, :2])
    late, late_h, late_c = layer([x[:, 2:], *state])
    for actual, desired in ((late, sequence[:, 2:]), (late_h, h), (late_c, c)):
        assert_close(actual, desired)


def test_without_an_input_the_layer_runs_from_its_state():
    layer = PeepholeConvLSTM2D(3, 3, 3, steps=4)
    h, c = RNG.normal(size=(2, 2, 5, 6, 3)).astype("float32")
    layer.build([h.shape, c.shape])
    w = perturb(layer)
    assert "kernel" not in w
    expected = run_cell(None, 4, h, c, kernel=None, **w)
    for actual, desired in zip(layer([h, c]), expected, strict=True):
        assert_close(actual, desired)


def test_the_forecaster_starts_from_the_encoders_states_in_reverse_order():
    model = zoo.convlstm((3, 4, 6, 1), 2, filters=(3, 2), kernel_size=3, recurrent_kernel_size=3, patch=2)
    for layer in model.layers:
        if layer.weights:
            perturb(layer)
    x = RNG.random((2, 3, 4, 6, 1))
    weights = {n: {w.name: w.numpy() for w in model.get_layer(n).weights} for n in NAMES}
    cells = x.reshape(2, 3, 2, 2, 3, 2, 1).transpose(0, 1, 2, 4, 3, 5, 6).reshape(2, 3, 2, 3, 4)
    states = {}
    sequence = cells
    for i, width in ((0, 3), (1, 2)):
        zeros = np.zeros((2, 2, 3, width))
        sequence, *states[i] = run_cell(sequence, 3, zeros, zeros, **weights[f"encoder{i}"])
    first, *_ = run_cell(None, 2, *states[1], kernel=None, **weights["forecaster1"])
    second, *_ = run_cell(first, 2, *states[0], **weights["forecaster0"])
    logits = np.concatenate([first, second], -1) @ weights["head"]["kernel"] + weights["head"]["bias"]
    pixels = logits.reshape(2, 2, 2, 3, 2, 2, 1).transpose(0, 1, 2, 4, 3, 5, 6).reshape(2, 2, 4, 6, 1)
    assert_close(model(x), sigmoid(pixels))


def test_multiply_accumulates_are_counted():
    model = zoo.outline("convlstm", input_shape=(10, 64, 64, 1), outputs=10)
    cells = 16 * 16 * 10
    encoder = cells * 25 * 4 * (128 * (16 + 128) + 128 * (128 + 128))
    forecaster = cells * 25 * 4 * (128 * 128 + 128 * (128 + 128))
    assert zoo.macs(model) == encoder + forecaster + cells * 256 * 16


def test_it_trains_with_xla():
    model = zoo.convlstm((2, 4, 4, 1), 1, filters=2, kernel_size=3, recurrent_kernel_size=3)
    model.compile("sgd", "binary_crossentropy", jit_compile=True)
    x, y = RNG.random((2, 2, 4, 4, 1)), RNG.random((2, 1, 4, 4, 1))
    loss = model.train_on_batch(x, y)
    assert np.isfinite(loss)
    assert model.train_on_batch(x, y) < loss


def test_the_recurrent_layers_of_convlstm_keras_are_causal():
    model = zoo.convlstm_keras((None, 5, 5, 1), filters=(3, 2), kernel_sizes=(3, 1))
    x = RNG.random((1, 4, 5, 5, 1)).astype("float32")
    changed = x.copy()
    changed[:, 3] = 0
    states = keras.Model(model.input, model.get_layer("recurrent1").output)
    assert_close(states(x)[:, :3], states(changed)[:, :3])
    assert model(x).shape == x.shape


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`input_shape` must be \(T, H, W, C\) with every size given, got \(None, 8"):
        zoo.convlstm((None, 8, 8, 1), 2)
    with pytest.raises(
        ValueError, match=r"H and W of `input_shape` must be divisible by 4 \[pixels\], got \(2, 8, 6, 1\)"
    ):
        zoo.convlstm((2, 8, 6, 1), 2)
    with pytest.raises(ValueError, match="`filters` must have at least one entry, got none"):
        zoo.convlstm((2, 8, 8, 1), 2, filters=())
    with pytest.raises(ValueError, match=r"`kernel_sizes` must have one size per layer.* got 2 for 1 `filters`"):
        zoo.convlstm_keras((2, 8, 8, 1), filters=4, kernel_sizes=(3, 3))
    with pytest.raises(ValueError, match="PeepholeConvLSTM2D: the number of steps must be given"):
        PeepholeConvLSTM2D(2, 3, 3).build((None, None, 4, 4, 1))
    with pytest.raises(ValueError, match="PeepholeConvLSTM2D: `filters` must be a whole number of at least 1, got 0"):
        PeepholeConvLSTM2D(0, 3, 3)
