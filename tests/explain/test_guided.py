"""Guided backpropagation compared with its rule in NumPy, for every kind of ReLU."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain


@keras.saving.register_keras_serializable("tests")
class CustomReLU(layers.Layer):
    """A custom layer that calls a ReLU."""

    def call(self, x):
        return ops.relu(x)


def relu_models():
    """Yields models of two hidden layers of 5 units with a ReLU each and one output, in every way of Keras."""
    with_activation = [layers.Dense(5, activation="relu"), layers.Dense(5, activation="relu")]
    yield keras.Sequential([layers.Input((4,)), *with_activation, layers.Dense(1)])
    separate = [layers.Dense(5), layers.ReLU(), layers.Dense(5), layers.Activation("relu")]
    yield keras.Sequential([layers.Input((4,)), *separate, layers.Dense(1)])
    backbone = keras.Sequential([layers.Dense(5), layers.ReLU(max_value=100.0), layers.Dense(5), CustomReLU()])
    yield keras.Sequential([layers.Input((4,)), backbone, layers.Dense(1)])
    inputs = inner = layers.Input((4,))
    x = layers.Dense(5)(ops.relu(layers.Dense(5)(inner)))
    backbone = keras.Model(inner, x)
    inputs = layers.Input((4,))
    yield keras.Model(inputs, layers.Dense(1)(layers.Activation(keras.activations.relu)(backbone(inputs))))


def numpy_gradient(model, x, guided):
    """Returns the gradient of a network of two hidden layers, guided or not."""
    w0, b0, w1, b1, w2, _ = (w.numpy() for w in model.weights)
    first = x @ w0 + b0
    second = np.maximum(first, 0) @ w1 + b1
    gate = (lambda g: np.maximum(g, 0)) if guided else (lambda g: g)
    back = gate(w2.T * (second > 0))
    return gate((back @ w1.T) * (first > 0)) @ w0.T


@pytest.mark.parametrize("number", range(4))
def test_every_kind_of_relu_is_guided(number):
    model = list(relu_models())[number]
    x = random_array(6, 4)
    expected = numpy_gradient(model, x, guided=True)
    assert_close(explain.guided_backprop(model, x), np.abs(expected), rtol=1e-4)
    assert np.abs(expected - numpy_gradient(model, x, guided=False)).max() > 1e-3
    assert_close(explain.saliency(model, x), np.abs(numpy_gradient(model, x, False)), rtol=1e-4)


def test_relu6_passes_no_gradient_above_six():
    inputs = layers.Input((3,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(ops.relu6(inputs)))
    np.testing.assert_array_equal(explain.guided_backprop(model, [[-1, 3, 7]]), [[0, 1, 0]])


def test_negative_gradients_are_stopped():
    inputs = layers.Input((2,))
    head = layers.Dense(2, kernel_initializer=lambda shape, dtype: ops.array([[1.0, -1], [-1, 1]]))
    model = keras.Model(inputs, layers.Softmax()(head(ops.relu(inputs))))
    np.testing.assert_array_equal(explain.guided_backprop(model, [[1, 1]], 0), [[1, 0]])
    np.testing.assert_array_equal(explain.guided_backprop(model, [[1, 1]], 1), [[0, 1]])


def test_guided_gradcam_is_the_product_of_both_methods():
    model = zoo.cnn((6, 6, 5), 3, filters=(4,), units=())
    x = random_array(6, 6, 6, 5)
    product = explain.guided_backprop(model, x) * explain.gradcam(model, x)
    assert_close(explain.guided_gradcam(model, x), product)
    assert product.any()


def test_a_segmentation_model_is_explained_within_the_mask_only():
    model = zoo.unet((None, None, 2), 3, filters=(4, 6), batch_norm=True)
    region = np.zeros((16, 24))
    region[:2, :2] = 1
    x = random_array(1, 16, 24, 2)
    gradients = explain.guided_backprop(model, x, 1, mask=region)
    assert gradients[0, :4, :4].any()
    assert not gradients[0, :, 18:].any()  # beyond the receptive field of the region
    assert explain.guided_gradcam(model, x, 1, mask=region).shape == (1, 16, 24)


@pytest.mark.parametrize("activation", ["gelu", "silu", "elu", "tanh", "leaky_relu"])
def test_models_without_a_relu_raise_an_error(activation):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, activation=activation), layers.Dense(2)])
    for method in (explain.guided_backprop, explain.guided_gradcam):
        with pytest.raises(ValueError, match=f"{method.__name__}: `model` has no ReLU"):
            method(model, random_array(1, 4))
    assert "has no ReLU" in explain.methods(model)["guided_backprop"]


def test_a_relu_in_a_loop_raises_an_error():
    model = keras.Sequential([layers.Input((5, 2)), layers.SimpleRNN(3, activation="relu"), layers.Dense(2)])
    with pytest.raises(ValueError, match="a ReLU in a loop or an inner function"):
        explain.guided_backprop(model, random_array(1, 5, 2))


def test_gradients_are_normal_after_guided_backpropagation():
    import tensorflow as tf

    model = next(relu_models())
    x = random_array(6, 4)
    explain.guided_backprop(model, x)
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        output = tf.function(model)(inputs)
    assert_close(tape.gradient(output, inputs), numpy_gradient(model, x, guided=False), rtol=1e-4)
