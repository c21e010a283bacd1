"""Imputation of missing values, and missing-value indicators."""

import keras
import numpy as np
import pytest

from zoo.layers import Impute

X = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 6.0]], "float32")


def test_missing_values_are_replaced_and_indicated():
    np.testing.assert_array_equal(Impute((10, 20, 30))(X), [[1, 20, 3], [10, 20, 6]])
    np.testing.assert_array_equal(Impute((10, 20, 30), (1, 0))(X), [[1, 20, 3, 1, 0], [10, 20, 6, 1, 1]])


def test_inputs_of_any_rank_are_accepted():
    series = np.stack([X, X[::-1]])
    outputs = Impute((10, 20, 30), (0,))(series)
    assert outputs.shape == (2, 2, 4)
    np.testing.assert_array_equal(outputs[1, 0], [10, 20, 6, 1])


def test_it_survives_a_save(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Impute((0.1, 0.2, 0.3), (2,))(inputs))
    assert model.output_shape == (None, 4)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(X), model(X))
    assert not model.weights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((1, 2),), "`values` must have 3 numbers, got 2"),
        (((1, 2, np.nan),), "`values` must be finite"),
        (((1, 2, 3), (3,)), r"`indicator` must have indices from 0 to 2, got \(3,\)"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Impute(*arguments)(X)
