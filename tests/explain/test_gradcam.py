"""Grad-CAM against its closed form, and on models of every build."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.explain.test_gradients import draw
from tests.tolerance import assert_close
from zoo import explain


def pooled(bands=3, activation="softmax"):
    """Convolution, global average pooling, dense: the network of the closed form."""
    inputs = layers.Input((9, 7, bands))
    maps = layers.Conv2D(4, 3, padding="same", activation="tanh", name="maps")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(maps)
    return keras.Model(inputs, layers.Dense(3, activation=activation, name="answer")(x))


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_after_average_pooling_and_a_dense_layer_it_is_the_weighted_sum_of_the_maps(bands):
    model = pooled(bands)
    x = draw(2, 9, 7, bands)
    maps = keras.Model(model.inputs, model.get_layer("maps").output).predict(x, verbose=0)
    weights = model.get_layer("answer").kernel.numpy()[:, 2]
    assert_close(explain.gradcam(model, x, 2), np.maximum(maps @ weights, 0) / (9 * 7))


def test_coarse_maps_are_enlarged_to_the_input_and_not_scaled():
    inputs = layers.Input((8, 12, 1))
    maps = layers.AveragePooling2D(4, name="maps")(inputs)
    head = layers.Dense(2, kernel_initializer="ones")
    model = keras.Model(inputs, head(layers.GlobalAveragePooling2D(name="pool")(maps)))
    found = explain.gradcam(model, np.full((1, 8, 12, 1), 3.0), 0)
    assert_close(found, np.full((1, 8, 12), 3.0 / 6))


def backbone():
    return [layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(5, 3, activation="relu")]


def builds():
    yield keras.Sequential(
        [layers.Input((12, 12, 5)), *backbone(), layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    top = [layers.GlobalAveragePooling2D(), layers.Dense(3)]
    yield keras.Sequential([layers.Input((12, 12, 5)), keras.Sequential(backbone()), *top])
    inputs = layers.Input((12, 12, 5))
    x = inner = layers.Input((12, 12, 5))
    for layer in backbone():
        x = layer(x)
    whole = keras.Model(inner, layers.GlobalMaxPooling2D()(x))
    yield keras.Model(inputs, layers.Dense(3, activation="softmax")(whole(inputs)))
    x = keras.Model(inner, x)(inputs)
    yield keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("number", range(4))
def test_sequential_functional_and_nested_models_need_no_layer_named(number):
    model = list(builds())[number]
    found = explain.gradcam(model, draw(1, 12, 12, 5))
    assert found.shape == (1, 12, 12)
    assert np.isfinite(found).all()
    two = explain.gradcam(model, draw(1, 12, 12, 5), 0), explain.gradcam(model, draw(1, 12, 12, 5), 1)
    assert np.abs(two[0] - two[1]).max() > 0
    assert all("call" not in vars(layer) for layer in model.layers)


def test_series_have_a_map_over_time():
    inputs = layers.Input((10, 2))
    maps = layers.Conv1D(3, 3, padding="same", name="maps")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="answer")(layers.GlobalAveragePooling1D(name="pool")(maps)))
    x = draw(2, 10, 2)
    expected = keras.Model(inputs, maps).predict(x, verbose=0) @ model.get_layer("answer").kernel.numpy()[:, 1] / 10
    assert_close(explain.gradcam(model, x, 1), np.maximum(expected, 0))


def test_a_model_without_a_map_is_refused_and_says_so_beforehand():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="answers a map"):
        explain.gradcam(model, draw(1, 4))
    assert "answers a map" in explain.methods(model)["gradcam"]
    assert explain.methods(model)["saliency"] == ""


def test_a_map_that_the_answer_does_not_follow_is_refused():
    inputs = layers.Input((9, 7, 3))
    maps = ops.stop_gradient(layers.Conv2D(4, 3, name="maps")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D(name="pool")(ops.sign(maps))))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)) + ops.stop_gradient(model(inputs)))
    with pytest.raises(ValueError, match="has no gradient on the map of"):
        explain.gradcam(model, draw(1, 9, 7, 3))
