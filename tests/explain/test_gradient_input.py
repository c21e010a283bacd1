"""Gradient x input of linear models, for which it is exact."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.explain.test_gradients import kernel, linear, random_array
from tests.tolerance import assert_close
from zoo import explain


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_gradient_input_of_a_linear_model_is_weight_times_input(bands):
    model = linear((4, 5, bands), activation="softmax")
    x = random_array(2, 4, 5, bands)
    attributions = explain.gradient_input(model, x, 1)
    assert attributions.dtype == np.float32
    assert_close(attributions, (kernel(model, 1, (4, 5, bands)) * x).sum(axis=-1), rtol=1e-4)


def test_gradient_input_keeps_the_features_of_a_table_and_the_steps_of_a_series():
    model, x = linear((6,)), random_array(2, 6)
    assert_close(explain.gradient_input(model, x, 2), kernel(model, 2, (6,)) * x)
    model, x = linear((7, 2)), random_array(1, 7, 2)
    expected = (kernel(model, 0, (7, 2)) * x).sum(axis=-1)
    assert_close(explain.gradient_input(model, x, 0), expected, rtol=1e-4)


def test_gradient_input_of_a_sum_of_squares_is_twice_the_squares():
    inputs = layers.Input((3,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(ops.square(inputs)))
    assert_close(explain.gradient_input(model, [[1, -2, 0]]), [[2, 8, 0]])


def test_a_segmentation_model_is_explained_within_the_mask():
    inputs = layers.Input((4, 5, 2))
    model = keras.Model(inputs, layers.Conv2D(3, 1, activation="softmax")(inputs))
    region = np.zeros((4, 5), bool)
    region[1, 2] = region[3, 4] = True
    x = random_array(2, 4, 5, 2)
    weights = model.layers[-1].kernel.numpy()[0, 0, :, 1]
    attributions = explain.gradient_input(model, x, 1, mask=region)
    assert_close(attributions, np.where(region, x @ weights / 2, 0))
    whole = explain.gradient_input(model, x, 1)
    assert_close(whole, x @ weights / 20)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((8, 12)), r"`mask` must be \(8, 12\) with a nonzero value, got \(8, 12\) with 0 nonzero values"),
        (np.ones((12, 8)), r"`mask` must be \(8, 12\) with a nonzero value, got \(12, 8\)"),
        (np.full((8, 12), "a"), r"`mask` must be \(8, 12\) with a nonzero value, got \(8, 12\) with <U1"),
    ],
)
def test_wrong_masks_raise_an_error(mask, message):
    model = zoo.unet((None, None, 2), 3, filters=(2, 2))
    with pytest.raises(ValueError, match=f"gradient_input: {message}"):
        explain.gradient_input(model, random_array(1, 8, 12, 2), mask=mask)
    with pytest.raises(ValueError, match="`mask` must be None, as .* has no dense output, got"):
        explain.gradient_input(linear((4,)), random_array(1, 4), mask=mask)
