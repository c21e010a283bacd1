"""A trained run: its model, data, metrics and cost; prediction, evaluation, export and files."""

import os
import typing
from pathlib import Path

import numpy as np

from recipes.data.fingerprint import fingerprints
from recipes.data.input_schema import input_schema
from recipes.prediction.distribution import interval_inputs, predict_distribution, require_conformal
from recipes.prediction.file_prediction import predict_to_file
from recipes.prediction.predict import predict_inputs
from recipes.prediction.ray_workers import predict_with_workers
from recipes.reports.verdict import verdict_without_interval
from recipes.training.run_record import describe_run, write_json
from recipes.training.saved_models import model_bytes, model_of_bytes, save_for_inference
from zoo.arguments import Count, FilePath, checked
from zoo.conformal import Conformal

Engine = typing.Literal["auto", "tensorflow", "openvino", "onnx", "litert"]
Split = typing.Literal["train", "validation", "test"]
PREDICTED_BYTES = 64 << 20  # of the predictions of a split that stay in memory, for metrics, baselines and figures
PICKLED_MODELS = ("model", "preprocessing")
DATA_FIELDS = ("name", "task", "outputs", "source", "license", "split_description", "notes")


class Run:
    """A trained model with its data, metrics and cost; `fit` and `load_run` return it.

    Args:
        task: the task that trained it, with its hyperparameters.
        model: the trained `keras.Model`.
        data: the `Data` that it was trained on; or a function without arguments that reads them when they are needed.
        preprocessing: `keras.Model` from raw inputs to the model's inputs.
        history: metric name -> one number per epoch.
        record: the model's name and arguments, data source, seed, acceleration, energy, seconds, machine.
        schema: `InputSchema` of the data; computed from them where None.
        data_record: name, task, outputs, source, license, split and notes of the data, as run.json has them; taken from
            the data where None.
    """

    def __init__(self, task, model, data, preprocessing, history, record, *, schema=None, data_record=None):
        self.task, self.model, self.preprocessing = task, model, preprocessing
        self.history, self.record, self.evaluated = history, record, {}  # split -> its metrics
        self._predicted = {}  # split -> its predictions
        self._data, self._open_data = (None, data) if callable(data) else (data, None)
        self._schema, self._data_record = schema, data_record

    @property
    def data(self):
        """The `Data` that it was trained on; a run that was loaded reads them again."""
        if self._data is None and self._open_data is not None:
            self._data = self._open_data()
        return self._data

    @property
    def schema(self):
        """The `InputSchema`: what the model was trained on, and so what it accepts."""
        if self._schema is None:
            self._schema = input_schema(self.data)
        return self._schema

    @property
    def data_record(self):
        """Name, task, outputs, source, license, split and notes of the data."""
        if self._data_record is None:
            self._data_record = {field: getattr(self.data, field) for field in DATA_FIELDS}
        return self._data_record

    @property
    def classes(self):
        """Names of the classes in the order of their index; () for other tasks."""
        return tuple(self.schema.classes)

    def replace(self, **changes):
        """Returns a run with task, model, data, preprocessing, history or record changed, and not yet evaluated."""
        names = ("task", "model", "preprocessing", "history", "record")
        arguments = {name: getattr(self, name) for name in names}
        arguments |= {"data": self._data if self._data is not None else self._open_data}
        of_data = {} if "data" in changes else {"schema": self._schema, "data_record": self._data_record}
        return Run(**{**arguments, **of_data, **changes})

    def __repr__(self):
        data = self.data_record["name"] if self._data is None else self._data
        return f"<Run: {type(self.task).__name__} of {self.record.get('model')} on {data}>"

    @checked
    def predict(self, inputs, *, labels: bool = False):
        """Predicts for raw inputs, which are matched to those of the training by name.

        Args:
            inputs: a raw batch or one example: array, data frame, dict of columns, or a list of images that differ in
                size; `Examples` such as `run.data.test`; or the path of a file, or a list of paths (for a run on texts,
                strings are texts, and a `pathlib.Path` is a file).
            labels: whether to return the name of each example's class; in R, `factor(labels, run$data$classes)`.
        Returns:
            (N, classes) probabilities, (N, outputs) numbers, or (N, H, W, classes) probabilities for every pixel; a
            list of (H, W, classes) where the images differ in size; float32. With `labels` the last axis is dropped,
            and the array holds strings. Forecasts from a table are a data frame: a row per series and step after its
            last row. Of a detection, a list with a dict per image: boxes (n, 4) of corners x1, y1, x2, y2 in pixels,
            scores (n,) and classes (n,), best first.
        Raises:
            ValueError: if the inputs are not like those of the training, or `labels` is set for data without classes.
        """
        if labels and (not self.classes or self.data_record["task"] in ("multilabel", "detection")):
            raise ValueError(
                f"predict: `labels` must be False for {self.data_record['task']}, which has no single class."
            )
        outputs = self.task.format_predictions(self, predict_inputs(self, inputs), inputs)
        if not labels:
            return outputs
        names = np.array(self.classes)
        return [names[o.argmax(-1)] for o in outputs] if isinstance(outputs, list) else names[outputs.argmax(-1)]

    @property
    def conformal(self):
        """The `zoo.conformal.Conformal` that the validation split calibrated; None for other tasks and older runs."""
        values = self.record.get("conformal")
        return Conformal.from_json(values) if values else None

    def predict_interval(self, inputs):
        """Predicts intervals that contain the truth in the fraction of new examples that the task's `coverage` says.

        They are as wide as the errors on the validation split (with the loss quantile, as wide as the quantiles of each
        row and such an error), so they hold for examples like its own: on average, not for each group or for data of
        another year or site. The metrics have the coverage on the test split.

        Args:
            inputs: as `predict` takes them.
        Returns:
            (N, outputs, 2) lowest and highest numbers, float32.
        Raises:
            ValueError: if the run does not predict numbers, or has no intervals.
        """
        return self.require_conformal("interval")(interval_inputs(self, inputs))

    def predict_distribution(self, inputs):
        """Predicts what a loss for counts, or the loss quantile, has beside the means and medians of `predict`.

        Args:
            inputs: as `predict` takes them.
        Returns:
            Dict of float32: `zero_probability` (N, outputs), 0 to 1, or `quantiles` (N, outputs, levels), rising.
        Raises:
            ValueError: if the run has another loss.
        """
        return predict_distribution(self, inputs)

    def predict_set(self, inputs):
        """Predicts sets of classes that have the true one in the fraction that `coverage` says, as `predict_interval`.

        Args:
            inputs: as `predict` takes them.
        Returns:
            (N, classes) bool: whether the set has the class. It always has the most probable one.
        Raises:
            ValueError: if the run does not predict one class of several, or has no sets.
        """
        return self.require_conformal("set")(self.predict(inputs))

    def require_conformal(self, kind=None):
        """Returns `conformal`; a ValueError if the run has none, or none of a kind (interval or set)."""
        return require_conformal(self, kind)

    @checked
    def predict_files(
        self,
        paths,
        out: FilePath,
        *,
        files_from: FilePath | None = None,
        shard: str | None = None,
        workers: str | None = None,
        overwrite: bool = False,
        strict: bool = False,
        top_k: Count | None = None,
        uncertainty: bool = False,
        features: bool = False,
        engine: Engine | None = None,
        export: FilePath | None = None,
        calls: dict | None = None,
        progress: bool = True,
    ):
        """Predicts files or rows of tables in batches, and writes a row for each to a file; per box or per call.

        Memory does not grow with their number. Until the file is complete it is named OUT.part, with the manifest
        OUT.part.json. The same call continues an interrupted one, and predicts every input exactly once.

        Args:
            paths: path or list of paths: images or recordings and folders of them, at any depth; tables; for a run
                on texts text files, or tables with its column of texts; for forecasts one table of series.
            out: path of a .csv, .tsv, .parquet or .jsonl file; OUT-00003-of-00008.csv with `shard`. Of a detection also
                a .json, .geojson or .gpkg file, as `recipes.detect_files` has them.
            files_from: path of a text file with a path per line; None for none.
            shard: I/N to predict the I-th of N shards of the inputs, from 1; `recipes.join_shards` joins them.
            workers: ray to predict with several processes of this machine, or ray://HOST:PORT with those of a Ray
                cluster, all of whose machines see the same files and the folder of `out`; None for this process. OUT
                is written in shards, which are joined; a worker that dies is replaced, and continues its shard.
            overwrite: whether to start anew where OUT.part is of another run, other options or other inputs, or where
                the shard is complete.
            strict: whether a file that cannot be read is an error; else its row has the reason in the column `error`.
            top_k: number of the most probable classes to write; None for the probability of every class.
            uncertainty: whether to write what `predict_interval` returns, in the columns NAME_low and NAME_high, and of
                counts NAME_zero_probability; or what `predict_set` returns, in the column `set` as A|B.
            features: whether to write the inputs of the model's head, maps averaged, instead of the predictions.
            engine: auto, tensorflow, openvino, onnx or litert, to predict by an export; None for this model.
            export: path of the export, as `zoo.predictor` takes it.
            calls: of recordings: {"overlap": 0.5, "threshold": 0.5, "background": class that is no call}, or None.
            progress: whether to show a progress bar, on stderr where that is a terminal.
        Returns:
            `FilePrediction`: path, rows, failures, resumed_inputs, inputs.
        Raises:
            ValueError: if a path does not exist, a table does not match the run, the file cannot be continued, or there
                are no such workers.
        """
        paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        options = {"files_from": files_from, "overwrite": overwrite, "strict": strict, "progress": progress}
        options |= {"top_k": top_k, "uncertainty": uncertainty, "features": features}
        options |= {"engine": engine, "export": export, **({"calls": calls} if calls else {})}
        if workers is None:
            return predict_to_file(self, paths, out, shard=shard, **options)
        if shard is not None:
            raise ValueError(f"predict: `shard` must be None with `workers`, which divide the inputs, got {shard}.")
        return predict_with_workers(self, paths, out, workers=workers, **options)

    @checked
    def evaluate(self, split: Split = "test"):
        """Returns the metrics on one split (train, validation or test); they are computed once.

        Returns:
            Dict of metrics; `baseline` holds the baseline's.
        Raises:
            ValueError: if that split is empty.
        """
        if split not in self.evaluated:
            if not len(getattr(self.data, split)):
                raise ValueError(f"evaluate: the {split} split of {self.data.name} must have examples, got none.")
            metrics = self.task.evaluate(self, split)
            verdict = metrics.get("verdict") or verdict_without_interval(self.task.main_metric, metrics, split)
            self.evaluated[split] = {**metrics, "verdict": verdict} if verdict else metrics
        return self.evaluated[split]

    def predict_split(self, split="test"):
        """Returns the predictions for one split, in its order: (N, classes) probabilities or (N, outputs) numbers.

        With a distribution (N, outputs, parameters): rate, dispersion, fraction of added zeros; or the quantiles.
        """
        if split not in self._predicted:
            predictions = self.task.predict_split(self, split)
            if not isinstance(predictions, np.ndarray) or predictions.nbytes > PREDICTED_BYTES:
                return predictions
            predictions.flags.writeable = False
            self._predicted[split] = predictions
        return self._predicted[split]

    @property
    def metrics(self):
        """All metrics, as `metrics.json` has them."""
        splits = [split for split in ("validation", "test") if len(getattr(self.data, split))]
        evaluated = {split: self.evaluate(split) for split in splits}
        last_epoch = {metric: values[-1] for metric, values in self.history.items()}
        return {**evaluated, "last_epoch": last_epoch, "diagnosis": self.diagnose(), **self.record}

    def diagnose(self):
        """Returns sentences on what the learning curves show and what to try; none for a run without its history."""
        return self.task.diagnose(self) if self.history else []

    def export(self, path, *, inputs=None, tolerance=None, formats=(), training_statistics=None):
        """Writes a SavedModel that takes raw inputs, and checks in another process that it predicts as `predict` does.

        It also has the output `interval` or `set`, where the run has `conformal`, and those of `predict_distribution`.

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
        arguments |= {"input_schema": None if hasattr(model, "signatures") else self.schema}
        if not hasattr(model, "signatures"):
            if inputs is None:
                inputs = (self.data.test if len(self.data.test) else self.data.train).head(16)
            arguments |= {"preprocessing": self.preprocessing, "classes": class_names, "conformal": self.conformal}
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

    def plot(self):
        """Returns a matplotlib figure of the learning curves; a ValueError for a run that was loaded without them."""
        from recipes.reports.report import learning_curves

        if not self.history:
            raise ValueError("plot: the run must have the history of its training, got none.")
        return learning_curves(self.history)

    @checked
    def show_errors(self, split: Split = "test", *, count: Count = 16):
        """Returns a matplotlib figure of the images of one split whose wrong predictions are the most confident.

        Args:
            split: train, validation or test.
            count: number of images; fewer where fewer are wrong.
        Raises:
            ValueError: if the run is no classification of images, or all predictions are right.
        """
        from recipes.reports.mistakes import mistakes_figure

        return mistakes_figure(self, split, count)

    def _repr_html_(self):
        from recipes.reports.run_html import run_html

        return run_html(self)

    @checked
    def save(self, out: FilePath):
        """Writes model.keras, preprocessing.keras, run.json, history.json and metrics.json into the folder `out`."""
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        save_for_inference(self.model, out / "model.keras")
        self.preprocessing.save(out / "preprocessing.keras")
        if self.record.get("data") is not None:
            self.record.setdefault("data_fingerprints", fingerprints(self.data))
        write_json(out / "history.json", self.history)
        write_json(out / "metrics.json", self.metrics)
        write_json(out / "run.json", describe_run(self))  # last: a folder with run.json is a complete run
        return out

    def __getstate__(self):
        """A pickled run has no data, and its model neither loss nor optimizer."""
        models = {name: model_bytes(getattr(self, name)) for name in PICKLED_MODELS}
        values = {"_schema": self.schema, "_data_record": self.data_record, "_data": None, "_open_data": None}
        return {**vars(self), **values, "_predicted": {}, **models}

    def __setstate__(self, state):
        vars(self).update(state)
        for name in PICKLED_MODELS:
            setattr(self, name, model_of_bytes(state[name]))
