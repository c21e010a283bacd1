"""Calls in recordings of any length by a run on sound, as data frames: the rows of `zoo predict RUN recordings/`."""

import datetime
import itertools

import numpy as np

from recipes.data.new_inputs import InputBatch, failure_reason, read_ahead
from recipes.data.sound.sample_checks import SampleChecks, header_notes, is_silent
from recipes.data.sound.sound_files import file_time, sound_info
from recipes.data.sound.sound_windows import windows
from recipes.prediction.calls import CallBounds, CallMerger
from recipes.prediction.input_list import input_files
from recipes.prediction.predict import predict_batch
from recipes.prediction.row_formats import ROW_FORMATS
from zoo.arguments import checked, suggestion

WINDOWS = 64  # that are predicted together
COLUMNS = {"input": "str", "start": float, "end": float, "low": float, "high": float, "class": "str"}
COLUMNS |= {"confidence": float, "time": "str", "error": "str"}


class CallPredictor:
    """A function from an `InputBatch` of one recording to its calls, as `BatchPredictor` is for other predictions.

    Args:
        run: `Run` on sound.
        overlap: fraction of a window that the next one has too, 0 to below 1; None for 0.5.
        threshold: score from which a window has a class; None for 0.5.
        background: names of classes that are no calls; () for the option `background` of the training data.
    Raises:
        ValueError: if an option is out of range, or there is no such class.
    """

    formats = ROW_FORMATS

    @checked
    def __init__(
        self, run, *, overlap: float | None = None, threshold: float | None = None, background: tuple[str, ...] = ()
    ):
        self.run = run
        self.overlap = 0.5 if overlap is None else float(overlap)
        self.threshold = 0.5 if threshold is None else float(threshold)
        if not 0 <= self.overlap < 1:
            raise ValueError(f"predict: `overlap` must be a fraction from 0 to below 1, got {overlap}.")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"predict: `threshold` must be above 0 and at most 1, got {threshold}.")
        trained = (run.record.get("data") or {}).get("options", {}).get("background")
        self.background = tuple(background) or ((trained,) if trained else ())
        for name in self.background:
            if name not in run.classes:
                raise ValueError(
                    f"predict: `background` must be one of {', '.join(run.classes)}, got {name!r}."
                    f"{suggestion(name, run.classes)}"
                )
        self.labels = [i for i, name in enumerate(run.classes) if name not in self.background]
        sound = run.schema.sound
        self.sample_rate, self.seconds = int(sound["sample_rate"]), float(sound["seconds"])
        self.bounds = CallBounds(self.sample_rate, self.seconds)

    @property
    def options(self):
        """What the calls depend on beside the run, in JSON values."""
        return {"overlap": self.overlap, "threshold": self.threshold, "background": list(self.background)}

    def list_files(self, paths, files_from=None):
        """Returns the recordings, as `input_files` does."""
        return input_files(self.run, paths, files_from)

    def batches(self, files, *, skip=0, shard=(1, 1), threads=None):
        """Yields an `InputBatch` for each recording, whose inputs are the rows of its calls.

        Args:
            files: of `list_files`, or some of them.
            skip: number of files to leave out at the beginning.
            shard: (i, n), from 1, that `files` are of.
            threads: not used; a thread decodes while the model predicts.
        """
        for path in files[skip:]:
            notes = []
            try:
                checks, sound = SampleChecks(), self.run.schema.sound
                notes += header_notes(path, sound_info(path), sound)
                rows = self.calls(path, checks)
                notes += checks.notes(path)
            except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
                yield InputBatch([], [], {str(path): failure_reason(error)}, [], shard[0] - 1)
                continue
            yield InputBatch([str(path)], rows, {}, notes, shard[0] - 1)

    def scores(self, path, checks=None):
        """Yields (start [s], scores (classes,), clip) of the windows of a recording, in their order.

        A silent window has scores of 0. `checks` is as `windows` has it.
        """
        hop = self.seconds * (1 - self.overlap)
        stream = read_ahead(_groups(windows(path, self.sample_rate, self.seconds, hop, checks), WINDOWS))
        for group in stream:
            clips = np.stack([clip for _, clip in group])
            filled = np.concatenate([clips, np.zeros((WINDOWS - len(clips), *clips.shape[1:]), np.float32)])
            for (start, clip), scores in zip(group, predict_batch(self.run, filled), strict=False):
                yield start, np.zeros_like(scores) if is_silent(clip) else scores, clip

    def calls(self, path, checks=None):
        """Returns the rows of the calls in a recording, in the order of their starts; `checks` as `scores` has it."""
        merger, rows, begin = CallMerger(self.labels, self.threshold, self.seconds), [], file_time(path)
        length = sound_info(path).seconds
        for start, scores, clip in self.scores(path, checks):
            rows += [self._row(path, call, begin, length) for call in merger.add(start, scores, clip)]
        rows += [self._row(path, call, begin, length) for call in merger.finish()]
        return sorted(rows, key=lambda row: (row["start"], row["class"]))

    def _row(self, path, call, begin, length):
        start, end, low, high = self.bounds(call)
        start, end = max(0.0, start), min(end, length)  # a window of a short recording begins before it
        time = "" if begin is None else (begin + datetime.timedelta(seconds=round(start))).isoformat(sep=" ")
        return {
            "input": str(path), "start": round(start, 3), "end": round(end, 3), "low": round(low), "high": round(high),
            "class": self.run.classes[call.label], "confidence": round(call.confidence, 4), "time": time,
        }  # fmt: skip

    def __call__(self, batch):
        """Returns the rows of an `InputBatch`: a row for each call, and one for a recording that cannot be read."""
        import pandas as pd

        failed = [{"input": path, "error": reason} for path, reason in batch.failures.items()]
        frame = pd.DataFrame([*batch.inputs, *failed], columns=list(COLUMNS))
        numbers = {name: "float64" for name, kind in COLUMNS.items() if kind is float}
        return frame.astype({**numbers, **{name: object for name in COLUMNS if name not in numbers}})


def _groups(items, size):
    """Yields lists of up to `size` items."""
    items = iter(items)
    yield from iter(lambda: list(itertools.islice(items, size)), [])
