"""A trained run: its model, data, metrics and cost; prediction, evaluation, export and files."""

import dataclasses
import json
import os
import typing
from pathlib import Path

import keras
import numpy as np

from recipes.data.input_batches import read_batch
from zoo.arguments import FilePath, checked
from zoo.introspect.output_activation import output_activation, to_probabilities

Split = typing.Literal["train", "validation", "test"]
FORMAT = 2  # of run.json; raised with every change that older or newer versions cannot read
DATA_FIELDS = (
    "name", "task", "kind", "shape", "dtype", "classes", "outputs", "columns", "source", "license",
    "split_description", "notes",
)  # fmt: skip


@dataclasses.dataclass
class Run:
    """A trained model with its data, metrics and cost; `fit` returns it.

    Attributes:
        task: the task that trained it, with its hyperparameters.
        model: the trained `keras.Model`.
        data: the `Data` that it was trained on.
        preprocessing: `keras.Model` from raw inputs to the model's inputs.
        history: metric name -> one number per epoch.
        record: the model's name and arguments, data source, seed, acceleration, energy, seconds, machine.
    """

    task: typing.Any
    model: keras.Model
    data: typing.Any
    preprocessing: keras.Model
    history: dict
    record: dict
    evaluated: dict = dataclasses.field(default_factory=dict)  # split -> its metrics

    def __repr__(self):
        return f"<Run: {type(self.task).__name__} of {self.record.get('model')} on {self.data!r}>"

    @checked
    def predict(self, inputs, *, labels: bool = False):
        """Predicts for raw inputs.

        Args:
            inputs: a raw batch: array, data frame, dict of columns, or a list of images that differ in size.
            labels: whether to return the name of each example's class; in R, `factor(labels, run$data$classes)`.
        Returns:
            (N, classes) probabilities, (N, outputs) numbers, or (N, H, W, classes) probabilities for every pixel; a
            list of (H, W, classes) where the images differ in size; float32. With `labels` the last axis is dropped,
            and the array holds strings.
        Raises:
            ValueError: if the inputs are not like those of the training, or `labels` is set for data without classes.
        """
        if labels and (not self.data.classes or self.data.task == "multilabel"):
            raise ValueError(f"predict: `labels` must be False for {self.data.task}, which has no single class.")
        outputs = self._predict(inputs)
        if not labels:
            return outputs
        names = np.array(self.data.classes)
        return [names[o.argmax(-1)] for o in outputs] if isinstance(outputs, list) else names[outputs.argmax(-1)]

    def _predict(self, inputs):
        batch_size = self.task.predict_batch_size
        if isinstance(inputs, list) and inputs and all(np.ndim(image) > 1 for image in inputs):
            batches = [self._raw_batch(np.asarray(image)[None]) for image in inputs]
            images = [np.asarray(self.preprocessing(batch, training=False)) for batch in batches]
            if len({image.shape for image in images}) > 1:
                return [self._probabilities(self.model.predict(image, verbose=0))[0] for image in images]
            preprocessed = np.concatenate(images)
        else:
            preprocessed = self.preprocessing.predict(self._raw_batch(inputs), batch_size=batch_size, verbose=0)
        return self._probabilities(self.model.predict(preprocessed, batch_size=batch_size, verbose=0))

    def _probabilities(self, outputs):
        return to_probabilities(outputs, output_activation(self.model)) if self.data.classes else outputs

    def _raw_batch(self, inputs):
        shape = None if self.data.kind == "table" else self.preprocessing.input_shape[1:]
        return read_batch(inputs, self.data, shape)

    @checked
    def evaluate(self, split: Split = "test"):
        """Returns the metrics on one split, and those of a baseline; they are computed once.

        Args:
            split: train, validation or test.
        Returns:
            Dict of metrics; `baseline` holds the baseline's.
        Raises:
            ValueError: if that split is empty.
        """
        if split not in self.evaluated:
            if not len(getattr(self.data, split)):
                raise ValueError(f"evaluate: the {split} split of {self.data.name} must have examples, got none.")
            self.evaluated[split] = self.task.evaluate(self, split)
        return self.evaluated[split]

    def predict_split(self, split="test"):
        """Returns the predictions for one split, in its order: (N, classes) probabilities or (N, outputs) numbers."""
        return self.task.predict_split(self, split)

    @property
    def metrics(self):
        """All metrics, as `metrics.json` has them."""
        splits = [split for split in ("validation", "test") if len(getattr(self.data, split))]
        evaluated = {split: self.evaluate(split) for split in splits}
        last_epoch = {metric: values[-1] for metric, values in self.history.items()}
        return {**evaluated, "last_epoch": last_epoch, "diagnosis": self.diagnose(), **self.record}

    def diagnose(self):
        """Returns sentences on what the learning curves show and what to try."""
        return self.task.diagnose(self)

    def export(self, path, *, inputs=None, tolerance=None, formats=(), training_statistics=None):
        """Writes a SavedModel that takes raw inputs, and checks in another process that it predicts as `predict` does.

        Args:
            path: folder; the model is written to PATH/1, PATH/2, ...
            inputs: raw inputs for the check; 16 examples of the test split where None.
            tolerance: largest difference allowed, in the predictions' unit; the task's where None.
            formats: faster formats, as `zoo.export` has them.
            training_statistics: what `run.training_statistics()` returns, for the output `skew`; None for none.
        Returns:
            `zoo.export.Export`.
        """
        import zoo

        model, class_names, task_tolerance = self.task.export_settings(self)
        tolerance = task_tolerance if tolerance is None else tolerance
        arguments = {"formats": formats, "training_statistics": training_statistics}
        if not hasattr(model, "signatures"):
            if inputs is None:
                inputs = (self.data.test if len(self.data.test) else self.data.train).head(16)
            arguments |= {"preprocessing": self.preprocessing, "classes": class_names}
        export = zoo.export(model, path, inputs=inputs, tolerance=tolerance, **arguments)
        self.record["export"] = {
            "largest_difference": export.difference,
            "tolerance": tolerance,
            "path": Path(export.path).name,
        }
        return export

    @checked
    def training_statistics(self, *, nodata: float | None = None):
        """Returns statistics of up to 10,000 raw training inputs, for `run.export(training_statistics=)`.

        Args:
            nodata: the value that stands for a missing one; NaN always does.
        Returns:
            `zoo.serving.TrainingStatistics`.
        """
        import zoo

        return zoo.serving.training_statistics(self.data.train.head(10_000), nodata=nodata)

    @checked
    def report(self, path: FilePath):
        """Writes a self-contained HTML page on this run, and returns its path."""
        from recipes.reports.report import write_report

        return write_report(self, path)

    @checked
    def data_frame(self, content: typing.Literal["history", "metrics", "examples"] = "history", split: Split = "test"):
        """Returns results as a data frame; in R a data.frame.

        Args:
            content: history (a row per epoch), metrics (a row per split and metric, beside the baseline's), or examples
                (a row per example of `split`: its name, target and prediction; for classes each one's probability too).
            split: train, validation or test; used for examples.
        Returns:
            pandas.DataFrame.
        Raises:
            ValueError: if that split is empty, or its examples have no single prediction each.
        """
        from recipes.reports import data_frames

        return data_frames.examples(self, split) if content == "examples" else getattr(data_frames, content)(self)

    @checked
    def plots(self, folder: FilePath, split: Split = "test") -> dict:
        """Writes the report's figures as PNG files, and returns the path of each by its name.

        Args:
            folder: created where it does not exist.
            split: train, validation or test.
        """
        from recipes.reports.data_frames import plots

        return plots(self, folder, split)

    @checked
    def save(self, out: FilePath):
        """Writes model.keras, preprocessing.keras, run.json, history.json and metrics.json into the folder `out`."""
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        self.model.save(out / "model.keras")
        self.preprocessing.save(out / "preprocessing.keras")
        write_json(out / "run.json", self.description())
        write_json(out / "history.json", self.history)
        write_json(out / "metrics.json", self.metrics)
        return out

    def description(self):
        """Returns what run.json holds: format version, task with its hyperparameters, data, record."""
        return {
            "format": FORMAT,
            "task": type(self.task).__name__,
            "hyperparameters": {
                field.name: _jsonable(getattr(self.task, field.name)) for field in dataclasses.fields(self.task)
            },
            "data": {field: getattr(self.data, field) for field in DATA_FIELDS},
            "record": self.record,
        }


def _jsonable(value):
    """A hyperparameter as run.json has it; of a tokenizer only a summary, as preprocessing.keras holds all of it."""
    if isinstance(value, keras.Layer):
        return {"class": type(value).__name__, "tokens": value.vocabulary_size()}
    return value


def write_json(path, value):
    """Writes JSON to a file beside `path` and renames it, so that a reader never sees half a file."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(value, indent=1, default=str) + "\n")
    os.replace(temporary, path)
