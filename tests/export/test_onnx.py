"""ONNX files: written where the graph converts, proved by ONNX Runtime, and refused with the reason elsewhere."""

import contextlib
import importlib.util
import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.cases import CASES
from tests.serving.conftest import photos, soil, trees
from tests.test_contract import batch, build
from tests.tolerance import assert_close
from zoo.export.formats import onnx_file
from zoo.registry import entries

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tf2onnx|onnx")
converter = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tf2onnx", "onnxruntime"))), reason="needs tf2onnx and onnxruntime"
)


@converter
def test_photos_are_answered_by_onnx_runtime_in_a_process_of_its_own(tmp_path):
    model, preprocessing = trees()
    found = zoo.export(model, tmp_path, inputs=photos(4), preprocessing=preprocessing, formats=("onnx",))
    told = json.loads((Path(found.path) / "assets.extra" / "parity.json").read_text())["files"]["onnx"]
    assert told["difference"] <= told["tolerance"] == 1e-4
    assert onnx_file.path(Path(found.path)).stat().st_size == told["bytes"]
    small = zoo.predictor(found.path, "onnx")
    assert (small.engine, small.why) == ("onnx", "asked for")
    expected = model.predict(preprocessing.predict(photos(3), verbose=0), verbose=0)
    assert_close(small(photos(3))["probabilities"], expected)
    with pytest.raises(ValueError, match="predict: `inputs` are not what the export takes"):
        small(photos(3)[..., :1])


@converter
@pytest.mark.usefixtures("quick")
def test_a_tables_columns_keep_their_names_and_their_normalisation(tmp_path):
    columns = {name: layers.Input((1,), name=name) for name in ("height", "age")}
    normal = layers.Normalization()
    normal.adapt(np.array([[100.0, 3], [180, 40]]))
    preprocessing = keras.Model(columns, normal(layers.Concatenate()(list(columns.values()))))
    rows = {"height": np.array([150.0, 170]), "age": np.array([20.0, 60])}
    model = zoo.dnn((2,), 1, units=(3,))
    found = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("onnx",))
    answer = zoo.predictor(found.path, "onnx")(rows)
    expected = zoo.predictor(found.path, "tensorflow")(rows)
    assert_close(*[next(iter(a.values())) for a in (answer, expected)])


@converter
@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_converts_in_both_its_forms(approximate):
    import tensorflow as tf

    model = keras.Sequential([layers.Input((5,), name="x"), layers.Lambda(lambda x: keras.ops.gelu(x, approximate))])
    content = onnx_file.convert(
        lambda x: {"values": model(x, training=False)}, [tf.TensorSpec((None, 5), "float32", name="x")]
    )
    x = np.linspace(-4, 4, 10, dtype="float32").reshape(2, 5)
    assert_close(onnx_file.runner(content)(x=x)["values"], model.predict(x, verbose=0))


@converter
@pytest.mark.usefixtures("quick")
def test_what_onnx_has_not_is_named_and_nothing_is_left(tmp_path):
    model = keras.Sequential([layers.Input((6, 6, 4)), layers.Conv2D(4, 3, groups=2)])
    with pytest.raises(zoo.ExportError, match="export: ONNX has no such model: it knows no PartitionedCall"):
        zoo.export(model, tmp_path / "new", inputs=np.ones((1, 6, 6, 4)), formats=("onnx",))
    model, preprocessing, rows = soil()
    with pytest.raises(zoo.ExportError, match="export: ONNX has no such model"):
        zoo.export(model, tmp_path / "new", inputs=rows, preprocessing=preprocessing, formats=("onnx",))
    assert os.listdir(tmp_path) == []


# No grouped convolution, and no padding of truth values.
NOT_THERE = {"alexnet": "it knows no PartitionedCall", "presto": "Pad", "presto_autoencoder": "."}
FAMILIES = [n for n in sorted(CASES) if not entries[n].parent and entries[n].task != "generate"]


@converter
@pytest.mark.slow  # seconds each, of which there are dozens
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", FAMILIES)
def test_every_architecture_that_predicts_converts_or_is_known_not_to(name, tmp_path):
    model = build(name)
    with contextlib.nullcontext() if name not in NOT_THERE else pytest.raises(Exception, match=NOT_THERE[name]):
        zoo.export(model, tmp_path, inputs=batch(model, name), formats=("onnx",))


@pytest.mark.usefixtures("quick")
def test_what_is_not_installed_or_not_exported_is_said(tmp_path, monkeypatch):
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(zoo.ExportError, match=r"export: `formats` onnx needs tf2onnx.*pip install fieldzoo\[onnx\]"):
        zoo.export(model, tmp_path, inputs=np.ones((1, 3)), formats=("onnx",))
    found = zoo.export(model, tmp_path, inputs=np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"predictor: .* has no ONNX file: export it with forms=\('onnx',\)"):
        zoo.predictor(found.path, "onnx")
    onnx_file.path(Path(found.path)).touch()
    with pytest.raises(ValueError, match="predictor: `engine` onnx needs onnxruntime, which is not installed"):
        zoo.predictor(found.path, "onnx")
