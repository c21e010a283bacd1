"""Exports refuse gaps where training had none; elsewhere the parity check has gaps and unseen levels."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.export.test_export import load_signatures, read_record
from zoo.export import gap_refusal
from zoo.inputs.schema import Column, InputSchema
from zoo.layers.impute import Impute
from zoo.serving.model_store import short_message

pytestmark = pytest.mark.usefixtures("parity_check_in_process")


def refusal(signature, **inputs):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        signature(**{name: tf.constant(values) for name, values in inputs.items()})
    return short_message(error.value)


def table(imputes, levels=("clay", "sand")):
    """(model, preprocessing, rows) of a table with two numbers and a category."""
    columns = {name: layers.Input((1,), name=name) for name in ("height", "slope")}
    columns["soil"] = layers.Input((1,), name="soil", dtype="string")
    numbers = layers.Concatenate()([columns["height"], columns["slope"]])
    numbers = Impute([2.0, 3.0], [0])(numbers) if imputes else numbers
    codes = layers.StringLookup(vocabulary=list(levels), output_mode="one_hot")(columns["soil"])
    preprocessing = keras.Model(columns, layers.Concatenate()([numbers, codes]))
    inputs = layers.Input(preprocessing.output_shape[1:])
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(3, activation="relu")(inputs)))
    rows = {"height": np.array([1.0, 2, 3]), "slope": np.ones(3), "soil": np.array(["clay", "loess", "sand"], object)}
    return model, preprocessing, rows


def test_gaps_are_refused_where_nothing_imputes_and_the_sentence_names_input_and_row(tmp_path):
    model, preprocessing, rows = table(imputes=False)
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing)
    record = read_record(export)
    assert record["inputs_without_gaps"] == ["height", "slope", "soil"]
    assert [c["content"] for c in record["comparisons"]] == ["examples", "examples", "an unseen level"]
    _model, signatures = load_signatures(export.path)
    height, slope, soil = [[1.0], [2.0], [np.nan]], [[1.0], [np.nan], [1.0]], [["clay"], ["peat"], [""]]
    reason = "; the model was trained without gaps."
    signature = signatures["serving_default"]
    assert refusal(signature, height=height[:2], slope=slope[:2], soil=soil[:2]) == (
        f"slope has a gap (NaN) in row 2{reason}"
    )
    assert (
        refusal(signature, height=height, slope=slope[:1] * 3, soil=soil) == f"height has a gap (NaN) in row 3{reason}"
    )
    assert refusal(signature, height=height[:1], slope=slope[:1], soil=soil[2:]) == f"soil is empty in row 1{reason}"
    assert signature(height=height[:1], slope=slope[:1], soil=soil[1:2])["values"].shape == (1, 1)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tf2onnx|onnx")
@pytest.mark.parametrize(("engine", "format"), [("onnx", "onnx"), ("litert", "litert_float"), ("openvino", None)])
def test_the_predictor_refuses_gaps_where_the_file_alone_does_not(tmp_path, engine, format):
    for package in {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",)}.get(engine, ()):
        pytest.importorskip(package)
    columns = {name: layers.Input((1,), name=name) for name in ("height", "slope")}
    model = keras.Model(columns, layers.Dense(1)(layers.Concatenate()(list(columns.values()))))
    rows = {"height": np.array([1.0, 2, 3]), "slope": np.ones(3)}
    export = zoo.export(model, tmp_path, inputs=rows, formats=(format,) if format else ())
    notes = [note for note in read_record(export)["notes"] if "do not refuse gaps (NaN) in height, slope" in note]
    assert len(notes) == bool(format)
    predictor = zoo.predictor(export.path, engine)
    gap = {**rows, "slope": np.array([1.0, np.nan, 1])}
    assert np.isnan(predictor._run({n: a[:, None].astype("float32") for n, a in gap.items()})["values"]).any()
    with pytest.raises(ValueError, match=r"slope has a gap \(NaN\) in row 2; the model was trained without gaps"):
        predictor(gap)
    assert predictor(rows)["values"].shape == (3, 1)


def test_imputed_gaps_and_unseen_levels_are_part_of_the_parity_check(tmp_path):
    model, preprocessing, rows = table(imputes=True)
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("folded",))
    record = read_record(export)
    assert record["inputs_without_gaps"] == []
    assert [c["content"] for c in record["comparisons"]] == ["examples", "examples", "a gap and an unseen level"]
    _model, signatures = load_signatures(export.path)
    outputs = [
        signatures["serving_default"](height=[[height]], slope=[[1.0]], soil=[[soil]])["values"].numpy()
        for height, soil in ((np.nan, "peat"), (2.0, ""))
    ]
    assert np.isfinite(outputs).all()


def test_an_empty_level_of_the_training_split_is_accepted(tmp_path):
    model, preprocessing, rows = table(imputes=False, levels=("", "clay"))
    record = read_record(zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing))
    assert record["inputs_without_gaps"] == ["height", "slope"]


@pytest.mark.parametrize("shape", [(4,), (5, 2), (4, 4, 2)])
def test_gaps_in_vectors_series_and_images_are_refused_by_all_signatures(tmp_path, shape):
    inputs = layers.Input(shape, name="values")
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(inputs)))
    raw = np.ones((3, *shape), "float32")
    export = zoo.export(model, tmp_path, inputs=raw)
    raw[(1, *[0] * len(shape))] = np.nan
    _model, signatures = load_signatures(export.path)
    message = "values has a gap (NaN) in row 2; the model was trained without gaps."
    assert refusal(signatures["serving_default"], values=raw) == message


def test_padded_series_accept_missing_steps_and_images_nodata(tmp_path):
    inputs = layers.Input((5, 2), name="series")
    padding = keras.Model(inputs, Impute([0.0, 0.0])(layers.Rescaling(0.5)(inputs)))
    series = layers.Input((5, 2))
    model = keras.Model(series, layers.Dense(1)(layers.Flatten()(series)))
    record = read_record(zoo.export(model, tmp_path, inputs=np.ones((2, 5, 2)), preprocessing=padding))
    assert record["inputs_without_gaps"] == []
    assert "a gap" in [c["content"] for c in record["comparisons"]]
    inputs = layers.Input((4, 4, 2), name="image")
    padding = keras.Model(inputs, Impute([0.0, 0.0])(layers.Rescaling(0.5)(inputs)))
    image = keras.Sequential([layers.Input((4, 4, 2)), layers.Flatten(), layers.Dense(1)])
    record = read_record(zoo.export(image, tmp_path, inputs=np.full((2, 4, 4, 2), 0.5), preprocessing=padding))
    assert record["inputs_without_gaps"] == [] and "a gap" in [c["content"] for c in record["comparisons"]]


class OwnLayer(layers.Layer):
    """Adds 1."""

    def call(self, x):
        return x + 1


def test_whether_a_layer_of_the_user_handles_gaps_is_found_by_its_outputs(tmp_path):
    model = keras.Sequential([layers.Input((3,), name="x"), OwnLayer(), layers.Dense(1, activation="sigmoid")])
    assert read_record(zoo.export(model, tmp_path, inputs=np.ones((2, 3))))["inputs_without_gaps"] == ["x"]
    x = layers.Input((3,), name="x")
    model = keras.Model(x, layers.Dense(1)(keras.ops.where(keras.ops.isnan(x), keras.ops.zeros_like(x), x)))
    assert read_record(zoo.export(model, tmp_path, inputs=np.ones((2, 3))))["inputs_without_gaps"] == []


def test_images_without_names_add_nothing_to_the_graph():
    with tf.Graph().as_default() as graph:
        gap_refusal.refuse_gaps({"x": tf.zeros((1, 4, 4, 3))}, ())
        assert [operation.type for operation in graph.get_operations()] == ["Const"]


def schema_of_table(missing="error", **reading):
    columns = (
        Column("height", "height", "number", minimum=1, maximum=3),
        Column("slope", "slope", "number", minimum=1, maximum=1),
        Column("soil", "soil", "category", ("clay", "sand")),
    )
    return InputSchema("table", None, "mixed", missing, columns=columns, reading=reading)


def test_the_graph_reads_blanks_and_missing_values_of_columns_as_the_reader_of_tables(tmp_path):
    model, preprocessing, rows = table(imputes=False)
    schema = schema_of_table(missing_values=["-9999", "unknown"])
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, input_schema=schema)
    contents = [c["content"] for c in read_record(export)["comparisons"]]
    assert contents == ["examples", "examples", "an unseen level", "blanks around levels"]
    _model, signatures = load_signatures(export.path)
    signature = signatures["serving_default"]
    number = np.ones((3, 1), "float32")
    soils = [["clay"], [" clay\t"], ["\u00a0clay "]]
    values = signature(height=number, slope=number, soil=tf.constant(soils))["values"].numpy()
    np.testing.assert_allclose(values, np.repeat(values[:1], 3, axis=0), rtol=1e-6)
    for soil in ("NA", " nan ", "unknown", "  "):
        refused = refusal(signature, height=number[:2], slope=number[:2], soil=[["clay"], [soil]])
        assert refused.startswith("soil is empty in row 2")
    refused = refusal(signature, height=[[1.0], [-9999.0]], slope=number[:2], soil=[["clay"]] * 2)
    assert refused.startswith("height has a gap (NaN) in row 2")
    predictor = zoo.predictor(export.path, "tensorflow")
    gaps = ({"soil": np.array(["clay", "NA", "sand"])}, {"height": np.array([1.0, -9999, 2])})
    for gap in gaps:
        with pytest.raises(ValueError, match="must have no gaps.*the first in row 2"):
            predictor({**rows, **gap})


def test_texts_that_are_levels_are_no_gaps(tmp_path):
    model, preprocessing, rows = table(imputes=False, levels=("NA", "clay"))
    schema = schema_of_table(keep_default_missing=False)
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, input_schema=schema)
    _model, signatures = load_signatures(export.path)
    number = np.ones((1, 1), "float32")
    signature = signatures["serving_default"]
    values = [signature(height=number, slope=number, soil=[[soil]])["values"].numpy() for soil in ("NA", "peat")]
    assert values[0] != values[1]


@pytest.mark.parametrize("imputes", [False, True])
def test_infinite_numbers_are_refused_also_where_gaps_are_filled(tmp_path, imputes):
    model, preprocessing, rows = table(imputes)
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing)
    _model, signatures = load_signatures(export.path)
    values = {"height": [[1.0], [np.inf]], "slope": [[1.0], [2.0]], "soil": [["clay"], ["sand"]]}
    assert refusal(signatures["serving_default"], **values) == "height has an infinite number in row 2."
    with pytest.raises(ValueError, match="height has an infinite number in row 2"):
        zoo.predictor(export.path)({n: np.array(v) for n, v in values.items()})
