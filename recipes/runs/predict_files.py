"""What can be done with a run's folder and files that it has never seen."""

from pathlib import Path

import numpy as np

from recipes.data import as_source_spec, load, reopen
from recipes.data.images.image_files import ImageFiles, read_pixels
from recipes.data.input_batches import table_batch
from recipes.data.tables.table_files import read_table_file
from recipes.data.text.labelled_texts import text_files
from recipes.training.run import load_run, probabilities, revive


def read_inputs(saved, files):
    """Raw inputs of a run from files: a list of (name, batch of one), in order.

    Args:
        saved: the run, as `load_run` reads it.
        files: photos, or one CSV or Parquet table for a run on a table; for one on texts such a table with its column
            of texts, or files that are a text each.
    Raises:
        ValueError: if a file is not there, cannot be read, or lacks a column.
    """
    files = [Path(f) for f in files]
    gone = [str(f) for f in files if not f.is_file()]
    if gone:
        raise ValueError(f"`files` must exist, got {', '.join(gone)}.")
    told = saved.told["data"]
    if told["kind"] == "table":
        frame, _ = read_table_file(files[0])
        if len(files) > 1:
            raise ValueError(f"`files` must be one table with {', '.join(told['columns'])}, got {len(files)} files.")
        columns = table_batch(frame, told["columns"], "files")
        return [(f"row {i + 1}", {c: v[i : i + 1] for c, v in columns.items()}) for i in range(len(frame))]
    if told["kind"] == "text" and told["classes"]:
        spec = as_source_spec(saved.told["record"]["data"])
        return text_files(files, spec and spec.options.get("text"))
    if told["kind"] != "image":
        raise ValueError(f"`run` must be on photos or on a table to read files, got one on {told['kind']} data.")
    if told["task"] == "segmentation":
        return [(str(f), as_trained(read_pixels(f), told, f)[None]) for f in files]
    photos = ImageFiles(np.array([str(f) for f in files]), np.zeros(len(files), bool), (None, None, told["shape"][-1]))
    return [(str(f), readable(photos, i)[None]) for i, f in enumerate(files)]


def as_trained(pixels, told, path):
    """An image with the bands and the depth of those that a run was trained on, or a ValueError that names it."""
    bands, depth = told["shape"][-1], told["dtype"]
    if pixels.shape[-1] != bands or pixels.dtype.name != depth:
        raise ValueError(
            f"`files` must have {bands} bands of {depth}, as in training, got {pixels.shape[-1]} of "
            f"{pixels.dtype.name} in {path}."
        )
    return pixels


def readable(photos, index):
    """The photo at `index`, or a ValueError that names it."""
    try:
        return photos.read(index)
    except Exception as error:
        raise ValueError(f"`files` must be photos, got {photos.paths[index]}, which cannot be read: {error}") from None


def answer(saved, batch):
    """(1, classes) probabilities or (1, outputs) numbers for a raw batch."""
    prepared = saved.preprocessing(batch, training=False)
    return probabilities(saved.model, np.asarray(saved.model(prepared, training=False)), saved.classes)


def predict_files(run, files):
    """One row a file (or row of a table): its name, then the class and every class's probability, or the numbers.

    Of a run that answers every pixel it is the commonest class and every class's share of the pixels.
    """
    saved = load_run(run)
    rows = []
    for name, batch in read_inputs(saved, files):
        found = answer(saved, batch)[0]
        if found.ndim == 3:  # a class for every pixel: each class's share of them
            found = np.bincount(found.argmax(-1).ravel(), minlength=len(saved.classes)) / found[..., 0].size
        if saved.classes:
            several = saved.told["data"]["task"] == "multilabel"
            chosen = [c for c, p in zip(saved.classes, found, strict=True) if p >= 0.5] if several else None
            best = " ".join(chosen) if several else saved.classes[int(found.argmax())]
            rows.append({"input": name, "class": best, **dict(zip(saved.classes, map(float, found), strict=True))})
        else:
            rows.append({"input": name, **dict(zip(saved.told["data"]["outputs"], map(float, found), strict=True))})
    return rows


def on_data(run, source):
    """The run revived on its own data, or, all in one part, on other data with the same classes."""
    saved = load_run(run)
    told = saved.told["data"]
    own = saved.told["record"]["data"]
    if source is None and own is None:
        raise ValueError(f"`data` must be given: {run} was trained on arrays, which it does not keep.")
    seed = saved.told["numbers"]["seed"]
    data = reopen(own) if source is None else load(source, seed=seed, validation=0.0, test=0.0)
    revived = revive(run, data)
    if tuple(data.classes) != saved.classes or list(data.outputs) != list(told["outputs"]):
        raise ValueError(
            f"`data` must have the classes or targets {', '.join(saved.classes or told['outputs'])}, "
            f"got {', '.join(data.classes or data.outputs)}."
        )
    return revived


def evaluate_run(run, source=None):
    """Metrics of a saved run: on its own test part, or on all of other data with the same classes."""
    revived = on_data(run, source)
    if source is None:
        return revived.evaluate("test" if len(revived.data.test) else "validation")
    return revived.evaluate("train")
