"""Faster forms: folded and constant, bfloat16, LiteRT; each held to its own tolerance."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.core.protobuf import saved_model_pb2

import zoo
from tests.serving.conftest import NAMES, here, photos, soil, trees
from tests.tolerance import assert_close
from zoo.export import parity_check
from zoo.export.formats import folding


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
    assert_close(traced(tf.constant(x)), model.predict(x, verbose=0))
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
    found = zoo.export(shaken(model), tmp_path, formats=forms, **arguments)
    record = told(found)
    assert record["form"] == "folded"
    assert found.difference <= 1e-5 and record["tolerance"] == 1e-4
    files = record["files"]
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
    assert_close(answer["probabilities"], expected)

    small = zoo.predictor(found.path, "litert")
    assert (small.engine, small.why) == ("litert", "asked for: int8")
    np.testing.assert_allclose(small(photos(3))["probabilities"], expected[:3], atol=0.1)
    exact = zoo.predictor(found.path, "litert", format="float")
    assert_close(exact(photos(3))["probabilities"], expected[:3])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_recurrent_network_is_a_file_of_one_example_and_still_answers_batches(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = zoo.build(name, (7, 2), 3, units=(4,), activation="softmax")
    series = np.random.default_rng(0).normal(size=(5, 7, 2)).astype("float32")
    found = zoo.export(model, tmp_path, inputs=series, formats=("litert_float", "litert_dynamic"))
    assert set(told(found)["files"]) == {"litert_float", "litert_dynamic"}
    small = zoo.predictor(found.path, "litert", format="float")
    assert_close(small(series)["probabilities"], model.predict(series, verbose=0))
    with pytest.raises(ValueError, match="every input must have as many examples, at least one, got {.*: 0}"):
        small(series[:0])
    with pytest.raises(zoo.ExportError, match="export: LiteRT has no such int8 model"):
        zoo.export(model, tmp_path, inputs=series, formats=("litert_int8",))


@pytest.mark.usefixtures("quick")
def test_a_loop_of_maps_is_a_file_but_for_the_8_bits_on_which_the_converter_crashes(tmp_path):
    model = zoo.tvnet((8, 8, 1), iterations=3)
    rng = np.random.default_rng(0)
    frames = {name: rng.uniform(size=(3, 8, 8, 1)).astype("float32") for name in ("first", "second")}
    found = zoo.export(model, tmp_path, inputs=frames, formats=("litert_float",))
    assert told(found)["files"]
    with pytest.raises(zoo.ExportError, match="no such int8 model: its network has a loop"):
        zoo.export(model, tmp_path, inputs=frames, formats=("litert_int8",))


@pytest.mark.usefixtures("quick")
def test_keras_quantises_the_dense_layers_and_says_where_there_are_none(tmp_path):
    model = shaken(keras.Sequential([layers.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(3)]))
    rows = np.random.default_rng(1).normal(size=(4, 6))
    found = zoo.export(model, tmp_path, inputs=rows, formats=("int8",))
    assert told(found)["form"] == "int8"
    assert 0 < found.difference <= told(found)["tolerance"]
    assert tf.int8 in {t.dtype for t in constants(found.path)}
    assert [layer.quantization_mode for layer in model.layers] == [None, None]  # the model itself is as before
    plain = keras.Sequential([layers.Input((6, 6, 1)), layers.Conv2D(2, 3)])
    with pytest.raises(zoo.ExportError, match="export: int8 quantises Dense, EinsumDense and Embedding layers"):
        zoo.export(plain, tmp_path, inputs=np.ones((1, 6, 6, 1)), formats=("int8",))
    assert os.listdir(tmp_path) == ["1"]


def constants(path):
    """The constant tensors of the serving graph of an export."""
    (graph,) = saved_model_pb2.SavedModel.FromString((Path(path) / "saved_model.pb").read_bytes()).meta_graphs
    nodes = [node for function in graph.graph_def.library.function for node in function.node_def]
    return [tf.TensorSpec(None, n.attr["dtype"].type) for n in nodes if n.op == "Const"]


@pytest.mark.usefixtures("quick")
def test_features_are_held_to_their_own_scale(tmp_path):
    inputs = layers.Input((4, 4, 1))
    large = layers.GlobalAveragePooling2D(name="pool")(layers.Rescaling(1000.0)(inputs))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.Rescaling(1e-3)(large)))
    found = zoo.export(model, tmp_path, inputs=np.random.default_rng(0).random((3, 4, 4, 1)))
    assert told(found)["features"]["tolerance"] == pytest.approx(1e-5 * 500, rel=0.5)
    assert told(found)["tolerance"] == 1e-5


@pytest.mark.usefixtures("quick")
def test_a_tables_lookup_stays_with_constant_weights_in_bfloat16(tmp_path):
    model, preprocessing, rows = soil()
    found = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("bfloat16",))
    assert told(found)["form"] == "bfloat16"
    assert 0 < found.difference <= told(found)["tolerance"]
    with pytest.raises(zoo.ExportError, match="export: LiteRT has no such float model"):
        zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("litert_float",))
    assert os.listdir(tmp_path) == ["1"]


def test_a_form_that_loses_too_much_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    def poor(asked, exported):
        lost = np.float32(0.2 if str(exported).endswith(".tflite") else 0)
        return [{name: answer + lost for name, answer in found.items()} for found in here(asked, exported)]

    monkeypatch.setattr(parity_check, "replayed", poor)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    with pytest.raises(zoo.ExportError, match="export: the litert_int8 file differs from predict by .* of 0.1"):
        zoo.export(model, tmp_path / "new", inputs=np.ones((2, 3)), formats=("litert_int8",))
    assert os.listdir(tmp_path) == []
    with pytest.raises(
        ValueError, match=r"`formats`\[0\] must be one of 'folded', .*, got 'fold'. Did you mean `folded`"
    ):
        zoo.export(model, tmp_path, inputs=np.ones((2, 3)), formats=("fold",))
