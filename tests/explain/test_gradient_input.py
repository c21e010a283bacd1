"""Gradient x input against the linear model that it is exact for."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.explain.test_gradients import draw, kernel, linear
from tests.tolerance import assert_close
from zoo import explain


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_of_a_linear_model_it_is_weight_times_input(bands):
    model = linear((4, 5, bands), activation="softmax")
    x = draw(2, 4, 5, bands)
    found = explain.gradient_input(model, x, 1)
    assert found.dtype == np.float32
    assert_close(found, (kernel(model, 1, (4, 5, bands)) * x).sum(axis=-1), rtol=1e-4)


def test_tables_keep_their_features_and_series_their_steps():
    model, x = linear((6,)), draw(2, 6)
    assert_close(explain.gradient_input(model, x, 2), kernel(model, 2, (6,)) * x)
    model, x = linear((7, 2)), draw(1, 7, 2)
    expected = (kernel(model, 0, (7, 2)) * x).sum(axis=-1)
    assert_close(explain.gradient_input(model, x, 0), expected, rtol=1e-4)


def test_of_a_square_it_is_twice_the_square():
    inputs = layers.Input((3,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(ops.square(inputs)))
    assert_close(explain.gradient_input(model, [[1, -2, 0]]), [[2, 8, 0]])


def test_a_class_is_explained_over_a_region_of_a_segmenter():
    inputs = layers.Input((4, 5, 2))
    model = keras.Model(inputs, layers.Conv2D(3, 1, activation="softmax")(inputs))
    region = np.zeros((4, 5), bool)
    region[1, 2] = region[3, 4] = True
    x = draw(2, 4, 5, 2)
    weights = model.layers[-1].kernel.numpy()[0, 0, :, 1]
    found = explain.gradient_input(model, x, 1, mask=region)
    assert_close(found, np.where(region, x @ weights / 2, 0))
    whole = explain.gradient_input(model, x, 1)
    assert_close(whole, x @ weights / 20)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((8, 12)), r"`mask` must be \(8, 12\) and true somewhere, got \(8, 12\) with 0 of them true"),
        (np.ones((12, 8)), r"`mask` must be \(8, 12\) and true somewhere, got \(12, 8\)"),
        (np.full((8, 12), "a"), r"`mask` must be \(8, 12\) and true somewhere, got \(8, 12\) with <U1"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask, message):
    model = zoo.unet((None, None, 2), 3, filters=(2, 2))
    with pytest.raises(ValueError, match=f"gradient_input: {message}"):
        explain.gradient_input(model, draw(1, 8, 12, 2), mask=mask)
    with pytest.raises(ValueError, match="`mask` must be None, as .* answers for no places, got"):
        explain.gradient_input(linear((4,)), draw(1, 4), mask=mask)
