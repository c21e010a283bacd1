"""Predictions of batches of new inputs as data frames: probabilities, top classes, numbers or features."""

import numpy as np

from recipes.data.environment import Environment
from recipes.prediction.distribution import batch_distribution, has_distribution
from recipes.prediction.input_list import input_files
from recipes.prediction.predict import (
    batch_size,
    model_outputs,
    predict_batch,
    run_batches,
    to_outputs,
)
from recipes.prediction.row_formats import ROW_FORMATS
from recipes.prediction.slices import in_slices, map_by_shape
from zoo.backbones.backbone import load_feature_backbone
from zoo.serving.predictor import predictor

SEPARATOR = "|"  # of the classes of a set
MANY_COLUMNS = 50  # above which a frame is copied to one block; pandas warns of many blocks


class BatchPredictor:
    """A function from an `InputBatch` to a data frame, which `predict_files` documents.

    Args:
        run: `Run`.
        top_k: number of the most probable classes; None for the probability of every class, of questions for the most
            probable answer alone.
        uncertainty: whether the frame also has the intervals of numbers, or the sets of classes.
        features: whether the frame has the inputs of the model's head instead of its predictions.
        engine: tensorflow, openvino, onnx, litert or auto, for the predictions of an export; None for the run's model.
        export: path of the export, as `zoo.predictor` takes it, for an engine.
    Raises:
        ValueError: if an option does not fit the run, or the export cannot be loaded.
    """

    def __init__(self, run, *, top_k=None, uncertainty=False, features=False, engine=None, export=None):
        if run.schema.kind == "question" and not top_k and not features:
            top_k = 1
        self.run, self.top_k, self.features = run, top_k, features
        self.options = {
            "top_k": top_k,
            "uncertainty": uncertainty,
            "features": features,
            "engine": engine,
            "export": export,
        }
        self.names = list(run.classes or run.data_record["outputs"])
        _verify_options(run, self.names, top_k, uncertainty, features, engine, export)
        self.conformal = run.require_conformal() if uncertainty else None
        self.environment = None if features else Environment.from_json(run.record.get("environment"))
        self.feature_model, self.engine = None, None
        if features:
            self.feature_model = load_feature_backbone("predict", run.model, input_range="as_is", disable_dropout=True)
            self.names = [f"feature_{i}" for i in range(self.feature_model.output_shape[-1])]
        elif engine:
            self.engine = predictor(str(export), engine)
            self.engine.schema = None  # the batches match it already

    formats = ROW_FORMATS

    def list_files(self, paths, files_from=None):
        """Returns the files to predict, as `input_files` does."""
        return input_files(self.run, paths, files_from)

    def batches(self, files, **options):
        """Yields the `InputBatch`es of files; options as `run_batches` has them."""
        return run_batches(self.run, files, **options)

    def __call__(self, batch):
        """Returns the predictions for an `InputBatch`."""
        import pandas as pd

        values = self._outputs(batch.inputs) if len(batch.names) else []
        if not isinstance(values, np.ndarray) or values.ndim == 4:
            values = [class_fractions(o) if o.ndim == 3 else o for o in values]
        values = np.asarray(values, dtype=np.float32).reshape(len(batch.names), len(self.names))
        columns = {"input": _texts(batch.names)}
        if self.run.schema.kind == "question":
            columns["question"] = _texts(batch.inputs.questions if len(batch.names) else [])
        columns |= self._columns(values)
        if self.conformal is not None:
            columns |= self._uncertainty_columns(values, self._distribution(batch))
        if self.environment is not None:
            columns["similarity"] = self.environment.similarity(batch.inputs) if len(batch.names) else np.empty(0)
        frame = pd.DataFrame(columns, copy=len(columns) > MANY_COLUMNS)
        if self.run.schema.kind in ("image", "question"):
            failed = pd.DataFrame({"input": list(batch.failures), "error": list(batch.failures.values())}, dtype=object)
            frame = frame.assign(error=pd.Series(dtype=object))
            frame = pd.concat([frame, failed], ignore_index=True) if len(failed) else frame
        return frame

    def _columns(self, values):
        columns, names = {}, _texts(self.names)
        label = "answer" if self.run.schema.kind == "question" else "class"
        if self.top_k:
            order = np.argsort(-values, axis=1, kind="stable")[:, : self.top_k]
            for k in range(order.shape[1]):
                suffix = f"_{k + 1}" * (k > 0)
                columns[f"{label}{suffix}"] = names[order[:, k]]
                columns[f"probability{suffix}"] = np.take_along_axis(values, order[:, k : k + 1], 1)[:, 0]
            return columns
        if self.run.data_record["task"] == "multilabel" and not self.features:
            columns["class"] = [" ".join(names[row >= 0.5]) for row in values]
        elif self.run.classes and not self.features:
            columns[label] = names[values.argmax(1)]
        return columns | {name: values[:, i] for i, name in enumerate(self.names)}

    def _distribution(self, batch):
        """Returns the named outputs of the run's distribution, (N, outputs, ...); {} where it has none."""
        if not has_distribution(self.run.model):
            return {}
        if self.engine is None or not len(batch.names):
            return batch_distribution(self.run, batch.inputs, len(batch.names))
        outputs = self.engine.predict(batch.inputs)
        return {name: np.asarray(outputs[name]) for name in ("quantiles", "zero_probability") if name in outputs}

    def _uncertainty_columns(self, values, distribution):
        names, zeros = _texts(self.names), distribution.get("zero_probability")
        regions = self.conformal(distribution.get("quantiles", values))
        if self.conformal.kind == "set":
            return {"set": [SEPARATOR.join(names[row]) for row in regions]}
        ends = (("low", 0), ("high", 1))
        columns = {f"{name}_{end}": regions[:, i, k] for i, name in enumerate(self.names) for end, k in ends}
        of_zero = (
            {} if zeros is None else {f"{name}_zero_probability": zeros[:, i] for i, name in enumerate(self.names)}
        )
        return columns | of_zero

    def _outputs(self, inputs):
        if self.feature_model is not None:
            return model_outputs(self.run, inputs, self.feature_model)
        if self.engine is None:
            return predict_batch(self.run, inputs)
        if isinstance(inputs, list):
            return map_by_shape(self._engine_outputs, inputs)
        return in_slices(self._engine_outputs, inputs, batch_size(self.run))

    def _engine_outputs(self, raw):
        outputs = self.engine.predict(raw)
        name = next(name for name in ("probabilities", "values", *outputs) if name in outputs)
        return to_outputs(self.run, outputs[name])


def _texts(values):
    import pandas as pd

    try:
        return pd.array(values, dtype="str")
    except UnicodeEncodeError:  # a path that is no UTF-8
        return np.array(values, dtype=object)


def class_fractions(probabilities):
    """Returns (classes,) the fraction of the pixels in which each class is the most probable, from (H, W, classes)."""
    labels = probabilities.argmax(-1).ravel()
    return np.bincount(labels, minlength=probabilities.shape[-1]) / labels.size


def _verify_options(run, names, top_k, uncertainty, features, engine, export):
    task = run.data_record["task"]
    has_options = top_k or uncertainty or features or engine
    if run.schema.series and has_options:
        raise ValueError(
            f"predict: `top_k`, `uncertainty`, `features` and `engine` must be unset for {task} from a table of series."
        )
    if features and uncertainty:
        raise ValueError("predict: `features` must be used without `uncertainty`.")
    if features and (top_k or engine):
        raise ValueError(f"predict: `features` must be used without {'`top_k`' if top_k else '`engine`'}.")
    if top_k and (not run.classes or task == "multilabel" or len(run.model.output_shape) != 2):
        raise ValueError(f"predict: `top_k` must be unset for {task}, which has no single class.")
    if top_k and top_k > len(names):
        raise ValueError(f"predict: `top_k` must be at most the {len(names)} classes, got {top_k}.")
    if engine and export is None:
        raise ValueError(f"predict: `export` must be the path of an export for the engine {engine}, got None.")
