"""The network of RSVQA: its two inputs, the frozen encoder and what it refuses."""

import re

import keras
import numpy as np
import pytest

import zoo
from tests.cases import RSVQA
from tests.tolerance import assert_close


def test_a_frozen_encoder_has_no_weights_to_train():
    frozen = zoo.rsvqa(**{**RSVQA, "frozen": True})
    free = zoo.rsvqa(**RSVQA)
    encoder = {f"block{i}_conv{j}" for i in range(2) for j in range(2)}
    assert {layer.name for layer in free.layers if layer.trainable_weights} == encoder | {
        layer.name for layer in frozen.layers if layer.trainable_weights
    }
    assert not encoder & {layer.name for layer in frozen.layers if layer.trainable_weights}


def test_image_and_question_are_multiplied():
    model, rng = zoo.rsvqa(**RSVQA), np.random.default_rng(0)
    inputs = {"image": rng.random((3, 8, 8, 2), "float32"), "question": rng.random((3, 5), "float32")}
    factors = [model.get_layer(f"{name}_dense").output for name in ("image", "question")]
    image, question, product = keras.Model(model.input, [*factors, model.get_layer("product").output])(inputs)
    assert_close(np.asarray(image) * np.asarray(question), product)
    assert np.abs(image).max() < 1 and np.abs(question).max() < 1


def test_padding_of_a_question_changes_nothing():
    model, image = zoo.rsvqa(**{**RSVQA, "vocabulary": 9}), np.ones((1, 8, 8, 2), "float32")
    short = zoo.rsvqa(**{**RSVQA, "vocabulary": 9, "question_shape": (3,)})
    short.set_weights(model.get_weights())
    padded = model({"image": image, "question": np.array([[4, 2, 7, 0, 0]])})
    assert_close(np.asarray(padded), short({"image": image, "question": np.array([[4, 2, 7]])}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_features": 3}, "at least the 4 pixels"),
        ({"encoder": "resnet200"}, "`encoder` must be one of"),
        ({"encoder_arguments": {"filter": (4,)}}, "`encoder_arguments` has no 'filter'. Did you mean `filters`"),
        ({"question_shape": (5, 2)}, "numbers of a vector"),
        ({"question_shape": (None,), "vocabulary": 9}, "tokens of a question"),
        ({"input_shape": (None, 8, 2)}, "every size given"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        zoo.rsvqa(**{**RSVQA, **arguments})
