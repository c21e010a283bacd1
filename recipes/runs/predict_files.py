"""Prediction and evaluation with a saved run: files, tables, and other data sets."""

from pathlib import Path

import numpy as np

from recipes.data import as_source_spec, load, reopen
from recipes.data.images.image_files import ImageFiles, read_pixels
from recipes.data.input_batches import table_batch
from recipes.data.rasters.geotiff import open_raster, raster_info, read_window
from recipes.data.tables.table_files import read_table_file
from recipes.data.text.labelled_texts import text_files
from recipes.runs.load import load_run, reopen_run
from zoo.introspect.output_activation import output_activation, to_probabilities


def read_inputs(saved, files):
    """Reads raw inputs of a run from files.

    Args:
        saved: `SavedRun`.
        files: photos; or one CSV or Parquet table for a run on a table; for a run on texts such a table with its column
            of texts, or text files.
    Returns:
        List of (name, batch of one example), in order.
    Raises:
        ValueError: if a file does not exist, cannot be read, or lacks a column.
    """
    files = [Path(f) for f in files]
    missing = [str(f) for f in files if not f.is_file()]
    if missing:
        raise ValueError(f"`files` must exist, got {', '.join(missing)}.")
    data = saved.info["data"]
    if data["kind"] == "table":
        if len(files) > 1:
            raise ValueError(f"`files` must be one table with {', '.join(data['columns'])}, got {len(files)} files.")
        frame, _ = read_table_file(files[0])
        columns = table_batch(frame, data["columns"], "files")
        return [(f"row {i + 1}", {c: v[i : i + 1] for c, v in columns.items()}) for i in range(len(frame))]
    if data["kind"] == "text" and data["classes"]:
        spec = as_source_spec(saved.info["record"]["data"])
        return text_files(files, spec and spec.options.get("text"))
    if data["kind"] != "image":
        raise ValueError(f"`run` must be on photos or on a table to read files, got one on {data['kind']} data.")
    if data["task"] == "segmentation":
        spec = as_source_spec(saved.info["record"]["data"])
        bands = tuple(spec.options.get("bands", ())) if spec else ()
        return [(str(f), check_pixels(read_bands(f, bands), data, f)[None]) for f in files]
    photos = ImageFiles(np.array([str(f) for f in files]), np.zeros(len(files), bool), (None, None, data["shape"][-1]))
    return [(str(f), read_photo(photos, i)[None]) for i, f in enumerate(files)]


def read_bands(path, bands):
    """Returns the pixels of an image file (H, W, C): the bands of a raster that the run was trained on, or all."""
    if not bands:
        return read_pixels(path)
    raster = raster_info(path, bands, caller="predict")
    with open_raster(path, caller="predict") as file:
        return read_window(file, raster, 0, 0, raster.height, raster.width)[0]


def check_pixels(pixels, data, path):
    """Returns the pixels if they have the bands and the dtype of the training images.

    Args:
        pixels: (H, W, C).
        data: description of the training data, as run.json has it.
        path: file that the error names.
    Raises:
        ValueError: if bands or dtype differ.
    """
    bands, dtype = data["shape"][-1], data["dtype"]
    if pixels.shape[-1] != bands or pixels.dtype.name != dtype:
        raise ValueError(
            f"`files` must have {bands} bands of {dtype}, as in training, got {pixels.shape[-1]} of "
            f"{pixels.dtype.name} in {path}."
        )
    return pixels


def read_photo(photos, index):
    """Returns the photo at `index` of `Files`; a ValueError names a file that cannot be read."""
    try:
        return photos.read(index)
    except Exception as error:  # a broken file may raise anything in a decoder
        raise ValueError(f"`files` must be photos, got {photos.paths[index]}, which cannot be read: {error}") from None


def predict_batch(saved, batch):
    """Returns (N, classes) probabilities or (N, outputs) numbers for a raw batch."""
    outputs = np.asarray(saved.model(saved.preprocessing(batch, training=False), training=False))
    return to_probabilities(outputs, output_activation(saved.model)) if saved.classes else outputs


def predict_files(run, files):
    """Predicts for files, or for the rows of a table.

    Args:
        run: the run's folder.
        files: as `read_inputs` has them.
    Returns:
        List of dicts, one per file or row: its name, then the class and each class's probability, or the numbers. For a
        segmentation, the most frequent class and each class's fraction of the pixels.
    """
    saved = load_run(run)
    rows = []
    for name, batch in read_inputs(saved, files):
        prediction = predict_batch(saved, batch)[0]
        if prediction.ndim == 3:
            labels = prediction.argmax(-1).ravel()
            prediction = np.bincount(labels, minlength=len(saved.classes)) / labels.size
        values = map(float, prediction)
        if not saved.classes:
            rows.append({"input": name, **dict(zip(saved.info["data"]["outputs"], values, strict=True))})
            continue
        if saved.info["data"]["task"] == "multilabel":
            label = " ".join(c for c, p in zip(saved.classes, prediction, strict=True) if p >= 0.5)
        else:
            label = saved.classes[int(prediction.argmax())]
        rows.append({"input": name, "class": label, **dict(zip(saved.classes, values, strict=True))})
    return rows


def open_with_data(run, source=None):
    """Returns a saved run with its data, or with other data of the same classes, all of which are its training split.

    Args:
        run: the run's folder.
        source: what `recipes.load` takes; None for the data that the run was trained on.
    Returns:
        `Run`.
    """
    saved = load_run(run)
    trained_source = saved.info["record"]["data"]
    if source is None and trained_source is None:
        raise ValueError(f"`data` must be given: {run} was trained on arrays, which a run does not save.")
    seed = saved.info["hyperparameters"]["seed"]
    data = reopen(trained_source) if source is None else load(source, seed=seed, validation=0.0, test=0.0)
    reopened = reopen_run(run, data)
    data, outputs = reopened.data, saved.info["data"]["outputs"]
    if tuple(data.classes) != saved.classes or list(data.outputs) != list(outputs):
        raise ValueError(
            f"`data` must have the classes or targets {', '.join(saved.classes or outputs)}, "
            f"got {', '.join(data.classes or data.outputs)}."
        )
    return reopened


def evaluate_run(run, source=None):
    """Returns the metrics of a saved run: on its own test split, or on all of another data set with the same classes.

    Args:
        run: the run's folder.
        source: what `recipes.load` takes, or None.
    """
    reopened = open_with_data(run, source)
    if source is None:
        return reopened.evaluate("test" if len(reopened.data.test) else "validation")
    return reopened.evaluate("train")
