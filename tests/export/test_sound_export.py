"""Exports of models of sound: samples or WAV files in, classes out, with the spectrogram in the graph."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

import zoo
from zoo.inputs import InputSchema

RATE = 2000
SCHEMA = InputSchema(
    "sound", (RATE, 1), "float32", classes=("owl", "wren"), sound={"sample_rate": RATE, "seconds": 1.0, "channels": 1}
)
X = (0.2 * np.random.default_rng(0).normal(size=(4, RATE, 1))).astype("float32")


def wav(samples, rate=RATE, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **{"format": "WAV", "subtype": "PCM_16", **options})
    return buffer.getvalue()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    options = {"spectrogram": {"bands": 16, "hop": 0.02}, "pooling": "time"}
    small = {"filters": (4, 8), "convolutions": 1}
    model = zoo.spectrogram_classifier((RATE, 1), 2, sample_rate=RATE, backbone_arguments=small, **options)
    head = model.get_layer("head")
    head.set_weights([head.get_weights()[0] * 10, head.get_weights()[1]])  # predictions that differ
    return model


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    formats = ("litert_float", "litert_int8")
    path = tmp_path_factory.mktemp("export") / "birds"
    return zoo.export(model, path, inputs=X, classes=SCHEMA.classes, input_schema=SCHEMA, formats=formats)


@pytest.fixture(scope="module")
def client(exported):
    folder = Path(exported.path).parents[1]
    with (
        zoo.serving.Server(str(folder), rest_port=0, grpc_port=0, poll_seconds=0) as server,
        zoo.serving.Client(server.rest_address, "birds") as client,
    ):
        yield client


def test_samples_and_wav_files_give_the_same_as_predict(model, exported):
    import tensorflow as tf

    assert exported.signatures == ("serving_default", "serving_wav", "features")
    signatures = tf.saved_model.load(exported.path).signatures
    whole = np.round(X * 32768) / 32768
    files = [wav(clip) for clip in whole]
    outputs = signatures["serving_wav"](wav_bytes=tf.constant(files))
    expected = model.predict(whole.astype("float32"), verbose=0)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    assert outputs["classes"].numpy()[0, 0].decode() == SCHEMA.classes[expected[0].argmax()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wav(X[0], subtype="PCM_24"), "wav_bytes must be whole numbers of 16 bits, got bits: 24 format code: 1"),
        (wav(X[0], subtype="FLOAT"), "wav_bytes must be whole numbers of 16 bits, got bits: 32 format code: 3"),
        (wav(X[0], RATE + 1), "wav_bytes must have 2000 Hz, as in training; resample others first, got 2001"),
        (
            wav(np.zeros(RATE + 1)),
            "wav_bytes must have at most 2000 samples, a clip; cut others",
        ),
        (wav(X[0], format="FLAC"), "wav_bytes must be the content of a WAV file, got"),
        (b"", "wav_bytes must be the content of a WAV file, got bytes of another format: 0"),
    ],
    ids=["24 bits", "float", "rate", "length", "flac", "empty"],
)
def test_other_files_are_refused_with_a_sentence(client, content, message):
    with pytest.raises(zoo.serving.ServingError, match=message):
        client.predict(content)


def test_a_served_file_that_ends_in_silence_keeps_its_zeros(model, client):
    clip = np.zeros((RATE // 2, 2))
    clip[:600] = np.round(X[0, :600] * 32768) / 32768
    padded = np.zeros((1, RATE, 1), "float32")
    padded[0, RATE // 4 : RATE // 4 + 600] = clip[:600, :1]
    outputs = client.predict([wav(clip)])
    np.testing.assert_allclose(outputs["probabilities"], model.predict(padded, verbose=0), atol=1e-5)


@pytest.mark.parametrize(("format", "tolerance"), [("float", 1e-4), ("int8", 0.1)])
def test_litert_files_have_the_spectrogram_too(model, exported, format, tolerance):
    outputs = zoo.predictor(exported.path, "litert", format=format)(X)
    np.testing.assert_allclose(outputs["probabilities"], model.predict(X, verbose=0), atol=tolerance)


def test_a_predictor_refuses_whole_numbers(exported):
    predictor = zoo.predictor(exported.path, "tensorflow")
    with pytest.raises(ValueError, match="must be sound from -1 to 1 at 2,000 Hz"):
        predictor(X * 32768)


def test_onnx_is_refused_with_what_it_lacks(model, tmp_path):
    pytest.importorskip("tf2onnx")
    with pytest.raises(zoo.ExportError, match="cannot be converted to ONNX: it lacks .*RFFT"):
        zoo.export(model, tmp_path / "x", inputs=X, input_schema=SCHEMA, formats=("onnx",))
