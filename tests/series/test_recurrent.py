"""Elman's network, LSTM and GRU: parity with their equations in NumPy."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close

RNG = np.random.default_rng(5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elman_states(x, weights):
    kernel, recurrent, bias = weights
    h, states = np.zeros((len(x), len(recurrent))), []
    for step in range(x.shape[1]):
        h = np.tanh(x[:, step] @ kernel + h @ recurrent + bias)
        states.append(h)
    return np.stack(states, 1)


def lstm_states(x, weights):
    kernel, recurrent, bias = weights
    h = c = np.zeros((len(x), len(recurrent)))
    states = []
    for step in range(x.shape[1]):
        i, f, g, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, 1)


def gru_states(x, weights):
    """Two biases mean that the reset gate is applied after the product, one that it is applied before it."""
    kernel, recurrent, bias = weights
    reset_after = bias.ndim == 2
    input_bias, state_bias = bias if reset_after else (bias, np.zeros_like(bias))
    h, states = np.zeros((len(x), len(recurrent))), []
    uz, ur, un = np.split(recurrent, 3, axis=-1)
    bz, br, bn = np.split(state_bias, 3)
    for step in range(x.shape[1]):
        z, r, n = np.split(x[:, step] @ kernel + input_bias, 3, axis=-1)
        z, r = sigmoid(z + h @ uz + bz), sigmoid(r + h @ ur + br)
        n = np.tanh(n + (r * (h @ un + bn) if reset_after else (r * h) @ un))
        h = z * h + (1 - z) * n
        states.append(h)
    return np.stack(states, 1)


BUILDERS = [
    pytest.param(zoo.rnn, {}, elman_states, id="rnn"),
    pytest.param(zoo.lstm, {}, lstm_states, id="lstm"),
    pytest.param(zoo.gru, {}, gru_states, id="gru"),
    pytest.param(zoo.gru, {"reset_after": False}, gru_states, id="gru-reset-before"),
]
every_network = pytest.mark.parametrize(("build", "options", "states"), BUILDERS)


def perturb(model):
    """Adds noise to all weights of the model, biases included, and returns them in float64."""
    model.set_weights([w + RNG.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return [w.astype("float64") for w in model.get_weights()]


@every_network
@pytest.mark.parametrize("every_step", [False, True])
def test_two_layers_equal_the_equations(build, options, states, every_step):
    model = build((7, 3), 2, units=(4, 5), every_step=every_step, **options)
    *weights, kernel, bias = perturb(model)
    x = RNG.normal(size=(3, 7, 3))
    hidden = states(states(x, weights[:3]), weights[3:])
    expected = (hidden if every_step else hidden[:, -1]) @ kernel + bias
    assert_close(model(x), expected)


@every_network
def test_the_outputs_of_both_directions_are_concatenated(build, options, states):
    model = build((7, 3), 2, units=4, bidirectional=True, **options)
    *weights, kernel, bias = perturb(model)
    x = RNG.normal(size=(3, 7, 3))
    ends = [states(x, weights[:3])[:, -1], states(x[:, ::-1], weights[3:])[:, -1]]
    assert_close(model(x), np.concatenate(ends, -1) @ kernel + bias)


@every_network
def test_bidirectional_models_predict_the_same_after_loading(build, options, states, tmp_path):
    model = build((None, 3), 2, units=(4, 5), bidirectional=True, mask_value=-1.0, **options)
    x = np.concatenate([RNG.random((2, 4, 3)), -np.ones((2, 2, 3))], 1)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


@every_network
@pytest.mark.parametrize("bidirectional", [False, True])
def test_masked_steps_are_skipped_anywhere_in_the_series(build, options, states, bidirectional):
    model = build((None, 3), 2, units=(4, 5), mask_value=-999.25, bidirectional=bidirectional, **options)
    x = RNG.normal(size=(2, 6, 3)).astype("float32")
    gap = np.full((2, 1, 3), -999.25, "float32")
    at_end, in_middle = np.concatenate([x, gap, gap], 1), np.concatenate([x[:, :2], gap, x[:, 2:]], 1)
    for padded in (at_end, in_middle):
        assert_close(model(padded), model(x))
    partly_masked = at_end.copy()
    partly_masked[:, -1, 0] = 0
    assert np.abs(model(partly_masked) - model(x)).max() > 1e-3


def test_masking_works_in_half_precision_with_a_value_that_it_cannot_represent():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = zoo.lstm((None, 1), 2, units=4, mask_value=-999.25)
    x = RNG.normal(size=(2, 5, 1)).astype("float32")
    padded = np.concatenate([x, np.full((2, 3, 1), -999.25, "float32")], 1)
    assert_close(model(padded), model(x))


@pytest.mark.parametrize("build", [zoo.rnn, zoo.lstm, zoo.gru])
def test_token_0_is_padding(build):
    model = build((None,), 2, units=4, vocabulary=9)
    assert_close(model(np.array([[3, 1, 8, 0, 0]])), model(np.array([[3, 1, 8]])))
    assert np.abs(model(np.array([[3, 1, 8, 2, 2]])) - model(np.array([[3, 1, 8]]))).max() > 1e-4


def test_padded_steps_have_no_weight_in_the_loss():
    model = zoo.lstm((None, 1), 1, units=2, mask_value=-1.0, every_step=True)
    model.compile(loss="mse")
    x, y = RNG.random((4, 3, 1)), RNG.random((4, 3, 1))
    padded = np.concatenate([x, -np.ones((4, 2, 1))], 1), np.concatenate([y, np.full((4, 2, 1), 1e6)], 1)
    assert model.evaluate(*padded, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


def test_dropout_is_applied_in_training_only():
    model = zoo.gru((5, 2), 1, units=(8, 8), dropout=0.5)
    x = RNG.normal(size=(1, 5, 2))
    np.testing.assert_array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x, training=True))


def test_the_initial_bias_of_forget_gates_is_one():
    bias = zoo.lstm((5, 2), 1, units=3).get_layer("recurrent0").cell.bias.numpy()
    np.testing.assert_array_equal(bias, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])


def test_softmax_gives_probabilities_of_each_step():
    model = zoo.lstm((4, 2), 3, units=5, every_step=True, activation="softmax")
    outputs = np.asarray(model(RNG.normal(size=(2, 4, 2))))
    assert outputs.shape == (2, 4, 3)
    assert_close(outputs.sum(-1), 1)


@pytest.mark.parametrize("build", [zoo.rnn, zoo.lstm, zoo.gru])
def test_invalid_arguments_are_refused(build):
    with pytest.raises(
        ValueError, match=r"`input_shape` must be \(T, F\), of which only T may be None, got \(5, None\)"
    ):
        build((5, None), 1)
    with pytest.raises(ValueError, match=r"`input_shape` must be \(T,\), of which only T may be None, got \(5, 3\)"):
        build((5, 3), 1, vocabulary=9)
    with pytest.raises(ValueError, match="`mask_value` must be None for tokens, whose padding is 0, got 1.0"):
        build((5,), 1, vocabulary=9, mask_value=1)
    with pytest.raises(ValueError, match="`units` must have at least one entry, got none"):
        build((5, 3), 1, units=())
    with pytest.raises(ValueError, match="`mask_value` must be a number, got nan"):
        build((5, 3), 1, mask_value=float("nan"))
