"""Predicts the class of every pixel of a raster of any size."""

import contextlib
import sys
import time
import typing
import warnings
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from recipes.data.rasters.geotiff import alpha_notes, open_raster, pixel_size_notes, raster_info, read_window
from recipes.prediction.fingerprint import model_fingerprint
from recipes.runs.load import load_run
from recipes.training.run import Run
from zoo.arguments import Count, FilePath, Whole, checked
from zoo.inputs import InputSchema, band_range_notes, match_bands

SAMPLE_SIDE = 512  # of the part of a raster whose range is compared with the training's [pixels]


class RasterPrediction(typing.NamedTuple):
    """The result of `predict_raster`.

    Args:
        path: of the GeoTIFF.
        tiles: number of tiles that were predicted.
        skipped_tiles: number of tiles without any valid pixel, which were not predicted.
        resumed_rows: number of block rows that an interrupted earlier call had written.
        seconds: total time.
        model_fraction: fraction of this time spent in the model, from 0 to 1.
    """

    path: str
    tiles: int
    skipped_tiles: int
    resumed_rows: int
    seconds: float
    model_fraction: float


class SegmentationModel(typing.NamedTuple):
    """A model with its preprocessing and the properties of its training data."""

    model: keras.Model
    preprocessing: keras.Model | None
    classes: tuple
    dtype: str | None  # of the training pixels; None accepts any
    schema: InputSchema | None  # of the training data


@checked
def predict_raster(
    run,
    path: FilePath,
    out: FilePath,
    *,
    tile: Count | None = None,
    overlap: Whole | None = None,
    blend: Literal["cosine", "linear", "none"] = "cosine",
    probabilities: bool = False,
    batch_size: Count = 4,
    bands: tuple[Count | str, ...] = (),
    classes: tuple[str, ...] = (),
    preprocessing: keras.Model | None = None,
    verbose: bool = True,
) -> RasterPrediction:
    """Writes the class, or the class probabilities, of every pixel of a raster to a GeoTIFF on the same grid.

    The raster is read, predicted and written tile by tile; memory does not grow with its size. Overlapping tiles are
    blended. If the overlap exceeds the model's receptive field, the prediction equals that of the whole raster in one
    piece. At the lower and right border the raster is mirrored up to a multiple of the model's stride and the
    prediction is cropped. Pixels that are nodata in any band are set to 0 after preprocessing and are nodata in the
    output.

    The output is tiled and compressed, with the CRS and transform of the raster. Classes are indices from 0 and nodata
    is 255; tags and a color table name the classes. Probabilities are float32, one band per class, and nodata is NaN.
    Until it is complete the file is named OUT.part. The same call resumes an interrupted one.

    Args:
        run: a `Run` of `Segmentation`, its folder, or a `keras.Model` that predicts every pixel.
        path: of the raster: GeoTIFF, VRT, JPEG 2000, ...
        out: path of the GeoTIFF.
        tile: side of a tile [pixels], rounded up to a multiple of the model's stride; default 512, or the model's size.
        overlap: of neighboring tiles [pixels], rounded up likewise; default 64, or a quarter of a tile if that is less.
        blend: transition between tiles over the overlap: cosine, linear, or none for a cut in its middle.
        probabilities: whether to write probabilities instead of classes.
        batch_size: tiles per batch.
        bands: band numbers from 1, or names; default those the run was trained on, or all.
        classes: class names, only for a `keras.Model`.
        preprocessing: model from raw pixels to the model's inputs, only for a `keras.Model`.
        verbose: whether to show progress (on stderr).
    Returns:
        `RasterPrediction`: path, tiles, skipped_tiles, resumed_rows, seconds, model_fraction.
    Raises:
        ValueError: if the raster cannot be read completely, does not match the model, or `out` cannot be written.
    """
    start = time.perf_counter()
    source = as_segmentation_model(run, preprocessing, classes)
    raster = raster_info(path, bands or _trained_bands(source, path), caller="predict_raster")
    if bands and source.schema is not None:
        raster = _named_bands(source.schema, raster, bands)
    verify(source, raster, out)
    if source.schema is not None:
        _note_ranges(source.schema, raster)
    from recipes.raster.blend import TileBlender
    from recipes.raster.resumable_geotiff import ResumableGeoTiff

    blender = TileBlender(source, raster, tile, overlap, blend, probabilities, batch_size)
    file = Path(raster.path)
    options = [file.resolve(), file.stat().st_size, file.stat().st_mtime_ns, raster.bands]
    options += [blender.rows, blender.columns, blender.stripes, probabilities]
    key = model_fingerprint(source.model, source.preprocessing, options)
    output = ResumableGeoTiff(out, key, blender.profile(), blender.describe)
    return write_map(blender, output, out, verbose, start)


def write_map(blender, output, out, verbose, start):
    """Predicts the rows of a map that are not yet written, and returns the `RasterPrediction`.

    Args:
        blender: `TileBlender` or another that has `run`, `total_rows`, `tiles`, `skipped_tiles` and `model_seconds`.
        output: `ResumableGeoTiff`, which is finished, or discarded if a raster cannot be read.
        out: path of the file.
        verbose: whether to show progress.
        start: `time.perf_counter()` at the begin.
    """
    resumed_rows = output.rows_written
    if resumed_rows and verbose:
        print(f"{output.partial_path} is continued after block row {resumed_rows}", file=sys.stderr, flush=True)
    try:
        with progress(Path(out).name, blender.total_rows, verbose) as report_progress:
            blender.run(output, report_progress)
    except ValueError:  # a raster is unreadable, so the partial file is of no use
        output.discard()
        raise
    output.finish()
    if blender.skipped_tiles and not blender.tiles and not resumed_rows:
        warnings.warn(f"{out}: no pixel has a value in all bands, so the map is empty", stacklevel=3)
    seconds = time.perf_counter() - start
    return RasterPrediction(
        str(out), blender.tiles, blender.skipped_tiles, resumed_rows, seconds, blender.model_seconds / seconds
    )


def as_segmentation_model(run, preprocessing, classes):
    """Returns the `SegmentationModel` of a run, of its folder, or of a `keras.Model`."""
    if isinstance(run, keras.Model):
        dtype = None if preprocessing is None else preprocessing.inputs[0].dtype
        return SegmentationModel(run, preprocessing, classes, dtype, None)
    if preprocessing is not None or classes:
        raise ValueError(
            "predict_raster: `preprocessing` and `classes` are only for a keras.Model, got them together with a run."
        )
    if isinstance(run, str | Path):
        run = load_run(run)
    if not isinstance(run, Run):
        raise ValueError(
            f"predict_raster: `run` must be a Run, a run's folder or a keras.Model, got {type(run).__name__}."
        )
    if run.data_record["task"] != "segmentation":
        raise ValueError(
            f"predict_raster: `run` must be of the task segmentation, got one of {run.data_record['task']}."
        )
    return SegmentationModel(run.model, run.preprocessing, run.classes, run.schema.dtype, run.schema)


def _trained_bands(source, path):
    """Returns the numbers of the bands of a raster that the model was trained on, matched by name; () for all."""
    if source.schema is None:
        return ()
    raster = raster_info(path, caller="predict_raster")
    numbers, notes = match_bands(source.schema, raster.descriptions, path, "predict_raster")
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return numbers


def _named_bands(schema, raster, bands):
    """Returns the raster with the bands that `bands` names in the order of the training; of numbers a note is made."""
    trained = [band.name for band in schema.bands]
    if sorted(trained) != sorted(raster.descriptions) or trained == list(raster.descriptions) or "" in trained:
        return raster
    if all(band in raster.descriptions for band in bands):
        return raster_info(raster.path, tuple(trained), caller="predict_raster")
    pairs = ", ".join(
        f"{new!r} for {old!r}" for old, new in zip(trained, raster.descriptions, strict=True) if new != old
    )
    warnings.warn(f"`bands` takes other bands than the names in {raster.path} say: {pairs}", stacklevel=3)
    return raster


def _note_ranges(schema, raster):
    """Warns where the middle or the corners of a raster have values that the training images did not have."""
    height, width = min(raster.height, SAMPLE_SIDE), min(raster.width, SAMPLE_SIDE)
    last_row, last_column = raster.height - height, raster.width - width
    corners = {(0, 0), (0, last_column), (last_row, 0), (last_row, last_column), (last_row // 2, last_column // 2)}
    images = []
    with open_raster(raster.path, "predict_raster") as file:
        for row, column in sorted(corners):
            pixels, valid = read_window(file, raster, row, column, height, width)
            images.append(np.where(valid[..., None], pixels, np.nan))
    ranges = band_range_notes(schema, [str(raster.path)], [np.concatenate(images)])
    for note in [*alpha_notes(raster, "predict_raster"), *pixel_size_notes(schema, raster), *ranges]:
        warnings.warn(note, stacklevel=3)


def verify(source, raster, out):
    """Raises a ValueError if the model does not fit the raster or `out` cannot be written."""
    first, path = source.preprocessing or source.model, raster.path
    if len(source.model.output_shape) != 4 or len(first.input_shape) != 4:
        raise ValueError(
            f"predict_raster: `run` must predict every pixel of an image, got {source.model.name}, "
            f"{first.input_shape[1:]} -> {source.model.output_shape[1:]}."
        )
    count = first.input_shape[-1]
    if len(raster.bands) != count:
        raise ValueError(
            f"predict_raster: `bands` must be the model's {count} bands, got {len(raster.bands)} of {path}."
        )
    if source.dtype in ("uint8", "uint16") and raster.dtype != source.dtype:
        raise ValueError(
            f"predict_raster: the raster must be {source.dtype}, as in training, got {raster.dtype} in {path}."
        )
    if source.preprocessing is not None and first.output_shape[1:3] != first.input_shape[1:3]:
        raise ValueError(
            "predict_raster: the preprocessing must keep the size of an image, got "
            f"{first.input_shape[1:3]} -> {first.output_shape[1:3]}."
        )
    classes = max(2, source.model.output_shape[-1])
    if source.classes and len(source.classes) != classes:
        raise ValueError(f"predict_raster: `classes` must be {classes} names, got {', '.join(source.classes)}.")
    verify_out(out, [path])


def verify_out(out, inputs, caller="predict_raster"):
    """Raises a ValueError if `out` cannot be written, or is one of the input files."""
    out = Path(out)
    is_input = out.exists() and any(out.samefile(path) for path in inputs)
    if not out.parent.is_dir() or out.is_dir() or is_input:
        problem = "is the raster itself" if out.is_file() else "is a folder" if out.is_dir() else "has no folder"
        raise ValueError(f"{caller}: `out` must be a writable file, got {out}, which {problem}.")


@contextlib.contextmanager
def progress(name, total, verbose):
    """Shows progress on stderr: a bar in a terminal, otherwise a line per tenth; yields a function of the count."""
    if not verbose:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_terminal or console.is_jupyter:
        with Progress(name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda count: bar.update(task, completed=count)
        return
    start, tenths = time.perf_counter(), 0

    def report_progress(count):
        nonlocal tenths
        if count * 10 // total > tenths:
            tenths = count * 10 // total
            line = f"{name}  {count / total:.0%}  {time.perf_counter() - start:.0f} s"
            console.print(line, highlight=False, soft_wrap=True)

    yield report_progress
