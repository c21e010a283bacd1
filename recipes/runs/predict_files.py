"""Prediction and evaluation with a saved run: files, tables, and other data sets."""

import os
from pathlib import Path

import numpy as np

from recipes.data.images.class_folders import (
    AVIF_SUFFIXES,
    HEIF_SUFFIXES,
    RAW_SUFFIXES,
    file_identity,
    is_image_name,
    is_system_folder,
)
from recipes.data.images.image_decoding import is_image_content
from recipes.data.new_inputs import read_new_table
from recipes.runs.load import load_run
from recipes.runs.matched_data import matched_data, run_with_data
from recipes.training.prediction import forecast, predict_batch, run_batches, warn


def predict_files(run, files):
    """Predicts for files, or for the rows of tables, batch by batch.

    Args:
        run: `Run`, or its folder.
        files: paths of images or of folders of images; of tables; for a run on texts of text files or of tables with
            its column of texts; for forecasts of one table of series.
    Yields:
        pandas.DataFrame for each batch, a row per file or row: `input`, then `class` and each class's probability, or
        the numbers. For a segmentation, the most frequent class and each class's fraction of the pixels. For files, the
        column `error` has the reason why one cannot be read; its other columns are empty. Forecasts have a row per
        series and step after the last row of the table.
    Raises:
        ValueError: if a table does not match the run, or a file does not exist.
    """
    run = run if hasattr(run, "schema") else load_run(run)
    files = image_paths(files) if run.schema.kind == "image" else list(files)
    if run.schema.series:
        if len(files) != 1:
            raise ValueError(f"predict: `files` must be one table of series, got {len(files)} files.")
        frame, notes = read_new_table(run.schema, files[0])
        warn(notes)
        yield forecast(run, frame)
        return
    for batch in run_batches(run, files):
        warn(batch.notes)
        yield prediction_frame(run, batch)


def prediction_frame(run, batch):
    """Returns the predictions for an `InputBatch` as a data frame, as `predict_files` documents."""
    import pandas as pd

    outputs = predict_batch(run, batch.inputs) if batch.names else []
    values = np.array([class_fractions(o) if o.ndim == 3 else o for o in outputs], dtype=np.float32)
    names = run.classes or tuple(run.data_record["outputs"])
    values = values.reshape(len(batch.names), len(names))
    columns = {"input": np.array(batch.names, dtype=object)}
    if run.data_record["task"] == "multilabel":
        columns["class"] = [" ".join(c for c, p in zip(names, row, strict=True) if p >= 0.5) for row in values]
    elif run.classes:
        columns["class"] = np.array(names, dtype=object)[values.argmax(1)]
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(values, columns=list(names))], axis=1)
    if run.schema.kind == "image":
        failed = pd.DataFrame({"input": list(batch.failures), "error": list(batch.failures.values())})
        frame = pd.concat([frame.assign(error=pd.Series(dtype=object)), failed], ignore_index=True)
    return frame


def image_paths(paths):
    """Returns files and the images in folders, at any depth, in order.

    Raises:
        ValueError: if a path does not exist, or a folder has no image.
    """
    files = []
    for path in map(Path, paths):
        path = path.expanduser()
        if not path.is_dir():
            files.append(path)
            continue
        images = sorted(_images_below(path))
        if not images:
            raise ValueError(f"predict: `files` must be images or folders of images, got {path} without any.")
        files += images
    absent = [str(path) for path in files if not path.is_file()]
    if absent:
        raise ValueError(f"predict: `files` must exist, got {', '.join(absent)}.")
    return files


def _images_below(folder):
    """Yields the images of a folder and of those in it; links are followed, and no folder is read twice."""
    visited = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        identity = file_identity(place)
        if identity in visited:
            folders.clear()
            continue
        visited.add(identity)
        folders[:] = [name for name in folders if not is_system_folder(name)]
        paths = [Path(place, name) for name in names]
        yield from (p for p in paths if not p.name.startswith(".") and _may_be_image(p))


def _may_be_image(path):
    """Whether a file is an image by its ending or content; kinds that are not read are listed with the reason."""
    suffix = path.suffix.lower()
    if not suffix:
        return is_image_content(path)
    return is_image_name(path) or suffix in (".npy", *HEIF_SUFFIXES, *AVIF_SUFFIXES, *RAW_SUFFIXES)


def class_fractions(probabilities):
    """Returns (classes,) the fraction of the pixels in which each class is the most probable, from (H, W, classes)."""
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
    reopened = load_run(run)
    if source is None:
        return reopened.evaluate("test" if len(reopened.data.test) else "validation")
    return run_with_data(reopened, source).evaluate("train")
