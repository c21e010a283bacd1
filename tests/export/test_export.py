"""Exports, and the proof that comes with them; each export starts a process, so one serves several tests."""

import ast
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.serving.conftest import here
from tests.tolerance import assert_close
from zoo.export import isolated_inference, parity_check

NAMES = ("ash", "beech", "elm", "fir", "oak", "yew")
EXPORT = sys.modules["zoo.export"]  # `zoo.export` is the function


def photos(count, bands=3, side=12):
    return np.random.default_rng(4).integers(0, 256, (count, side, 10, bands)).astype("uint8")


def augmented():
    """A classifier that flips, turns and drops in training."""
    inputs = layers.Input((8, 8, 3), name="image")
    x = layers.RandomRotation(0.4)(layers.RandomFlip()(inputs))
    x = layers.Conv2D(6, 3, activation="relu")(layers.RandomContrast(0.9)(x))
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(6, activation="softmax")(x), name="trees")


def prepare(size=(None, None), bands=3, to=(8, 8)):
    raw = layers.Input((*size, bands), dtype="uint8", name="photo")
    return keras.Model(raw, layers.Rescaling(1 / 127.5, -1)(layers.Resizing(*to)(raw)))


def served(path):
    loaded = tf.saved_model.load(path)
    return loaded, loaded.signatures  # the first keeps the second's variables alive


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """(model, preprocessing, export) of photos of any size, with class names."""
    keras.utils.set_random_seed(1)
    model, preprocessing = augmented(), prepare()
    path = tmp_path_factory.mktemp("served") / "a" / "trees"
    found = zoo.export(model, path, inputs=photos(4), preprocessing=preprocessing, classes=NAMES)
    return model, preprocessing, found


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder with the versions 1 and 7 of a table's model."""
    folder = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "replayed", here)
        for version in (None, 7.0):
            zoo.export(zoo.dnn((3,), 2, units=(4,)), folder, inputs=np.ones((1, 3)), version=version)
    return folder


def test_the_layout_is_tensorflow_servings(trees):
    *_, found = trees
    assert found.version == 1
    assert found.path.endswith(os.path.join("a", "trees", "1"))
    assert os.listdir(os.path.dirname(found.path)) == ["1"]
    assert {"saved_model.pb", "variables", "assets.extra"} <= set(os.listdir(found.path))
    assert found.seconds > 0


def test_the_proof_is_written_beside_the_model(trees):
    *_, found = trees
    with open(os.path.join(found.path, "assets.extra", "parity.json"), encoding="utf-8") as file:
        told = json.load(file)
    assert found.difference == told["difference"] <= told["tolerance"] == 1e-5
    assert told["signatures"] == list(found.signatures) == ["serving_default", "serving_bytes", "features"]
    assert told["batch_sizes"] == [1, 4]
    assert {(c["signature"], c["batch"]) for c in told["compared"]} == {
        (signature, size) for signature in found.signatures for size in (1, 4)
    }
    assert told["inputs"] == {"photo": {"shape": [None, None, None, 3], "dtype": "uint8"}}
    assert told["classes"] == list(NAMES)
    assert told["notes"] == []
    assert told["versions"]["keras"] == keras.__version__
    assert set(told["versions"]) == {"python", "keras", "tensorflow", "numpy"}


def test_raw_values_are_answered_as_by_predict_and_by_name(trees):
    model, preprocessing, found = trees
    raw = photos(5, side=17)
    expected = model.predict(preprocessing.predict(raw, verbose=0), verbose=0)
    _keep, signatures = served(found.path)
    answer = signatures["serving_default"](photo=tf.constant(raw))
    assert set(answer) == {"probabilities", "classes", "scores"}
    assert_close(answer["probabilities"], expected)
    best = np.argsort(-expected, axis=-1)[:, :5]
    assert [[c.decode() for c in row] for row in answer["classes"].numpy()] == [[NAMES[i] for i in row] for row in best]
    assert_close(answer["scores"], -np.sort(-expected, axis=-1)[:, :5])


def test_augmentation_is_off_in_an_export(trees):
    model, _, found = trees
    x = np.random.default_rng(1).random((2, 8, 8, 3), "float32")
    assert np.abs(model(x, training=True) - model(x, training=True)).max() > 1e-3  # it would be seen
    _keep, signatures = served(found.path)
    first, second = (signatures["serving_default"](photo=tf.constant(photos(2)))["probabilities"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_files_of_any_format_and_size_are_answered(trees):
    model, preprocessing, found = trees
    raw = photos(1)[0]
    smooth = np.broadcast_to(np.linspace(0, 255, 16).astype("uint8")[:, None, None], (16, 20, 3))
    files = [
        tf.io.encode_png(raw),
        tf.io.encode_jpeg(smooth, quality=100),
        tf.io.encode_png(smooth[..., :1]),  # grey
        tf.io.encode_png(np.concatenate([raw, raw[..., :1]], axis=-1)),  # with transparency
    ]
    _keep, signatures = served(found.path)
    answer = signatures["serving_bytes"](image_bytes=tf.stack(files))["probabilities"].numpy()
    expected = [model.predict(preprocessing.predict(i[None], verbose=0), verbose=0)[0] for i in (raw, smooth)]
    assert_close(answer[[0, 3]], [expected[0]] * 2)
    assert_close(answer[2], expected[1])
    np.testing.assert_allclose(answer[1], expected[1], atol=0.02)  # a JPEG is not exact


def test_a_corrupt_file_is_an_error_and_the_next_is_answered(trees):
    *_, found = trees
    _keep, signatures = served(found.path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        signatures["serving_bytes"](image_bytes=tf.constant([b"no picture"]))
    assert signatures["serving_bytes"](image_bytes=tf.io.encode_png(photos(1)[0])[None])["scores"].shape == (1, 5)


def test_versions_count_up_and_are_never_written_over(tables, monkeypatch):
    monkeypatch.setattr(parity_check, "replayed", here)
    model, rows = zoo.dnn((3,), 2), np.ones((1, 3))
    assert sorted(os.listdir(tables)) == ["1", "7"]
    with pytest.raises(zoo.ExportError, match="`version` 7 is already in"):
        zoo.export(model, tables, inputs=rows, version=7)
    rename = os.replace

    def overtaken(source, target):
        if target.name == "8":
            target.mkdir()
            (target / "saved_model.pb").touch()
        return rename(source, target)

    monkeypatch.setattr(os, "replace", overtaken)
    assert zoo.export(model, tables, inputs=rows).version == 9
    assert sorted(os.listdir(tables)) == ["1", "7", "8", "9"]


class Noise(layers.Layer):
    def call(self, x):
        return x + keras.random.normal((1, 2))


class Python(layers.Layer):
    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda a: a, [x], "float32"), x.shape)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Noise(),
            "the exported model differs from predict by .*, more than the `tolerance` of 1e-05. serving_default, ",
        ),
        (Python(), "the exported model could not be replayed"),
    ],
)
def test_an_export_that_cannot_be_proved_leaves_nothing_behind(tmp_path, layer, message):
    model = keras.Sequential([layers.Input((2,)), layer])
    with pytest.raises(zoo.ExportError, match=f"export: {message}"):
        zoo.export(model, tmp_path / "not" / "there", inputs=np.ones((2, 2)))
    assert os.listdir(tmp_path) == []


def test_a_graph_that_differs_slightly_is_caught(tables, monkeypatch):
    monkeypatch.setattr(parity_check, "replayed", here)
    right = EXPORT.Signatures.by_value

    def wrong(self, *raw):
        return {name: answer + 3e-5 for name, answer in right(self, *raw).items()}

    monkeypatch.setattr(EXPORT.Signatures, "by_value", wrong)
    before = sorted(os.listdir(tables))
    with pytest.raises(zoo.ExportError, match=r"by 3\.?\d*e-05, more than the `tolerance` of 1e-05"):
        zoo.export(zoo.dnn((3,), 2, units=()), tables, inputs=np.zeros((1, 3)))
    assert sorted(os.listdir(tables)) == before


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def called():
    model = Subclassed()
    model(np.ones((1, 3)))
    return model


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": Subclassed()}, "`model` must be built: give subclassed.* an Input, or call it once"),
        ({"model": keras.Sequential([layers.Dense(2)])}, "`model` must be built"),
        ({"model": called()}, r"`model` must be functional or Sequential; wrap the subclass"),
        ({"model": "lenet5"}, "`model` must be a keras.Model, got str"),
        ({"preprocessing": lambda x: x}, "`preprocessing` must be a keras.Model, got function"),
        ({"classes": ("a", "b", "c")}, r"`classes` must name each output of \(B, classes\); got 3 names for"),
        ({"classes": ("a", "a")}, "`classes` must differ from each other"),
        ({"inputs": np.ones((0, 3))}, "`inputs` must hold the same number of examples each, at least 1"),
        ({"inputs": np.ones((1, 4))}, r"`inputs`: inputs must have the shape \(None, 3\), got \(1, 4\)"),
        ({"inputs": [["a", "b", "c"]]}, "`inputs`: inputs must be float32, got <U1"),
        ({"inputs": np.full((1, 3), np.nan)}, "predict answers NaN or infinity to `inputs`"),
        ({"inputs": None}, "`inputs` must be given: raw held-out examples"),
        ({"tolerance": 0}, "`tolerance` must be a number above 0"),
        ({"version": 0}, "`version` must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, changed, message):
    arguments = {"model": zoo.dnn((3,), 2, units=()), "path": tmp_path / "new", "inputs": np.ones((1, 3)), **changed}
    with pytest.raises(ValueError, match=f"export: {message}"):
        zoo.export(**arguments)
    assert os.listdir(tmp_path) == []


def test_bytes_must_be_bytes_and_a_path_a_folder(tmp_path):
    model = zoo.cnn((8, 8, 3), 2, filters=(2,), units=())
    with pytest.raises(zoo.ExportError, match="photo must be uint8, got float64 with other values"):
        zoo.export(model, tmp_path, inputs=np.full((1, 9, 9, 3), 0.5), preprocessing=prepare())
    (tmp_path / "file").touch()
    with pytest.raises(zoo.ExportError, match="`path` must be a folder that can be written"):
        zoo.export(zoo.dnn((3,), 2), tmp_path / "file", inputs=np.ones((1, 3)))


def test_the_replay_knows_numpy_and_the_two_runtimes_only(trees, tmp_path):
    with open(isolated_inference.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    found = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    found |= {"." * n.level + (n.module or "") for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert roots == {"numpy", "tensorflow", "onnxruntime"}
    np.savez(tmp_path / "asked.npz", **{"serving_default/0/photo": photos(1)})
    arguments = [trees[-1].path, tmp_path / "asked.npz", tmp_path / "answers.npz"]
    script = "import sys, runpy, json, keras; runpy.run_path(sys.argv[1], run_name='__main__')"
    script = script.replace("runpy.run", "sys.argv[:] = sys.argv[1:]; runpy.run").replace("argv[1],", "argv[0],")
    done = subprocess.run(
        [sys.executable, "-c", script, isolated_inference.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the replay must not know keras." in done.stderr
    assert not (tmp_path / "answers.npz").exists()
