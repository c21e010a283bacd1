"""Fixtures of the tests of exporting and serving: small models, one folder of exports, and a faster parity check."""

import shutil
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.export import parity_check
from zoo.export.formats import litert, onnx_file

NAMES = ("ash", "beech", "elm", "fir", "oak", "yew")


def run_in_process(requests, path):
    """Runs requests like `parity_check.run_isolated`, but in this process; another one takes seconds to start."""
    if str(path).endswith(".tflite"):
        runner = litert.load_runner(path)
        return [runner(**request.inputs) for request in requests]
    if str(path).endswith(".onnx"):
        runner = onnx_file.load_runner(path)
        return [runner(**request.inputs) for request in requests]
    model = tf.saved_model.load(str(path))
    results = []
    for request in requests:
        tensors = {n: tf.constant(a) for n, a in request.inputs.items()}
        outputs = {n: t.numpy() for n, t in model.signatures[request.signature](**tensors).items()}
        results.append({n: a.astype("S") if a.dtype == object else a for n, a in outputs.items()})
    return results


@pytest.fixture
def parity_check_in_process(monkeypatch):
    """Makes the exports of a test check their outputs in this process."""
    monkeypatch.setattr(parity_check, "run_isolated", run_in_process)


def photos(count, side=12, bands=3):
    """(count, side, 10, bands) uint8 noise."""
    return np.random.default_rng(4).integers(0, 256, (count, side, 10, bands)).astype("uint8")


def trees_model():
    """(model, preprocessing) of a classifier of photos of any size."""
    inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, use_bias=False)(inputs)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(inputs, layers.Dense(6, activation="softmax")(x), name="trees")
    raw = layers.Input((None, None, 3), dtype="uint8", name="photo")
    return model, keras.Model(raw, layers.Rescaling(1 / 127.5, -1)(layers.Resizing(8, 8)(raw)))


def soil_model():
    """(model, preprocessing, rows) of a regression on a table with a numeric and a text column."""
    columns = {"height": layers.Input((1,), name="height"), "soil": layers.Input((1,), name="soil", dtype="string")}
    codes = layers.StringLookup(vocabulary=["clay", "sand"], output_mode="one_hot")(columns["soil"])
    preprocessing = keras.Model(columns, layers.Concatenate()([layers.Rescaling(0.01)(columns["height"]), codes]))
    rows = {"height": np.array([100.0, 250, 30]), "soil": np.array(["clay", "loess", "sand"], object)}
    return zoo.dnn((4,), 1, units=(3,)), preprocessing, rows


class Exports(typing.NamedTuple):
    folder: typing.Any
    probabilities: np.ndarray  # of the model trees for photos(4)


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """A folder with trees/1, trees/2 and soil/1."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "run_isolated", run_in_process)
        model, preprocessing = trees_model()
        statistics = zoo.serving.training_statistics({"photo": photos(8)})
        arguments = {"preprocessing": preprocessing, "classes": NAMES, "training_statistics": statistics}
        zoo.export(model, folder / "trees", inputs=photos(4), **arguments)
        shutil.copytree(folder / "trees" / "1", folder / "trees" / "2")
        table_model, table_preprocessing, rows = soil_model()
        zoo.export(table_model, folder / "soil", inputs=rows, preprocessing=table_preprocessing)
    return Exports(folder, model.predict(preprocessing.predict(photos(4), verbose=0), verbose=0))
