"""Prediction of any number of files or rows: to data frames as they come, or to a file that can be continued."""

import contextlib
import os
import typing
from pathlib import Path

import keras

from recipes.data.new_inputs import InputBatch, is_table_name, read_new_table, shard_of
from recipes.prediction.batch_predictor import BatchPredictor
from recipes.prediction.fingerprint import model_fingerprint
from recipes.prediction.input_list import describe_inputs, input_files
from recipes.prediction.predict import file_batch_size, forecast, run_batches, warn
from recipes.prediction.prediction_file import PredictionFile, verify_out
from recipes.prediction.progress import progress_bar
from recipes.prediction.shards import parse_shard, shard_path

SHOWN_FAILURES = 10  # files that cannot be read and are named in a warning


class FilePrediction(typing.NamedTuple):
    """The result of `Run.predict_files`.

    Args:
        path: of the file.
        rows: number of its rows.
        failures: number of rows of files that could not be read.
        resumed_inputs: number of inputs that an interrupted earlier call had predicted.
    """

    path: str
    rows: int
    failures: int
    resumed_inputs: int


class Prediction:
    """What to predict, and how; `Run.predict_files` documents the arguments."""

    def __init__(self, run, paths, *, files_from=None, shard=None, strict=False, **options):
        self.run, self.strict, self.shard = run, strict, parse_shard(shard) if shard else (1, 1)
        self.predictor, self.options = BatchPredictor(run, **options), options
        self.files = input_files(run, paths, files_from)
        self.warns = True  # of files that cannot be read
        self.is_split = run.schema.kind == "image"  # by files, and else by chunks of rows
        self._shown = 0
        if run.schema.series and (len(self.files) != 1 or shard):
            received = f"{len(self.files)} files" if len(self.files) != 1 else f"the shard {shard}"
            raise ValueError(f"predict: `files` must be one table of series, without shards, got {received}.")

    def frames(self, skip=0):
        """Yields (data frame, `InputBatch`) in the order of the inputs, without the first `skip` of them."""
        for batch in run_batches(self.run, self.files, skip=skip, shard=self.shard):
            warn(batch.notes)
            for path, reason in batch.failures.items():
                self._report(path, reason)
            yield self.predictor(batch), batch

    def forecast(self):
        """Returns the forecasts after the last row of a table of series, as a data frame."""
        frame, notes = read_new_table(self.run.schema, self.files[0])
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

        options = {**self.options, "shard": "/".join(map(str, self.shard)), "batch_size": file_batch_size(self.run)}
        return {
            "run": model_fingerprint(self.run.model, self.run.preprocessing),
            "options": {k: str(v) if isinstance(v, os.PathLike) else v for k, v in options.items()},
            "inputs": describe_inputs(self.files, self.shard, self.is_split),
            "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        }

    def unit(self):
        """Returns the word for an input."""
        return "photos" if self.is_split else "rows" if any(map(is_table_name, self.files)) else "texts"

    def count(self):
        """Returns the number of inputs, for the time left; None where it takes long to count them."""
        if self.is_split:
            return len(shard_of(self.files, self.shard))
        counts = [_row_count(file) if is_table_name(file) else 1 for file in self.files]
        return None if None in counts else sum(counts) // self.shard[1]


def predict_frames(run, paths, *, progress=False, warns=True, **options):
    """Yields the predictions for files or rows as data frames, batch by batch.

    Args:
        warns: whether to warn of files that cannot be read.
        run, paths, progress, **options: as `Run.predict_files` has them.
    """
    prediction = Prediction(run, paths, **options)
    prediction.warns = warns
    if run.schema.series:
        yield prediction.forecast()
        return
    with _progress(prediction, 0, progress) as advance:
        for frame, batch in prediction.frames():
            yield frame
            advance(len(batch.names) + len(batch.failures))


def predict_to_file(run, paths, out, *, shard=None, overwrite=False, progress=True, **options):
    """Writes the predictions for files or rows of tables to a file, and returns a `FilePrediction`.

    Args:
        run: `Run`, whose method `predict_files` documents the others.
    """
    out = verify_out(out)
    prediction = Prediction(run, paths, shard=shard, **options)
    out = shard_path(out, prediction.shard) if shard else out
    _verify_no_input(out, prediction.files)
    file = PredictionFile(out, prediction.description(), overwrite=overwrite, is_shard=bool(shard))
    with contextlib.closing(file):
        resumed = file.inputs
        if file.is_complete:
            warn([f"{out} is complete"])
        elif run.schema.series:
            file.write(prediction.forecast(), 1)
        else:
            _write(prediction, file, progress)
        file.finish()
    return FilePrediction(str(out), file.rows, file.failures, resumed)


def _write(prediction, file, progress):
    if file.inputs:
        warn([f"{file.part} is continued after {file.inputs:,} inputs"])
    file.write_header(prediction.predictor(InputBatch([], [], {}, [])))
    with _progress(prediction, file.inputs, progress) as advance:
        for frame, batch in prediction.frames(file.inputs):
            count = len(batch.names) + len(batch.failures)
            file.write(frame, count, batch.unit, len(batch.failures))
            advance(count)


@contextlib.contextmanager
def _progress(prediction, done, is_shown):
    with progress_bar(prediction.count, done, prediction.unit(), is_shown) as advance:
        yield advance


def _verify_no_input(out, files):
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
