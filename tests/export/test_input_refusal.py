"""The graph of an export refuses other shapes, which TensorFlow would broadcast, and sound of whole numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.export.test_export import load_signatures
from tests.export.test_gap_refusal import refusal, table
from zoo.export import input_refusal
from zoo.inputs import InputSchema

pytestmark = pytest.mark.usefixtures("parity_check_in_process")


def signature_of(tmp_path, shape, preprocessing=None, **options):
    """`serving_default` of a small model that takes any size, so that only the assertion refuses one."""
    inputs = layers.Input(shape, name="values")
    axes = tuple(range(1, len(shape) + 1))
    mean = layers.Lambda(lambda x: keras.ops.mean(x, axis=axes)[:, None], output_shape=(1,))(
        layers.Normalization(mean=[0.0] * shape[-1], variance=[1.0] * shape[-1])(inputs)
    )
    model = keras.Model(inputs, layers.Dense(1)(mean))
    sides = [8 if side is None else side for side in shape]
    export = zoo.export(model, tmp_path, inputs=np.full((3, *sides), 0.5, "float32"), **options)
    return load_signatures(export.path)[1]["serving_default"]


@pytest.mark.parametrize(
    ("shape", "expected", "received"),
    [
        ((14, 2), "(N, 14, 2)", [(1, 14, 1), (1, 30, 2), (14, 2), (1, 1, 14, 2), (1, 28), (), (0, 14, 1)]),
        ((8, 8, 3), "(N, 8, 8, 3)", [(1, 8, 8, 1), (1, 16, 16, 3), (8, 8, 3)]),
        ((None, None, 3), "(N, any, any, 3)", [(1, 8, 8, 1), (8, 8, 3)]),
        ((16, 1), "(N, 16, 1)", [(1, 16, 2), (1, 32, 1), (1, 16)]),
    ],
)
def test_other_shapes_are_refused_by_one_sentence(tmp_path, shape, expected, received):
    signature = signature_of(tmp_path, shape)
    for size in received:
        message = f"values must have the shape {expected}, N examples in a batch, got ({', '.join(map(str, size))})."
        assert refusal(signature, values=np.ones(size, "float32")) == message
    for count in (1, 2):
        values = np.ones((count, *(12 if side is None else side for side in shape)), "float32")
        assert signature(values=tf.constant(values))["values"].shape == (count, 1)


def test_columns_of_other_lengths_are_not_broadcast(tmp_path):
    model, preprocessing, rows = table(imputes=False)
    export = zoo.export(model, tmp_path, inputs=rows, preprocessing=preprocessing)
    signature = load_signatures(export.path)[1]["serving_default"]
    three, one, soils = np.ones((3, 1), "float32"), np.ones((1, 1), "float32"), [["clay"]] * 3
    assert signature(height=three, slope=three, soil=tf.constant(soils))["values"].shape == (3, 1)
    message = refusal(signature, height=three, slope=one, soil=soils)
    assert message == "slope must have as many examples as height, 3, got 1."
    message = refusal(signature, height=three, slope=three, soil=soils[:1])
    assert message == "soil must have as many examples as height, 3, got 1."
    message = refusal(signature, height=np.ones((1, 3), "float32"), slope=one, soil=soils[:1])
    assert message == "height must have the shape (N, 1), N examples in a batch, got (1, 3)."
    # sizes of both columns in a row are those of one row each
    message = refusal(signature, height=np.ones(1, "float32"), slope=np.ones((1, 1, 1), "float32"), soil=soils[:1])
    assert message == "height must have the shape (N, 1), N examples in a batch, got (1)."


def test_sound_of_whole_numbers_is_refused_as_by_the_predictor(tmp_path):
    sound = {"sample_rate": 1600, "seconds": 0.01, "channels": 1}
    schema = InputSchema("sound", (16, 1), "float32", sound=sound)
    signature = signature_of(tmp_path, (16, 1), input_schema=schema)
    loud = np.full((2, 16, 1), -0.5, "float32") * 65536
    sentence = (
        "must be sound from -1 to 1 at 1,600 Hz, got values up to 32768; divide whole numbers of 16 bits by 32,768."
    )
    assert refusal(signature, values=loud) == f"values {sentence}"
    assert signature(values=tf.constant(loud / 32768))["values"].shape == (2, 1)
    with pytest.raises(ValueError, match="`inputs` " + sentence):
        zoo.predictor(str(tmp_path), "tensorflow")(loud)
    loud[1, 3] = np.nan
    assert "has a gap (NaN) in row 2" in refusal(signature, values=loud / 32768)


def test_texts_and_files_of_other_shapes_are_refused():
    @tf.function(input_signature=[tf.TensorSpec((None,), "string"), tf.TensorSpec((None,), "string")])
    def check(image_bytes, question):
        tensors = {"image_bytes": image_bytes, "question": question}
        return input_refusal.refuse_shapes(tensors, dict.fromkeys(tensors, (None,)))

    assert check(tf.constant(["a"]), tf.constant(["b"]))["question"].shape == (1,)
    with pytest.raises(tf.errors.InvalidArgumentError, match="question must have as many examples as image_bytes, 2"):
        check(tf.constant(["a", "b"]), tf.constant(["b"]))
