"""New data for a trained model: files or tables, matched to its input schema and read in batches."""

import concurrent.futures
import os
import typing
from pathlib import Path

from recipes.data.images.image_files import open_images, read_pixels
from recipes.data.rasters.geotiff import open_raster, raster_info, read_window
from recipes.data.tables.table_files import TABLE_SUFFIXES, read_frame, table_chunks
from zoo.inputs import band_range_notes, match, match_bands, match_frame

RASTER_ONLY = (".vrt", ".jp2", ".img")  # formats of rasters that are no image files
TABLE_ROWS = 8192  # rows of a table per batch
CHUNK_ROWS = 16 * TABLE_ROWS  # rows of a table in memory


class InputBatch(typing.NamedTuple):
    """A batch of new raw inputs."""

    names: list  # of the examples: a file's path or a row's number
    inputs: typing.Any  # (N, ...) array, dict of (N,) arrays, or a list of (H, W, C) images
    failures: dict  # path of a file that could not be read -> reason
    notes: list  # sentences


def is_files(schema, inputs):
    """Whether inputs are the path of a file, or a list of paths; for a model of texts, strings are texts."""
    first = inputs[0] if isinstance(inputs, list | tuple) and inputs else inputs
    return isinstance(first, os.PathLike) or (isinstance(first, str) and schema.kind != "text")


def is_table(inputs):
    """Whether inputs are a data frame or a dict of columns."""
    import pandas as pd

    return isinstance(inputs, dict | pd.DataFrame)


def read_new_table(schema, source):
    """Returns (data frame, notes) of new data: the path of a table, a data frame or a dict of columns."""
    frame, facts, _ = read_frame(source, schema.reading, **column_checks(schema))
    return frame, facts["notes"]


def column_checks(schema):
    """Returns which columns of a new table must have numbers only: `unchecked` and `checked` of `read_frame`."""
    categories = [c.source for c in schema.columns if c.kind == "category"]
    columns = schema.series["columns"] if schema.series else [c.source for c in schema.columns]
    series = [schema.series["time"], schema.series["group"]] if schema.series else []
    return {"unchecked": tuple(c for c in (*categories, *series) if c), "checked": tuple(columns)}


def existing_file(path):
    """Returns the `Path` of a file; a ValueError says that there is none."""
    path = Path(path).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"predict: `files` must be files, got {path}, which {what}.")
    return path


def file_batches(schema, files, batch_size):
    """Yields new inputs from files in batches, in their order.

    Args:
        schema: `InputSchema` of the trained model.
        files: path or paths: images; tables; for texts text files, or tables with the column of texts.
        batch_size: images per batch.
    Yields:
        `InputBatch`.
    Raises:
        ValueError: if a table does not exist or does not match the schema, or the model's inputs are no files.
    """
    files = [files] if isinstance(files, str | os.PathLike) else list(files)
    if not files:
        raise ValueError("predict: `files` must have at least one file, got none.")
    if schema.kind == "table":
        yield from _table_batches(schema, files)
    elif schema.kind == "text":
        yield from _text_batches(schema, files)
    elif schema.kind == "image":
        yield from _image_batches(schema, files, batch_size)
    else:
        raise ValueError(f"predict: the model must take images, a table or texts to read files, got {schema.kind}.")


def _table_batches(schema, files):
    shown = set()
    for file in files:
        prefix = f"{file} " if len(files) > 1 else ""
        for frame, first, notes in _chunks(schema, file):
            matched = match_frame(schema, frame, first_row=first)
            notes = _new_notes([*notes, *matched.notes], shown)
            for start in range(0, len(frame), TABLE_ROWS):
                stop = min(start + TABLE_ROWS, len(frame))
                names = [f"{prefix}row {first + i + 1}" for i in range(start, stop)]
                yield InputBatch(names, {c: v[start:stop] for c, v in matched.batch.items()}, {}, notes)
                notes = []


def _chunks(schema, file):
    return table_chunks(file, schema.reading, rows=CHUNK_ROWS, **column_checks(schema))


def _new_notes(notes, shown):
    """Returns the notes on subjects that no earlier chunk had a note on."""
    subjects = {note.partition(":")[0]: note for note in notes}
    new = [note for subject, note in subjects.items() if subject not in shown]
    shown |= set(subjects)
    return new


def _text_batches(schema, files):
    shown = set()
    for file in map(existing_file, files):
        if file.suffix.lower() == ".txt" or file.suffix.lower() not in (*TABLE_SUFFIXES, ".gz"):
            yield InputBatch([str(file)], match(schema, file.read_text("utf-8-sig")).batch, {}, [])
            continue
        prefix = f"{file} " if len(files) > 1 else ""
        for frame, first, notes in _chunks(schema, file):
            texts = match(schema, frame).batch
            names = [f"{prefix}row {first + i + 1}" for i in range(len(texts))]
            yield InputBatch(names, texts, {}, _new_notes(notes, shown))


def _image_batches(schema, files, batch_size):
    """Reads images in threads, a batch ahead of the one that is predicted."""

    def read_one(path):
        try:
            return read_image_for(schema, existing_file(path))
        except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
            text = getattr(error, "reason", None) or str(error) or type(error).__name__
            return " ".join(text.split())

    groups = [files[i : i + batch_size] for i in range(0, len(files), batch_size)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        pending = [executor.submit(read_one, path) for path in groups[0]]
        for i, group in enumerate(groups):
            following = [executor.submit(read_one, path) for path in groups[i + 1]] if i + 1 < len(groups) else []
            results = [future.result() for future in pending]
            pending = following
            images = [image for image in results if not isinstance(image, str)]
            names = [str(path) for path, image in zip(group, results, strict=True) if not isinstance(image, str)]
            failures = {str(path): r for path, r in zip(group, results, strict=True) if isinstance(r, str)}
            yield InputBatch(names, images, failures, band_range_notes(schema, names, images))


def read_image_for(schema, path):
    """Returns the pixels (H, W, C) of an image file in the bands and the depth of the training images.

    Raises:
        ValueError: naming the file, if it cannot be read, or its bands or depth differ.
    """
    if path.suffix.lower() in RASTER_ONLY or any(band.number for band in schema.bands):
        pixels = read_bands(path, schema)
    elif path.suffix.lower() == ".npy":
        pixels = read_pixels(path)
    else:
        return open_images([path], schema.shape, schema.dtype, schema.band_names, schema.missing == "pad").read(0)
    if pixels.shape[-1] != schema.shape[-1] or pixels.dtype.name != schema.dtype:
        raise ValueError(
            f"the image must have {schema.shape[-1]} bands of {schema.dtype}, as in training, got {pixels.shape[-1]} "
            f"of {pixels.dtype.name} in {path}."
        )
    return pixels


def read_bands(path, schema):
    """Returns the pixels (H, W, C) of a raster, in the bands that the model was trained on."""
    raster = raster_info(path, caller="predict")
    numbers, _ = match_bands(schema, raster.names or ("",) * len(raster.bands), path)
    raster = raster_info(path, numbers, caller="predict")
    with open_raster(path, caller="predict") as file:
        return read_window(file, raster, 0, 0, raster.height, raster.width)[0]
