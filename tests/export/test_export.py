"""The layout and the record of an export, its signatures, and the parity check in another process.

Each parity check starts a process, so that several tests share one export.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.exported_models import NAMES, photos, run_in_process
from tests.tolerance import assert_close
from zoo.export import isolated_inference, parity_check
from zoo.export.signatures import Signatures


def augmented_classifier():
    """A classifier whose output in training is random: it flips, rotates and drops."""
    inputs = layers.Input((8, 8, 3), name="image")
    x = layers.RandomRotation(0.4)(layers.RandomFlip()(inputs))
    x = layers.Conv2D(6, 3, activation="relu")(layers.RandomContrast(0.9)(x))
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(6, activation="softmax")(x), name="trees")


def resizing(size=(None, None), bands=3, to=(8, 8)):
    """A preprocessing model that resizes photos and scales them to -1 to 1."""
    raw = layers.Input((*size, bands), dtype="uint8", name="photo")
    return keras.Model(raw, layers.Rescaling(1 / 127.5, -1)(layers.Resizing(*to)(raw)))


def load_signatures(path):
    """(model, signatures): the first keeps the second's variables alive."""
    model = tf.saved_model.load(path)
    return model, model.signatures


def read_record(export):
    """The content of an export's parity.json."""
    return json.loads((Path(export.path) / "assets.extra" / "parity.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """(model, preprocessing, export) of photos of any size, with class names."""
    keras.utils.set_random_seed(1)
    model, preprocessing = augmented_classifier(), resizing()
    path = tmp_path_factory.mktemp("served") / "a" / "trees"
    export = zoo.export(model, path, inputs=photos(4), preprocessing=preprocessing, classes=NAMES)
    return model, preprocessing, export


@pytest.fixture(scope="module")
def table_versions(tmp_path_factory):
    """A folder with the versions 1 and 7 of a table's model."""
    folder = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "run_isolated", run_in_process)
        for version in (None, 7.0):
            zoo.export(zoo.dnn((3,), 2, units=(4,)), folder, inputs=np.ones((1, 3)), version=version)
    return folder


def test_the_layout_is_that_of_tensorflow_serving(trees):
    *_, export = trees
    assert export.version == 1
    assert export.path.endswith(os.path.join("a", "trees", "1"))
    assert os.listdir(os.path.dirname(export.path)) == ["1"]
    assert {"saved_model.pb", "variables", "assets.extra"} <= set(os.listdir(export.path))
    assert export.seconds > 0


def test_parity_json_records_all_comparisons(trees):
    *_, export = trees
    record = read_record(export)
    assert export.difference == record["difference"] <= record["tolerance"] == 1e-5
    assert record["signatures"] == list(export.signatures) == ["serving_default", "serving_bytes", "features"]
    assert record["format"] == "exact"
    of_files = {"PNG": (1, 4), "JPEG, the last one rotated by its EXIF": (5,), "PNG of another size": (1,)}
    of_files["PNG: rotated by its EXIF, transparent, gray"] = (3,)
    assert {(c["signature"], c["content"], c["batch_size"]) for c in record["comparisons"]} == {
        *[(signature, "examples", size) for signature in ("serving_default", "features") for size in (1, 4)],
        *[("serving_bytes", content, size) for content, sizes in of_files.items() for size in sizes],
    }
    assert record["batch_sizes"] == [1, 3, 4, 5]
    assert record["inputs_without_gaps"] == []
    assert record["inputs"] == {"photo": {"shape": [None, None, None, 3], "dtype": "uint8"}}
    assert record["classes"] == list(NAMES)
    assert record["notes"] == []
    assert record["versions"]["keras"] == keras.__version__
    assert set(record["versions"]) == {"python", "keras", "tensorflow", "numpy"}


def test_serving_default_predicts_from_raw_values_like_predict_and_names_the_classes(trees):
    model, preprocessing, export = trees
    raw = photos(5, side=17)
    expected = model.predict(preprocessing.predict(raw, verbose=0), verbose=0)
    _model, signatures = load_signatures(export.path)
    outputs = signatures["serving_default"](photo=tf.constant(raw))
    assert set(outputs) == {"probabilities", "classes", "scores"}
    assert_close(outputs["probabilities"], expected)
    classes = [[c.decode() for c in row] for row in outputs["classes"].numpy()]
    assert classes == [[NAMES[i] for i in row] for row in np.argsort(-expected, axis=-1)[:, :5]]
    assert_close(outputs["scores"], -np.sort(-expected, axis=-1)[:, :5])


def test_augmentation_is_off_in_an_export(trees):
    model, _, export = trees
    x = np.random.default_rng(1).random((2, 8, 8, 3), "float32")
    assert np.abs(model(x, training=True) - model(x, training=True)).max() > 1e-3
    _model, signatures = load_signatures(export.path)
    first, second = (signatures["serving_default"](photo=tf.constant(photos(2)))["probabilities"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_serving_bytes_takes_files_of_any_format_and_size(trees):
    model, preprocessing, export = trees
    raw = photos(1)[0]
    smooth = np.broadcast_to(np.linspace(0, 255, 16).astype("uint8")[:, None, None], (16, 20, 3))
    files = [
        tf.io.encode_png(raw),
        tf.io.encode_jpeg(smooth, quality=100),
        tf.io.encode_png(smooth[..., :1]),  # gray
        tf.io.encode_png(np.concatenate([raw, raw[..., :1]], axis=-1)),  # with transparency
    ]
    color, opacity = raw.astype(int), raw[..., :1].astype(int)
    on_white = ((color * opacity + 255 * (255 - opacity) + 127) // 255).astype("uint8")
    _model, signatures = load_signatures(export.path)
    probabilities = signatures["serving_bytes"](image_bytes=tf.stack(files))["probabilities"].numpy()
    expected = [model.predict(preprocessing.predict(i[None], verbose=0), verbose=0)[0] for i in (raw, smooth, on_white)]
    assert_close(probabilities[[0, 2, 3]], expected)
    np.testing.assert_allclose(probabilities[1], expected[1], atol=0.02)  # a JPEG is not exact


def test_a_corrupt_file_is_an_error_and_the_next_file_is_not(trees):
    *_, export = trees
    _model, signatures = load_signatures(export.path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        signatures["serving_bytes"](image_bytes=tf.constant([b"no picture"]))
    assert signatures["serving_bytes"](image_bytes=tf.io.encode_png(photos(1)[0])[None])["scores"].shape == (1, 5)


@pytest.mark.usefixtures("parity_check_in_process")
def test_versions_count_up_and_are_never_overwritten(table_versions, monkeypatch):
    model, rows = zoo.dnn((3,), 2), np.ones((1, 3))
    assert sorted(os.listdir(table_versions)) == ["1", "7"]
    with pytest.raises(zoo.ExportError, match="`version` 7 is already in"):
        zoo.export(model, table_versions, inputs=rows, version=7)
    replace = os.replace

    def replace_after_another_export(source, target):
        if target.name == "8":
            target.mkdir()
            (target / "saved_model.pb").touch()
        return replace(source, target)

    monkeypatch.setattr(os, "replace", replace_after_another_export)
    assert zoo.export(model, table_versions, inputs=rows).version == 9
    assert sorted(os.listdir(table_versions)) == ["1", "7", "8", "9"]


class Noise(layers.Layer):
    def call(self, x):
        return x + keras.random.normal((1, 2))


class PythonFunction(layers.Layer):
    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], "float32"), x.shape)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Noise(),
            "the exported model differs from predict by .*, more than the `tolerance` of 1e-05. serving_default, ",
        ),
        (PythonFunction(), "the exported model could not be run"),
    ],
)
def test_a_failed_parity_check_leaves_nothing_on_the_disk(tmp_path, layer, message):
    model = keras.Sequential([layers.Input((2,)), layer])
    with pytest.raises(zoo.ExportError, match=f"export: {message}"):
        zoo.export(model, tmp_path / "not" / "there", inputs=np.ones((2, 2)))
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("parity_check_in_process")
def test_a_graph_that_differs_slightly_fails_the_parity_check(table_versions, monkeypatch):
    predict_values = Signatures.predict_values

    def predict_slightly_wrong_values(self, *tensors):
        return {name: output + 3e-5 for name, output in predict_values(self, *tensors).items()}

    monkeypatch.setattr(Signatures, "predict_values", predict_slightly_wrong_values)
    before = sorted(os.listdir(table_versions))
    with pytest.raises(zoo.ExportError, match=r"by 3\.?\d*e-05, more than the `tolerance` of 1e-05"):
        zoo.export(zoo.dnn((3,), 2, units=()), table_versions, inputs=np.zeros((1, 3)))
    assert sorted(os.listdir(table_versions)) == before


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def built_subclass():
    model = Subclassed()
    model(np.ones((1, 3)))
    return model


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": Subclassed()}, "`model` must be built: give subclassed.* an Input, or call it once"),
        ({"model": keras.Sequential([layers.Dense(2)])}, "`model` must be built"),
        ({"model": built_subclass()}, r"`model` must be functional or Sequential; wrap the subclass"),
        ({"model": "lenet5"}, "`model` must be a keras.Model, got str"),
        ({"preprocessing": lambda x: x}, "`preprocessing` must be a keras.Model, got function"),
        ({"classes": ("a", "b", "c")}, r"`classes` must name each output of \(B, classes\); got 3 names for"),
        ({"classes": ("a", "a")}, "`classes` must differ from each other"),
        ({"inputs": np.ones((0, 3))}, "`inputs` must hold the same number of examples each, at least 1"),
        ({"inputs": np.ones((1, 4))}, r"`inputs`: inputs must have the shape \(N, 3\), .*got \(1, 4\)"),
        ({"inputs": [["a", "b", "c"]]}, "`inputs`: inputs must be float32, got <U1"),
        ({"inputs": np.full((1, 3), np.nan)}, "predict outputs NaN or infinity for `inputs`"),
        ({"inputs": None}, "`inputs` must be raw held-out examples for the parity check, got None"),
        ({"tolerance": 0}, "`tolerance` must be a number above 0"),
        ({"version": 0}, "`version` must be a whole number of at least 1"),
    ],
)
def test_an_error_names_the_wrong_argument_and_nothing_is_written(tmp_path, changed, message):
    arguments = {"model": zoo.dnn((3,), 2, units=()), "path": tmp_path / "new", "inputs": np.ones((1, 3)), **changed}
    with pytest.raises(ValueError, match=f"export: {message}"):
        zoo.export(**arguments)
    assert os.listdir(tmp_path) == []


def test_bytes_must_be_whole_numbers_and_the_path_a_folder(tmp_path):
    model = zoo.cnn((8, 8, 3), 2, filters=(2,), units=())
    with pytest.raises(zoo.ExportError, match="photo must be uint8, got float64 with other values"):
        zoo.export(model, tmp_path, inputs=np.full((1, 9, 9, 3), 0.5), preprocessing=resizing())
    (tmp_path / "file").touch()
    with pytest.raises(zoo.ExportError, match="`path` must be a folder that can be written"):
        zoo.export(zoo.dnn((3,), 2), tmp_path / "file", inputs=np.ones((1, 3)))


def test_isolated_inference_imports_only_numpy_and_the_runtimes(trees, tmp_path):
    with open(isolated_inference.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    modules = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    modules |= {"." * n.level + (n.module or "") for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    assert packages == {"numpy", "tensorflow", "onnxruntime"}
    np.savez(tmp_path / "requests.npz", **{"serving_default/0/photo": photos(1)})
    arguments = [trees[-1].path, tmp_path / "requests.npz", tmp_path / "outputs.npz"]
    script = "import sys, runpy, json, keras; runpy.run_path(sys.argv[1], run_name='__main__')"
    script = script.replace("runpy.run", "sys.argv[:] = sys.argv[1:]; runpy.run").replace("argv[1],", "argv[0],")
    process = subprocess.run(
        [sys.executable, "-c", script, isolated_inference.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "isolated inference must not import keras." in process.stderr
    assert not (tmp_path / "outputs.npz").exists()
