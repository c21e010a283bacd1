"""Networks of species' distributions: parity with the packages of their methods, and ranges that are adapted."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.golden.seeded_arrays import seeded_array
from tests.tolerance import assert_close
from zoo.layers import LassoDense, LocationEncoding, MaxentFeatures

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "maxent.npz")
X = (2 + seeded_array("environment", (40, 3))).astype("float32")
PRESENCES = np.arange(40) < 12


def features(*classes, **options):
    layer = MaxentFeatures(classes, **options)
    layer.build((None, 3))
    layer.adapt(X)
    return layer


def test_features_and_penalties_are_those_of_maxent():
    layer = features("linear", "quadratic", "hinge", hinges=4)
    assert layer.feature_counts(3) == {"linear": 3, "quadratic": 3, "hinge": 18, "category": 0}
    ours = np.asarray(layer(X))
    assert_close(ours, GOLDEN["features"])
    assert_close(layer.penalties(ours, PRESENCES), GOLDEN["penalties"])


def test_products_and_thresholds_lie_between_0_and_1():
    layer = features("product", "threshold", thresholds=2)
    values = np.asarray(layer(X))
    low, high = X.min(0), X.max(0)
    product = (X[:, 0] * X[:, 2] - low[0] * low[2]) / (high[0] * high[2] - low[0] * low[2])
    assert_close(values[:, 1], product)
    assert (values >= 0).all() and (values <= 1).all()
    assert_close(values[:, 3], (X[:, 0] >= low[0] + (high[0] - low[0]) / 3).astype("float32"))


def test_features_stay_constant_outside_of_the_range():
    layer = features("linear", "quadratic", "product", "hinge", "threshold", hinges=3, thresholds=2)
    assert_close(layer(X.max(0, keepdims=True) + 5), layer(X.max(0, keepdims=True)))


def test_categories_pass_through():
    layer = MaxentFeatures(("linear",), numbers=2)
    assert_close(np.asarray(layer(X))[:, 2], X[:, 2])
    assert layer.penalties(np.asarray(layer(X)), PRESENCES).shape == (3,)


def test_lasso_adds_the_penalties_of_its_weights_to_the_loss():
    layer = LassoDense(2)
    layer.build((None, 3))
    layer.set_weights([seeded_array("w", (3, 2)), np.zeros(2), np.array([1.0, 0.5, 0.0])])
    layer(X)
    assert_close(layer.losses[0], (np.abs(seeded_array("w", (3, 2))).sum(1) * [1.0, 0.5, 0.0]).sum())


def relu(x):
    return np.maximum(x, 0)


def test_deepmaxent_adds_each_layer_to_its_input():
    model = zoo.deepmaxent((3,), 2, width=5, depth=2, activation="linear")
    weights = [seeded_array(w.path, w.shape) for w in model.weights]
    model.set_weights(weights)
    x = relu(X @ weights[0] + weights[1])
    for kernel, bias in (weights[2:4], weights[4:6]):
        x = relu(x @ kernel + bias) + x
    assert_close(model(X), x @ weights[6] + weights[7])


def test_sinr_encodes_coordinates_only():
    model = zoo.sinr((3,), 2, environment=1, width=5, depth=1)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for layer in layers:
        layer.set_weights([seeded_array(w.path, w.shape) for w in layer.weights])
    first, second, third, head = ([np.asarray(w) for w in layer.get_weights()] for layer in layers)
    angle = np.pi * X[:, :2]
    x = relu(np.concatenate([np.sin(angle), np.cos(angle), X[:, 2:]], axis=1) @ first[0] + first[1])
    x = x + relu(relu(x @ second[0] + second[1]) @ third[0] + third[1])
    assert_close(model(X), 1 / (1 + np.exp(-(x @ head[0]))))


def test_the_range_of_coordinates_is_half_a_turn():
    layer = LocationEncoding()
    layer.build((None, 3))
    layer.adapt(X)
    ends = np.asarray(layer(np.stack([X.min(0), X.max(0)])))
    assert_close(ends[:, :3], [[-1] * 3, [1] * 3])
    assert_close(ends[:, 3:], np.zeros((2, 3)), scale=1.0)


def test_feature_classes_are_needed():
    with pytest.raises(ValueError, match="`feature_classes` must have one or more"):
        zoo.maxent_features((3,), 2, feature_classes=())
