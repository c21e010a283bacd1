"""Saliency, SmoothGrad and integrated gradients compared with closed forms."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.tolerance import assert_close
from zoo import explain

METHODS = ("saliency", "smoothgrad", "integrated_gradients", "gradcam", "occlusion")


def linear(shape, classes=3, activation=None):
    """A model of Flatten and one dense layer; its gradient is its kernel."""
    inputs = layers.Input(shape)
    x = layers.Flatten()(inputs) if len(shape) > 1 else inputs
    return keras.Model(inputs, layers.Dense(classes, activation=activation)(x))


def random_array(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def kernel(model, target, shape):
    return model.layers[-1].kernel.numpy()[:, target].reshape(shape)


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_saliency_of_a_linear_model_is_its_largest_weight_over_the_bands(bands):
    model = linear((4, 5, bands))
    attributions = explain.saliency(model, random_array(2, 4, 5, bands), 1)
    expected = np.abs(kernel(model, 1, (4, 5, bands))).max(axis=-1)
    assert attributions.dtype == np.float32
    assert_close(attributions, np.stack([expected] * 2))


def test_saliency_keeps_the_features_of_a_table_and_the_steps_of_a_series():
    model = linear((6,))
    assert_close(explain.saliency(model, random_array(1, 6), 2)[0], np.abs(kernel(model, 2, (6,))))
    model = linear((7, 2))
    expected = np.abs(kernel(model, 0, (7, 2))).max(axis=-1)
    assert_close(explain.saliency(model, random_array(1, 7, 2), 0)[0], expected)


def output_variants(logits):
    """Yields every way to convert logits to probabilities in Keras, after the layer `logits`, with its name."""
    inputs = layers.Input((6,))
    yield linear((6,), activation="softmax"), "dense with softmax"
    yield keras.Model(inputs, layers.Activation("softmax")(logits(inputs))), "activation"
    yield keras.Model(inputs, layers.Softmax()(logits(inputs))), "softmax layer"
    yield keras.Model(inputs, ops.softmax(logits(inputs))), "operation"
    yield keras.Model(inputs, ops.sigmoid(logits(inputs))), "sigmoid operation"
    yield (
        keras.Model(inputs, layers.Activation("linear")(layers.Softmax()(logits(inputs)))),
        "softmax layer and linear activation",
    )
    yield keras.Sequential([layers.Input((6,)), logits, layers.Activation("sigmoid")]), "Sequential"
    inner = keras.Sequential([layers.Input((6,)), logits, layers.Softmax()])
    yield keras.Model(inputs, inner(inputs)), "nested"
    yield keras.Sequential([layers.Input((6,)), inner]), "nested Sequential"


@pytest.mark.parametrize("number", range(9))
def test_softmax_and_sigmoid_are_removed_in_every_kind_of_model(number):
    x = 30 * random_array(2, 6)  # far from 0, where the gradient of a softmax vanishes
    logits = layers.Dense(3)
    model, name = list(output_variants(logits))[number]
    weights = next(w for w in model.weights if w.name == "kernel").numpy()
    before = model.predict(x, verbose=0)
    assert_close(explain.saliency(model, x, 1), np.abs([weights[:, 1]] * 2), err_msg=name)
    assert_close(model(x), before, err_msg=f"{name} answers otherwise after an explanation")


@pytest.mark.parametrize("method", METHODS)
def test_a_target_of_none_is_the_predicted_class(method):
    model = zoo.cnn((8, 8, 3), 4, filters=(4,), units=(6,))
    x = random_array(3, 8, 8, 3)
    predicted = model.predict(x, verbose=0).argmax(axis=-1)
    function = getattr(explain, method)
    assert_close(function(model, x), function(model, x, predicted))
    one = function(model, x[1:2], [float(predicted[1])])
    assert_close(function(model, x, predicted)[1:2], one)


def test_a_single_sigmoid_has_two_classes():
    model = linear((6,), classes=1, activation="sigmoid")
    x = random_array(2, 6)
    yes, no = (explain.integrated_gradients(model, x, target) for target in (1, 0))
    assert_close(yes, x * kernel(model, 0, (6,)))
    assert_close(no, -yes)
    signs = np.where(model.predict(x, verbose=0) > 0.5, 1, -1)
    assert_close(explain.integrated_gradients(model, x), signs * yes)


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference():
    model = linear((4, 5, 3), activation="softmax")
    x = random_array(2, 4, 5, 3)
    baseline = (0.5, -1.0, 2.0)
    attributions = explain.integrated_gradients(model, x, 2, baseline=baseline, steps=3)
    expected = (kernel(model, 2, (4, 5, 3)) * (x - np.array(baseline))).sum(axis=-1)
    assert_close(attributions, expected, rtol=1e-4)


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 0.01), ("mixed_bfloat16", 0.1), ("mixed_float16", 0.05)])
def test_integrated_gradients_sum_to_the_difference_of_the_logits(policy, tolerance):
    keras.config.set_dtype_policy(policy)
    model = zoo.cnn((12, 12, 5), 3, filters=(6, 6), units=(8,), activation=None)
    x = 3 * random_array(4, 12, 12, 5)
    difference = model.predict(x, verbose=0)[:, 1] - model.predict(np.zeros_like(x[:1]), verbose=0)[:, 1]
    attributions = explain.integrated_gradients(model, x, 1, steps=8)
    np.testing.assert_allclose(attributions.sum(axis=(1, 2)), difference, rtol=tolerance, atol=tolerance / 10)


def test_incomplete_integrated_gradients_raise_an_error():
    inputs = layers.Input((6,))
    model = keras.Model(inputs, layers.Dense(2)(ops.sign(inputs)))  # a step function has no gradient
    with pytest.raises(ValueError, match="after 64 steps the attributions of example 1 still miss"):
        explain.integrated_gradients(model, np.stack([np.zeros(6), np.ones(6)]), 1, steps=2)


def test_a_constant_image_at_the_baseline_has_attributions_of_zero():
    model = zoo.cnn((8, 8, 1), 3, filters=(4,), units=())
    assert not explain.integrated_gradients(model, np.zeros((1, 8, 8, 1))).any()


def test_smoothgrad_without_noise_or_without_range_is_the_saliency():
    model = zoo.cnn((8, 8, 3), 3, filters=(4,), units=(5,), activation="softmax")
    x = random_array(2, 8, 8, 3)
    expected = explain.saliency(model, x)
    assert_close(explain.smoothgrad(model, x, sigma=0), expected)
    assert np.abs(explain.smoothgrad(model, x, sigma=1.0, samples=4) - expected).max() > 1e-3
    flat = np.full((1, 8, 8, 3), 0.3)
    assert_close(explain.smoothgrad(model, flat, samples=3), explain.saliency(model, flat))


def test_smoothgrad_averages_gradients_before_the_absolute_value():
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(ops.square(inputs)))  # the gradient is 2 x
    x = np.array([[0.0, 1.0, -2.0, 4.0]])
    attributions = explain.smoothgrad(model, x, 0, samples=4000, sigma=0.15, batch_size=1000)
    np.testing.assert_allclose(attributions, np.abs(2 * x), atol=0.15)  # 2 sigma range / sqrt(samples) is 0.03


def test_smoothgrad_depends_on_the_seed_but_not_on_the_batch_size():
    model = zoo.cnn((8, 8, 1), 3, filters=(4,), units=(5,))
    x = random_array(2, 8, 8, 1)
    first = explain.smoothgrad(model, x, samples=5, seed=1)
    assert_close(explain.smoothgrad(model, x, samples=5, seed=1, batch_size=3), first)
    assert np.abs(explain.smoothgrad(model, x, samples=5, seed=2) - first).max() > 1e-5


def test_a_difference_below_the_rounding_of_larger_terms_is_accepted():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model.layers[0].set_weights([np.array([[1, 0], [0.03, 0.03], [-0.0301, 0]], "float32")])
    x, start = np.array([[2e-10, 1, 1]], "float32"), (0.0, 1.0, 1.0)
    logits = model.predict(np.concatenate([x, [start]]).astype("float32"), verbose=0)[:, 0]
    assert logits[0] == logits[1] != 0  # 0.03 - 0.0301 remains; the contribution of x is below the last digit of 0.03
    attributions = explain.integrated_gradients(model, x, 0, baseline=start, steps=2)
    assert_close(attributions, [[2e-10, 0, 0]])
