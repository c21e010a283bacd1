"""The engines that predict from an export in this process."""

import keras
import numpy as np
import pandas
import pytest
from keras import layers

import zoo
from tests.exported_models import photos, run_in_process
from tests.tolerance import assert_close
from zoo.export import parity_check
from zoo.inputs.schema import Column, InputSchema
from zoo.serving import predictor as predictor_module
from zoo.serving.client import TensorInfo

pytest.importorskip("openvino", reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """(folder, model) of an export whose whole graph is float32."""
    inputs = layers.Input((None, None, 2), name="bands")
    x = layers.Conv2D(5, 3, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D(name="pool")(x)))
    folder = tmp_path_factory.mktemp("plots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "run_isolated", run_in_process)
        zoo.export(model, folder, inputs=np.random.default_rng(1).random((3, 7, 9, 2)), classes=("a", "b", "c"))
    return folder, model


@pytest.mark.parametrize(("engine", "used"), [("auto", "openvino"), ("openvino", "openvino"), ("tensorflow",) * 2])
def test_every_engine_predicts_like_keras(plots, engine, used):
    folder, model = plots
    predictor = zoo.predictor(str(folder), engine)
    assert predictor.engine == used
    x = np.random.default_rng(2).random((2, 11, 5, 2))
    outputs = predictor.predict(x)
    expected = model.predict(x, verbose=0)
    assert_close(outputs["probabilities"], expected)
    assert outputs["classes"][:, 0].tolist() == ["abc"[i] for i in expected.argmax(-1)]
    assert_close(predictor({"bands": x})["scores"], outputs["scores"])


def test_photos_of_any_size_are_preprocessed_in_the_engine(exports):
    predictor = zoo.predictor(str(exports.folder / "trees"))
    assert predictor.engine == "openvino"
    assert_close(predictor(photos(4))["probabilities"], exports.probabilities)


def test_auto_uses_tensorflow_where_openvino_cannot_read_or_differs_and_says_why(exports, monkeypatch):
    predictor = zoo.predictor(str(exports.folder / "soil"))
    assert predictor.engine == "tensorflow" and predictor.reason.startswith("OpenVINO cannot read it")
    assert predictor({"height": [1.0], "soil": ["clay"]})["values"].shape == (1, 1)
    with pytest.raises(
        ValueError,
        match=r"openvino cannot read .*: it cannot convert TensorFlow's HashTableV2\b[^.]*\. Use auto",
    ):
        zoo.predictor(str(exports.folder / "soil"), "openvino")
    monkeypatch.setattr(predictor_module, "AUTO_TOLERANCE", -1.0)
    predictor = zoo.predictor(str(exports.folder / "trees"))
    assert predictor.engine == "tensorflow"
    assert predictor.reason == "OpenVINO differs from the parity check in `probabilities`"


@pytest.mark.usefixtures("parity_check_in_process")
def test_auto_uses_tensorflow_for_a_recurrent_network(tmp_path):
    model = zoo.lstm((None, 2), 1, units=(3,))
    zoo.export(model, tmp_path, inputs=np.ones((1, 4, 2)))
    predictor = zoo.predictor(str(tmp_path))
    assert (predictor.engine, predictor.reason) == ("tensorflow", "a network with loops is faster on TensorFlow")


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_infinite_pixels_are_refused(plots, engine):
    images = np.ones((2, 7, 9, 2), "float32")
    images[1, 3, 3, 0] = np.inf
    with pytest.raises(ValueError, match="bands has an infinite number in row 2"):
        zoo.predictor(str(plots[0]), engine).predict(images)


def test_errors_name_what_cannot_be_loaded_or_predicted(plots, tmp_path):
    folder, _ = plots
    with pytest.raises(ValueError, match="predictor: `path` must be an export, got .*/plot. Did you mean `plots"):
        zoo.predictor(str(folder.parent / "plot"))
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no model")
    for engine in ("auto", "tensorflow", "openvino"):
        with pytest.raises(ValueError, match="predictor: .* is no SavedModel, or a broken one"):
            zoo.predictor(str(tmp_path), engine)
    with pytest.raises(ValueError, match=r"has no LiteRT file int8: export it with formats=\('litert_int8',\)"):
        zoo.predictor(str(folder), "litert", format="int8")
    with pytest.raises(ValueError, match="`format` is for the engine litert, got 'auto'"):
        zoo.predictor(str(folder), format="int8")
    for engine in ("tensorflow", "openvino"):
        with pytest.raises(ValueError, match="predict: `inputs`: bands must have the shape"):
            zoo.predictor(str(folder), engine)(np.ones((1, 7, 9, 5)))


def test_masked_values_are_refused_as_by_a_run():
    predictor = predictor_module.Predictor("tensorflow", "", lambda arrays: {}, {})
    with pytest.raises(ValueError, match="without a mask, got 1 gaps"):
        predictor.predict(np.ma.masked_array(np.zeros((1, 2)), [[True, False]]))
    with pytest.raises(ValueError, match="without a mask, got 2 gaps"):
        predictor.predict({"x": np.ma.masked_array(np.zeros(2), [True, True])})


@pytest.mark.parametrize("kind", [dict, pandas.DataFrame])
def test_tables_are_refused_by_a_model_of_series_with_the_shape_of_its_windows(kind):
    schema = InputSchema(
        "series", (14, 2), "float32", columns=(Column("flow", "flow", "number"), Column("temp", "temp", "number"))
    )
    inputs = {"series": TensorInfo("float32", (None, 14, 2))}
    predictor = predictor_module.Predictor("tensorflow", "", lambda arrays: arrays, inputs, schema)
    table = kind({"day": ["2020-01-01"] * 20, "flow": [1.0] * 20, "temp": [2.0] * 20})
    sentence = (
        r"`inputs` must be windows of shape \(N, 14, 2\), whose last axis has flow, temp, got a table with the columns "
        r"day, flow, temp; cut it into windows by table\[\['flow', 'temp'\]\].to_numpy\(\)\[-14:\]\[None\]"
    )
    with pytest.raises(ValueError, match=sentence):
        predictor(table)
    assert predictor({"series": np.ones((1, 14, 2))})["series"].shape == (1, 14, 2)
