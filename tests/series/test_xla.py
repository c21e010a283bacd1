"""XLA: every kind of layer for series trains under it as without it; accelerate leaves it off where it is slower."""

import keras
import numpy as np
import pytest

import zoo
from recipes.training import accelerate

RNG = np.random.default_rng(0)
SERIES, ANSWERS = RNG.normal(size=(4, 5, 3)).astype("float32"), RNG.normal(size=(4, 2)).astype("float32")
SHORTER = np.where(np.arange(5)[None, :, None] < 3, SERIES, 0).astype("float32")
IMAGES = RNG.uniform(size=(4, 2, 4, 4, 1)).astype("float32")
TINY = {"filters": (2,), "kernel_size": 3, "recurrent_kernel_size": 3, "patch": 1}
SMALL = {"depth": 1, "width": 8, "units": 8, "heads": 2, "dropout": 0.0}
MODELS = {
    "rnn": (lambda: zoo.rnn((5, 3), 2, units=(4,)), SERIES, ANSWERS),
    "lstm, masked": (lambda: zoo.lstm((5, 3), 2, units=(4,), mask_value=0.0), SHORTER, ANSWERS),
    "gru of any length": (lambda: zoo.gru((None, 3), 2, units=(4,)), SERIES, ANSWERS),
    "attention": (lambda: zoo.transformer_encoder((5, 3), 2, **SMALL), SERIES, ANSWERS),
    "convlstm": (lambda: zoo.convlstm((2, 4, 4, 1), 1, **TINY), IMAGES, IMAGES[:, :1]),
    "Keras' ConvLSTM2D": (
        lambda: zoo.convlstm_keras((2, 4, 4, 1), filters=(2,), kernel_sizes=(3,)),
        IMAGES,
        IMAGES,
    ),
}


def trained(build, x, y, jit):
    """(answers, weights) after two steps."""
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
    first = model.get_weights()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    assert any(np.abs(a - b).max() > 0 for a, b in zip(first, model.get_weights(), strict=True))
    return model.predict(x, batch_size=4, verbose=0), model.get_weights()


@pytest.mark.parametrize("name", MODELS)
def test_two_steps_under_xla_are_two_steps_without(name):
    (plain, weights), (compiled, others) = (trained(*MODELS[name], jit) for jit in (False, True))
    np.testing.assert_allclose(compiled, plain, atol=1e-5)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-5)


@pytest.mark.parametrize("name", ["rnn", "lstm, masked", "gru of any length", "convlstm"])
def test_recurrence_leaves_xla_off_and_says_why(name):
    chosen = accelerate.choose_acceleration(MODELS[name][0](), steps=10)
    assert chosen.settings["jit_compile"] is False
    assert "recurrent layers" in chosen.record["reason"]


def test_attention_leaves_xla_off_and_says_why():
    chosen = accelerate.choose_acceleration(MODELS["attention"][0](), steps=10)
    assert chosen.settings["jit_compile"] is False and "attention" in chosen.record["reason"]


def test_a_recurrent_network_takes_xla_where_it_is_asked_for():
    chosen = accelerate.choose_acceleration(MODELS["rnn"][0](), steps=10, mode="xla")
    assert chosen.settings["jit_compile"] is True and "asked for" in chosen.record["reason"]
