"""Parity with the networks of keras.applications, with the same random weights and moving statistics."""

import re

import keras
import numpy as np
import pytest

import zoo

apps = keras.applications


def randomize(model):
    """Sets biases, scales and moving statistics to values other than 0 and 1, so that mistakes in them show."""
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 1.5, n), *rng.normal(0, 0.1, (2, n)), rng.uniform(0.5, 1.5, n)])
        elif layer.weights and layer.get_weights()[-1].ndim == 1:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def layers_with_weights(model):
    return [layer for layer in model.layers if layer.weights]


def relative_difference(reference, ours, shape):
    """Returns the largest difference, as a fraction of that between two images if the latter is below 1."""
    x = np.random.default_rng(4).normal(0, 1, (2, *shape)).astype("float32")
    expected, actual = (np.asarray(m(x, training=False)) for m in (reference, ours))
    return np.abs(expected - actual).max() / min(1, np.abs(expected[0] - expected[1]).max())


@pytest.mark.parametrize(
    ("reference", "ours", "shape"),
    [
        pytest.param(apps.VGG16, zoo.vgg16, (32, 32, 3), marks=pytest.mark.slow),
        pytest.param(apps.DenseNet121, zoo.densenet121, (65, 64, 3), marks=pytest.mark.slow),
        (apps.MobileNetV2, zoo.mobilenet_v2, (65, 64, 3)),  # an even and an odd side are padded differently
    ],
)
def test_a_network_without_named_parts_equals_keras_applications(reference, ours, shape):
    theirs = randomize(reference(weights=None, input_shape=shape, classes=10, classifier_activation=None))
    mine = ours(shape, 10, activation=None)
    for a, b in zip(layers_with_weights(theirs), layers_with_weights(mine), strict=True):
        b.set_weights(a.get_weights())
    assert relative_difference(theirs, mine, shape) <= 1e-4


def our_layer_name(name):
    """Returns our name of a layer of the ResNets in keras.applications."""
    if match := re.fullmatch(r"conv(\d)_block(\d+)_(\w+?)_(conv|bn)", name):
        stage, block, part, kind = match.groups()
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
def test_a_resnet_equals_keras_applications(reference, ours, options):
    shape = (65, 64, 3)
    theirs = randomize(reference(weights=None, input_shape=shape, classes=10, classifier_activation=None))
    mine = ours(shape, 10, activation=None, **options)
    assigned, biases = set(), {}
    for layer in layers_with_weights(theirs):
        target, values = mine.get_layer(our_layer_name(layer.name)), layer.get_weights()
        if len(values) > len(target.weights):  # a bias of theirs becomes part of our moving mean
            biases[f"{target.name}_norm"] = values.pop()
        target.set_weights(values)
        assigned.add(target.name)
    for name, bias in biases.items():
        mine.get_layer(name).moving_mean.assign(mine.get_layer(name).moving_mean - bias)
    assert assigned == {layer.name for layer in layers_with_weights(mine)}
    assert len(biases) == (53 if options else 0)
    assert relative_difference(theirs, mine, shape) <= 1e-4
