"""A class for every pixel of a raster of any size: tiles are read, answered and blended side by side."""

import contextlib
import hashlib
import json
import time
import typing
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from recipes.data import as_source_spec
from recipes.data.rasters.geotiff import raster_info
from recipes.training.run import Run, Saved, load_run
from zoo.arguments import Count, FilePath, Whole, checked


class Mapped(typing.NamedTuple):
    """What `predict_raster` did.

    Args:
        path: of the GeoTIFF.
        tiles: that the model answered.
        empty: tiles that were all nodata, which the model was not asked.
        resumed: block rows that an earlier call had left.
        seconds: that it took in all.
        model: share of these seconds that was spent in the model.
    """

    path: str
    tiles: int
    empty: int
    resumed: int
    seconds: float
    model: float


class Source(typing.NamedTuple):
    """The model with all that its answers need."""

    model: keras.Model
    preprocessing: keras.Model | None
    classes: tuple
    dtype: str | None  # of the pixels it was trained on, or None for any
    bands: tuple


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
) -> Mapped:
    """Writes the class of every pixel of a raster, or every class's probability, as a GeoTIFF on the same grid.

    The raster is read, answered and written tile by tile, and memory does not grow with it. Tiles overlap and blend
    into each other; where the overlap is larger than the model's receptive field, the answer is that of the whole
    raster at once. The lower and right border are mirrored up to what the model's scales divide, and cut back. Pixels
    that are nodata in any band are 0 for the model after its preprocessing, and nodata in the answer.

    The file is tiled and compressed, with the CRS and transform of the raster. Classes are their index from 0, nodata
    is 255; tags and a colour table name them. Probabilities are float32, one band a class, nodata is NaN. Until it is
    whole it is called OUT.part; a call that was killed goes on from there, if its model and arguments are the same.

    Args:
        run: a `Run` of `Segmentation`, its folder, or a `keras.Model` that answers every pixel.
        path: of the raster: GeoTIFF, VRT, JPEG 2000, ...
        out: path of the GeoTIFF.
        tile: side of a tile, made a multiple of what the model's scales divide [pixels]; 512, or the model's own size.
        overlap: of neighbouring tiles, made such a multiple too [pixels]; 64, or a quarter of a smaller tile.
        blend: how one tile passes into the next over the overlap: cosine, linear, or none for a cut in its middle.
        probabilities: whether to write these instead of classes.
        batch_size: tiles that go through the model at once.
        bands: numbers from 1, or names as the file has them; those of the run's training, or all, where empty.
        classes: their names, for a bare model; a run has its own.
        preprocessing: from raw pixels to the inputs of a bare model; a run has its own.
        verbose: whether to show progress (on stderr).
    Returns:
        `Mapped`: path, tiles, empty, resumed, seconds, model.
    Raises:
        ValueError: if the raster cannot be read to its end or does not go with the model, or `out` cannot be written.
    """
    began = time.perf_counter()
    source = opened(run, preprocessing, classes)
    raster = raster_info(path, bands or source.bands, caller="predict_raster")
    verify(source, raster, out)
    from recipes.raster.blend import Stitch
    from recipes.raster.resumable_geotiff import Unfinished

    job = Stitch(source, raster, tile, overlap, blend, probabilities, batch_size)
    file = Path(raster.path)
    asked = [file.resolve(), file.stat().st_size, file.stat().st_mtime_ns, raster.bands]
    asked += [job.rows, job.columns, job.stripes, probabilities]
    part = Unfinished(out, fingerprint(source, asked), job.profile(), job.describe)
    resumed = part.done
    try:
        with progress(Path(out).name, job.total, verbose) as tell:
            job.work(part, tell)
    except ValueError:  # the raster itself: nothing can come of it
        part.discard()
        raise
    part.finish()
    seconds = time.perf_counter() - began
    return Mapped(str(out), job.tiles, job.empty, resumed, seconds, job.busy / seconds)


def opened(run, preprocessing, classes):
    """`Source` of a run, its folder, or a bare model."""
    if isinstance(run, keras.Model):
        return Source(run, preprocessing, classes, None if preprocessing is None else preprocessing.inputs[0].dtype, ())
    if preprocessing is not None or classes:
        raise ValueError("predict_raster: `preprocessing` and `classes` are for a bare model, got them with a run.")
    if isinstance(run, Run):
        told, spec = {k: getattr(run.data, k) for k in ("task", "dtype", "classes")}, run.data.source_spec
    elif isinstance(run, Saved | str | Path):
        run = run if isinstance(run, Saved) else load_run(run)
        told, spec = run.told["data"], as_source_spec(run.told["record"]["data"])
    else:
        kind = type(run).__name__
        raise ValueError(f"predict_raster: `run` must be a Run, a run's folder or a keras.Model, got {kind}.")
    if told["task"] != "segmentation":
        raise ValueError(f"predict_raster: `run` must answer a class for every pixel, got one for {told['task']}.")
    bands = tuple(spec.options.get("bands", ())) if spec else ()
    return Source(run.model, run.preprocessing, tuple(told["classes"]), told["dtype"], bands)


def verify(source, raster, out):
    """A ValueError where model, raster and place of the answer do not go together."""
    front, path = source.preprocessing or source.model, raster.path
    if len(source.model.output_shape) != 4 or len(front.input_shape) != 4:
        raise ValueError(
            f"predict_raster: `run` must answer every pixel of an image, got {source.model.name}, "
            f"{front.input_shape[1:]} -> {source.model.output_shape[1:]}."
        )
    wanted = front.input_shape[-1]
    if len(raster.bands) != wanted:
        raise ValueError(
            f"predict_raster: `bands` must be the {wanted} that the model takes, got {len(raster.bands)} of {path}."
        )
    if source.dtype in ("uint8", "uint16") and raster.dtype != source.dtype:
        raise ValueError(
            f"predict_raster: the raster must have {source.dtype}, as in training, got {raster.dtype} in {path}."
        )
    if source.preprocessing is not None and front.output_shape[1:3] != front.input_shape[1:3]:
        raise ValueError(
            "predict_raster: the preprocessing must keep the size of an image, got "
            f"{front.input_shape[1:3]} -> {front.output_shape[1:3]}."
        )
    count = max(2, source.model.output_shape[-1])
    if source.classes and len(source.classes) != count:
        raise ValueError(f"predict_raster: `classes` must be {count} names, got {', '.join(source.classes)}.")
    out = Path(out)
    if not out.parent.is_dir() or out.is_dir() or (out.exists() and out.samefile(path)):
        problem = "is the raster itself" if out.is_file() else "is a folder" if out.is_dir() else "has no folder"
        raise ValueError(f"predict_raster: `out` must be a file that can be written, got {out}, which {problem}.")


def fingerprint(source, asked):
    """What the answers depend on, in few letters."""
    digest = hashlib.blake2b(json.dumps(asked, default=str).encode(), digest_size=16)
    for model in (source.model, source.preprocessing):
        if model is not None:
            digest.update(json.dumps(model.get_config(), default=str).encode())
            for weight in model.weights:
                digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def progress(name, total, verbose):
    """A bar on stderr, without a terminal a line each tenth; the context is what is called with how much is done."""
    if not verbose:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_terminal or console.is_jupyter:
        with Progress(name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    began, said = time.perf_counter(), [0]

    def tell(done):
        if done * 10 // total > said[0]:
            said[0] = done * 10 // total
            line = f"{name}  {done / total:.0%}  {time.perf_counter() - began:.0f} s"
            console.print(line, highlight=False, soft_wrap=True)

    yield tell
