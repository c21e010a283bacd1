"""Every explanation method on every architecture of the registry; methods that do not support it give the reason."""

import re

import keras
import numpy as np
import pytest

import zoo
from tests.cases import CASES
from tests.test_contract import batch, build
from zoo import explain
from zoo.explain.function_cache import cache_compiled_functions
from zoo.registry import entries

METHODS = (
    "saliency",
    "smoothgrad",
    "integrated_gradients",
    "gradient_input",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
    "occlusion",
    "rise",
    "lime",
    "shap_values",
)
CHEAP = {
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 2, "tolerance": 1e9},
    "rise": {"samples": 2, "cells": 2},
    "lime": {"samples": 4, "segments": 40},
    "shap_values": {"samples": 40},
}


def cheap_options(method, x):
    """Returns the options that make a method cheapest; occlusion hides the whole input at once."""
    if method != "occlusion":
        return CHEAP.get(method, {})
    sides = x.shape[1:-1] or x.shape[1:]
    return {"patch": sides, "stride": sides}


def check_methods(name):
    """Runs the methods that support the tiny case of `name`; the others must raise the announced reason."""
    model = build(name)
    x = batch(model, name, size=1)
    reasons = explain.methods(model)
    assert sorted(reasons) == sorted(METHODS)
    with cache_compiled_functions():  # compiling takes most of the time
        for method in METHODS:
            function = getattr(explain, method)
            if reasons[method]:
                with pytest.raises((ValueError, ModuleNotFoundError), match=re.escape(f"{method}: {reasons[method]}")):
                    function(model, x, 0)
                continue
            values = function(model, x, 0, **cheap_options(method, x))
            assert values.shape == (x.shape[:1] + (x.shape[1:-1] or x.shape[1:])), method
            assert values.dtype == np.float32, method
            assert np.isfinite(values).all(), method


SLOW = ("crnn", "coatnet", "convlstm", "convlstm_keras")  # take ten seconds or more


def case_names():
    """Yields every name of `CASES`; variants of a family and networks that take long are slow tests."""
    for name in sorted(CASES):
        yield pytest.param(name, marks=[pytest.mark.slow] if entries[name].parent or name in SLOW else [])


@pytest.mark.parametrize("name", list(case_names()))
def test_every_method_runs_or_raises_the_announced_reason(name):
    check_methods(name)


def test_classifiers_and_segmentation_models_support_the_main_methods():
    for name in ("cnn", "resnet", "vit", "unet"):
        reasons = explain.methods(build(name))
        for method in ("saliency", "gradcam", "occlusion", "rise", "shap_values"):
            assert reasons[method] == "" or "fieldzoo[shap]" in reasons[method], (name, method)


def test_reasons_name_what_the_model_lacks():
    two = keras.Input((4,)), keras.Input((4,))
    reasons = explain.methods(keras.Model(two, keras.layers.Add()(two)))
    assert set(reasons.values()) == {"`model` must have one input, got 2"}
    reasons = explain.methods(zoo.dnn((4,), 2))
    assert reasons["gradcam"].startswith("last_spatial: no layer of `dnn`")
    assert reasons["rise"].startswith("`model` must take images or series")
    assert reasons["lime"].startswith("`model` must take floating-point images")
    assert reasons["shap_values"] in ("", "the package shap is missing; pip install 'fieldzoo[shap]'")
