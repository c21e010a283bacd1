"""One folder of exports for all tests of serving, and a proof that replays in this process where that is enough."""

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


def here(asked, exported):
    """What `parity_check.replayed` answers, without a process of its own: that takes seconds, and has tests of its own."""
    if str(exported).endswith(".tflite"):
        run = litert.runner(exported)
        return [run(**request.arguments) for request in asked]
    if str(exported).endswith(".onnx"):
        run = onnx_file.runner(exported)
        return [run(**request.arguments) for request in asked]
    model = tf.saved_model.load(str(exported))
    found = []
    for request in asked:
        given = {n: tf.constant(a) for n, a in request.arguments.items()}
        answer = {n: a.numpy() for n, a in model.signatures[request.signature](**given).items()}
        found.append({n: a.astype("S") if a.dtype == object else a for n, a in answer.items()})
    return found


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(parity_check, "replayed", here)


def photos(count, side=12):
    return np.random.default_rng(4).integers(0, 256, (count, side, 10, 3)).astype("uint8")


def trees():
    """(model, preprocessing) of photos of any size."""
    inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, use_bias=False)(inputs)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(inputs, layers.Dense(6, activation="softmax")(x), name="trees")
    raw = layers.Input((None, None, 3), dtype="uint8", name="photo")
    return model, keras.Model(raw, layers.Rescaling(1 / 127.5, -1)(layers.Resizing(8, 8)(raw)))


def soil():
    """(model, preprocessing, rows) of a table with a number and a text."""
    columns = {"height": layers.Input((1,), name="height"), "soil": layers.Input((1,), name="soil", dtype="string")}
    codes = layers.StringLookup(vocabulary=["clay", "sand"], output_mode="one_hot")(columns["soil"])
    preprocessing = keras.Model(columns, layers.Concatenate()([layers.Rescaling(0.01)(columns["height"]), codes]))
    rows = {"height": np.array([100.0, 250, 30]), "soil": np.array(["clay", "loess", "sand"], object)}
    return zoo.dnn((4,), 1, units=(3,)), preprocessing, rows


class Served(typing.NamedTuple):
    folder: typing.Any
    answers: np.ndarray  # what `predict` says of photos(4)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A folder with trees/1, trees/2 and soil/1."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "replayed", here)
        model, preprocessing = trees()
        seen = zoo.serving.training_statistics({"photo": photos(8)})
        arguments = {"preprocessing": preprocessing, "classes": NAMES, "seen": seen}
        zoo.export(model, folder / "trees", inputs=photos(4), **arguments)
        shutil.copytree(folder / "trees" / "1", folder / "trees" / "2")
        number, front, rows = soil()
        zoo.export(number, folder / "soil", inputs=rows, preprocessing=front)
    return Served(folder, model.predict(preprocessing.predict(photos(4), verbose=0), verbose=0))
