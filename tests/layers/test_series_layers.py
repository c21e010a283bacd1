"""Layers on steps of time: the last one, and the last one known."""

import keras
import numpy as np
import pytest

from zoo.layers.carry_forward import CarryForward
from zoo.layers.last_step import LastStep
from zoo.layers.since_last import SinceLast

GAP = float("nan")


def test_gaps_hold_the_value_before():
    x = np.array([[[GAP, 1], [2, GAP], [GAP, GAP], [GAP, 4], [GAP, GAP], [3, 5]]], "float32")
    found = np.asarray(CarryForward()(x))[0]
    np.testing.assert_array_equal(found[:, 1], [1, 1, 1, 4, 4, 5])
    np.testing.assert_array_equal(found[1:, 0], [2, 2, 2, 2, 3])
    assert np.isnan(found[0, 0])


def test_a_long_gap_is_bridged():
    x = np.full((1, 100, 1), GAP, "float32")
    x[0, 0] = 7
    assert (np.asarray(CarryForward()(x)) == 7).all()


def test_the_last_step_comes_back_in_its_units():
    x = np.arange(12, dtype="float32").reshape(2, 3, 2)
    layer = LastStep((1, 0, 1), (10, 1, 1), (5, 0, 0))
    np.testing.assert_array_equal(layer(x), [[55, 4, 5], [115, 10, 11]])
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize(("features", "message"), [((2,), "must name places"), ((0, 1), "must be as many")])
def test_places_that_are_not_there_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        LastStep(features, (1,), (0,))(np.zeros((1, 3, 2), "float32"))


def test_a_window_is_told_from_its_end():
    x = np.array([[[1, 5], [2, 6], [4, 7]]], "float32")
    layer = SinceLast((0,), (10,))
    np.testing.assert_array_equal(layer(x), [[[-30, 5], [-20, 6], [0, 7]]])
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    np.testing.assert_array_equal(again(x), layer(x))
    with pytest.raises(ValueError, match="must name places"):
        SinceLast((2,), (1,))(x)
