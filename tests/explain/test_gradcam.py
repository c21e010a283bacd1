"""Grad-CAM compared with its closed form, and on every kind of model."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain


def pooled_model(bands=3, activation="softmax"):
    """A model of a convolution, global average pooling and a dense layer, which has a closed form."""
    inputs = layers.Input((9, 7, bands))
    maps = layers.Conv2D(4, 3, padding="same", activation="tanh", name="maps")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(maps)
    return keras.Model(inputs, layers.Dense(3, activation=activation, name="head")(x))


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_gradcam_with_average_pooling_and_a_dense_head_is_the_weighted_sum_of_the_feature_maps(bands):
    model = pooled_model(bands)
    x = random_array(2, 9, 7, bands)
    maps = keras.Model(model.inputs, model.get_layer("maps").output).predict(x, verbose=0)
    weights = model.get_layer("head").kernel.numpy()[:, 2]
    assert_close(explain.gradcam(model, x, 2), np.maximum(maps @ weights, 0) / (9 * 7))


def test_coarse_maps_are_resized_to_the_input_and_not_rescaled():
    inputs = layers.Input((8, 12, 1))
    maps = layers.AveragePooling2D(4, name="maps")(inputs)
    head = layers.Dense(2, kernel_initializer="ones")
    model = keras.Model(inputs, head(layers.GlobalAveragePooling2D(name="pool")(maps)))
    result = explain.gradcam(model, np.full((1, 8, 12, 1), 3.0), 0)
    assert_close(result, np.full((1, 8, 12), 3.0 / 6))


def backbone_layers():
    return [layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(5, 3, activation="relu")]


def models():
    yield keras.Sequential(
        [layers.Input((12, 12, 5)), *backbone_layers(), layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    top = [layers.GlobalAveragePooling2D(), layers.Dense(3)]
    yield keras.Sequential([layers.Input((12, 12, 5)), keras.Sequential(backbone_layers()), *top])
    inputs = layers.Input((12, 12, 5))
    x = inner = layers.Input((12, 12, 5))
    for layer in backbone_layers():
        x = layer(x)
    whole = keras.Model(inner, layers.GlobalMaxPooling2D()(x))
    yield keras.Model(inputs, layers.Dense(3, activation="softmax")(whole(inputs)))
    x = keras.Model(inner, x)(inputs)
    yield keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("number", range(4))
def test_sequential_functional_and_nested_models_need_no_layer_name(number):
    model = list(models())[number]
    result = explain.gradcam(model, random_array(1, 12, 12, 5))
    assert result.shape == (1, 12, 12)
    assert np.isfinite(result).all()
    by_class = (
        explain.gradcam(model, random_array(1, 12, 12, 5), 0),
        explain.gradcam(model, random_array(1, 12, 12, 5), 1),
    )
    assert np.abs(by_class[0] - by_class[1]).max() > 0
    assert all("call" not in vars(layer) for layer in model.layers)


def test_gradcam_of_a_series_is_a_map_over_time():
    inputs = layers.Input((10, 2))
    maps = layers.Conv1D(3, 3, padding="same", name="maps")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="head")(layers.GlobalAveragePooling1D(name="pool")(maps)))
    x = random_array(2, 10, 2)
    expected = keras.Model(inputs, maps).predict(x, verbose=0) @ model.get_layer("head").kernel.numpy()[:, 1] / 10
    assert_close(explain.gradcam(model, x, 1), np.maximum(expected, 0))


def test_a_model_without_a_feature_map_raises_an_error_that_methods_reports():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="gradcam: last_spatial: no layer"):
        explain.gradcam(model, random_array(1, 4))
    assert "last_spatial: no layer" in explain.methods(model)["gradcam"]
    assert explain.methods(model)["saliency"] == ""


def test_a_feature_map_without_gradient_raises_an_error():
    inputs = layers.Input((9, 7, 3))
    maps = ops.stop_gradient(layers.Conv2D(4, 3, name="maps")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D(name="pool")(ops.sign(maps))))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)) + ops.stop_gradient(model(inputs)))
    with pytest.raises(ValueError, match="has no gradient with respect to the output of"):
        explain.gradcam(model, random_array(1, 9, 7, 3))
