"""RISE against models whose only pixel, step or band is known."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import draw
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain import progress
from zoo.explain.attribution.rise import _enlarged, _mask


@keras.saving.register_keras_serializable("tests")
class Look(layers.Layer):
    """Answers one place of its input, one number a band."""

    def __init__(self, *place, **options):
        super().__init__(**options)
        self.place = place

    def call(self, x):
        return x[(slice(None), *self.place)]


def looking(shape, *place):
    inputs = layers.Input(shape)
    return keras.Model(inputs, Look(*place)(inputs))


@pytest.mark.parametrize("place", [(3, 5), (12, 2), (0, 15)])
def test_the_one_pixel_that_counts_is_found(place):
    found = explain.rise(looking((16, 16, 2), *place), np.ones((2, 16, 16, 2)), 1, samples=600, cells=6)
    for one in found:
        assert np.hypot(*np.subtract(np.unravel_index(one.argmax(), one.shape), place)) <= 1.5
        # What a mask m opens is answered: the mean of m^2 / the mean of m, less the mean of m, which is a half.
        assert 0.5 >= one[place] > 0.98 * one.max() > 0.1
        assert abs(np.median(one)) < 0.05  # far away, it does not matter


def test_steps_of_a_series_are_found():
    found = explain.rise(looking((20, 1), 14), np.ones((1, 20, 1)), 0, samples=400)
    assert found.shape == (1, 20)
    assert abs(found[0].argmax() - 14) <= 1


def test_where_nothing_matters_the_map_is_zero():
    inputs = layers.Input((9, 7, 1))
    model = keras.Model(inputs, layers.Dense(2, "softmax", kernel_initializer="zeros")(layers.Flatten()(inputs)))
    np.testing.assert_allclose(explain.rise(model, draw(1, 9, 7, 1), 1, samples=10), 0, atol=1e-6)


def test_what_is_hidden_is_filled():
    model = looking((8, 8, 2), 4, 4)
    x = np.stack([np.full((8, 8), 3.0), np.full((8, 8), -1.0)], axis=-1)[None]
    np.testing.assert_allclose(explain.rise(model, x, 0, samples=10, fill=(3, 5)), 0, atol=1e-5)
    assert explain.rise(model, x, 1, samples=200, fill=(3, 5))[0, 4, 4] < -0.5  # seen, it is -1; hidden, 5


def test_masks_are_those_of_the_paper():
    weights = _enlarged(7, 224)
    assert weights.shape == (32, 224, 7)
    assert_close(weights.sum(axis=-1), 1)
    masks = np.stack([_mask(0, n, 7, (40, 30), [_enlarged(7, 40), _enlarged(7, 30)]) for n in range(400)])
    assert masks.shape == (400, 40, 30)
    assert masks.min() == 0 and masks.max() == 1
    assert abs(masks.mean() - 0.5) < 0.02
    assert ((masks > 0) & (masks < 1)).mean() > 0.5  # smooth, not binary


def test_the_map_is_that_of_the_seed_whatever_the_batch():
    model = zoo.cnn((8, 8, 1), 3, filters=(4,), units=())
    x = draw(2, 8, 8, 1)
    first = explain.rise(model, x, samples=20, seed=1)
    assert_close(explain.rise(model, x, samples=20, seed=1, batch_size=7), first)
    assert_close(explain.rise(model, x[1:], samples=20, seed=1)[0], first[1])
    assert np.abs(explain.rise(model, x, samples=20, seed=2) - first).max() > 1e-4


def test_a_bar_on_stderr_shows_how_far_it_is(monkeypatch, capsys):
    assert progress.advancing([1, 2], "RISE") == [1, 2]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert list(progress.advancing([1, 2], "RISE")) == [1, 2]
    shown = capsys.readouterr()
    assert "RISE" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cells": 1}, "`cells` must be a whole number of at least 2, got 1"),
        ({"fill": (0, 0)}, "`fill` must be one number or 3, one for each band, got 2"),
        ({"target": 3}, "`target` must be a class from 0 to 2, got 3"),
        ({"samples": 0}, "`samples` must be a whole number of at least 1, got 0"),
    ],
)
def test_what_does_not_suit_is_refused(arguments, message):
    model = zoo.cnn((8, 8, 3), 3, filters=(2,), units=())
    with pytest.raises(ValueError, match=f"rise: {message}"):
        explain.rise(model, draw(1, 8, 8, 3), **arguments)


def test_tables_and_tokens_are_refused():
    with pytest.raises(ValueError, match="rise: `model` must take images or series, whose neighbours belong together"):
        explain.rise(zoo.dnn((4,), 2), draw(1, 4))
    tokens = layers.Input((5, 1), dtype="int32")
    model = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(4, 2)(tokens))))
    with pytest.raises(ValueError, match="real numbers, which can fade behind a mask, its inputs are int32"):
        explain.rise(model, np.zeros((1, 5, 1)))
