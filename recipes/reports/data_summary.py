"""A summary of a data set as a dict: what was read and how, its columns, classes, images, series or texts."""

import numpy as np

from recipes.data.examples import SPLITS
from recipes.data.readers import as_source_spec, option_types
from recipes.reports.column_checks import column_checks, leak_sentences, repeated_column_sentences
from recipes.reports.column_statistics import column_rows, frame_of_data, targets_of_data
from recipes.reports.image_statistics import (
    SAMPLE,
    class_clue_sentences,
    image_checks,
    image_statistics,
    same_name_sentences,
    sample_examples,
)
from recipes.reports.mask_statistics import mask_rows, mask_sentences
from recipes.reports.series_statistics import channel_rows, series_facts, series_sentences
from recipes.reports.split_checks import class_sentences, duplicate_sentences, split_sentences
from recipes.reports.text_statistics import text_facts, text_sentences
from zoo.inputs.columns import plain_names


def summarize_data(data, frame=None, options=None):
    """Returns a summary of `Data` as a dict.

    Args:
        data: `Data`.
        frame: data frame that it was read from, with the columns that are no inputs and the rows that were left out; or
            None, where the columns are those of the inputs.
        options: of the reader; those of the data's source where None.
    Returns:
        Dict: name, task, kind, shape, dtype, examples, splits, split_description, source, license, description,
        data_option (the string to read the data again), source_spec, missing, notes, suspicious (the notes, then what
        the checks say); and where they apply classes, outputs, columns, images, masks, boxes, series, texts.
    """
    spec = as_source_spec(data.source_spec)
    options = (spec.options if spec else {}) if options is None else options
    splits = {s: getattr(data, s) for s in SPLITS}
    facts = {
        "name": data.name, "task": data.task, "kind": data.kind, "shape": data.shape, "dtype": data.dtype,
        "examples": sum(map(len, splits.values())), "splits": {s: len(e) for s, e in splits.items()},
        "split_description": data.split_description, "source": data.source, "license": data.license,
        "description": data.description, "data_option": None if spec is None else str(spec),
        "source_spec": None if spec is None else spec.to_json(), "missing": data.missing,
    }  # fmt: skip
    accepted = accepted_options(data, spec)
    checks = [*split_sentences(splits, accepted), *duplicate_sentences(data)]
    if data.task in ("classification", "multilabel"):
        facts["classes"] = class_rows(data)
        checks += class_sentences(facts["classes"], data.task)
    elif data.task in ("regression", "forecasting"):
        facts["outputs"] = output_rows(data)
    if data.kind in ("table", "vector") or (data.kind in ("series", "text") and frame is not None):
        checks += _add_columns(data, frame, options, accepted, facts)
    if data.kind == "series":
        facts["series"] = series_facts(data, frame, options)
        checks += series_sentences(facts["series"], accepted)
        if "columns" not in facts:
            facts["columns"] = channel_rows(data)
    elif data.kind == "text":
        facts["texts"] = text_facts(data)
        checks += text_sentences(facts["texts"])
    elif data.kind in ("image", "video", "pair"):
        checks += _add_images(data, facts)
    if data.task == "detection":
        facts["boxes"] = data.description
    if data.task == "segmentation":
        facts["masks"] = mask_rows(data)
        checks += mask_sentences(facts["masks"])
    facts["notes"] = list(data.notes)
    facts["suspicious"] = [*data.notes, *dict.fromkeys(c for c in checks if c not in data.notes)]
    return facts


def accepted_options(data, spec):
    """Returns the names of the options that the reader of the data takes."""
    if spec is not None:
        return set(option_types(spec.reader, spec.source))
    return set(option_types("table", "")) if data.kind == "table" else set()


def class_rows(data):
    """Returns one dict per class: name, and the number of examples in each split."""
    counts = {}
    for s in SPLITS:
        targets = np.asarray(getattr(data, s).targets)
        is_index = targets.ndim == 1
        counts[s] = np.bincount(targets, minlength=len(data.classes)) if is_index else targets.sum(0, dtype=np.int64)
    return [{"name": str(name), **{s: int(n[i]) for s, n in counts.items()}} for i, name in enumerate(data.classes)]


def output_rows(data):
    """Returns the statistics of every target column over all splits."""
    import pandas as pd

    targets = targets_of_data(data)
    return column_rows(pd.DataFrame(targets.reshape(len(targets), -1), columns=list(data.outputs)))


def _add_columns(data, frame, options, accepted, facts):
    """Adds the columns to the facts and returns what the checks say of them."""
    source_frame = frame
    frame = frame_of_data(data) if frame is None else frame
    if frame is None:  # a tf.data.Dataset
        return []
    roles, kinds, plain = _column_roles(data, frame, options, source_frame is not None)
    rows = column_rows(frame, kinds)
    for row in rows:
        row["role"] = roles[row["name"]]
        row["input_name"] = plain.get(row["name"])
        row["policy"] = (
            {"input": data.missing, "target": "the row is left out"}.get(row["role"]) if row["gaps"] else None
        )
    facts["columns"] = rows
    inputs = [row for row in rows if row["role"] == "input"]
    checks = column_checks(frame, inputs, accepted)
    if data.kind == "series":
        return checks
    if data.task == "regression":
        checks += column_checks(frame, [r for r in rows if r["role"] == "target" and r["distinct"] >= 5], set())
    checks += repeated_column_sentences(frame, inputs, accepted)
    targets = _leak_targets(data, source_frame, [row["name"] for row in rows if row["role"] == "target"])
    return checks if targets is None else checks + leak_sentences(frame, inputs, targets, accepted)


def _column_roles(data, frame, options, is_source):
    """Returns (name -> role, name -> kind that the reader decided, name -> name of the input)."""
    if not is_source:
        return dict.fromkeys(frame, "input"), {c: data.columns.get(c) for c in frame}, {}
    roles = {}
    for role, option in (("target", "target"), ("time", "time"), ("group", "group"), ("text", "text")):
        value = options.get(option)
        for name in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []:
            roles.setdefault(name, role)
    source_names = getattr(data, "column_names", {})
    if not source_names:
        candidates = [c for c in frame if roles.get(c) != "target" or data.kind == "series"]
        source_names = {new: old for old, new in plain_names(candidates).items()}
    plain = {source_names[c]: c for c in data.columns if c in source_names}
    kinds = {name: data.columns[c] for name, c in plain.items()}
    for name in plain:
        roles.setdefault(name, "input")
    return {c: roles.get(c, "left out") for c in frame}, kinds, plain


def _leak_targets(data, frame, names):
    """Returns (N,) classes or numbers of the rows of the frame, or of the data where it is None; None for several."""
    import pandas as pd

    if data.task not in ("classification", "regression"):
        return None
    if frame is None:
        targets = targets_of_data(data)
        return targets if data.task == "classification" else targets[:, 0] if targets.shape[1] == 1 else None
    if len(names) != 1:
        return None
    column = frame[names[0]]
    if data.task == "classification":
        return pd.factorize(column)[0]
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _add_images(data, facts):
    """Adds the statistics of a sample of the images to the facts and returns what the checks say of them."""
    examples = next(e for e in (data.train, data.validation, data.test) if len(e))
    inputs, sample = sample_examples(examples, SAMPLE)
    images = [frame for pair in inputs.values() for frame in pair] if isinstance(inputs, dict) else inputs
    is_single = data.kind == "image"
    if data.kind == "video":
        images = [frame for video in images for frame in video]
    bands = getattr(data, "bands", ()) or ()
    statistics = image_statistics(images, sample.names if is_single else None, bands, data.dtype)
    facts["images"] = statistics
    checks = image_checks(statistics)
    if is_single and data.task == "classification":
        paths = getattr(data.train.inputs, "paths", None)
        checks += class_clue_sentences(images, sample.targets, None if paths is None else sample.names, data.classes)
        if paths is not None:
            files = [getattr(getattr(data, s).inputs, "paths", ()) for s in SPLITS]
            checks += same_name_sentences(np.concatenate(files), data.classes)
    return checks
