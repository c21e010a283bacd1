"""Explanations of every classifier of the registry, and errors for unsupported models and inputs."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.cases import distinct
from tests.explain.test_gradients import METHODS, linear, random_array
from tests.test_contract import FAMILIES, batch, build, slow_except
from tests.test_docs import documented_arguments
from tests.tolerance import assert_close
from zoo import explain
from zoo.introspect.output_activation import as_logits

every_classifier = slow_except(distinct(zoo.names("classify")), zoo.names("classify"))

every_classifier_family = slow_except([n for n in FAMILIES if n != "coatnet"], zoo.names("classify"))


@every_classifier_family
def test_every_classifier_has_saliency_and_gradcam_maps(name):
    model = build(name)
    x = batch(model, name)
    assert [explain.methods(model)[method] for method in METHODS] == [""] * len(METHODS)
    for method in (explain.saliency, explain.gradcam):
        values = method(model, x, 1)
        assert values.shape == x.shape[:3]
        assert np.isfinite(values).all() and (values >= 0).all()
    assert explain.saliency(model, x, 1).any()


@every_classifier
def test_logits_are_the_output_of_the_head(name):
    model = build(name)
    x = batch(model, name)
    expected = keras.Model(model.input, model.get_layer("head").output)(x)
    with as_logits(model):
        assert_close(model(x), expected)
    assert np.abs(model(x) - expected).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("inputs", "target", "message"),
    [
        (
            random_array(8, 8, 3),
            0,
            r"`inputs` must be numbers of shape \(None, 8, 8, 3\), got float32 \(8, 8, 3\). One example",
        ),
        (random_array(1, 8, 8, 4), 0, r"`inputs` must be numbers of shape .*, got float32 \(1, 8, 8, 4\)"),
        (random_array(0, 8, 8, 3), 0, r"`inputs` must be numbers of shape .*, got float32 \(0, 8, 8, 3\)"),
        ([["a"]], 0, "`inputs` must be numbers"),
        (np.full((1, 8, 8, 3), np.nan), 0, "`inputs` must be finite"),
        (random_array(2, 8, 8, 3), 3, "`target` must be a class from 0 to 2, got 3"),
        (random_array(2, 8, 8, 3), -1, "`target.* must be a whole number of at least 0, got -1"),
        (
            random_array(2, 8, 8, 3),
            (0, 1, 2),
            "`target` must be one class, or one for each example, got 3 for 2 examples",
        ),
        (random_array(2, 8, 8, 3), 1.5, "`target.* must be a whole number"),
    ],
)
def test_wrong_inputs_and_targets_raise_an_error(method, inputs, target, message):
    model = zoo.cnn((8, 8, 3), 3, filters=(4,), units=())
    with pytest.raises(ValueError, match=f"{method}: {message}"):
        getattr(explain, method)(model, inputs, target)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def unsupported_models():
    one, two = layers.Input((4,)), layers.Input((4,))
    yield Subclassed(), "`model` must be functional or Sequential"
    yield keras.Sequential([layers.Dense(2)]), "`model` must be built"
    yield keras.Model([one, two], layers.Dense(2)(layers.Add()([one, two]))), "`model` must have one input, got 2"
    yield keras.Model(one, [layers.Dense(2)(one), layers.Dense(3)(one)]), r"`model` must output \(B, classes\)"
    yield keras.Model(one, Subclassed()(one)), "`model` must not end in a subclassed model, .*, such as subclassed"
    yield keras.Model(one, ops.sum(one, axis=-1)), r"`model` must output \(B, classes\) or .*, got \[\(None,\)\]"


@pytest.mark.parametrize("number", range(6))
def test_unsupported_models_raise_an_error_with_the_reason(number):
    model, message = list(unsupported_models())[number]
    for method in METHODS:
        with pytest.raises(ValueError, match=f"{method}: {message}"):
            getattr(explain, method)(model, random_array(1, 4))
        with pytest.raises(ValueError, match=message):
            raise ValueError(explain.methods(model)[method])


def test_a_model_predicts_the_same_after_an_explanation_failed():
    class FailingLayer(layers.Layer):
        def call(self, x):
            if not self.symbolic_only:
                raise RuntimeError("no")
            return x

    layer = FailingLayer()
    layer.symbolic_only = True
    model = keras.Sequential([layers.Input((4,)), layer, layers.Dense(2, activation="softmax")])
    layer.symbolic_only = False
    with pytest.raises(RuntimeError, match="no"):
        explain.saliency(model, random_array(1, 4))
    layer.symbolic_only = True
    assert_close(model(random_array(3, 4)).numpy().sum(axis=-1), np.ones(3))


def test_methods_lists_every_explanation_method():
    model = linear((4,))
    others = ("gradient_input", "guided_backprop", "guided_gradcam", "rise", "lime", "shap_values")
    assert sorted(explain.methods(model)) == sorted([*METHODS, *others])
    assert set(explain.methods(model)) <= set(explain.__all__)


@pytest.mark.parametrize("name", explain.__all__)
def test_documented_arguments_equal_the_signature(name):
    function = getattr(explain, name)
    assert documented_arguments(function.__doc__) == list(inspect.signature(function).parameters)
    if name in METHODS:
        assert all(part in function.__doc__ for part in ("Source: ", "Differs: ", "Returns:", "Raises:", "->"))
