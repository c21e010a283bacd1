"""What users bring: a class too many, a flat image, one band, one example, half precision, no map to look at."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import draw
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.shared_functions import sharing

CHEAP = {
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 8, "tolerance": 0.5},
    "rise": {"samples": 4, "cells": 2},
    "lime": {"samples": 8, "segments": 6},
    "shap_values": {"samples": 20},
}
METHODS = tuple(explain.methods(zoo.dnn((4,), 2)))


def there(method):
    """Whether the package that a method needs is installed."""
    package = {"lime": "lime", "shap_values": "shap"}.get(method)
    return package is None or importlib.util.find_spec(package) is not None


def rectified(policy="float32"):
    """A tiny classifier of one band with ReLUs, so that every method applies."""
    keras.config.set_dtype_policy(policy)
    return zoo.cnn((12, 12, 1), 3, filters=(4,), units=())


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float16"])
def test_one_flat_image_of_one_band_is_explained_by_every_method_whatever_the_precision(policy):
    model, x = rectified(policy), np.full((1, 12, 12, 1), 0.7)
    assert not {m: reason for m, reason in explain.methods(model).items() if reason and there(m)}
    with sharing():
        for method in filter(there, METHODS):
            found = getattr(explain, method)(model, x, **CHEAP.get(method, {}))
            assert found.shape == (1, 12, 12), method
            assert found.dtype == np.float32, method
            assert np.isfinite(found).all(), method


def test_half_precision_explains_as_single_precision_does():
    whole, x = rectified(), draw(1, 12, 12, 1)
    half = rectified("mixed_float16")
    half.set_weights(whole.get_weights())
    for method in ("saliency", "gradcam", "occlusion"):
        expected = getattr(explain, method)(whole, x, 1)
        found = getattr(explain, method)(half, x, 1)
        assert_close(found, expected, rtol=0.02, err_msg=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_class_out_of_range_is_named_with_the_range(method):
    with pytest.raises(ValueError, match=f"{method}: `target` must be a class from 0 to 2, got 3"):
        getattr(explain, method)(rectified(), draw(1, 12, 12, 1), 3)
    with pytest.raises(ValueError, match="`target.* must be a whole number of at least 0, got -1"):
        getattr(explain, method)(rectified(), draw(1, 12, 12, 1), -1)


@pytest.mark.parametrize("method", METHODS)
def test_one_example_without_a_batch_axis_is_told_how_to_get_one(method):
    with pytest.raises(ValueError, match=rf"{method}: `inputs` must be numbers .* needs a batch axis: inputs\[None\]"):
        getattr(explain, method)(rectified(), draw(12, 12, 1), 0)


def test_a_model_of_images_without_a_map_refuses_what_needs_one_and_gives_the_rest():
    inputs = layers.Input((6, 6, 2))
    flat = layers.Dense(5, activation="relu")(layers.Flatten()(inputs))
    model, x = keras.Model(inputs, layers.Dense(3)(flat), name="flat"), draw(1, 6, 6, 2)
    told = explain.methods(model)
    for method in ("gradcam", "guided_gradcam"):
        assert "no layer of `flat` answers a map" in told[method]
        with pytest.raises(ValueError, match=f"{method}: last_spatial: no layer of `flat` answers a map"):
            getattr(explain, method)(model, x, 0)
    with sharing():
        for method in ("saliency", "occlusion", "rise", "guided_backprop", "integrated_gradients"):
            assert told[method] == ""
            assert getattr(explain, method)(model, x, 0, **CHEAP.get(method, {})).shape == (1, 6, 6), method
