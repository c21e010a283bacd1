"""Guided backpropagation against its rule by hand, wherever the ReLU stands."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.explain.test_gradients import draw
from tests.tolerance import assert_close
from zoo import explain


@keras.saving.register_keras_serializable("tests")
class Within(layers.Layer):
    """A layer of one's own, which calls a ReLU where nobody sees it."""

    def call(self, x):
        return ops.relu(x)


def builds():
    """Two hidden layers of 5 with a ReLU each, and one answer, in every way that Keras offers."""
    strings = [layers.Dense(5, activation="relu"), layers.Dense(5, activation="relu")]
    yield keras.Sequential([layers.Input((4,)), *strings, layers.Dense(1)])
    apart = [layers.Dense(5), layers.ReLU(), layers.Dense(5), layers.Activation("relu")]
    yield keras.Sequential([layers.Input((4,)), *apart, layers.Dense(1)])
    backbone = keras.Sequential([layers.Dense(5), layers.ReLU(max_value=100.0), layers.Dense(5), Within()])
    yield keras.Sequential([layers.Input((4,)), backbone, layers.Dense(1)])
    inputs = inner = layers.Input((4,))
    x = layers.Dense(5)(ops.relu(layers.Dense(5)(inner)))
    backbone = keras.Model(inner, x)
    inputs = layers.Input((4,))
    yield keras.Model(inputs, layers.Dense(1)(layers.Activation(keras.activations.relu)(backbone(inputs))))


def by_hand(model, x, guided):
    """The gradient of a network of two hidden layers, gated on the way back or not."""
    w0, b0, w1, b1, w2, _ = (w.numpy() for w in model.weights)
    first = x @ w0 + b0
    second = np.maximum(first, 0) @ w1 + b1
    gate = (lambda g: np.maximum(g, 0)) if guided else (lambda g: g)
    back = gate(w2.T * (second > 0))
    return gate((back @ w1.T) * (first > 0)) @ w0.T


@pytest.mark.parametrize("number", range(4))
def test_relus_are_gated_wherever_they_stand(number):
    model = list(builds())[number]
    x = draw(6, 4)
    expected = by_hand(model, x, guided=True)
    assert_close(explain.guided_backprop(model, x), np.abs(expected), rtol=1e-4)
    assert np.abs(expected - by_hand(model, x, guided=False)).max() > 1e-3
    assert_close(explain.saliency(model, x), np.abs(by_hand(model, x, False)), rtol=1e-4)


def test_relu6_is_shut_above_six_too():
    inputs = layers.Input((3,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(ops.relu6(inputs)))
    np.testing.assert_array_equal(explain.guided_backprop(model, [[-1, 3, 7]]), [[0, 1, 0]])


def test_what_speaks_against_the_class_is_stopped():
    inputs = layers.Input((2,))
    head = layers.Dense(2, kernel_initializer=lambda shape, dtype: ops.array([[1.0, -1], [-1, 1]]))
    model = keras.Model(inputs, layers.Softmax()(head(ops.relu(inputs))))
    np.testing.assert_array_equal(explain.guided_backprop(model, [[1, 1]], 0), [[1, 0]])
    np.testing.assert_array_equal(explain.guided_backprop(model, [[1, 1]], 1), [[0, 1]])


def test_guided_gradcam_is_the_product():
    model = zoo.cnn((6, 6, 5), 3, filters=(4,), units=())
    x = draw(6, 6, 6, 5)
    product = explain.guided_backprop(model, x) * explain.gradcam(model, x)
    assert_close(explain.guided_gradcam(model, x), product)
    assert product.any()


def test_a_segmenter_is_guided_within_the_region_only():
    model = zoo.unet((None, None, 2), 3, filters=(4, 6), batch_norm=True)
    region = np.zeros((16, 24))
    region[:2, :2] = 1
    x = draw(1, 16, 24, 2)
    found = explain.guided_backprop(model, x, 1, mask=region)
    assert found[0, :4, :4].any()
    assert not found[0, :, 18:].any()  # beyond what two pixels see
    assert explain.guided_gradcam(model, x, 1, mask=region).shape == (1, 16, 24)


@pytest.mark.parametrize("activation", ["gelu", "silu", "elu", "tanh", "leaky_relu"])
def test_models_without_a_relu_are_refused(activation):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, activation=activation), layers.Dense(2)])
    for method in (explain.guided_backprop, explain.guided_gradcam):
        with pytest.raises(ValueError, match=f"{method.__name__}: `model` has no ReLU"):
            method(model, draw(1, 4))
    assert "has no ReLU" in explain.methods(model)["guided_backprop"]


def test_a_relu_in_a_loop_is_refused():
    model = keras.Sequential([layers.Input((5, 2)), layers.SimpleRNN(3, activation="relu"), layers.Dense(2)])
    with pytest.raises(ValueError, match="a ReLU in a loop or a function of its own"):
        explain.guided_backprop(model, draw(1, 5, 2))


def test_training_afterwards_has_the_true_gradients():
    import tensorflow as tf

    model = next(builds())
    x = draw(6, 4)
    explain.guided_backprop(model, x)
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        answer = tf.function(model)(inputs)
    assert_close(tape.gradient(answer, inputs), by_hand(model, x, guided=False), rtol=1e-4)
