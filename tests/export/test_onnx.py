"""ONNX files: written where the graph converts, checked with ONNX Runtime, and refused with the reason elsewhere."""

import contextlib
import importlib.util
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.cases import CASES
from tests.export.test_export import read_record
from tests.exported_models import photos, soil_model, trees_model
from tests.test_contract import batch, build
from tests.tolerance import assert_close
from zoo.export.formats import onnx_file
from zoo.registry import entries

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tf2onnx|onnx")
needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tf2onnx", "onnxruntime"))), reason="needs tf2onnx and onnxruntime"
)


@needs_onnx
def test_onnx_runtime_predicts_photos_in_another_process(tmp_path):
    model, preprocessing = trees_model()
    export = zoo.export(model, tmp_path, inputs=photos(4), preprocessing=preprocessing, formats=("onnx",))
    record = read_record(export)["files"]["onnx"]
    assert record["difference"] <= record["tolerance"] == 1e-4
    assert onnx_file.onnx_path(Path(export.path)).stat().st_size == record["bytes"]
    predictor = zoo.predictor(export.path, "onnx")
    assert (predictor.engine, predictor.reason) == ("onnx", "as requested")
    expected = model.predict(preprocessing.predict(photos(3), verbose=0), verbose=0)
    assert_close(predictor(photos(3))["probabilities"], expected)
    with pytest.raises(ValueError, match="predict: `inputs`: photo must have the shape"):
        predictor(photos(3)[..., :1])


@needs_onnx
@pytest.mark.usefixtures("parity_check_in_process")
@pytest.mark.parametrize("format", ["onnx", "litert_float"])
def test_a_file_of_resized_photos_is_refused_with_what_to_do(tmp_path, format):
    model, _ = trees_model()
    raw = layers.Input((None, None, 3), dtype="uint8", name="photo")
    preprocessing = keras.Model(raw, layers.Rescaling(1 / 127.5, -1)(layers.Resizing(8, 8, antialias=True)(raw)))
    arguments = {"inputs": photos(4), "preprocessing": preprocessing}
    with pytest.raises(ValueError, match=rf"lacks .*ScaleAndTranslate.*The formats folded.*formats=\('{format}',\)"):
        zoo.export(model, tmp_path / "a", **arguments, formats=(format,))
    export = zoo.export(model, tmp_path / "b", inputs=preprocessing(photos(4)), formats=(format,))  # as it advises
    assert export.difference < 1e-5


@needs_onnx
@pytest.mark.usefixtures("parity_check_in_process")
def test_the_columns_of_a_table_keep_their_names_and_their_normalization(tmp_path):
    columns = {name: layers.Input((1,), name=name) for name in ("height", "age")}
    normalization = layers.Normalization()
    normalization.adapt(np.array([[100.0, 3], [180, 40]]))
    preprocessing = keras.Model(columns, normalization(layers.Concatenate()(list(columns.values()))))
    rows = {"height": np.array([150.0, 170]), "age": np.array([20.0, 60])}
    model = zoo.dnn((2,), 1, units=(3,))
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, formats=("onnx",))
    outputs, expected = (zoo.predictor(export.path, engine)(rows) for engine in ("onnx", "tensorflow"))
    assert_close(*[next(iter(a.values())) for a in (outputs, expected)])


@needs_onnx
@pytest.mark.parametrize("approximate", [False, True])
def test_exact_and_approximate_gelu_convert(approximate):
    import tensorflow as tf

    model = keras.Sequential([layers.Input((5,), name="x"), layers.Lambda(lambda x: keras.ops.gelu(x, approximate))])
    content = onnx_file.convert(
        lambda x: {"values": model(x, training=False)}, [tf.TensorSpec((None, 5), "float32", name="x")]
    )
    x = np.linspace(-4, 4, 10, dtype="float32").reshape(2, 5)
    assert_close(onnx_file.load_runner(content)(x=x)["values"], model.predict(x, verbose=0))


@needs_onnx
def test_a_column_of_text_is_refused_by_name():
    import tensorflow as tf

    specs = [tf.TensorSpec((None, 1), "float32", "height"), tf.TensorSpec((None, 1), "string", "soil")]
    with pytest.raises(ValueError, match="must be numbers, got text in soil; use the SavedModel"):
        onnx_file.convert(lambda *tensors: {}, specs)


@needs_onnx
@pytest.mark.usefixtures("parity_check_in_process")
def test_an_operation_that_onnx_lacks_is_named_and_nothing_is_written(tmp_path):
    model = keras.Sequential([layers.Input((6, 6, 4)), layers.Conv2D(4, 3, groups=2)])
    with pytest.raises(
        zoo.ExportError, match="export: the model cannot be converted to ONNX: it lacks PartitionedCall"
    ):
        zoo.export(model, tmp_path / "new", inputs=np.ones((1, 6, 6, 4)), formats=("onnx",))
    model, preprocessing, rows = soil_model()
    with pytest.raises(zoo.ExportError, match="export: the model cannot be converted to ONNX"):
        zoo.export(model, tmp_path / "new", inputs=rows, preprocessing=preprocessing, formats=("onnx",))
    assert os.listdir(tmp_path) == []


# No grouped convolution, and no padding of booleans.
NOT_CONVERTIBLE = {"alexnet": "it lacks PartitionedCall", "presto": "Pad", "presto_autoencoder": "."}
FAMILIES = [n for n in sorted(CASES) if not entries[n].parent and entries[n].task != "generate"]


@needs_onnx
@pytest.mark.slow  # seconds each, of which there are dozens
@pytest.mark.usefixtures("parity_check_in_process")
@pytest.mark.parametrize("name", FAMILIES)
def test_every_predictive_architecture_converts_or_is_listed_as_not_convertible(name, tmp_path):
    model, message = build(name), NOT_CONVERTIBLE.get(name)
    with contextlib.nullcontext() if message is None else pytest.raises(Exception, match=message):
        zoo.export(model, tmp_path, inputs=batch(model, name), formats=("onnx",))


@pytest.mark.usefixtures("parity_check_in_process")
def test_errors_name_the_missing_package_or_file(tmp_path, monkeypatch):
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(zoo.ExportError, match=r"export: `formats` onnx needs tf2onnx.*pip install fieldzoo\[onnx\]"):
        zoo.export(model, tmp_path, inputs=np.ones((1, 3)), formats=("onnx",))
    export = zoo.export(model, tmp_path, inputs=np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"predictor: .* has no ONNX file: export it with formats=\('onnx',\)"):
        zoo.predictor(export.path, "onnx")
    onnx_file.onnx_path(Path(export.path)).touch()
    with pytest.raises(ValueError, match="predictor: `engine` onnx needs onnxruntime, which is not installed"):
        zoo.predictor(export.path, "onnx")
