"""Explanations of every classifier of the registry, and what is refused."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.cases import distinct
from tests.explain.test_gradients import METHODS, draw, linear
from tests.test_contract import batch, build, slow_except
from tests.test_docs import documented
from tests.tolerance import assert_close
from zoo import explain
from zoo.introspect.output_activation import as_logits

every = slow_except(distinct(zoo.names("classify")), zoo.names("classify"))


@every
def test_every_classifier_has_its_maps(name):
    model = build(name)
    x = batch(model, name)
    assert [explain.methods(model)[method] for method in METHODS] == [""] * len(METHODS)
    for method in (explain.saliency, explain.gradcam):
        found = method(model, x, 1)
        assert found.shape == x.shape[:3]
        assert np.isfinite(found).all() and (found >= 0).all()
    assert explain.saliency(model, x, 1).any()


@every
def test_the_logit_is_what_head_answers(name):
    model = build(name)
    x = batch(model, name)
    expected = keras.Model(model.input, model.get_layer("head").output)(x)
    with as_logits(model):
        assert_close(model(x), expected)
    assert np.abs(model(x) - expected).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("sent", "target", "message"),
    [
        (
            draw(8, 8, 3),
            0,
            r"`inputs` must be numbers of shape \(None, 8, 8, 3\), got float32 \(8, 8, 3\). One example",
        ),
        (draw(1, 8, 8, 4), 0, r"`inputs` must be numbers of shape .*, got float32 \(1, 8, 8, 4\)"),
        (draw(0, 8, 8, 3), 0, r"`inputs` must be numbers of shape .*, got float32 \(0, 8, 8, 3\)"),
        ([["a"]], 0, "`inputs` must be numbers"),
        (np.full((1, 8, 8, 3), np.nan), 0, "`inputs` must be finite"),
        (draw(2, 8, 8, 3), 3, "`target` must be a class from 0 to 2, got 3"),
        (draw(2, 8, 8, 3), -1, "`target.* must be a whole number of at least 0, got -1"),
        (draw(2, 8, 8, 3), (0, 1, 2), "`target` must be one class, or one for each example, got 3 for 2 examples"),
        (draw(2, 8, 8, 3), 1.5, "`target.* must be a whole number"),
    ],
)
def test_bad_inputs_and_targets_are_named(method, sent, target, message):
    model = zoo.cnn((8, 8, 3), 3, filters=(4,), units=())
    with pytest.raises(ValueError, match=f"{method}: {message}"):
        getattr(explain, method)(model, sent, target)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def refused():
    one, two = layers.Input((4,)), layers.Input((4,))
    yield Subclassed(), "`model` must be functional or Sequential"
    yield keras.Sequential([layers.Dense(2)]), "`model` must be built"
    yield keras.Model([one, two], layers.Dense(2)(layers.Add()([one, two]))), "`model` must have one input, got 2"
    yield keras.Model(one, [layers.Dense(2)(one), layers.Dense(3)(one)]), r"`model` must answer \(B, classes\)"
    yield keras.Model(one, Subclassed()(one)), "`model` must not end in a subclassed model, .*, as subclassed"
    yield keras.Model(one, ops.sum(one, axis=-1)), r"`model` must answer \(B, classes\) or .*, got \[\(None,\)\]"


@pytest.mark.parametrize("number", range(6))
def test_models_that_cannot_be_explained_are_refused_with_the_reason(number):
    model, message = list(refused())[number]
    for method in METHODS:
        with pytest.raises(ValueError, match=f"{method}: {message}"):
            getattr(explain, method)(model, draw(1, 4))
        with pytest.raises(ValueError, match=message):
            raise ValueError(explain.methods(model)[method])


def test_a_model_answers_as_before_when_an_explanation_fails():
    class Stubborn(layers.Layer):
        def call(self, x):
            if not self.symbolic_only:
                raise RuntimeError("no")
            return x

    layer = Stubborn()
    layer.symbolic_only = True
    model = keras.Sequential([layers.Input((4,)), layer, layers.Dense(2, activation="softmax")])
    layer.symbolic_only = False
    with pytest.raises(RuntimeError, match="no"):
        explain.saliency(model, draw(1, 4))
    layer.symbolic_only = True
    assert_close(model(draw(3, 4)).numpy().sum(axis=-1), np.ones(3))


def test_methods_lists_every_explanation():
    model = linear((4,))
    others = ("gradient_input", "guided_backprop", "guided_gradcam", "rise", "lime", "shap_values")
    assert sorted(explain.methods(model)) == sorted([*METHODS, *others])
    assert set(explain.methods(model)) <= set(explain.__all__)


@pytest.mark.parametrize("name", explain.__all__)
def test_args_equal_the_signature(name):
    function = getattr(explain, name)
    assert documented(function.__doc__) == list(inspect.signature(function).parameters)
    if name in METHODS:
        assert all(part in function.__doc__ for part in ("Source: ", "Differs: ", "Returns:", "Raises:", "->"))
