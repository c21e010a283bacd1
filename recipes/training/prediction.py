"""Prediction with a trained run: raw inputs of any source, matched to the run's input schema, in batches."""

import warnings

import numpy as np

from recipes.data.examples import Examples
from recipes.data.new_inputs import TABLE_ROWS, file_batches, is_files, is_table, read_new_table
from recipes.data.series.forecast_window import forecast_frame
from recipes.data.tables.column_checks import missing_marks
from zoo.export.image_decoding import resize_image
from zoo.inputs import match
from zoo.introspect.output_activation import output_activation, to_probabilities


def predict_inputs(run, inputs):
    """Returns the predictions of a run for raw inputs, as `Run.predict` documents."""
    schema, files = run.schema, is_files(run.schema, inputs)
    if schema.series and (files or is_table(inputs)):
        frame, notes = read_new_table(schema, inputs[0] if isinstance(inputs, list | tuple) else inputs)
        warn(notes)
        return forecast(run, frame)
    if files:
        return _join([predict_batch(run, batch.inputs) for batch in readable_batches(run, inputs)])
    if isinstance(inputs, Examples):
        inputs = inputs.head(len(inputs))
    if isinstance(inputs, list) and inputs and all(np.ndim(image) > 1 for image in inputs):
        shape = run.preprocessing.input_shape[1:]
        return predict_batch(run, [match(schema, np.asarray(image)[None], shape).batch[0] for image in inputs])
    matched = match(schema, inputs, None if schema.kind == "table" else run.preprocessing.input_shape[1:])
    warn(matched.notes)
    return predict_batch(run, matched.batch)


def run_batches(run, files):
    """Yields `InputBatch`es of files for a run."""
    return file_batches(run.schema, files, run.task.predict_batch_size)


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
        batch: (N, ...) array, a dict of (N,) arrays, or a list of (H, W, C) images, which may differ in size.
    Returns:
        (N, ...) array; a list of arrays where predictions differ in size.
    """
    if isinstance(batch, list):
        preprocessed = _preprocess_images(run, batch)
        if isinstance(preprocessed, list):
            return [to_outputs(run, run.model.predict_on_batch(image))[0] for image in preprocessed]
        return to_outputs(run, _in_slices(run.model, preprocessed, run.task.predict_batch_size))
    size = TABLE_ROWS if run.schema.kind == "table" else run.task.predict_batch_size

    def predict_slice(raw):
        return run.model.predict_on_batch(run.preprocessing.predict_on_batch(raw))

    return to_outputs(run, _in_slices(predict_slice, batch, size))


def to_outputs(run, outputs):
    """Returns a model's outputs as a run predicts them: probabilities where there are classes."""
    return to_probabilities(outputs, output_activation(run.model)) if run.classes else outputs


def forecast(run, frame):
    """Returns the forecasts after the last row of a table of series, as a data frame."""
    outputs, columns = run.data_record["outputs"], run.schema.series["columns"]
    marks = [missing_marks(frame[c], c, "leave these cells empty") for c in columns if c in frame]
    notes = [note for note in marks if note]
    predictions = forecast_frame(
        lambda windows: predict_batch(run, windows), frame, run.schema.series, outputs, run.task.quantiles, notes
    )
    warn(notes)
    return predictions


def warn(notes):
    """Warns of each note."""
    for note in notes:
        warnings.warn(note, stacklevel=4)


def _preprocess_images(run, images):
    """Returns the preprocessed images (N, H, W, C); a list of (1, H, W, C) where they differ in size.

    Where all images of the training had one size, others are resized to it, as the export's `serving_bytes` does.
    """
    size = run.preprocessing.input_shape[1:3]
    if None not in size:
        images = [
            image if image.shape[:2] == size else resize_image(image, size, run.schema.dtype).numpy()
            for image in images
        ]
    by_size = {}
    for i, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(i)
    preprocessed = [None] * len(images)
    for indices in by_size.values():
        outputs = run.preprocessing.predict_on_batch(np.stack([images[i] for i in indices]))
        for i, output in zip(indices, outputs, strict=True):
            preprocessed[i] = output
    if len({image.shape for image in preprocessed}) > 1:
        return [image[None] for image in preprocessed]
    return np.stack(preprocessed)


def _in_slices(predict, batch, size):
    """Returns the predictions of an array or a dict of arrays, computed in slices of one size.

    The last slice is filled up with its first example, because each new size is compiled anew.
    """
    predict = getattr(predict, "predict_on_batch", predict)
    count = len(next(iter(batch.values())) if isinstance(batch, dict) else batch)
    if count <= size:
        return predict(batch)
    outputs = []
    for start in range(0, count, size):
        indices = np.minimum(np.arange(start, start + size), count - 1)
        part = {c: v[indices] for c, v in batch.items()} if isinstance(batch, dict) else batch[indices]
        outputs.append(predict(part)[: count - start])
    return np.concatenate(outputs)


def _join(outputs):
    """Returns the predictions of all batches in one array, or in a list where they differ in size."""
    if len({o.shape[1:] if isinstance(o, np.ndarray) else None for o in outputs}) == 1 and isinstance(
        outputs[0], np.ndarray
    ):
        return np.concatenate(outputs)
    return [prediction for output in outputs for prediction in output]
