"""The signatures of an export: image files, tables, several inputs and outputs, features."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.export.test_export import load_signatures, read_record, resizing
from tests.exported_models import photos, run_in_process
from tests.tolerance import assert_close
from zoo.export import parity_check

pytestmark = pytest.mark.usefixtures("parity_check_in_process")


def test_photos_of_different_sizes_are_compared_singly_and_as_files_in_one_batch(tmp_path):
    model = zoo.cnn((8, 8, 1), 2, filters=(3,), units=(), activation="sigmoid")
    inputs = [photos(1, bands=1)[0], photos(1, bands=1, side=30)[0]]
    export = zoo.export(model, tmp_path, inputs=inputs, preprocessing=resizing(bands=1))
    comparisons = [(c["signature"], c["content"], c["batch_size"]) for c in read_record(export)["comparisons"]]
    assert comparisons == [
        *[("serving_default", "examples", 1)] * 2,
        *[("serving_bytes", "PNG", 1)] * 2,
        ("serving_bytes", "PNG", 2),
        ("serving_bytes", "JPEG, the last one rotated by its EXIF", 2),
        ("serving_bytes", "PNG: rotated by its EXIF, transparent", 2),
        ("serving_bytes", "PNG of another size", 1),
        *[("features", "examples", 1)] * 2,
    ]
    assert export.difference <= 1e-5


def test_files_are_resized_to_a_fixed_raw_input_and_three_classes_have_three_scores(tmp_path):
    model = zoo.lenet5((14, 14, 4), 3)
    raw = photos(2, bands=4, side=14)[:, :, :8]
    preprocessing = resizing((14, 8), 4, to=(14, 14))
    export = zoo.export(model, tmp_path, inputs=raw, preprocessing=preprocessing, classes=list("abc"))
    _model, signatures = load_signatures(export.path)
    large = photos(1, bands=4, side=40)[0]
    small = tf.cast(tf.round(tf.image.resize(large, (14, 8), antialias=True)), "uint8")
    probabilities = [
        signatures["serving_bytes"](image_bytes=tf.io.encode_png(image)[None])["probabilities"]
        for image in (large, small)
    ]
    assert_close(probabilities[0], probabilities[1])
    assert signatures["serving_default"](photo=raw)["classes"].shape == (2, 3)


@pytest.mark.parametrize(
    ("bands", "inputs", "note"),
    [
        (5, np.ones((1, 8, 8, 5)), "no serving_bytes: PNG and JPEG files have no 5 bands"),
        (3, np.full((1, 8, 8, 3), 0.5), "no serving_bytes: the raw inputs are not whole numbers from 0 to 255"),
    ],
)
def test_images_that_no_file_can_hold_have_no_file_signature_and_a_note_says_so(tmp_path, bands, inputs, note):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras.Sequential([layers.Input((8, 8, bands)), layers.Flatten(), layers.Dense(2)])
    export = zoo.export(model, tmp_path, inputs=inputs)
    assert export.signatures == ("serving_default",)
    assert read_record(export)["notes"] == [note]
    _model, signatures = load_signatures(export.path)
    outputs = signatures["serving_default"](inputs=tf.constant(inputs, "float32"))
    assert outputs["values"].dtype == tf.float32  # whatever the policy


def test_the_columns_of_a_table_keep_their_names_and_strings(tmp_path):
    columns = {"Höhe (m)": layers.Input((1,), name="Höhe (m)"), "soil": layers.Input((1,), name="soil", dtype="string")}
    codes = layers.StringLookup(vocabulary=["clay", "sand"], output_mode="one_hot")(columns["soil"])
    preprocessing = keras.Model(columns, layers.Concatenate()([layers.Rescaling(0.01)(columns["Höhe (m)"]), codes]))
    model = zoo.dnn((4,), 1, units=(3,), activation="sigmoid")
    rows = {"Höhe (m)": np.array([100, 250, 30]), "soil": np.array(["clay", "ßand", "sand"], dtype=object)}
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing, classes=("absent", "present"))
    _model, signatures = load_signatures(export.path)
    outputs = signatures["serving_default"](H_he__m_=tf.constant([[100.0]]), soil=tf.constant([["clay"]]))
    expected = model.predict(np.array([[1.0, 0, 1, 0]]), verbose=0)[0, 0]
    scores = dict(zip(outputs["classes"].numpy()[0], outputs["scores"].numpy()[0], strict=True))
    assert scores == {b"present": pytest.approx(expected, abs=1e-5), b"absent": pytest.approx(1 - expected, abs=1e-5)}

    without_height, misspelled = {"soil": rows["soil"]}, {**rows, "siol": rows["soil"]}
    with pytest.raises(zoo.ExportError, match=r"`inputs` lacks 'Höhe \(m\)'; the model takes 'Höhe \(m\)', 'soil'"):
        zoo.export(model, tmp_path, inputs=without_height, preprocessing=preprocessing)
    with pytest.raises(
        zoo.ExportError, match="`inputs` has 'siol', which the model does not take. Did you mean `soil`"
    ):
        zoo.export(model, tmp_path, inputs=misspelled, preprocessing=preprocessing)
    assert os.listdir(tmp_path) == ["1"]


def test_several_inputs_and_outputs_keep_their_names(tmp_path):
    import pandas

    inputs = {name: layers.Input((1,), name=name) for name in ("wet", "dry")}
    both = layers.Concatenate()(list(inputs.values()))
    outputs = {"height": layers.Dense(1)(both), "kind": layers.Dense(2, activation="softmax")(both)}
    table = pandas.DataFrame({"dry": [1.0, 2.0], "wet": [3, 4]})
    export = zoo.export(keras.Model(inputs, outputs), tmp_path, inputs=table)
    _model, signatures = load_signatures(export.path)
    outputs = signatures["serving_default"](wet=tf.ones((3, 1)), dry=tf.ones((3, 1)))
    assert {name: array.shape for name, array in outputs.items()} == {"height": (3, 1), "kind": (3, 2)}


def test_inputs_in_a_list_are_taken_in_the_order_of_the_model(tmp_path):
    long, short = layers.Input((2,)), layers.Input((1,))
    model = keras.Model([long, short], layers.Dense(2)(layers.Concatenate()([short, long])))
    arrays = [np.ones((2, 2)), np.zeros((2, 1))]
    export = zoo.export(model, tmp_path, inputs=arrays)
    _model, signatures = load_signatures(export.path)
    outputs = signatures["serving_default"](**{f"inputs_{i}": tf.constant(a, "float32") for i, a in enumerate(arrays)})
    assert_close(outputs["values"], model.predict(arrays, verbose=0))
    with pytest.raises(zoo.ExportError, match="`inputs` must be 2 arrays, inputs_0, inputs_1; got 1"):
        zoo.export(model, tmp_path, inputs=arrays[:1])


def test_height_and_width_are_free_where_the_network_allows_it(tmp_path):
    model = zoo.unet((None, None, 2), 3, filters=(2, 3))
    export = zoo.export(model, tmp_path, inputs=[np.ones((4, 6, 2)), np.full((8, 4, 2), 0.5)])
    assert export.signatures == ("serving_default",)  # the last map is the output, so that there are no features
    _model, signatures = load_signatures(export.path)
    x = np.random.default_rng(3).random((2, 12, 10, 2)).astype("float32")
    outputs = signatures["serving_default"](image=tf.constant(x))
    assert_close(outputs["probabilities"], model.predict(x, verbose=0))


@pytest.mark.parametrize("pooled", [True, False])
def test_features_are_the_output_of_pool_or_the_mean_over_the_last_map(tmp_path, pooled):
    inputs = layers.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    middle = layers.GlobalMaxPooling2D(name="pool")(x) if pooled else layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2)(middle))
    raw = np.random.default_rng(3).random((3, 6, 6, 2))
    export = zoo.export(model, tmp_path, inputs=raw)
    _model, signatures = load_signatures(export.path)
    features = signatures["features"](inputs=tf.constant(raw, "float32"))["features"]
    maps = keras.Model(inputs, x).predict(raw, verbose=0)
    assert_close(features, maps.max((1, 2)) if pooled else maps.mean((1, 2)))


def test_jpeg_files_are_compared_with_the_pixels_that_pillow_decodes(tmp_path, monkeypatch):
    model = keras.Sequential([layers.Input((9, 9, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)])
    raw = np.broadcast_to(np.linspace(0, 200, 9).round()[:, None], (2, 9, 9)).astype("float32")[..., None]
    record = read_record(zoo.export(model, tmp_path, inputs=raw))
    assert 0 <= record["jpeg"]["difference"] <= record["jpeg"]["tolerance"]
    assert [c["batch_size"] for c in record["comparisons"] if c["kind"] == "jpeg"] == [3]

    def run_with_wrong_jpegs(requests, path):
        outputs = run_in_process(requests, path)
        return [
            {n: a + (r.kind == "jpeg") for n, a in arrays.items()} for r, arrays in zip(requests, outputs, strict=True)
        ]

    monkeypatch.setattr(parity_check, "run_isolated", run_with_wrong_jpegs)
    with pytest.raises(
        zoo.ExportError, match=r"export: the prediction for JPEG files differs from predict by (1|0\.9)"
    ):
        zoo.export(model, tmp_path, inputs=raw)
