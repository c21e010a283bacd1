"""XLA: parity of training with and without it, and when `accelerate` turns it on."""

import keras
import numpy as np
import pytest

import zoo
from recipes.training import accelerate
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
SERIES, TARGETS = RNG.normal(size=(4, 5, 3)).astype("float32"), RNG.normal(size=(4, 2)).astype("float32")
SHORTER = np.where(np.arange(5)[None, :, None] < 3, SERIES, 0).astype("float32")
IMAGES = RNG.uniform(size=(4, 2, 4, 4, 1)).astype("float32")
TINY = {"filters": (2,), "kernel_size": 3, "recurrent_kernel_size": 3, "patch": 1}
SMALL = {"depth": 1, "width": 8, "units": 8, "heads": 2, "dropout": 0.0}
MODELS = {
    "rnn": (lambda: zoo.rnn((5, 3), 2, units=(4,)), SERIES, TARGETS),
    "lstm, masked": (lambda: zoo.lstm((5, 3), 2, units=(4,), mask_value=0.0), SHORTER, TARGETS),
    "gru of any length": (lambda: zoo.gru((None, 3), 2, units=(4,)), SERIES, TARGETS),
    "attention": (lambda: zoo.transformer_encoder((5, 3), 2, **SMALL), SERIES, TARGETS),
    "convlstm": (lambda: zoo.convlstm((2, 4, 4, 1), 1, **TINY), IMAGES, IMAGES[:, :1]),
    "Keras' ConvLSTM2D": (
        lambda: zoo.convlstm_keras((2, 4, 4, 1), filters=(2,), kernel_sizes=(3,)),
        IMAGES,
        IMAGES,
    ),
}


def train(build, x, y, jit):
    """Returns predictions and weights after two training steps."""
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    initial = model.get_weights()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    assert any(np.abs(a - b).max() > 0 for a, b in zip(initial, model.get_weights(), strict=True))
    return model.predict(x, batch_size=4, verbose=0), model.get_weights()


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "lstm, masked")) for n in MODELS])
def test_two_training_steps_are_the_same_with_and_without_xla(name):
    (plain, weights), (compiled, others) = (train(*MODELS[name], jit) for jit in (False, True))
    assert_close(compiled, plain)
    scale = max(np.abs(a).max() for a in weights)  # some have gradients that are zero up to rounding
    for a, b in zip(weights, others, strict=True):
        assert_close(b, a, scale=scale)


@pytest.mark.parametrize("name", ["rnn", "lstm, masked", "gru of any length", "convlstm"])
def test_xla_is_off_for_recurrent_networks_with_the_reason(name):
    choice = accelerate.choose_acceleration(MODELS[name][0](), steps=10)
    assert choice.settings["jit_compile"] is False
    assert "recurrent layers" in choice.record["reason"]


def test_xla_is_off_for_attention_with_the_reason():
    choice = accelerate.choose_acceleration(MODELS["attention"][0](), steps=10)
    assert choice.settings["jit_compile"] is False and "attention" in choice.record["reason"]


def test_xla_can_be_requested_for_a_recurrent_network():
    choice = accelerate.choose_acceleration(MODELS["rnn"][0](), steps=10, mode="xla")
    assert choice.settings["jit_compile"] is True and "accelerate=xla" in choice.record["reason"]
