"""Faster forms: folded and constant, bfloat16, LiteRT; each held to its own tolerance."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.serving.conftest import NAMES, here, photos, soil, trees
from zoo.serving import folding, proof


def told(found):
    return json.loads((Path(found.path) / "assets.extra" / "parity.json").read_text())


def shaken(model):
    """The model with weights as after a training, also where they start as zeros and ones."""
    draw = np.random.default_rng(5)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(draw.uniform(low, 1.5, weight.shape))
    return model


CHAINS = {
    "dense": ((6,), [layers.Dense(4)]),
    "conv1d": ((9, 3), [layers.Conv1D(4, 3, padding="causal")]),
    "conv2d": ((6, 6, 3), [layers.Conv2D(4, 3, use_bias=False, strides=2, padding="same")]),
    "transpose": ((4, 4, 3), [layers.Conv2DTranspose(5, 3, strides=2)]),
    "depthwise": ((6, 6, 3), [layers.DepthwiseConv2D(3, depth_multiplier=2)]),
    "separable": ((6, 6, 3), [layers.SeparableConv2D(4, 3, depth_multiplier=2)]),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_batch_normalisation_goes_into_every_kind_of_layer(kind):
    shape, chain = CHAINS[kind]
    model = shaken(keras.Sequential([layers.Input(shape), *chain, layers.BatchNormalization(), layers.ReLU()]))
    x = np.random.default_rng(2).normal(size=(3, *shape)).astype("float32")
    assert len(folding.pairs([model])) == 1
    with folding.frozen([model]) as constant:
        graph = tf.function(constant(lambda x: model(x, training=False)), autograph=False)
        traced = graph.get_concrete_function(tf.TensorSpec((None, *shape), "float32"))
    names = {op.type for op in traced.graph.get_operations()}
    assert not names & {"ReadVariableOp", "FusedBatchNormV3", "Rsqrt"}
    np.testing.assert_allclose(traced(tf.constant(x)), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
    assert model.layers[-2].call.__func__ is layers.BatchNormalization.call  # the model itself is as before


def test_what_others_read_is_not_folded():
    inputs = layers.Input((6,))
    x = layers.Dense(4, name="read_twice")(inputs)
    y = layers.BatchNormalization()(x)
    squashed = layers.Dense(4, activation="relu", name="not_linear")(layers.Add()([x, y]))
    last = layers.Dense(3, name="an_answer")(layers.BatchNormalization()(squashed))
    model = keras.Model(inputs, [last, layers.BatchNormalization()(last)])
    assert folding.pairs([model]) == []
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(4, name="within"), layers.BatchNormalization()])
    outer = keras.Model(inputs, inner(inputs))
    assert [layer.name for layer, _ in folding.pairs([outer])] == ["within"]


@pytest.mark.usefixtures("quick")
def test_each_form_is_proved_and_written_beside_the_others(tmp_path):
    model, preprocessing = trees()
    forms = ("folded", "litert_float", "litert_dynamic", "litert_int8")
    arguments = {"inputs": photos(4), "preprocessing": preprocessing, "classes": NAMES}
    found = zoo.export(shaken(model), tmp_path, forms=forms, **arguments)
    record = told(found)
    assert record["form"] == "folded"
    assert found.difference <= 1e-5 and record["tolerance"] == 1e-4
    files = record["litert"]
    assert {form: one["tolerance"] for form, one in files.items()} == {
        "litert_float": 1e-4,
        "litert_dynamic": 0.05,
        "litert_int8": 0.1,
    }
    for form, one in files.items():
        assert one["difference"] <= one["tolerance"]
        file = Path(found.path) / "assets.extra" / f"{form}.tflite"
        assert file.stat().st_size == one["bytes"]
    stored = os.path.getsize(Path(found.path) / "variables" / "variables.data-00000-of-00001")
    assert stored < 1000  # the weights are in the graph
    served = tf.saved_model.load(found.path)
    expected = model.predict(preprocessing.predict(photos(4), verbose=0), verbose=0)
    answer = served.signatures["serving_default"](photo=tf.constant(photos(4)))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)

    small = zoo.predictor(found.path, "litert")
    assert (small.engine, small.why) == ("litert", "asked for: int8")
    np.testing.assert_allclose(small(photos(3))["probabilities"], expected[:3], atol=0.1)
    exact = zoo.predictor(found.path, "litert", form="float")
    np.testing.assert_allclose(exact(photos(3))["probabilities"], expected[:3], atol=1e-5)


@pytest.mark.usefixtures("quick")
def test_a_tables_lookup_stays_with_constant_weights_in_bfloat16(tmp_path):
    model, preprocessing, rows = soil()
    found = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, forms=("bfloat16",))
    assert told(found)["form"] == "bfloat16"
    assert 0 < found.difference <= told(found)["tolerance"]
    with pytest.raises(zoo.ExportError, match="export: LiteRT has no such float model"):
        zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, forms=("litert_float",))
    assert os.listdir(tmp_path) == ["1"]


def test_a_form_that_loses_too_much_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    def poor(asked, exported):
        lost = np.float32(0.2 if str(exported).endswith(".tflite") else 0)
        return [{name: answer + lost for name, answer in found.items()} for found in here(asked, exported)]

    monkeypatch.setattr(proof, "replayed", poor)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    with pytest.raises(zoo.ExportError, match="export: the litert_int8 file differs from predict by .* of 0.1"):
        zoo.export(model, tmp_path / "new", inputs=np.ones((2, 3)), forms=("litert_int8",))
    assert os.listdir(tmp_path) == []
    with pytest.raises(
        ValueError, match=r"`forms`\[0\] must be one of 'folded', .*, got 'fold'. Did you mean `folded`"
    ):
        zoo.export(model, tmp_path, inputs=np.ones((2, 3)), forms=("fold",))
