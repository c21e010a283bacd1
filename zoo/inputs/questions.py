"""Matching of new questions about images to the input schema of a trained model."""

import dataclasses

import numpy as np

from zoo.arguments import suggestion
from zoo.inputs.columns import plain_name
from zoo.inputs.frames import frame_of
from zoo.inputs.match import Match, match
from zoo.inputs.texts import text_batch


def image_question_columns(schema, inputs, caller="predict"):
    """Returns (images, questions), two lists, of pairs or of a table with both columns.

    Args:
        schema: `InputSchema` of kind question.
        inputs: (image, question) or a list of such pairs; a data frame or a dict with the columns of the training, or
            with the columns image and question.
        caller: the call that an error names.
    Raises:
        ValueError: if a column is absent (the nearest is offered), or there are no such pairs.
    """
    import pandas as pd

    if isinstance(inputs, dict):
        sizes = {
            len(values) for values in inputs.values() if not isinstance(values, str) and hasattr(values, "__len__")
        }
        if len(sizes) == 1 and not any(isinstance(values, str) for values in inputs.values()):
            names = _column_names(schema, list(inputs), caller)
            return tuple(list(inputs[name]) for name in names)
    if isinstance(inputs, dict | pd.DataFrame):
        frame = frame_of(inputs)
        names = _column_names(schema, [str(name) for name in frame.columns], caller)
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
        return tuple(frame[name].tolist() for name in names)
    pairs = [inputs] if isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], str) else inputs
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        raise ValueError(
            f"{caller}: `inputs` must be pairs (image, question), or a table with the columns image and question, got "
            f"{type(inputs).__name__}."
        )
    if not len(pairs):
        raise ValueError(f"{caller}: `inputs` must have a pair (image, question) or more, got none.")
    return [image for image, _ in pairs], [question for _, question in pairs]


def match_questions(schema, inputs, *, tokens=None):
    """Matches questions about arrays of images to the schema.

    Args:
        schema: `InputSchema` of kind question.
        inputs: as `image_question_columns` takes them, with images as arrays (H, W, C).
        tokens: `zoo.introspect.text_tokens.TextTokens` of the model, for notes on questions that are cut or have no
            word of its vocabulary; None for no notes.
    Returns:
        `Match`, whose batch is {"image": list of arrays, "question": (N,) array of strings}.
    Raises:
        ValueError: if a column is absent, an image is no array as in training, or a question is empty.
    """
    images, questions = image_question_columns(schema, inputs)
    questions = text_batch(questions, "predict")
    of_images = dataclasses.replace(schema, kind="image", columns=())
    arrays, notes = [], []
    for i, image in enumerate(images):
        if not isinstance(image, np.ndarray | list):
            raise ValueError(
                f"predict: every image must be an array of pixels (H, W, {schema.shape[-1]}), got "
                f"{type(image).__name__} in row {i + 1}."
            )
        matched = match(of_images, np.asarray(image)[None], caller="predict")
        arrays.append(matched.batch[0])
        notes += [note for note in matched.notes if note not in notes]
    notes += [] if tokens is None else tokens.notes(questions)
    return Match({"image": arrays, "question": questions}, notes)


def _column_names(schema, names, caller):
    """Returns the names of the columns of images and of questions in a table."""
    sources = []
    for column in schema.columns:
        matches = [name for name in (column.source, column.name) if name in names]
        matches += [name for name in names if plain_name(name.strip()) == plain_name(column.source)]
        if not matches:
            raise ValueError(
                f"{caller}: the table must have the column {column.source!r} of the {column.name}s, got "
                f"{', '.join(map(repr, names))}.{suggestion(column.source, names)}"
            )
        sources.append(matches[0])
    return sources
