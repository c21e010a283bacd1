"""Learning rate schedules, value by value."""

import keras
import numpy as np
import pytest

from recipes.training.schedules import Warmup, schedule
from tests.tolerance import assert_close

# name, learning rate, steps, arguments, {step: learning rate}
VALUES = [
    ("inverse_time", 0.01, 300, {}, {0: 0.01, 150: 0.01 / 1.5, 300: 0.005}),
    ("exponential", 0.1, 1000, {}, {0: 0.1, 500: 0.1 * 0.1**0.5, 1000: 0.01}),
    (
        "step",
        0.1,
        280,
        {"epochs": 40},  # 7 steps an epoch
        {0: 0.1, 63: 0.1, 69: 0.1, 70: 0.05, 139: 0.05, 140: 0.025, 210: 0.0125},
    ),
    ("step", 0.1, 40, {}, {9: 0.1, 10: 0.05, 20: 0.025, 30: 0.0125, 39: 0.0125}),
    ("piecewise", 0.1, 1000, {"boundaries": (100, 500)}, {0: 0.1, 100: 0.1, 101: 0.01, 500: 0.01, 501: 0.001}),
    ("cosine", 0.1, 1000, {}, {0: 0.1, 100: 0.09755283, 500: 0.05, 1000: 0, 1100: 0}),
    ("cosine", 0.1, 1100, {"warmup": 100}, {0: 0, 50: 0.05, 100: 0.1, 600: 0.05, 1100: 0}),
    (
        "cosine_restarts",
        0.1,
        700,
        {},
        {0: 0.1, 50: 0.05, 99: 2.467e-5, 100: 0.1, 200: 0.05, 300: 0.1, 500: 0.05},
    ),
    ("cosine_7_16", 0.1, 1000, {}, {0: 0.1, 500: 0.0773010453, 1000: 0.0195090322, 1100: 0.0195090322}),
    ("constant", 0.1, 10, {"warmup": 4}, {0: 0, 1: 0.025, 3: 0.075, 4: 0.1, 9: 0.1}),
    ("step", 0.1, 50, {"warmup": 0.2}, {5: 0.05, 10: 0.1, 19: 0.1, 20: 0.05, 30: 0.025}),
    ("piecewise", 0.1, 50, {"warmup": 10, "boundaries": 30}, {5: 0.05, 10: 0.1, 30: 0.1, 31: 0.01}),
    (
        "exponential",
        0.1,
        1100,
        {"warmup": 100},
        {50: 0.05, 100: 0.1, 600: 0.1 * 0.1**0.5, 1100: 0.01},
    ),
]


@pytest.mark.parametrize(
    ("name", "learning_rate", "steps", "arguments", "values"), VALUES, ids=[f"{i}-{v[0]}" for i, v in enumerate(VALUES)]
)
def test_learning_rates_equal_the_known_values(name, learning_rate, steps, arguments, values):
    schedule_ = schedule(name, learning_rate, steps, **arguments)
    rates = [float(schedule_(step)) for step in values]
    np.testing.assert_allclose(
        rates, list(values.values()), rtol=2e-6 if name != "cosine_restarts" else 3e-4, atol=1e-9
    )


def test_a_constant_learning_rate_is_a_number():
    assert schedule("constant", 0.01, 100) == 0.01
    assert isinstance(schedule("constant", 1, 100.0), float)


@pytest.mark.parametrize("name", ["constant", "step", "cosine", "cosine_restarts", "cosine_7_16"])
def test_a_schedule_with_warmup_trains_and_is_saved_with_the_model(name, tmp_path):
    learning_rate = schedule(name, 0.5, 20, warmup=4)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    first = model.get_weights()
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    for a, b in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)  # the learning rate of step 0 is 0
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    assert not np.array_equal(first[0], model.get_weights()[0])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert int(loaded.iterations) == 2
    assert float(loaded.learning_rate) == float(model.optimizer.learning_rate) == pytest.approx(0.25)
    assert [float(loaded._learning_rate(t)) for t in range(20)] == [float(learning_rate(t)) for t in range(20)]


def test_warmup_accepts_any_keras_schedule():
    inner = keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.0)
    warmup = Warmup.from_config(Warmup(inner, 5).get_config())
    assert_close([float(warmup(t)) for t in (0, 1, 5, 10, 15)], [0, 0.02, 0.1, 0.05, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cosin"}, r"`name` must be one of .* got 'cosin'. Did you mean `cosine`\?"),
        ({"learning_rate": 0}, "`learning_rate` must be a number above 0, got 0"),
        ({"steps": 2.5}, "`steps` must be a whole number of at least 1, got 2.5"),
        ({"warmup": 100}, "`warmup` must be a fraction below 1 or a whole number of steps below 100, got 100"),
        ({"warmup": 2.5}, "`warmup` must be .* got 2.5"),
        ({"boundaries": (50,)}, r"`boundaries` is for piecewise, got \(50,\) for cosine"),
        ({"name": "piecewise"}, r"`boundaries` of piecewise must be steps that increase between 0 and 100, got \(\)"),
        ({"name": "piecewise", "boundaries": (50, 20)}, r"increase between 0 and 100, got \(50, 20\)"),
        ({"name": "piecewise", "boundaries": (5, 20), "warmup": 10}, "increase between 10 and 100"),
        ({"boundary": 3}, r"unknown argument `boundary`. Did you mean `boundaries`\?"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        schedule(**{"name": "cosine", "learning_rate": 0.1, "steps": 100, **arguments})
