"""Every explanation on every architecture of the registry for which it makes sense; the rest refuse with the reason."""

import re

import keras
import numpy as np
import pytest

import zoo
from tests.cases import CASES
from tests.test_contract import batch, build
from zoo import explain
from zoo.explain.shared_functions import sharing
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
LEAST = {
    "smoothgrad": {"samples": 2},
    "integrated_gradients": {"steps": 2, "tolerance": 1e9},
    "rise": {"samples": 2, "cells": 2},
    "lime": {"samples": 4, "segments": 40},
    "shap_values": {"samples": 40},
}


def least(method, x):
    """The arguments that make a method cheapest: the whole input is hidden at once."""
    if method != "occlusion":
        return LEAST.get(method, {})
    sides = x.shape[1:-1] or x.shape[1:]
    return {"patch": sides, "stride": sides}


def explained(name, only=METHODS):
    """Runs the methods that apply to the tiny case of `name`, the first of `only` or all; the others must refuse."""
    model = build(name)
    x = batch(model, name, size=1)
    told = explain.methods(model)
    assert sorted(told) == sorted(METHODS)
    applied = [m for m in only if not told[m]]
    with sharing():  # compiling is what takes the time
        for method in [m for m in METHODS if told[m]] + applied:
            function = getattr(explain, method)
            if told[method]:
                with pytest.raises((ValueError, ModuleNotFoundError), match=re.escape(f"{method}: {told[method]}")):
                    function(model, x, 0)
                continue
            found = function(model, x, 0, **least(method, x))
            assert found.shape == (x.shape[:1] + (x.shape[1:-1] or x.shape[1:])), method
            assert found.dtype == np.float32, method
            assert np.isfinite(found).all(), method


def cases():
    """Every name of `CASES`: families by default, their variants, built by the same function, in the slow tests."""
    for name in sorted(CASES):
        yield pytest.param(name, marks=[pytest.mark.slow] if entries[name].parent else [])


@pytest.mark.parametrize("name", list(cases()))
def test_every_method_runs_or_refuses_with_the_reason_announced(name):
    explained(name)


def test_classifiers_and_segmenters_have_gradients_a_map_and_superpixels():
    for name in ("cnn", "resnet", "vit", "unet"):
        told = explain.methods(build(name))
        for method in ("saliency", "gradcam", "occlusion", "rise", "shap_values"):
            assert told[method] == "" or "fieldzoo[shap]" in told[method], (name, method)


def test_reasons_are_sentences_about_the_model():
    two = keras.Input((4,)), keras.Input((4,))
    told = explain.methods(keras.Model(two, keras.layers.Add()(two)))
    assert set(told.values()) == {"`model` must have one input, got 2"}
    told = explain.methods(zoo.dnn((4,), 2))
    assert told["gradcam"].startswith("last_spatial: no layer of `dnn` outputs a map")
    assert told["rise"].startswith("`model` must take images or series")
    assert told["lime"].startswith("`model` must take images of real numbers")
    assert told["shap_values"] in ("", "the package shap is missing; pip install 'fieldzoo[shap]'")
