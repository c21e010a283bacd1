"""Answers of a run to questions about images: each image is decoded, preprocessed and encoded once."""

import keras
import numpy as np

from recipes.prediction.slices import in_slices, map_by_shape
from zoo.question.model_parts import IMAGE, QUESTION, split_at_image

IMAGES = 32  # that are encoded together
QUESTIONS = 256  # that are answered together


def split_preprocessing(preprocessing):
    """Returns (model of raw images, model of texts): the two parts of a preprocessing of images and questions."""
    inputs, outputs = preprocessing.input, preprocessing.output
    return keras.Model(inputs[IMAGE], outputs[IMAGE]), keras.Model(inputs[QUESTION], outputs[QUESTION])


def encode_questions(preprocess_text, questions):
    """Returns the model's inputs (N, T) of questions (N,)."""
    return np.asarray(in_slices(preprocess_text.predict_on_batch, np.asarray(questions, object), QUESTIONS))


def encode_images(images, start, stop, preprocess_image, encoder):
    """Returns the feature maps (or preprocessed images, without an encoder) of images from `start` to before `stop`.

    Args:
        images: `ImageQuestions`.
        start, stop: indices of its images.
        preprocess_image: model of raw images.
        encoder: model of preprocessed images, or None.
    """
    raw = [images.read_image(i) for i in range(start, stop)]
    preprocessed = np.stack(map_by_shape(preprocess_image.predict_on_batch, raw))
    return preprocessed if encoder is None else np.asarray(in_slices(encoder.predict_on_batch, preprocessed, IMAGES))


def question_outputs(preprocessing, model, questions):
    """Returns the outputs (N, classes) of a model for `ImageQuestions`; memory holds a few images at a time.

    Args:
        preprocessing: model from raw inputs to the model's inputs.
        model: takes {"image": ..., "question": ...}.
        questions: `ImageQuestions`.
    """
    questions = questions.with_used_images()
    preprocess_image, preprocess_text = split_preprocessing(preprocessing)
    encoder, head = split_at_image(model)
    texts = encode_questions(preprocess_text, questions.questions)
    outputs = np.empty((len(questions), model.output_shape[-1]), np.float32)
    for start in range(0, len(questions.images), IMAGES):
        stop = min(start + IMAGES, len(questions.images))
        features = encode_images(questions, start, stop, preprocess_image, encoder)
        rows = np.flatnonzero((questions.image_index >= start) & (questions.image_index < stop))
        for part in np.array_split(rows, -(-len(rows) // QUESTIONS)):
            inputs = {IMAGE: features[questions.image_index[part] - start], QUESTION: texts[part]}
            outputs[part] = in_slices(head.predict_on_batch, inputs, QUESTIONS)
    return outputs
