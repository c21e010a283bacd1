"""Prediction with a trained run: raw inputs of any source, matched to the run's input schema, in batches."""

import itertools
import math
import warnings

import numpy as np

from recipes.data.examples import Examples
from recipes.data.images.image_files import resize_image
from recipes.data.new_inputs import TABLE_ROWS, file_batches, is_files, is_table, read_ahead, read_new_table
from recipes.data.questions.image_questions import ImageQuestions
from recipes.data.questions.new_questions import new_questions
from recipes.data.series.forecast_window import forecast_frame
from recipes.prediction.question_prediction import question_outputs
from recipes.prediction.slices import BATCH_VALUES, in_slices, map_by_shape
from zoo.inputs import band_range_notes, feature_range_notes, match, match_texts, unit_notes
from zoo.introspect.output_activation import output_activation, to_probabilities
from zoo.introspect.text_tokens import text_tokens

VARIED_IMAGES = 16  # images of unknown size in a batch of files


def predict_inputs(run, inputs):
    """Returns the predictions of a run for raw inputs, as `Run.predict` documents."""
    schema, files = run.schema, is_files(run.schema, inputs)
    if schema.kind == "question" and isinstance(inputs, tuple):  # one image and its question
        files = False
    if schema.kind == "question" and isinstance(inputs, Examples):
        return predict_batch(run, inputs.inputs)
    if schema.kind == "question" and not files:
        questions, notes = new_questions(schema, inputs, tokens=text_tokens(run.preprocessing))
        warn(notes)
        return predict_batch(run, questions)
    if schema.series and (files or is_table(inputs)):
        if isinstance(inputs, list | tuple):
            if len(inputs) != 1:
                raise ValueError(f"predict: `inputs` must be one table of series, got {len(inputs)} files.")
            (inputs,) = inputs
        frame, notes = read_new_table(schema, inputs)
        warn(notes)
        return forecast(run, frame)
    if files:
        return _join([predict_batch(run, batch.inputs) for batch in readable_batches(run, inputs)])
    if isinstance(inputs, Examples) and schema.kind == "sound" and hasattr(inputs.inputs, "read"):
        return _join([predict_batch(run, np.stack(b)) for b in _example_batches(inputs.inputs, batch_size(run))])
    if isinstance(inputs, Examples) and schema.kind == "image" and not isinstance(inputs.inputs, np.ndarray):
        return _join([predict_batch(run, batch) for batch in _example_batches(inputs.inputs, file_batch_size(run))])
    if isinstance(inputs, Examples):
        inputs = inputs.head(len(inputs))
    of_pillow = isinstance(inputs, list | tuple) and any(hasattr(image, "getexif") for image in inputs)
    if isinstance(inputs, list) and inputs and not of_pillow and all(np.ndim(image) > 1 for image in inputs):
        shape = run.preprocessing.input_shape[1:]
        images = [match(schema, np.asanyarray(image)[None], shape).batch[0] for image in inputs]
        warn(band_range_notes(schema, [f"image {i + 1}" for i in range(len(images))], images))
        return predict_batch(run, images)
    if schema.kind == "text":
        matched = match_texts(schema, inputs, tokens=text_tokens(run.preprocessing))
        warn(matched.notes)
        return predict_batch(run, matched.batch)
    matched = match(schema, inputs, None if schema.kind == "table" else run.preprocessing.input_shape[1:])
    warn(matched.notes)
    return predict_batch(run, matched.batch)


def run_batches(run, files, **options):
    """Yields `InputBatch`es of files for a run; `file_batches` has the options."""
    size = run.preprocessing.input_shape[1:3] if run.schema.kind == "image" else (None,)
    tokens = text_tokens(run.preprocessing) if run.schema.kind in ("text", "question") else None
    size = None if None in size else size
    return file_batches(run.schema, files, file_batch_size(run), size, tokens=tokens, **options)


def file_batch_size(run):
    """Returns the number of inputs in a batch of files: of images as many as stay below `BATCH_VALUES` values."""
    size = batch_size(run)
    if run.schema.kind != "image":
        return size
    shape = run.preprocessing.input_shape[1:]
    return min(size, VARIED_IMAGES if None in shape else max(1, BATCH_VALUES // math.prod(shape)))


def batch_size(run):
    """Returns the number of examples that a run predicts in one call of its model."""
    return TABLE_ROWS if run.schema.kind == "table" else run.task.predict_batch_size


def _example_batches(inputs, size):
    """Yields lists of up to `size` images of files or of a tf.data.Dataset, which a thread reads ahead."""
    images = map(inputs.read, range(len(inputs))) if hasattr(inputs, "read") else inputs.as_numpy_iterator()
    yield from read_ahead(iter(lambda: list(itertools.islice(images, size)), []))


def readable_batches(run, files, caller="predict"):
    """Yields the batches of files for a run, and warns of their notes; a ValueError names a file that is unreadable."""
    for batch in run_batches(run, files):
        for path, reason in batch.failures.items():
            raise ValueError(f"{caller}: every file must be readable, got {path}: {reason}")
        warn(batch.notes)
        yield batch


def preprocess_batch(run, batch):
    """Returns the model's inputs of raw inputs that match the schema; a list where they differ in size."""
    return _preprocess_images(run, batch) if isinstance(batch, list) else run.preprocessing.predict_on_batch(batch)


def predict_batch(run, batch):
    """Returns predictions for raw inputs that match the schema: probabilities where there are classes.

    Args:
        run: `Run`.
        batch: (N, ...) array, a dict of (N,) arrays, a list of (H, W, C) images, which may differ in size, or
            `ImageQuestions`.
    Returns:
        (N, ...) array; a list of arrays where predictions differ in size.
    """
    outputs = model_outputs(run, batch, run.model)
    if isinstance(outputs, list):
        return [to_outputs(run, output[None])[0] for output in outputs]
    return to_outputs(run, outputs)


def model_outputs(run, batch, model):
    """Returns the outputs of a model for raw inputs, by the preprocessing of a run, as `predict_batch` has them."""
    if isinstance(batch, ImageQuestions):
        return question_outputs(run.preprocessing, model, batch)
    if isinstance(batch, list):
        preprocessed = _preprocess_images(run, batch)
        if isinstance(preprocessed, list):
            return [model.predict_on_batch(image)[0] for image in preprocessed]
        return in_slices(model.predict_on_batch, preprocessed, batch_size(run))
    return in_slices(
        lambda raw: model.predict_on_batch(run.preprocessing.predict_on_batch(raw)), batch, batch_size(run)
    )


def to_outputs(run, outputs):
    """Returns a model's outputs as a run predicts them: probabilities where there are classes."""
    return to_probabilities(outputs, output_activation(run.model)) if run.classes else outputs


def forecast(run, frame):
    """Returns the forecasts after the last row of a table of series, as a data frame."""
    notes, outputs, columns = [], run.data_record["outputs"], run.schema.columns
    notes += unit_notes(columns, {}, frame.attrs.get("units"))

    def predict_windows(windows):
        notes.extend(feature_range_notes(columns, windows))
        return predict_batch(run, windows)

    predictions = forecast_frame(predict_windows, frame, run.schema.series, outputs, run.task.quantiles, notes)
    warn(notes)
    return predictions


def warn(notes):
    """Warns of each note."""
    for note in notes:
        warnings.warn(note, stacklevel=4)


def _preprocess_images(run, images):
    """Returns the preprocessed images (N, H, W, C); a list of (1, H, W, C) where they differ in size.

    Images of another size are resized first where the run's raw inputs have one size, as its export does.
    """
    size = run.preprocessing.input_shape[1:3]
    images = images if None in size else [resize_image(image, size) for image in images]
    preprocessed = map_by_shape(run.preprocessing.predict_on_batch, images)
    if len({image.shape for image in preprocessed}) > 1:
        return [image[None] for image in preprocessed]
    return np.stack(preprocessed)


def _join(outputs):
    """Returns the predictions of all batches in one array, or in a list where they differ in size."""
    if len({o.shape[1:] if isinstance(o, np.ndarray) else None for o in outputs}) == 1 and isinstance(
        outputs[0], np.ndarray
    ):
        return np.concatenate(outputs)
    return [prediction for output in outputs for prediction in output]
