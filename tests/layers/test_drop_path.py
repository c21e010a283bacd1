"""Stochastic depth."""

import keras
import numpy as np
import pytest

from zoo.layers.drop_path import DropPath


@pytest.mark.parametrize("shape", [(400,), (400, 3), (400, 5, 3), (400, 2, 2, 3), (400, 1, 2, 2, 3)])
def test_whole_examples_are_dropped_and_the_others_scaled(shape):
    outputs = np.asarray(DropPath(0.25, seed=1)(np.ones(shape, "float32"), training=True)).reshape(400, -1)
    assert (outputs == outputs[:, :1]).all()
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(outputs.mean() - 1) < 0.1  # 3.5 standard errors


def test_it_is_the_identity_at_inference_and_at_rate_zero():
    x = np.random.default_rng(0).random((4, 3), "float32")
    np.testing.assert_array_equal(DropPath(0.5)(x), x)
    np.testing.assert_array_equal(DropPath(0.0)(x, training=True), x)


def test_calls_differ_and_a_seed_repeats_them():
    x = np.ones((64, 1), "float32")
    layer, again = DropPath(0.5, seed=3), DropPath.from_config(DropPath(0.5, seed=3).get_config())
    draws = [np.asarray(layer(x, training=True)) for _ in range(2)]
    assert (draws[0] != draws[1]).any()
    np.testing.assert_array_equal(draws[0], np.asarray(again(x, training=True)))


def test_it_works_in_fit_with_an_unknown_batch_size():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, DropPath(0.5)(keras.layers.Dense(1)(inputs)))
    model.compile("sgd", "mse")
    history = model.fit(np.ones((6, 2)), np.ones((6, 1)), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.count_params() == 3


@pytest.mark.parametrize("rate", [1, -0.1, "half", None])
def test_a_rate_outside_zero_to_one_is_refused(rate):
    with pytest.raises(ValueError, match="DropPath: `rate` must be a number from 0 to below 1, got"):
        DropPath(rate)
