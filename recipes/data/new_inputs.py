"""New data for a trained model: files or tables, matched to its input schema and read in batches."""

import concurrent.futures
import os
import typing
from pathlib import Path

import numpy as np

from recipes.data.images.image_files import ImageFiles, read_pixels
from recipes.data.rasters.geotiff import SUFFIXES as RASTER_SUFFIXES
from recipes.data.rasters.geotiff import open_raster, raster_info, read_window
from recipes.data.tables.table_files import read_table_file
from zoo.inputs import match, match_bands, match_frame
from zoo.inputs.frames import frame_of
from zoo.inputs.texts import as_texts

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq", ".xlsx")
TABLE_ROWS = 8192  # rows of a table per batch


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
    if is_table(source):
        return frame_of(source), []
    path = existing_file(source)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise ValueError(
            f"predict: `files` must be a table ({', '.join(TABLE_SUFFIXES)}) for a model of {schema.kind} data, got "
            f"{path}."
        )
    return read_table_file(path)


def existing_file(path):
    """Returns the `Path` of a file; a ValueError says that there is none."""
    path = Path(path).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"predict: `files` must be files, got {path}, which {what}.")
    return path


def file_batches(schema, files, batch_size, *, segmentation=False):
    """Yields new inputs from files in batches, in their order.

    Args:
        schema: `InputSchema` of the trained model.
        files: path or paths: images; tables; for texts text files, or tables with the column of texts.
        batch_size: images per batch.
        segmentation: whether images are predicted pixel by pixel, so that they keep their bands and depth.
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
        yield from _image_batches(schema, files, batch_size, segmentation)
    else:
        raise ValueError(f"predict: the model must take images, a table or texts to read files, got {schema.kind}.")


def _table_batches(schema, files):
    for file in files:
        frame, notes = read_new_table(schema, file)
        prefix = f"{file} " if len(files) > 1 else ""
        matched = match_frame(schema, frame)
        notes = [*notes, *matched.notes]
        for start in range(0, len(frame), TABLE_ROWS):
            names = [f"{prefix}row {i + 1}" for i in range(start, min(start + TABLE_ROWS, len(frame)))]
            yield InputBatch(names, {c: v[start : start + TABLE_ROWS] for c, v in matched.batch.items()}, {}, notes)
            notes = []


def _text_batches(schema, files):
    for file in map(existing_file, files):
        if file.suffix.lower() == ".txt" or file.suffix.lower() not in TABLE_SUFFIXES:
            yield InputBatch([str(file)], match(schema, file.read_text("utf-8-sig")).batch, {}, [])
            continue
        frame, notes = read_table_file(file)
        texts = match(schema, frame).batch
        prefix = f"{file} " if len(files) > 1 else ""
        for start in range(0, len(texts), TABLE_ROWS):
            part = as_texts(texts[start : start + TABLE_ROWS], "`files`")
            yield InputBatch([f"{prefix}row {start + i + 1}" for i in range(len(part))], part, {}, notes)
            notes = []


def _image_batches(schema, files, batch_size, segmentation):
    """Reads images in threads, a batch ahead of the one that is predicted."""
    read = _segmentation_reader(schema) if segmentation else _photo_reader(schema)

    def read_one(path):
        try:
            return read(existing_file(path))
        except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
            text = str(error) or type(error).__name__
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
            yield InputBatch(names, images, failures, [])


def _photo_reader(schema):
    """Returns a function from a path to the pixels (H, W, C) of a photo, as training read it."""
    bands = schema.shape[-1]

    def read(path):
        return ImageFiles(np.array([str(path)]), np.zeros(1, bool), (None, None, bands)).read(0)

    return read


def _segmentation_reader(schema):
    """Returns a function from a path to the pixels (H, W, C) of an image or a raster, in the bands of the training."""

    def read(path):
        if path.suffix.lower() in RASTER_SUFFIXES and path.suffix.lower() not in (".npy",):
            pixels = read_bands(path, schema)
        else:
            pixels = read_pixels(path)
        if pixels.shape[-1] != schema.shape[-1] or pixels.dtype.name != schema.dtype:
            raise ValueError(
                f"the image must have {schema.shape[-1]} bands of {schema.dtype}, as in training, got "
                f"{pixels.shape[-1]} of {pixels.dtype.name} in {path}."
            )
        return pixels

    return read


def read_bands(path, schema):
    """Returns the pixels (H, W, C) of a raster, in the bands that the model was trained on."""
    names = raster_info(path, caller="predict").names
    numbers, _ = match_bands(schema, names, path)
    raster = raster_info(path, numbers, caller="predict")
    with open_raster(path, caller="predict") as file:
        return read_window(file, raster, 0, 0, raster.height, raster.width)[0]
