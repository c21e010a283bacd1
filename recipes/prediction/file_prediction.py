"""Prediction of any number of files or rows: to data frames as they come, or to a file that can be continued."""

import contextlib
import os
import typing
from pathlib import Path

import keras

from recipes.data.new_inputs import InputBatch, is_table_name, read_new_table
from recipes.prediction.batch_predictor import BatchPredictor
from recipes.prediction.call_predictor import CallPredictor
from recipes.prediction.detection_predictor import DetectionPredictor
from recipes.prediction.fingerprint import model_fingerprint
from recipes.prediction.input_list import FILES_BELOW, shard_files
from recipes.prediction.predict import file_batch_size, forecast, warn
from recipes.prediction.prediction_file import PredictionFile, verify_out
from recipes.prediction.progress import progress_bar
from recipes.prediction.row_formats import ROW_FORMATS
from recipes.prediction.shards import parse_shard, shard_path

SHOWN_FAILURES = 10  # files that cannot be read and are named in a warning


class FilePrediction(typing.NamedTuple):
    """The result of `Run.predict_files`.

    Args:
        path: of the file.
        rows: number of its rows.
        failures: number of rows of files that could not be read.
        resumed_inputs: number of inputs that an interrupted earlier call had predicted.
        inputs: number of inputs.
    """

    path: str
    rows: int
    failures: int
    resumed_inputs: int
    inputs: int


class Prediction:
    """What to predict, and how.

    Args:
        predictor: `BatchPredictor` or `DetectionPredictor`.
        inputs: `ShardFiles`.
        strict: whether a file that cannot be read is an error.
        warns: whether to warn of files that cannot be read.
        threads: number of threads that read images; None for one per core.
    """

    def __init__(self, predictor, inputs, *, strict=False, warns=True, threads=None):
        self.run, self.predictor, self.inputs = predictor.run, predictor, inputs
        self.strict, self.warns, self.threads = strict, warns, threads
        self._shown = 0

    def frames(self, skip=0):
        """Yields (data frame, `InputBatch`) in the order of the inputs, without the first `skip` of them."""
        options = {"skip": skip, "shard": self.inputs.shard, "threads": self.threads}
        for batch in self.predictor.batches(self.inputs.files, **options):
            warn(batch.notes)
            for path, reason in batch.failures.items():
                self._report(path, reason)
            yield self.predictor(batch), batch

    def forecast(self):
        """Returns the forecasts after the last row of a table of series, as a data frame."""
        frame, notes = read_new_table(self.run.schema, self.inputs.files[0])
        warn(notes)
        return forecast(self.run, frame)

    def _report(self, path, reason):
        if self.strict:
            raise ValueError(f"predict: every file must be readable under --strict, got {path}: {reason}")
        self._shown += self.warns
        if 0 < self._shown <= SHOWN_FAILURES:
            warn([f"{path} cannot be read: {reason}"])
        elif self._shown == SHOWN_FAILURES + 1:
            warn(["further files that cannot be read are not listed here; the column `error` has the reasons"])

    def description(self):
        """Returns what the rows depend on, in JSON values."""
        import tensorflow as tf

        shard = "/".join(map(str, self.inputs.shard))
        options = {**self.predictor.options, "shard": shard, "batch_size": file_batch_size(self.run)}
        options |= {"text": self.run.schema.text} if self.run.schema.kind == "text" else {}
        return {
            "run": model_fingerprint(self.run.model, self.run.preprocessing),
            "options": {k: str(v) if isinstance(v, os.PathLike) else v for k, v in options.items()},
            "inputs": self.inputs.description(),
            "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        }

    def unit(self):
        """Returns the word for an input."""
        return input_unit(self.run, self.inputs.files)

    def count(self):
        """Returns the number of inputs, for the time left; None where it takes long to count them."""
        if self.run.schema.kind in FILES_BELOW:
            return len(self.inputs.files)
        counts = [_row_count(file) if is_table_name(file) else 1 for file in self.inputs.files]
        return None if None in counts else sum(counts) // self.inputs.shard[1]


def predict_frames(run, paths, *, files_from=None, shard=None, strict=False, progress=False, warns=True, **options):
    """Yields the predictions for files or rows as data frames, batch by batch.

    Args:
        warns: whether to warn of files that cannot be read.
        run, paths, and others: as `Run.predict_files` has them.
    """
    predictor = make_predictor(run, **options)
    inputs = listed_inputs(predictor, paths, files_from, shard)
    prediction = Prediction(predictor, inputs, strict=strict, warns=warns)
    if run.schema.series:
        yield prediction.forecast()
        return
    with _progress(prediction, 0, progress) as advance:
        for frame, batch in prediction.frames():
            yield frame
            advance(len(batch.names) + len(batch.failures))


def predict_to_file(
    run, paths, out, *, files_from=None, shard=None, overwrite=False, strict=False, progress=True, **options
):
    """Writes the predictions for files or rows of tables to a file, and returns a `FilePrediction`.

    Args:
        run: `Run`, whose method `predict_files` documents the others.
    """
    predictor = make_predictor(run, out, **options)
    out = verify_out(out, predictor.formats)
    if shard and out.suffix.lower() not in ROW_FORMATS:
        raise ValueError(
            f"predict: `shard` must be None for a {out.suffix} file; shards are of {', '.join(ROW_FORMATS)} files."
        )
    inputs = listed_inputs(predictor, paths, files_from, shard)
    prediction = Prediction(predictor, inputs, strict=strict)
    out = shard_path(out, inputs.shard) if shard else out
    verify_no_input(out, inputs.files)
    options = {"overwrite": overwrite, "is_shard": bool(shard), "formats": predictor.formats}
    file = PredictionFile(out, prediction.description(), **options)
    with contextlib.closing(file):
        if file.is_complete:
            warn([f"{out} is complete"])
        elif file.inputs:
            warn([f"{file.part} is continued after {file.inputs:,} inputs"])
        return write_prediction(prediction, file, progress)


def write_prediction(prediction, file, progress=False):
    """Writes what a `PredictionFile` does not have yet of a `Prediction`, and returns a `FilePrediction`."""
    resumed = file.inputs
    if not file.is_complete and prediction.run.schema.series:
        file.write(prediction.forecast(), 1)
    elif not file.is_complete:
        file.write_header(prediction.predictor(InputBatch([], [], {}, [])))
        with _progress(prediction, resumed, progress) as advance:
            for frame, batch in prediction.frames(resumed):
                count = len(batch.names) + len(batch.failures)
                file.write(frame, count, batch.unit, len(batch.failures))
                advance(count)
    file.finish()
    return FilePrediction(str(file.out), file.rows, file.failures, resumed, file.inputs)


def make_predictor(run, out=None, **options):
    """Returns what predicts the batches of a run: boxes, calls in recordings, or others.

    Args:
        run: `Run`.
        out: path of the file to write, or None.
        **options: of either.
    Raises:
        ValueError: if an option is of the other.
    """
    if run.schema.kind == "sound":
        calls = options.pop("calls", None) or {}
        other = [name for name, value in options.items() if value and name != "export"]
        if other:
            raise ValueError(f"predict: `{other[0]}` must be unset for sound, of which calls are predicted.")
        return CallPredictor(run, **calls)
    if run.data_record["task"] != "detection" and not options.get("proposals"):
        if options.pop("calls", None):
            raise ValueError("predict: `calls` (overlap, threshold, background) must be unset for a run not on sound.")
        return BatchPredictor(run, **options)
    set_options = [name for name in ("top_k", "uncertainty", "features", "engine") if options.pop(name, None)]
    if set_options:
        raise ValueError(f"predict: `{set_options[0]}` must be unset for a detection, which predicts boxes.")
    return DetectionPredictor(run, out=out, **{name: v for name, v in options.items() if name != "export"})


def listed_inputs(predictor, paths, files_from=None, shard=None):
    """Returns the `ShardFiles` of a prediction.

    Raises:
        ValueError: if there are none, or several for a run that forecasts.
    """
    run, files = predictor.run, predictor.list_files(paths, files_from)
    if run.schema.series and (len(files) != 1 or shard):
        received = f"{len(files)} files" if len(files) != 1 else f"the shard {shard}"
        raise ValueError(f"predict: `files` must be one table of series, without shards, got {received}.")
    return shard_files(files, parse_shard(shard) if shard else (1, 1), run.schema.kind in FILES_BELOW)


def input_unit(run, files):
    """Returns the word for an input."""
    if run.schema.kind in FILES_BELOW:
        return {"image": "photos", "sound": "recordings"}[run.schema.kind]
    return "rows" if any(map(is_table_name, files)) else "texts"


@contextlib.contextmanager
def _progress(prediction, done, is_shown):
    with progress_bar(prediction.count, done, prediction.unit(), is_shown) as advance:
        yield advance


def verify_no_input(out, files):
    """Raises a ValueError where `out` is one of the files to predict."""
    if out.exists():
        for file in files:
            if os.path.exists(file) and out.samefile(file):
                raise ValueError(f"`out` must be another file than the inputs, got {out}.")


def _row_count(path):
    """Returns about how many rows a table has, None where that is not counted: lines of text, or what Parquet says."""
    path = Path(path).expanduser()
    if path.suffix.lower() in (".parquet", ".pq"):
        from pyarrow import parquet

        return parquet.read_metadata(path).num_rows
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return None
    with open(path, "rb") as file:
        return sum(content.count(b"\n") for content in iter(lambda: file.read(1 << 20), b"")) - 1
