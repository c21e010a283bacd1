"""Parity with the installed KerasHub: weights of its models give its logits. Skipped where it is not installed."""

import importlib
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.convert.test_parity import CASES
from tests.golden.seeded_arrays import images, seeded_array
from tests.tolerance import assert_close

pytest.importorskip("keras_hub", reason="KerasHub is an extra: pip install fieldzoo[kerashub]")
HUB = [case for case in CASES if "hub" in case]


@pytest.fixture
def networks(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "golden")
    return importlib.import_module("make_convert_hub").CASES


def with_random_weights(model):
    """The model with weights drawn from their names, so that none is zero or one."""
    for weight in model.weights:
        weight.assign(seeded_array(weight.path, tuple(weight.shape)))
    return model


@pytest.mark.parametrize("case", HUB)
def test_the_logits_are_those_of_the_installed_keras_hub(case, networks):
    build, size, arguments = CASES[case]
    source = with_random_weights(networks[case][0]())
    model = build((size, size, 3), 5, **arguments, activation=None)
    zoo.load_weights(model, source)
    x = images(case, (2, size, size, 3))
    expected = keras.ops.convert_to_numpy(source(x, training=False))
    assert np.ptp(expected, axis=0).max() > 0.3  # the two images differ, so the logits are not only biases
    assert_close(model(x, training=False), expected, rtol=1e-4)


@pytest.mark.parametrize("case", HUB)
def test_a_backbone_sets_all_weights_but_the_heads(case, networks):
    build, size, arguments = CASES[case]
    if case == "vgg/hub":
        arguments = {**arguments, "units": ()}  # the dense layers are the classifier's, not the backbone's
    source = networks[case][0]()
    backbone = with_random_weights(source.backbone)
    model = build((size, size, 3), 5, **arguments, activation=None)
    head = np.asarray(model.get_layer("head").kernel)
    zoo.load_weights(model, backbone, head=False)
    np.testing.assert_array_equal(model.get_layer("head").kernel, head)
    x = images(case, (2, size, size, 3))
    pooled = keras.Model(model.input, model.get_layer("head").input)(x, training=False)
    expected = np.asarray(backbone(x, training=False))
    expected = {"vit/hub": lambda t: t[:, 0], "vgg/hub": lambda t: t.reshape(len(t), -1)}.get(
        case, lambda t: t.mean((1, 2))
    )(expected)
    assert_close(pooled, expected, rtol=1e-4)


def test_an_unknown_preset_is_refused():
    model = zoo.resnet((32, 32, 3), 5, depths=(1, 2), block="basic")
    with pytest.raises(ValueError, match="KerasHub cannot load the preset 'resnet_18_nothing'"):
        zoo.load_weights(model, "resnet_18_nothing")
