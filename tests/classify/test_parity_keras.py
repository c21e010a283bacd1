"""The same answer as keras.applications' networks, on the same random weights and moving statistics."""

import re

import keras
import numpy as np
import pytest

import zoo

apps = keras.applications


def randomised(model):
    """Biases, scales and moving statistics away from 0 and 1, so that a mistake in them shows."""
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, n), *rng.normal(0, 0.1, (2, n)), rng.uniform(0.5, 1.5, n)])
        elif layer.weights and layer.get_weights()[-1].ndim == 1:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def weighted(model):
    return [layer for layer in model.layers if layer.weights]


def difference(reference, ours, shape):
    """The largest difference, as a share of what tells two images apart, where that is below 1."""
    x = np.random.default_rng(4).normal(0, 1, (2, *shape)).astype("float32")
    expected, found = (np.asarray(m(x, training=False)) for m in (reference, ours))
    return np.abs(expected - found).max() / min(1, np.abs(expected[0] - expected[1]).max())


@pytest.mark.parametrize(
    ("reference", "ours", "shape"),
    [
        pytest.param(apps.VGG16, zoo.vgg16, (32, 32, 3), marks=pytest.mark.slow),
        pytest.param(apps.DenseNet121, zoo.densenet121, (65, 64, 3), marks=pytest.mark.slow),
        (apps.MobileNetV2, zoo.mobilenet_v2, (65, 64, 3)),  # one side even, one odd: padded differently
    ],
)
def test_a_chain_answers_as_keras_applications(reference, ours, shape):
    theirs = randomised(reference(weights=None, input_shape=shape, classes=10, classifier_activation=None))
    mine = ours(shape, 10, activation=None)
    for a, b in zip(weighted(theirs), weighted(mine), strict=True):
        b.set_weights(a.get_weights())
    assert difference(theirs, mine, shape) <= 1e-4


def renamed(name):
    """Our name of a layer of keras.applications' ResNets."""
    if found := re.fullmatch(r"conv(\d)_block(\d+)_(\w+?)_(conv|bn)", name):
        stage, block, part, kind = found.groups()
        part = {"0": "shortcut", "preact": "before"}.get(part) or f"conv{int(part) - 1}"
        return f"stage{int(stage) - 2}_block{int(block) - 1}_{part}" + ("_norm" if kind == "bn" else "")
    return {"conv1_conv": "stem", "conv1_bn": "stem_norm", "post_bn": "post_norm", "predictions": "head"}[name]


@pytest.mark.parametrize(
    ("reference", "ours", "options"),
    [
        pytest.param(apps.ResNet50, zoo.resnet50, {"version": 1}, marks=pytest.mark.slow),
        (apps.ResNet50V2, zoo.resnet50v2, {}),
    ],
)
def test_a_resnet_answers_as_keras_applications(reference, ours, options):
    shape = (65, 64, 3)
    theirs = randomised(reference(weights=None, input_shape=shape, classes=10, classifier_activation=None))
    mine = ours(shape, 10, activation=None, **options)
    filled, biases = set(), {}
    for layer in weighted(theirs):
        target, values = mine.get_layer(renamed(layer.name)), layer.get_weights()
        if len(values) > len(target.weights):  # their biased convolution: its bias goes into our moving mean
            biases[f"{target.name}_norm"] = values.pop()
        target.set_weights(values)
        filled.add(target.name)
    for name, bias in biases.items():
        mine.get_layer(name).moving_mean.assign(mine.get_layer(name).moving_mean - bias)
    assert filled == {layer.name for layer in weighted(mine)}
    assert len(biases) == (53 if options else 0)
    assert difference(theirs, mine, shape) <= 1e-4
