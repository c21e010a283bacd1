"""Prediction and evaluation with a saved run: files, tables, and other data sets."""

from recipes.runs.load import load_run
from recipes.runs.matched_data import matched_data
from recipes.training.prediction import predict_batch, run_batches, warn


def predict_files(run, files):
    """Predicts for files, or for the rows of tables.

    Args:
        run: the run's folder.
        files: paths of images; of tables; or for a run on texts of text files or of tables with its column of texts.
    Yields:
        Dict for each file or row: its name, then the class and each class's probability, or the numbers. For a
        segmentation, the most frequent class and each class's fraction of the pixels. A file that cannot be read has
        the reason under `error`.
    """
    yield from file_rows(load_run(run), files)


def file_rows(run, files):
    """Yields the rows of `predict_files` for a `Run`."""
    for batch in run_batches(run, files):
        warn(batch.notes)
        yield from prediction_rows(run, batch)


def prediction_rows(run, batch):
    """Returns a dict for each example of an `InputBatch`, and for each of its failures."""
    rows = []
    outputs = predict_batch(run, batch.inputs) if len(batch.names) else []
    for name, prediction in zip(batch.names, outputs, strict=True):
        if prediction.ndim == 3:
            prediction = class_fractions(prediction)
        values = map(float, prediction)
        if not run.classes:
            rows.append({"input": name, **dict(zip(run.data_record["outputs"], values, strict=True))})
            continue
        if run.data_record["task"] == "multilabel":
            label = " ".join(c for c, p in zip(run.classes, prediction, strict=True) if p >= 0.5)
        else:
            label = run.classes[int(prediction.argmax())]
        rows.append({"input": name, "class": label, **dict(zip(run.classes, values, strict=True))})
    return [*rows, *({"input": name, "error": reason} for name, reason in batch.failures.items())]


def class_fractions(probabilities):
    """Returns (classes,) the fraction of the pixels in which each class is the most probable, from (H, W, classes)."""
    import numpy as np

    labels = probabilities.argmax(-1).ravel()
    return np.bincount(labels, minlength=probabilities.shape[-1]) / labels.size


def open_with_data(run, source=None):
    """Returns a saved run with its data, or with other data of the same classes, all of which are its training split.

    Args:
        run: the run's folder.
        source: what `recipes.load` takes, or the path of a table or a folder; None for the data that the run was
            trained on.
    Returns:
        `Run`.
    """
    run = load_run(run)
    return run if source is None else run.replace(data=matched_data(run, source))


def evaluate_run(run, source=None):
    """Returns the metrics of a saved run: on its own test split, or on all of another data set with the same classes.

    Args:
        run: the run's folder.
        source: what `recipes.load` takes, the path of a table or a folder, or None.
    """
    reopened = open_with_data(run, source)
    if source is None:
        return reopened.evaluate("test" if len(reopened.data.test) else "validation")
    return reopened.evaluate("train")
