"""Unusual inputs: classes out of range, constant images, one band, one example, half precision, no feature map."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.function_cache import cache_compiled_functions

CHEAP = {
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 8, "tolerance": 0.5},
    "rise": {"samples": 4, "cells": 2},
    "lime": {"samples": 8, "segments": 6},
    "shap_values": {"samples": 20},
}
METHODS = tuple(explain.methods(zoo.dnn((4,), 2)))


def is_installed(method):
    """Whether the package that a method needs is installed."""
    package = {"lime": "lime", "shap_values": "shap"}.get(method)
    return package is None or importlib.util.find_spec(package) is not None


def relu_model(policy="float32"):
    """A tiny classifier of one band with ReLUs, which every method supports."""
    keras.config.set_dtype_policy(policy)
    return zoo.cnn((12, 12, 1), 3, filters=(4,), units=())


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float16"])
def test_every_method_explains_a_constant_image_of_one_band_in_every_precision(policy):
    model, x = relu_model(policy), np.full((1, 12, 12, 1), 0.7)
    assert not {m: reason for m, reason in explain.methods(model).items() if reason and is_installed(m)}
    with cache_compiled_functions():
        for method in filter(is_installed, METHODS):
            values = getattr(explain, method)(model, x, **CHEAP.get(method, {}))
            assert values.shape == (1, 12, 12), method
            assert values.dtype == np.float32, method
            assert np.isfinite(values).all(), method


def test_explanations_in_half_precision_equal_those_in_single_precision():
    single, x = relu_model(), random_array(1, 12, 12, 1)
    half = relu_model("mixed_float16")
    half.set_weights(single.get_weights())
    for method in ("saliency", "gradcam", "occlusion"):
        expected = getattr(explain, method)(single, x, 1)
        values = getattr(explain, method)(half, x, 1)
        assert_close(values, expected, rtol=0.02, err_msg=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_class_out_of_range_raises_an_error_with_the_range(method):
    with pytest.raises(ValueError, match=f"{method}: `target` must be a class from 0 to 2, got 3"):
        getattr(explain, method)(relu_model(), random_array(1, 12, 12, 1), 3)
    with pytest.raises(ValueError, match="`target.* must be a whole number of at least 0, got -1"):
        getattr(explain, method)(relu_model(), random_array(1, 12, 12, 1), -1)


@pytest.mark.parametrize("method", METHODS)
def test_an_example_without_a_batch_axis_raises_an_error_with_a_hint(method):
    with pytest.raises(ValueError, match=rf"{method}: `inputs` must be numbers .* needs a batch axis: inputs\[None\]"):
        getattr(explain, method)(relu_model(), random_array(12, 12, 1), 0)


def test_a_model_without_a_feature_map_supports_only_methods_that_need_none():
    inputs = layers.Input((6, 6, 2))
    flat = layers.Dense(5, activation="relu")(layers.Flatten()(inputs))
    model, x = keras.Model(inputs, layers.Dense(3)(flat), name="flat"), random_array(1, 6, 6, 2)
    reasons = explain.methods(model)
    for method in ("gradcam", "guided_gradcam"):
        assert "last_spatial: no layer of `flat`" in reasons[method]
        with pytest.raises(ValueError, match=f"{method}: last_spatial: no layer of `flat`"):
            getattr(explain, method)(model, x, 0)
    with cache_compiled_functions():
        for method in ("saliency", "occlusion", "rise", "guided_backprop", "integrated_gradients"):
            assert reasons[method] == ""
            assert getattr(explain, method)(model, x, 0, **CHEAP.get(method, {})).shape == (1, 6, 6), method
