"""Layers on the steps of a window: CarryForward, LastStep and SinceLast."""

import keras
import numpy as np
import pytest

from zoo.layers.carry_forward import CarryForward
from zoo.layers.last_step import LastStep
from zoo.layers.since_last import SinceLast

GAP = float("nan")


def test_gaps_get_the_last_earlier_value():
    x = np.array([[[GAP, 1], [2, GAP], [GAP, GAP], [GAP, 4], [GAP, GAP], [3, 5]]], "float32")
    filled = np.asarray(CarryForward()(x))[0]
    np.testing.assert_array_equal(filled[:, 1], [1, 1, 1, 4, 4, 5])
    np.testing.assert_array_equal(filled[1:, 0], [2, 2, 2, 2, 3])
    assert np.isnan(filled[0, 0])


def test_long_gaps_are_filled():
    x = np.full((1, 100, 1), GAP, "float32")
    x[0, 0] = 7
    assert (np.asarray(CarryForward()(x)) == 7).all()


def test_the_last_step_is_returned_in_original_units():
    x = np.arange(12, dtype="float32").reshape(2, 3, 2)
    layer = LastStep((1, 0, 1), (10, 1, 1), (5, 0, 0))
    np.testing.assert_array_equal(layer(x), [[55, 4, 5], [115, 10, 11]])
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize(("features", "message"), [((2,), "must be indices"), ((0, 1), "must have equal lengths")])
def test_invalid_features_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        LastStep(features, (1,), (0,))(np.zeros((1, 3, 2), "float32"))


def test_features_become_scaled_differences_from_the_last_step():
    x = np.array([[[1, 5], [2, 6], [4, 7]]], "float32")
    layer = SinceLast((0,), (10,))
    np.testing.assert_array_equal(layer(x), [[[-30, 5], [-20, 6], [0, 7]]])
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    np.testing.assert_array_equal(again(x), layer(x))
    with pytest.raises(ValueError, match="must be indices"):
        SinceLast((2,), (1,))(x)
