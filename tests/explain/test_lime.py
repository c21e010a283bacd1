"""LIME against a model of one quadrant and a model that is linear in its superpixels."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import draw
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain import score

pytest.importorskip("lime", reason="the extra `shap` is not installed")


@keras.saving.register_keras_serializable("tests")
class Quadrant(layers.Layer):
    """How strong the upper right quarter is, in its first band."""

    def call(self, x):
        return keras.ops.mean(x[:, :8, 8:, :1] ** 2, axis=(1, 2))


def quarters(bands=3):
    """Noise in four quarters that superpixels keep apart."""
    image = draw(1, 16, 16, bands)
    image[:, :8, 8:] += 20
    image[:, 8:, :8] += 40
    image[:, 8:, 8:] += 60
    return image


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_a_model_of_one_quadrant_is_found(bands):
    inputs = layers.Input((16, 16, bands))
    model = keras.Model(inputs, Quadrant()(inputs))
    found = explain.lime(model, quarters(bands), segments=4, samples=400)[0]
    inside = np.zeros((16, 16), bool)
    inside[:8, 8:] = True
    assert np.abs(found[inside]).sum() > 0.9 * np.abs(found).sum()
    assert found.max() > 0


def test_a_model_that_is_linear_in_its_superpixels_has_their_worth():
    inputs = layers.Input((16, 16, 1))
    model = keras.Model(inputs, Quadrant()(inputs))
    image = quarters(1)
    found = explain.lime(model, image, segments=4, samples=2000, kernel_width=10.0)[0, :8, 8:]
    worth = {}
    for value in np.unique(found):  # hidden, a superpixel loses what its own mean does not keep
        part = image[0, :8, 8:, 0][found == value]
        worth[float(value)] = (part.size / 64) * part.var()
    np.testing.assert_allclose(list(worth), list(worth.values()), rtol=0.05, atol=0.01)


def test_targets_are_taken_example_by_example_and_the_seed_decides():
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    x = draw(2, 8, 8, 1)
    both = explain.lime(model, x, (0, 2), segments=6, samples=60)
    assert both.shape == (2, 8, 8) and both.dtype == np.float32
    assert_close(explain.lime(model, x[:1], 0, segments=6, samples=60)[0], both[0])
    assert_close(explain.lime(model, x, (0, 2), segments=6, samples=60, batch_size=7), both)
    assert np.abs(explain.lime(model, x, (0, 2), segments=6, samples=60, seed=1) - both).max() > 1e-6


def test_a_segmenter_is_explained_over_a_region():
    inputs = layers.Input((16, 16, 1))
    model = keras.Model(inputs, layers.Conv2D(2, 1, activation=keras.ops.square)(inputs))
    region = np.zeros((16, 16))
    region[8:, :8] = 1
    found = np.abs(explain.lime(model, quarters(1), 0, mask=region, segments=4, samples=300)[0])
    assert found[8:, :8].sum() > 0.9 * found.sum()


def test_constant_images_have_nothing_to_hide():
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    np.testing.assert_allclose(explain.lime(model, np.full((1, 8, 8, 1), 0.7), segments=4, samples=20), 0, atol=1e-5)


def test_what_does_not_suit_is_refused(monkeypatch):
    with pytest.raises(
        ValueError, match=r"lime: `model` must take images of real numbers, .*, got float32 \(None, 4\)"
    ):
        explain.lime(zoo.dnn((4,), 2), draw(1, 4))
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    with pytest.raises(ValueError, match="lime: `target` must be a class from 0 to 2, got 3"):
        explain.lime(model, draw(1, 8, 8, 1), 3)
    with pytest.raises(ValueError, match="lime: the image must have two superpixels, SLIC finds 1; raise `segments`"):
        explain.lime(model, draw(1, 8, 8, 1), 1, segments=1)
    monkeypatch.setattr(score.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"lime: the package lime is missing; pip install 'fieldzoo\[shap\]'"):
        explain.lime(model, draw(1, 8, 8, 1))
    assert "fieldzoo[shap]" in explain.methods(model)["lime"]
