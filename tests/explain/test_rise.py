"""RISE on models that depend on a single pixel, step or band."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.attribution.rise import _random_mask, _upsampling_weights
from zoo.explain.progress_bar import progress_bar


@keras.saving.register_keras_serializable("tests")
class SelectPixel(layers.Layer):
    """Outputs one pixel of its input, one number for each band."""

    def __init__(self, *index, **options):
        super().__init__(**options)
        self.index = index

    def call(self, x):
        return x[(slice(None), *self.index)]


def single_pixel_model(shape, *index):
    inputs = layers.Input(shape)
    return keras.Model(inputs, SelectPixel(*index)(inputs))


@pytest.mark.parametrize("index", [(3, 5), (12, 2), (0, 15)])
def test_the_single_important_pixel_has_the_largest_value(index):
    importance = explain.rise(single_pixel_model((16, 16, 2), *index), np.ones((2, 16, 16, 2)), 1, samples=600, cells=6)
    for image in importance:
        assert np.hypot(*np.subtract(np.unravel_index(image.argmax(), image.shape), index)) <= 1.5
        # The prediction is the mask value m: mean of m^2 / mean of m, minus the mean of m, which is 0.5.
        assert 0.5 >= image[index] > 0.98 * image.max() > 0.1
        assert abs(np.median(image)) < 0.05  # other pixels have no influence


def test_the_single_important_step_of_a_series_has_the_largest_value():
    importance = explain.rise(single_pixel_model((20, 1), 14), np.ones((1, 20, 1)), 0, samples=400)
    assert importance.shape == (1, 20)
    assert abs(importance[0].argmax() - 14) <= 1


def test_a_constant_model_has_a_map_of_zeros():
    inputs = layers.Input((9, 7, 1))
    model = keras.Model(inputs, layers.Dense(2, "softmax", kernel_initializer="zeros")(layers.Flatten()(inputs)))
    np.testing.assert_allclose(explain.rise(model, random_array(1, 9, 7, 1), 1, samples=10), 0, atol=1e-6)


def test_hidden_pixels_have_the_fill_value():
    model = single_pixel_model((8, 8, 2), 4, 4)
    x = np.stack([np.full((8, 8), 3.0), np.full((8, 8), -1.0)], axis=-1)[None]
    np.testing.assert_allclose(explain.rise(model, x, 0, samples=10, fill=(3, 5)), 0, atol=1e-5)
    assert explain.rise(model, x, 1, samples=200, fill=(3, 5))[0, 4, 4] < -0.5  # -1 if visible, 5 if hidden


def test_masks_are_those_of_the_paper():
    weights = _upsampling_weights(7, 224)
    assert weights.shape == (32, 224, 7)
    assert_close(weights.sum(axis=-1), 1)
    masks = np.stack(
        [_random_mask(0, n, 7, (40, 30), [_upsampling_weights(7, 40), _upsampling_weights(7, 30)]) for n in range(400)]
    )
    assert masks.shape == (400, 40, 30)
    assert masks.min() == 0 and masks.max() == 1
    assert abs(masks.mean() - 0.5) < 0.02
    assert ((masks > 0) & (masks < 1)).mean() > 0.5  # smooth, not binary


def test_the_map_depends_on_the_seed_but_not_on_the_batch_size():
    model = zoo.cnn((8, 8, 1), 3, filters=(4,), units=())
    x = random_array(2, 8, 8, 1)
    first = explain.rise(model, x, samples=20, seed=1)
    assert_close(explain.rise(model, x, samples=20, seed=1, batch_size=7), first)
    assert_close(explain.rise(model, x[1:], samples=20, seed=1)[0], first[1])
    assert np.abs(explain.rise(model, x, samples=20, seed=2) - first).max() > 1e-4


def test_a_progress_bar_is_shown_on_a_terminal_stderr(monkeypatch, capsys):
    assert progress_bar([1, 2], "RISE") == [1, 2]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert list(progress_bar([1, 2], "RISE")) == [1, 2]
    captured = capsys.readouterr()
    assert "RISE" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cells": 1}, "`cells` must be a whole number of at least 2, got 1"),
        ({"fill": (0, 0)}, "`fill` must be one number or 3, one for each band, got 2"),
        ({"target": 3}, "`target` must be a class from 0 to 2, got 3"),
        ({"samples": 0}, "`samples` must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_arguments_raise_an_error(arguments, message):
    model = zoo.cnn((8, 8, 3), 3, filters=(2,), units=())
    with pytest.raises(ValueError, match=f"rise: {message}"):
        explain.rise(model, random_array(1, 8, 8, 3), **arguments)


def test_tables_and_tokens_raise_an_error():
    with pytest.raises(ValueError, match="rise: `model` must take images or series, whose neighbors are related"):
        explain.rise(zoo.dnn((4,), 2), random_array(1, 4))
    tokens = layers.Input((5, 1), dtype="int32")
    model = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(4, 2)(tokens))))
    with pytest.raises(ValueError, match="floating-point inputs, which a mask can fade out, its inputs are int32"):
        explain.rise(model, np.zeros((1, 5, 1)))
