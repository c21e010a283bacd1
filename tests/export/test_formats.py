"""Further formats: constant folded weights, bfloat16, int8 and LiteRT; each is held to its own tolerance."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.export.test_export import read_record
from tests.exported_models import NAMES, photos, run_in_process, soil_model, trees_model
from tests.tolerance import assert_close
from zoo.export import parity_check
from zoo.export.formats import folding
from zoo.export.isolated_inference import read_saved_model


def with_random_weights(model):
    """The model with weights as after training, also those that are initialized to zeros and ones."""
    generator = np.random.default_rng(5)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(generator.uniform(low, 1.5, weight.shape))
    return model


FOLDABLE = {
    "dense": ((6,), layers.Dense(4)),
    "conv1d": ((9, 3), layers.Conv1D(4, 3, padding="causal")),
    "conv2d": ((6, 6, 3), layers.Conv2D(4, 3, use_bias=False, strides=2, padding="same")),
    "transpose": ((4, 4, 3), layers.Conv2DTranspose(5, 3, strides=2)),
    "depthwise": ((6, 6, 3), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "separable": ((6, 6, 3), layers.SeparableConv2D(4, 3, depth_multiplier=2)),
}


@pytest.mark.parametrize("kind", FOLDABLE)
def test_batch_normalization_is_folded_into_every_kind_of_layer(kind):
    shape, layer = FOLDABLE[kind]
    model = keras.Sequential([layers.Input(shape), layer, layers.BatchNormalization(), layers.ReLU()])
    model = with_random_weights(model)
    x = np.random.default_rng(2).normal(size=(3, *shape)).astype("float32")
    assert len(folding.foldable_pairs([model])) == 1
    with folding.constant_weights([model]) as with_constants:
        graph = tf.function(with_constants(lambda x: model(x, training=False)), autograph=False)
        traced = graph.get_concrete_function(tf.TensorSpec((None, *shape), "float32"))
    operations = {op.type for op in traced.graph.get_operations()}
    assert not operations & {"ReadVariableOp", "FusedBatchNormV3", "Rsqrt"}
    assert_close(traced(tf.constant(x)), model.predict(x, verbose=0))
    assert model.layers[-2].call.__func__ is layers.BatchNormalization.call  # the model itself is unchanged


def test_a_layer_is_not_folded_where_it_is_read_twice_not_linear_or_an_output():
    inputs = layers.Input((6,))
    x = layers.Dense(4, name="read_twice")(inputs)
    y = layers.BatchNormalization()(x)
    z = layers.Dense(4, activation="relu", name="not_linear")(layers.Add()([x, y]))
    output = layers.Dense(3, name="output")(layers.BatchNormalization()(z))
    model = keras.Model(inputs, [output, layers.BatchNormalization()(output)])
    assert folding.foldable_pairs([model]) == []
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(4, name="nested"), layers.BatchNormalization()])
    outer = keras.Model(inputs, inner(inputs))
    assert [layer.name for layer, _ in folding.foldable_pairs([outer])] == ["nested"]


@pytest.mark.usefixtures("parity_check_in_process")
def test_each_format_is_written_and_held_to_its_own_tolerance(tmp_path):
    model, preprocessing = trees_model()
    model = with_random_weights(model)
    formats = ("folded", "litert_float", "litert_dynamic", "litert_int8")
    arguments = {"inputs": photos(4), "preprocessing": preprocessing, "classes": NAMES}
    export = zoo.export(model, tmp_path, formats=formats, **arguments)
    record = read_record(export)
    assert record["format"] == "folded"
    assert export.difference <= 1e-5 and record["tolerance"] == 1e-4
    assert {format: file["tolerance"] for format, file in record["files"].items()} == {
        "litert_float": 1e-4,
        "litert_dynamic": 0.05,
        "litert_int8": 0.1,
    }
    for format, file in record["files"].items():
        assert file["difference"] <= file["tolerance"]
        path = Path(export.path) / "assets.extra" / f"{format}.tflite"
        assert path.stat().st_size == file["bytes"]
    variables = os.path.getsize(Path(export.path) / "variables" / "variables.data-00000-of-00001")
    assert variables < 1000  # the weights are in the graph
    saved_model = tf.saved_model.load(export.path)
    expected = model.predict(preprocessing.predict(photos(4), verbose=0), verbose=0)
    outputs = saved_model.signatures["serving_default"](photo=tf.constant(photos(4)))
    assert_close(outputs["probabilities"], expected)

    smallest = zoo.predictor(export.path, "litert")
    assert (smallest.engine, smallest.reason) == ("litert", "as requested: int8")
    np.testing.assert_allclose(smallest(photos(3))["probabilities"], expected[:3], atol=0.1)
    in_float = zoo.predictor(export.path, "litert", format="float")
    assert_close(in_float(photos(3))["probabilities"], expected[:3])


@pytest.mark.usefixtures("parity_check_in_process")
@pytest.mark.parametrize("name", ["gru", pytest.param("lstm", marks=pytest.mark.slow)])
def test_the_litert_file_of_a_recurrent_network_takes_batches_one_by_one(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = zoo.build(name, (7, 2), 3, units=(4,), activation="softmax")
    series = np.random.default_rng(0).normal(size=(5, 7, 2)).astype("float32")
    export = zoo.export(model, tmp_path, inputs=series, formats=("litert_float", "litert_dynamic"))
    assert set(read_record(export)["files"]) == {"litert_float", "litert_dynamic"}
    predictor = zoo.predictor(export.path, "litert", format="float")
    assert_close(predictor(series)["probabilities"], model.predict(series, verbose=0))
    with pytest.raises(ValueError, match="every input must have as many examples, at least one, got {.*: 0}"):
        predictor(series[:0])
    with pytest.raises(zoo.ExportError, match="export: the model cannot be converted to LiteRT int8"):
        zoo.export(model, tmp_path, inputs=series, formats=("litert_int8",))


@pytest.mark.slow
@pytest.mark.usefixtures("parity_check_in_process")
def test_a_network_with_a_loop_has_a_litert_file_but_not_in_int8(tmp_path):
    model = zoo.tvnet((8, 8, 1), iterations=3)
    generator = np.random.default_rng(0)
    frames = {name: generator.uniform(size=(3, 8, 8, 1)).astype("float32") for name in ("first", "second")}
    export = zoo.export(model, tmp_path, inputs=frames, formats=("litert_float",))
    assert read_record(export)["files"]
    with pytest.raises(zoo.ExportError, match="cannot be converted to LiteRT int8: its network has a loop"):
        zoo.export(model, tmp_path, inputs=frames, formats=("litert_int8",))


@pytest.mark.usefixtures("parity_check_in_process")
def test_int8_quantizes_the_dense_layers_of_a_copy_and_refuses_models_without_any(tmp_path):
    model = keras.Sequential([layers.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(3)])
    model = with_random_weights(model)
    rows = np.random.default_rng(1).normal(size=(4, 6))
    export = zoo.export(model, tmp_path, inputs=rows, formats=("int8",))
    record = read_record(export)
    assert record["format"] == "int8"
    assert 0 < export.difference <= record["tolerance"]
    assert tf.int8.as_datatype_enum in constant_types(export.path)
    assert [layer.quantization_mode for layer in model.layers] == [None, None]
    convolutional = keras.Sequential([layers.Input((6, 6, 1)), layers.Conv2D(2, 3)])
    with pytest.raises(zoo.ExportError, match="export: int8 quantizes Dense, EinsumDense and Embedding layers"):
        zoo.export(convolutional, tmp_path, inputs=np.ones((1, 6, 6, 1)), formats=("int8",))
    assert os.listdir(tmp_path) == ["1"]


def constant_types(path):
    """Types of the constants in the functions of an export's graph."""
    (graph,) = read_saved_model(path).meta_graphs
    nodes = [node for function in graph.graph_def.library.function for node in function.node_def]
    return {node.attr["dtype"].type for node in nodes if node.op == "Const"}


@pytest.mark.usefixtures("parity_check_in_process")
def test_features_have_a_tolerance_of_their_own_scale(tmp_path):
    inputs = layers.Input((4, 4, 1))
    large = layers.GlobalAveragePooling2D(name="pool")(layers.Rescaling(1000.0)(inputs))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.Rescaling(1e-3)(large)))
    export = zoo.export(model, tmp_path, inputs=np.random.default_rng(0).random((3, 4, 4, 1)))
    record = read_record(export)
    assert record["features"]["tolerance"] == pytest.approx(1e-5 * 500, rel=0.5)
    assert record["tolerance"] == 1e-5


@pytest.mark.usefixtures("parity_check_in_process")
def test_a_lookup_table_is_kept_in_bfloat16_and_litert_lacks_it(tmp_path):
    model, preprocessing, rows = soil_model()
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("bfloat16",))
    record = read_record(export)
    assert record["format"] == "bfloat16"
    assert 0 < export.difference <= record["tolerance"]
    with pytest.raises(zoo.ExportError, match="to LiteRT float, as its inputs must be numbers, got text in soil; use"):
        zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("litert_float",))
    assert os.listdir(tmp_path) == ["1"]


def test_a_format_above_its_tolerance_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    def run_with_offset(requests, path):
        offset = np.float32(0.2 if str(path).endswith(".tflite") else 0)
        return [{name: array + offset for name, array in outputs.items()} for outputs in run_in_process(requests, path)]

    monkeypatch.setattr(parity_check, "run_isolated", run_with_offset)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2, activation="softmax")])
    with pytest.raises(
        zoo.ExportError, match="export: the litert_int8 file differs from predict by .* of 0.1"
    ) as caught:
        zoo.export(model, tmp_path / "new", inputs=np.ones((2, 3)), formats=("litert_int8",))
    assert caught.value.format == "litert_int8"
    assert os.listdir(tmp_path) == []
    with pytest.raises(
        ValueError, match=r"`formats`\[0\] must be one of 'folded', .*, got 'fold'. Did you mean `folded`"
    ):
        zoo.export(model, tmp_path, inputs=np.ones((2, 3)), formats=("fold",))
