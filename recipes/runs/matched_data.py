"""Other data for a trained run, read as its training data were and matched to them by name."""

import dataclasses

import numpy as np

from recipes.data import Data, SourceSpec, as_source_spec, load, reopen
from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.images.image_files import ImageFiles, open_images
from recipes.data.images.mask_labels import NODATA_IS_CLASS, PIXELS_IGNORED
from recipes.data.new_inputs import column_checks
from recipes.data.preprocessing import fill_nodata
from recipes.data.rasters.geotiff import pixel_size_notes, raster_info
from recipes.data.rasters.raster import raster_files
from recipes.data.rasters.tiles import Tiles
from recipes.data.readers import READERS, parse_source
from recipes.data.source_spec import DEFAULT_SPLIT
from recipes.data.split import SplitOptions
from recipes.data.tables.table_files import read_frame
from recipes.data.targets import class_indices, gaps
from recipes.data.text.labelled_texts import DROP_ADVICE
from recipes.data.text.text_rows import missing_advice, row_namer
from recipes.runs.text_column import with_text_column
from zoo.arguments import suggestion
from zoo.inputs import (
    band_range_notes,
    feature_range_notes,
    match_bands,
    match_frame,
    match_texts,
    target_range_notes,
)
from zoo.inputs.match import text_column
from zoo.inputs.texts import as_texts, empty_texts
from zoo.introspect.text_tokens import text_tokens

SERIES_FACTS = ("step", "has_grid", "has_means")  # in `Data.series_options`, and no options of the reader
TRAINING_OPTIONS = ("labels", "group", "unlabelled")  # of readers, which are not those of other data
SAMPLE = 64  # images whose ranges are compared with the training's
SHOWN = 5  # classes that a note lists
WITHOUT_SPLIT = {**DEFAULT_SPLIT, "validation": 0.0, "test": 0.0}


def run_with_data(run, source):
    """Returns the run with other data, as `matched_data` has them.

    Pixels that are nodata where training had none are 0 after the preprocessing, as `predict_raster` has them, and are
    left out of the metrics.
    """
    data, preprocessing = matched_data(run, source), run.preprocessing
    if run.schema.kind == "image" and run.schema.dtype != "uint8":
        images = [np.asarray(image) for image in data.train.head(SAMPLE)]
        for note in band_range_notes(run.schema, list(map(str, data.train.names[:SAMPLE])), images):
            warn_and_note(note)
    for note in data.notes:
        if any(part in note for part in (PIXELS_IGNORED, NODATA_IS_CLASS)):
            warn_and_note(note)
    if run.schema.kind == "series" and isinstance(data.train.inputs, np.ndarray):
        for note in feature_range_notes(run.schema.columns, data.train.inputs):
            warn_and_note(note)
    for note in [
        note for raster in getattr(data.train.inputs, "rasters", ()) for note in pixel_size_notes(run.schema, raster)
    ]:
        warn_and_note(note)
    for note in target_range_notes(run.schema.target_ranges, data.outputs, data.train.targets):
        warn_and_note(note)
    if isinstance(data.train.inputs, Tiles) and data.missing == "pad" and run.schema.missing != "pad":
        preprocessing = fill_nodata(preprocessing)
        warn_and_note("pixels that are nodata in any band are left out of the evaluation")
    return run.replace(data=data, preprocessing=preprocessing)


def matched_data(run, source):
    """Returns other data for a run: all examples in the training split, matched to the run's input schema.

    Columns and bands are matched by name, as in training. Options that the source does not state are those of the
    training: target, labels, window, ... Classes may lack examples.

    Args:
        run: `Run`.
        source: string as `recipes.load` takes it, or the path of a table or a folder; a data frame, a dict of columns,
            (x, y) arrays, or `Data`.
    Returns:
        `Data`.
    Raises:
        ValueError: if a column, a band or the target is absent, or a label is none of the run's classes.
    """
    data = _verified(run, source) if isinstance(source, Data) else _read(run, source)
    return _with_note_of_absent_classes(data)


def _read(run, source):
    """Returns the `Data` of a source, as `matched_data` has it."""
    trained = as_source_spec(run.record["data"])
    spec = _spec(run, source, trained)
    kind = run.schema.kind
    if kind in ("table", "text") and (spec is None or spec.reader in ("table", "labelled_text")):
        return _matched_table(run, source if spec is None else spec.source, spec.options if spec else {})
    if spec is None:
        options = {"classes": run.classes} if run.classes and isinstance(source, tuple | list) else {}
        return _verified(run, load(source, **WITHOUT_SPLIT, **options))
    data = _verified(run, reopen(spec))
    return _as_training_columns(run.schema, data) if kind == "table" else data


def _as_training_columns(schema, data):
    """Returns the data of a table, such as of points and rasters, with the columns of the training, by name."""
    import pandas as pd

    frame = pd.DataFrame({data.column_names[name]: values for name, values in data.train.inputs.items()})
    matched = match_frame(schema, frame, "evaluate")
    for note in matched.notes:
        warn_and_note(note)
    train = dataclasses.replace(data.train, inputs=matched.batch)
    columns = {column.name: column.kind for column in schema.columns}
    sources = {column.name: column.source for column in schema.columns}
    notes = (*data.notes, *matched.notes)
    return dataclasses.replace(data, train=train, columns=columns, column_names=sources, notes=notes)


def _with_note_of_absent_classes(data):
    """Returns the data with a note on the classes that have no examples, which is also a warning."""
    targets = data.train.targets
    if data.task != "classification" or np.ndim(targets) != 1:
        return data
    counts = np.bincount(targets[targets >= 0], minlength=len(data.classes))  # an answer may be none of the classes
    absent = [name for name, count in zip(data.classes, counts, strict=True) if not count]
    if not absent:
        return data
    listed = ", ".join(absent[:SHOWN]) + (f" and {len(absent) - SHOWN} more" if absent[SHOWN:] else "")
    note = warn_and_note(
        f"the data have no examples of {listed}; the balanced accuracy is the mean recall of the other classes"
    )
    return dataclasses.replace(data, notes=(*data.notes, note))


def _spec(run, source, trained):
    """Returns the `SourceSpec` of a string, with the options of the training where it states none; None for arrays."""
    if not isinstance(source, str):
        return None
    reader = source.partition(":")[0]
    if reader not in READERS:
        reader = trained.reader if trained and trained.reader != "bundled" else {"image": "folder"}.get(
            run.schema.kind, run.schema.kind
        )  # fmt: skip
        source = f"{reader}:{source}"
    stated = parse_source(source)
    if run.schema.series and stated.reader == "table":  # the times are those of the training
        stated = SourceSpec("series", stated.source, stated.options)
    options = {}
    if trained is not None and trained.reader == stated.reader:
        options = {name: value for name, value in trained.explicit_options.items() if name not in TRAINING_OPTIONS}
    if stated.reader == "sound":  # the length and the rate of a clip are those of the training
        options = {name: value for name, value in options.items() if name not in ("recordings", "test_pattern")}
        options |= {name: run.schema.sound[name] for name in ("sample_rate", "seconds")}
    options |= {"target": list(run.schema.targets)} if run.schema.targets else {}
    if stated.reader == "series":
        series = run.schema.series
        options |= {name: value for name, value in series.items() if name not in SERIES_FACTS}
        options |= {"step": series["step"] if series["has_grid"] else None}
    if stated.reader in ("raster", "masks", "folder", "sound", "questions") and run.classes:
        options |= {"classes": options.get("classes") or list(run.classes)}
    if stated.reader == "raster" and run.schema.band_names:
        options |= {"bands": _raster_bands(run.schema, stated.source)}
    return SourceSpec(stated.reader, stated.source, {**options, **WITHOUT_SPLIT, **stated.options})


def _raster_bands(schema, source):
    """Returns the names of the bands to read, or their numbers, with a warning, where the first raster has no names."""
    path = next(iter(raster_files(source).values()))
    raster = raster_info(path, caller="evaluate")
    if set(schema.band_names) <= set(raster.names):
        return list(schema.band_names)
    numbers, notes = match_bands(schema, raster.descriptions, path, "evaluate")
    for note in notes:
        warn_and_note(note)
    return list(numbers)


def _matched_table(run, source, options):
    """Returns `Data` of a table whose columns are matched by name, or of its column of texts."""
    schema, task, notes = run.schema, run.data_record["task"], []
    column = options.get("text")
    if column and schema.kind == "text" and column != schema.text:
        if schema.text:
            notes.append(f"the texts are read from the column `{column}`, in training they were in `{schema.text}`")
        schema = with_text_column(run, column).schema
    target = tuple(options.get("target") or schema.targets)
    checks = column_checks(schema)
    checks["checked"] += target if task == "regression" else ()
    frame, facts, resolved = read_frame(source, {**schema.reading, **options}, **checks)
    if schema.kind == "text":
        text_column(schema, frame, "evaluate")  # raises an error where it is absent
    absent = [name for name in target if name not in frame]
    if absent or not target:
        raise ValueError(
            f"`data` must have the target column {', '.join(map(repr, absent or ['...']))}, got "
            f"{', '.join(map(repr, frame.columns))}.{suggestion(str(absent[0]), frame.columns) if absent else ''}"
        )
    if not len(frame):
        raise ValueError(f"`data` must have a row or more, got only the columns {', '.join(map(str, frame.columns))}.")
    notes, y = [warn_and_note(note) for note in (*notes, *facts.pop("notes"))], frame[list(target)]
    dropped = gaps(y.to_numpy())
    if schema.kind == "table" and schema.missing == "drop":
        dropped = dropped | _rows_with_gaps(schema, frame)
    elif schema.kind == "text" and (options.get("missing") or schema.missing) == "drop":
        dropped = dropped | empty_texts(as_texts(text_column(schema, frame, "evaluate"), "evaluate: the texts"))
    if dropped.any():
        notes.append(warn_and_note(f"left out {dropped.sum():,} of {len(frame):,} rows with gaps"))
        if dropped.all():
            raise ValueError(f"`data` must have a row without gaps, got gaps in all {len(frame):,} rows.")
        frame, y = frame[~dropped], y[~dropped]
    if schema.kind == "table":
        inputs = frame.drop(columns=[name for name in target if name not in schema.targets])
        matched = match_frame(schema, inputs, "evaluate")
    else:
        row_name = row_namer(source, resolved, frame.index)
        advice = missing_advice(notes, DROP_ADVICE)
        tokens = text_tokens(run.preprocessing)
        matched = match_texts(schema, frame, "evaluate", tokens=tokens, row_name=row_name, advice=advice)
    for note in matched.notes:
        warn_and_note(note)
    y = y.to_numpy() if y.shape[1] > 1 else y.iloc[:, 0].to_numpy()
    y = class_indices(y, run.classes) if task == "classification" else y
    return assemble(
        [Pool(matched.batch, y, "train", np.asarray(frame.index))], SplitOptions(0.0, 0.0), kind=schema.kind,
        shape=schema.shape, dtype=schema.dtype, task=task, classes=run.classes, missing=schema.missing,
        outputs=tuple(run.data_record["outputs"]) or ("target",), notes=[*notes, *matched.notes], complete=False,
        columns={c.name: c.kind for c in schema.columns}, column_names={c.name: c.source for c in schema.columns},
        **facts,
    )  # fmt: skip


def _rows_with_gaps(schema, frame):
    """Returns (N,) bool: the rows with a gap in a column that the model takes."""
    policy = dataclasses.replace(schema, missing="impute")
    batch = match_frame(policy, frame, "evaluate").batch
    return np.any([np.isnan(v) if v.dtype.kind == "f" else v == "" for v in batch.values()], axis=0)


def _verified(run, data):
    """Returns data whose classes or targets, shape and dtype are the run's; a ValueError says what differs."""
    data = _as_training_tiles(run.schema, _as_training_images(run, run.task.open_new_data(data)))
    outputs = run.data_record["outputs"]
    if tuple(data.classes) != run.classes or list(data.outputs) != list(outputs):
        raise ValueError(
            f"`data` must have the classes or targets {', '.join(run.classes or outputs)}, "
            f"got {', '.join(data.classes or data.outputs)}."
        )
    schema = run.schema
    if data.sound_options != schema.sound:
        raise ValueError(f"`data` must be clips of {schema.sound}, as in training, got {data.sound_options}.")
    step = data.series_options.get("step")
    if schema.series and step and step != schema.series["step"]:
        raise ValueError(f"`data` must have steps of {schema.series['step']}, as in training, got {step}.")
    if data.kind != schema.kind or (data.shape or (0,))[-1] != (schema.shape or (0,))[-1]:
        raise ValueError(f"`data` must be {_described(schema)}, as in training, got {_described(data)}.")
    dtype = data.train.inputs.rasters[0].dtype if isinstance(data.train.inputs, Tiles) else data.dtype
    window = (schema.shape or (None,))[0] if schema.series else None
    if window is not None and data.shape[0] != window:
        raise ValueError(f"`data` must have windows of {window} steps, as in training, got {data.shape[0]}.")
    if data.kind == "image" and schema.dtype not in (dtype, data.dtype):
        raise ValueError(f"`data` must be of {schema.dtype}, as in training, got {dtype}.")
    size = run.preprocessing.input_shape[1:3] if data.kind == "image" else (None,)
    if None not in size and tuple(data.shape[:2]) != tuple(size):
        raise ValueError(f"`data` must have images of {size[0]} x {size[1]} pixels, as in training, got {data.shape}.")
    return data


def _as_training_images(run, data):
    """Returns the data with photos read in the size, bands and depth of the run's raw inputs, as `predict` reads them.

    Raises:
        ValueError: if the bands or the depth of the first image have no exact conversion.
    """
    images, schema = data.train.inputs, run.schema
    if not isinstance(images, ImageFiles) or schema.kind != "image":
        return data
    size = run.preprocessing.input_shape[1:3]
    size = None if None in size or data.shape[:2] == size else size
    if size is None and (data.shape[-1], data.dtype, data.bands) == (
        schema.shape[-1], schema.dtype, schema.band_names
    ):  # fmt: skip
        return data
    images = open_images(images.paths, schema.shape, schema.dtype, schema.band_names, schema.missing == "pad", size)
    images.read(0)
    shape = (*(size or data.shape[:2]), schema.shape[-1])
    return dataclasses.replace(
        data, train=dataclasses.replace(data.train, inputs=dataclasses.replace(images, shape=shape)), shape=shape,
        dtype=schema.dtype, bands=schema.band_names,
    )  # fmt: skip


def _as_training_tiles(schema, data):
    """Returns the data with tiles of rasters as 32-bit floats where those of the training were, which had nodata."""
    tiles = data.train.inputs
    if not isinstance(tiles, Tiles) or schema.missing != "pad" or data.missing == "pad":
        return data
    train = dataclasses.replace(data.train, inputs=dataclasses.replace(tiles, dtype=schema.dtype))
    return dataclasses.replace(data, train=train, dtype=schema.dtype, missing="pad")


def _described(data):
    return f"{data.kind} data" + (f" of shape {tuple(data.shape)}" if data.shape else "")
