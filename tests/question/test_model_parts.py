"""The parts of a model of images and questions give what the whole gives."""

import keras
import numpy as np

import zoo
from tests.cases import RSVQA
from tests.tolerance import assert_close
from zoo.question.model_parts import fixed_question, several_questions, split_at_image, takes_questions

MODEL = {**RSVQA, "vocabulary": 9}


def inputs(size):
    rng = np.random.default_rng(0)
    return {"image": rng.random((size, 8, 8, 2), "float32"), "question": rng.integers(1, 9, (size, 5))}


def test_encoder_and_head_are_the_model():
    model, batch = zoo.rsvqa(**MODEL), inputs(3)
    encoder, head = split_at_image(model)
    maps = np.asarray(encoder(batch["image"]))
    assert maps.shape == (3, 2, 2, 4)
    assert_close(np.asarray(head({"image": maps, "question": batch["question"]})), np.asarray(model(batch)))
    assert {id(w) for w in head.weights} | {id(w) for w in encoder.weights} == {id(w) for w in model.weights}


def test_several_questions_share_an_image():
    model, batch, rows = zoo.rsvqa(**MODEL), inputs(4), np.array([0, 0, 1, 0])
    shared = several_questions(*split_at_image(model))
    outputs = shared({"image": batch["image"][:2], "question": batch["question"], "rows": rows})
    assert_close(np.asarray(outputs), np.asarray(model({**batch, "image": batch["image"][rows]})))


def test_a_fixed_question_leaves_the_image():
    model, batch = zoo.rsvqa(**MODEL), inputs(2)
    alone = fixed_question(model, batch["question"][0])
    expected = model({**batch, "question": np.repeat(batch["question"][:1], 2, axis=0)})
    assert_close(np.asarray(alone(batch["image"])), np.asarray(expected))


def test_other_models_are_not_split():
    image = keras.Input((4, 4, 1), name="image")
    model = keras.Model({"image": image}, keras.layers.Flatten()(image))
    assert split_at_image(model) == (None, model)
    assert not takes_questions(model) and takes_questions(zoo.rsvqa(**MODEL))
