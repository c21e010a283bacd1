"""What exported models take and answer: files, tables, several inputs; their proofs are made as they are exported."""

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.serving.conftest import here
from tests.test_export import photos, prepare, served
from tests.tolerance import assert_close
from zoo.export import parity_check


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """A process for each proof has its tests with the export; here it would only take time."""
    monkeypatch.setattr(parity_check, "replayed", here)


def test_photos_of_different_sizes_prove_one_by_one_and_together_as_files(tmp_path):
    model = zoo.cnn((8, 8, 1), 2, filters=(3,), units=(), activation="sigmoid")
    inputs = [photos(1, 1)[0], photos(1, 1, side=30)[0]]
    found = zoo.export(model, tmp_path, inputs=inputs, preprocessing=prepare(bands=1))
    with open(os.path.join(found.path, "assets.extra", "parity.json"), encoding="utf-8") as file:
        compared = [(c["signature"], c["batch"]) for c in json.load(file)["compared"]]
    bytes_ = [("serving_bytes", 1)] * 2 + [("serving_bytes", 2), ("serving_bytes", 1)]  # the last as JPEG
    assert compared == [("serving_default", 1)] * 2 + bytes_ + [("features", 1)] * 2
    assert found.difference <= 1e-5


def test_files_are_resized_to_a_fixed_raw_input_and_five_classes_are_enough(tmp_path):
    model = zoo.lenet5((14, 14, 4), 3)
    raw = photos(2, 4, side=14)[:, :, :8]
    found = zoo.export(model, tmp_path, inputs=raw, preprocessing=prepare((14, 8), 4, to=(14, 14)), classes=list("abc"))
    _keep, signatures = served(found.path)
    large = photos(1, 4, side=40)[0]
    small = tf.cast(tf.round(tf.image.resize(large, (14, 8), antialias=True)), "uint8")
    answers = [
        signatures["serving_bytes"](image_bytes=tf.io.encode_png(image)[None])["probabilities"]
        for image in (large, small)
    ]
    assert_close(answers[0], answers[1])
    assert signatures["serving_default"](photo=raw)["classes"].shape == (2, 3)


@pytest.mark.parametrize(
    ("bands", "inputs", "note"),
    [
        (5, np.ones((1, 8, 8, 5)), "no serving_bytes: an image of 5 bands does not come as PNG or JPEG"),
        (3, np.full((1, 8, 8, 3), 0.5), "no serving_bytes: the raw inputs are not whole numbers from 0 to 255"),
    ],
)
def test_images_that_no_file_holds_have_no_file_signature_and_a_note_says_so(tmp_path, bands, inputs, note):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras.Sequential([layers.Input((8, 8, bands)), layers.Flatten(), layers.Dense(2)])
    found = zoo.export(model, tmp_path, inputs=inputs)
    assert found.signatures == ("serving_default",)
    with open(os.path.join(found.path, "assets.extra", "parity.json"), encoding="utf-8") as file:
        assert json.load(file)["notes"] == [note]
    _keep, signatures = served(found.path)
    answer = signatures["serving_default"](inputs=tf.constant(inputs, "float32"))
    assert answer["values"].dtype == tf.float32  # whatever the policy


def test_a_tables_columns_keep_their_names_and_strings(tmp_path):
    columns = {"Höhe (m)": layers.Input((1,), name="Höhe (m)"), "soil": layers.Input((1,), name="soil", dtype="string")}
    codes = layers.StringLookup(vocabulary=["clay", "sand"], output_mode="one_hot")(columns["soil"])
    preprocessing = keras.Model(columns, layers.Concatenate()([layers.Rescaling(0.01)(columns["Höhe (m)"]), codes]))
    model = zoo.dnn((4,), 1, units=(3,), activation="sigmoid")
    rows = {"Höhe (m)": np.array([100, 250, 30]), "soil": np.array(["clay", "ßand", "sand"], dtype=object)}
    found = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, classes=("absent", "present"))
    _keep, signatures = served(found.path)
    answer = signatures["serving_default"](H_he__m_=tf.constant([[100.0]]), soil=tf.constant([["clay"]]))
    expected = model.predict(np.array([[1.0, 0, 1, 0]]), verbose=0)[0, 0]
    named = dict(zip(answer["classes"].numpy()[0], answer["scores"].numpy()[0], strict=True))
    assert named == {b"present": pytest.approx(expected, abs=1e-5), b"absent": pytest.approx(1 - expected, abs=1e-5)}

    lost, odd = {"soil": rows["soil"]}, {**rows, "siol": rows["soil"]}
    with pytest.raises(zoo.ExportError, match=r"`inputs` lacks 'Höhe \(m\)'; the model takes 'Höhe \(m\)', 'soil'"):
        zoo.export(model, tmp_path, inputs=lost, preprocessing=preprocessing)
    with pytest.raises(
        zoo.ExportError, match="`inputs` has 'siol', which the model does not take. Did you mean `soil`"
    ):
        zoo.export(model, tmp_path, inputs=odd, preprocessing=preprocessing)
    assert os.listdir(tmp_path) == ["1"]


def test_several_inputs_and_answers_keep_their_names(tmp_path):
    import pandas

    inputs = {name: layers.Input((1,), name=name) for name in ("wet", "dry")}
    both = layers.Concatenate()(list(inputs.values()))
    answers = {"height": layers.Dense(1)(both), "kind": layers.Dense(2, activation="softmax")(both)}
    table = pandas.DataFrame({"dry": [1.0, 2.0], "wet": [3, 4]})
    found = zoo.export(keras.Model(inputs, answers), tmp_path, inputs=table)
    _keep, signatures = served(found.path)
    answer = signatures["serving_default"](wet=tf.ones((3, 1)), dry=tf.ones((3, 1)))
    assert {name: a.shape for name, a in answer.items()} == {"height": (3, 1), "kind": (3, 2)}


def test_inputs_in_a_list_are_taken_in_their_order(tmp_path):
    long, short = layers.Input((2,)), layers.Input((1,))
    model = keras.Model([long, short], layers.Dense(2)(layers.Concatenate()([short, long])))
    arrays = [np.ones((2, 2)), np.zeros((2, 1))]
    found = zoo.export(model, tmp_path, inputs=arrays)
    _keep, signatures = served(found.path)
    answer = signatures["serving_default"](**{f"inputs_{i}": tf.constant(a, "float32") for i, a in enumerate(arrays)})
    assert_close(answer["values"], model.predict(arrays, verbose=0))


def test_height_and_width_are_free_where_the_network_allows(tmp_path):
    model = zoo.unet((None, None, 2), 3, filters=(2, 3))
    found = zoo.export(model, tmp_path, inputs=[np.ones((4, 6, 2)), np.full((8, 4, 2), 0.5)])
    assert found.signatures == ("serving_default",)  # its last map is its answer, no backbone's
    _keep, signatures = served(found.path)
    x = np.random.default_rng(3).random((2, 12, 10, 2)).astype("float32")
    answer = signatures["serving_default"](image=tf.constant(x))["probabilities"]
    assert_close(answer, model.predict(x, verbose=0))


@pytest.mark.parametrize("pooled", [True, False])
def test_features_are_what_pool_answers_or_the_mean_over_the_last_map(tmp_path, pooled):
    inputs = layers.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    middle = layers.GlobalMaxPooling2D(name="pool")(x) if pooled else layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2)(middle))
    raw = np.random.default_rng(3).random((3, 6, 6, 2))
    found = zoo.export(model, tmp_path, inputs=raw)
    _keep, signatures = served(found.path)
    features = signatures["features"](inputs=tf.constant(raw, "float32"))["features"]
    maps = keras.Model(inputs, x).predict(raw, verbose=0)
    assert_close(features, maps.max((1, 2)) if pooled else maps.mean((1, 2)))


def test_jpeg_files_are_compared_with_what_another_decoder_reads(tmp_path, monkeypatch):
    model = keras.Sequential([layers.Input((9, 9, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)])
    raw = np.broadcast_to(np.linspace(0, 200, 9).round()[:, None], (2, 9, 9)).astype("float32")[..., None]
    found = zoo.export(model, tmp_path, inputs=raw)
    with open(os.path.join(found.path, "assets.extra", "parity.json"), encoding="utf-8") as file:
        told = json.load(file)
    assert 0 <= told["jpeg"]["difference"] <= told["jpeg"]["tolerance"]
    assert [c["batch"] for c in told["compared"] if c["kind"] == "jpeg"] == [2]

    def wrong(asked, exported):
        answers = here(asked, exported)
        return [{n: a + (r.kind == "jpeg") for n, a in f.items()} for r, f in zip(asked, answers, strict=True)]

    monkeypatch.setattr(parity_check, "replayed", wrong)
    with pytest.raises(zoo.ExportError, match=r"export: the answer to JPEG files differs from predict by (1|0\.9)"):
        zoo.export(model, tmp_path, inputs=raw)
