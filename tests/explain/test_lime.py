"""LIME on a model that depends on one quadrant, and on one that is linear in its superpixels."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain import model_requirements

pytest.importorskip("lime", reason="the extra `shap` is not installed")


@keras.saving.register_keras_serializable("tests")
class Quadrant(layers.Layer):
    """Outputs the mean square of the upper right quadrant, in its first band."""

    def call(self, x):
        return keras.ops.mean(x[:, :8, 8:, :1] ** 2, axis=(1, 2))


def quadrant_image(bands=3):
    """Noise in four quadrants of different brightness, which superpixels separate."""
    image = random_array(1, 16, 16, bands)
    image[:, :8, 8:] += 20
    image[:, 8:, :8] += 40
    image[:, 8:, 8:] += 60
    return image


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_the_quadrant_that_a_model_depends_on_has_most_of_the_coefficients(bands):
    inputs = layers.Input((16, 16, bands))
    model = keras.Model(inputs, Quadrant()(inputs))
    coefficients = explain.lime(model, quadrant_image(bands), segments=4, samples=400)[0]
    inside = np.zeros((16, 16), bool)
    inside[:8, 8:] = True
    assert np.abs(coefficients[inside]).sum() > 0.9 * np.abs(coefficients).sum()
    assert coefficients.max() > 0


def test_coefficients_of_a_model_that_is_linear_in_its_superpixels_are_exact():
    inputs = layers.Input((16, 16, 1))
    model = keras.Model(inputs, Quadrant()(inputs))
    image = quadrant_image(1)
    coefficients = explain.lime(model, image, segments=4, samples=2000, kernel_width=10.0)[0, :8, 8:]
    effects = {}
    for value in np.unique(coefficients):  # a hidden superpixel keeps its mean and loses its variance
        part = image[0, :8, 8:, 0][coefficients == value]
        effects[float(value)] = (part.size / 64) * part.var()
    np.testing.assert_allclose(list(effects), list(effects.values()), rtol=0.05, atol=0.01)


def test_the_map_depends_on_the_target_and_the_seed_but_not_on_the_batch_size():
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    x = random_array(2, 8, 8, 1)
    both = explain.lime(model, x, (0, 2), segments=6, samples=60)
    assert both.shape == (2, 8, 8) and both.dtype == np.float32
    assert_close(explain.lime(model, x[:1], 0, segments=6, samples=60)[0], both[0])
    assert_close(explain.lime(model, x, (0, 2), segments=6, samples=60, batch_size=7), both)
    assert np.abs(explain.lime(model, x, (0, 2), segments=6, samples=60, seed=1) - both).max() > 1e-6


def test_a_segmentation_model_is_explained_within_the_mask():
    inputs = layers.Input((16, 16, 1))
    model = keras.Model(inputs, layers.Conv2D(2, 1, activation=keras.ops.square)(inputs))
    region = np.zeros((16, 16))
    region[8:, :8] = 1
    coefficients = np.abs(explain.lime(model, quadrant_image(1), 0, mask=region, segments=4, samples=300)[0])
    assert coefficients[8:, :8].sum() > 0.9 * coefficients.sum()


def test_a_constant_image_has_coefficients_of_zero():
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    np.testing.assert_allclose(explain.lime(model, np.full((1, 8, 8, 1), 0.7), segments=4, samples=20), 0, atol=1e-5)


def test_wrong_models_targets_and_missing_packages_raise_an_error(monkeypatch):
    with pytest.raises(ValueError, match=r"lime: `model` must take floating-point images, .*, got float32 \(None, 4\)"):
        explain.lime(zoo.dnn((4,), 2), random_array(1, 4))
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    with pytest.raises(ValueError, match="lime: `target` must be a class from 0 to 2, got 3"):
        explain.lime(model, random_array(1, 8, 8, 1), 3)
    with pytest.raises(ValueError, match="lime: the image must have two superpixels, SLIC finds 1; raise `segments`"):
        explain.lime(model, random_array(1, 8, 8, 1), 1, segments=1)
    monkeypatch.setattr(model_requirements.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"lime: the package lime is missing; pip install 'fieldzoo\[shap\]'"):
        explain.lime(model, random_array(1, 8, 8, 1))
    assert "fieldzoo[shap]" in explain.methods(model)["lime"]
