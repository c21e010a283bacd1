"""Saliency, SmoothGrad and integrated gradients against what they must be."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.tolerance import assert_close
from zoo import explain

METHODS = ("saliency", "smoothgrad", "integrated_gradients", "gradcam", "occlusion")


def linear(shape, classes=3, activation=None):
    """Flatten and one dense layer without hidden units: its gradient is its kernel."""
    inputs = layers.Input(shape)
    x = layers.Flatten()(inputs) if len(shape) > 1 else inputs
    return keras.Model(inputs, layers.Dense(classes, activation=activation)(x))


def draw(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def kernel(model, target, shape):
    return model.layers[-1].kernel.numpy()[:, target].reshape(shape)


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_saliency_of_a_linear_model_is_its_largest_weight_over_the_bands(bands):
    model = linear((4, 5, bands))
    found = explain.saliency(model, draw(2, 4, 5, bands), 1)
    expected = np.abs(kernel(model, 1, (4, 5, bands))).max(axis=-1)
    assert found.dtype == np.float32
    assert_close(found, np.stack([expected] * 2))


def test_saliency_of_a_table_keeps_its_features_and_of_a_series_its_steps():
    model = linear((6,))
    assert_close(explain.saliency(model, draw(1, 6), 2)[0], np.abs(kernel(model, 2, (6,))))
    model = linear((7, 2))
    expected = np.abs(kernel(model, 0, (7, 2))).max(axis=-1)
    assert_close(explain.saliency(model, draw(1, 7, 2), 0)[0], expected)


def ends(logits):
    """Every way to make probabilities of logits that a Keras user may choose, on the layer `logits`."""
    inputs = layers.Input((6,))
    yield linear((6,), activation="softmax"), "dense with softmax"
    yield keras.Model(inputs, layers.Activation("softmax")(logits(inputs))), "activation"
    yield keras.Model(inputs, layers.Softmax()(logits(inputs))), "softmax layer"
    yield keras.Model(inputs, ops.softmax(logits(inputs))), "operation"
    yield keras.Model(inputs, ops.sigmoid(logits(inputs))), "sigmoid operation"
    yield keras.Model(inputs, layers.Activation("linear")(layers.Softmax()(logits(inputs)))), "passed on"
    yield keras.Sequential([layers.Input((6,)), logits, layers.Activation("sigmoid")]), "Sequential"
    inner = keras.Sequential([layers.Input((6,)), logits, layers.Softmax()])
    yield keras.Model(inputs, inner(inputs)), "nested"
    yield keras.Sequential([layers.Input((6,)), inner]), "nested Sequential"


@pytest.mark.parametrize("number", range(9))
def test_softmax_and_sigmoid_are_undone_wherever_they_stand(number):
    x = 30 * draw(2, 6)  # far out, where the gradient of a softmax is nothing
    logits = layers.Dense(3)
    model, name = list(ends(logits))[number]
    weights = next(w for w in model.weights if w.name == "kernel").numpy()
    before = model.predict(x, verbose=0)
    assert_close(explain.saliency(model, x, 1), np.abs([weights[:, 1]] * 2), err_msg=name)
    assert_close(model(x), before, err_msg=f"{name} answers otherwise after an explanation")


@pytest.mark.parametrize("method", METHODS)
def test_a_target_of_none_is_the_predicted_class(method):
    model = zoo.cnn((8, 8, 3), 4, filters=(4,), units=(6,))
    x = draw(3, 8, 8, 3)
    predicted = model.predict(x, verbose=0).argmax(axis=-1)
    function = getattr(explain, method)
    assert_close(function(model, x), function(model, x, predicted))
    one = function(model, x[1:2], [float(predicted[1])])
    assert_close(function(model, x, predicted)[1:2], one)


def test_a_single_sigmoid_has_two_classes():
    model = linear((6,), classes=1, activation="sigmoid")
    x = draw(2, 6)
    yes, no = (explain.integrated_gradients(model, x, target) for target in (1, 0))
    assert_close(yes, x * kernel(model, 0, (6,)))
    assert_close(no, -yes)
    signs = np.where(model.predict(x, verbose=0) > 0.5, 1, -1)
    assert_close(explain.integrated_gradients(model, x), signs * yes)


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference():
    model = linear((4, 5, 3), activation="softmax")
    x = draw(2, 4, 5, 3)
    baseline = (0.5, -1.0, 2.0)
    found = explain.integrated_gradients(model, x, 2, baseline=baseline, steps=3)
    expected = (kernel(model, 2, (4, 5, 3)) * (x - np.array(baseline))).sum(axis=-1)
    assert_close(found, expected, rtol=1e-4)


@pytest.mark.parametrize(("policy", "slack"), [("float32", 0.01), ("mixed_bfloat16", 0.1), ("mixed_float16", 0.05)])
def test_integrated_gradients_are_complete(policy, slack):
    keras.config.set_dtype_policy(policy)
    model = zoo.cnn((12, 12, 5), 3, filters=(6, 6), units=(8,), activation=None)
    x = 3 * draw(4, 12, 12, 5)
    whole = model.predict(x, verbose=0)[:, 1] - model.predict(np.zeros_like(x[:1]), verbose=0)[:, 1]
    found = explain.integrated_gradients(model, x, 1, steps=8)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), whole, rtol=slack, atol=slack / 10)


def test_integrated_gradients_that_cannot_be_complete_are_refused():
    inputs = layers.Input((6,))
    model = keras.Model(inputs, layers.Dense(2)(ops.sign(inputs)))  # a staircase has no gradient
    with pytest.raises(ValueError, match="after 64 steps the attributions of example 1 still miss"):
        explain.integrated_gradients(model, np.stack([np.zeros(6), np.ones(6)]), 1, steps=2)


def test_a_constant_image_at_the_baseline_has_attributions_of_zero():
    model = zoo.cnn((8, 8, 1), 3, filters=(4,), units=())
    assert not explain.integrated_gradients(model, np.zeros((1, 8, 8, 1))).any()


def test_smoothgrad_without_noise_or_without_range_is_the_saliency():
    model = zoo.cnn((8, 8, 3), 3, filters=(4,), units=(5,), activation="softmax")
    x = draw(2, 8, 8, 3)
    expected = explain.saliency(model, x)
    assert_close(explain.smoothgrad(model, x, sigma=0), expected)
    assert np.abs(explain.smoothgrad(model, x, sigma=1.0, samples=4) - expected).max() > 1e-3
    flat = np.full((1, 8, 8, 3), 0.3)
    assert_close(explain.smoothgrad(model, flat, samples=3), explain.saliency(model, flat))


def test_smoothgrad_averages_the_gradient_before_its_size_is_taken():
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(ops.square(inputs)))  # its gradient is 2 x
    x = np.array([[0.0, 1.0, -2.0, 4.0]])
    found = explain.smoothgrad(model, x, 0, samples=4000, sigma=0.15, batch_size=1000)
    np.testing.assert_allclose(found, np.abs(2 * x), atol=0.15)  # 2 sigma range / sqrt(samples) is 0.03


def test_smoothgrad_is_the_same_for_the_same_seed_whatever_the_batch():
    model = zoo.cnn((8, 8, 1), 3, filters=(4,), units=(5,))
    x = draw(2, 8, 8, 1)
    first = explain.smoothgrad(model, x, samples=5, seed=1)
    assert_close(explain.smoothgrad(model, x, samples=5, seed=1, batch_size=3), first)
    assert np.abs(explain.smoothgrad(model, x, samples=5, seed=2) - first).max() > 1e-5


def test_a_change_lost_among_larger_terms_of_the_logit_counts_as_rounding():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model.layers[0].set_weights([np.array([[1, 0], [0.03, 0.03], [-0.0301, 0]], "float32")])
    x, start = np.array([[2e-10, 1, 1]], "float32"), (0.0, 1.0, 1.0)
    ends = model.predict(np.concatenate([x, [start]]).astype("float32"), verbose=0)[:, 0]
    assert ends[0] == ends[1] != 0  # 0.03 - 0.0301 is left, and what x adds is below 0.03's last digit
    found = explain.integrated_gradients(model, x, 0, baseline=start, steps=2)
    assert_close(found, [[2e-10, 0, 0]])
