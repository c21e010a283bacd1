"""Regression: one or several numbers per example."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.reports import verdict as verdicts
from recipes.tasks import calibration, deviance
from recipes.tasks.fitted_baselines import compare_with_baselines
from recipes.training.task import Task, task
from zoo.arguments import OpenFraction
from zoo.registry import entry


@task
class Regression(Task):
    """One or several numbers per example, in their own units.

    The data's task is regression. The model learns standardized targets. A last layer called `units` converts its
    outputs back to the targets' units, so that metrics, predictions and the export have those units. Metrics are MAE,
    RMSE and R2; of counts and proportions also D2, the fraction of the deviance that is explained, by which the run is
    judged. The baseline always predicts the mean of the training split.

    Args:
        loss: mse, mae (robust to outliers) or huber; poisson for counts, whose logarithm the network predicts; or
            binary_crossentropy for proportions, 0 to 1, whose logit it predicts. Both need `standardize`.
        baselines: whether to fit a ridge regression, a random forest and gradient boosting to tables, vectors and
            series, too, for the report. Large tables are sampled. Images and forecasts have no such baselines.
        coverage: fraction of new targets that the intervals of `Run.predict_interval` contain, between 0 and 1.
            Forecasts have intervals by their `quantiles` instead.
        standardize: whether to add the layer `units`; without it the model is trained on the targets as they are.
        **kwargs: as `Task` has them.
    """

    loss: Literal["mse", "mae", "huber", "poisson", "binary_crossentropy"] = "mse"
    baselines: bool = True
    coverage: OpenFraction = 0.9
    standardize: bool = True

    data_tasks: ClassVar[tuple] = ("regression",)
    main_metric: ClassVar[str] = "r2"

    def head_arguments(self, name, data):
        """Returns the number of outputs and a linear activation."""
        parameters = signature(entry(name).build).parameters
        count = "outputs" if "outputs" in parameters else "classes"
        if count not in parameters:
            raise ValueError(f"`model` must be an architecture that predicts numbers, got {name} ({entry(name).task}).")
        return {count: len(data.outputs), "activation": "linear"}

    def check_data(self, data):
        """Raises a ValueError if the targets are not those that the loss takes."""
        super().check_data(data)
        if self.has_deviance and not self.standardize:
            raise ValueError(f"`standardize` must be True for the loss {self.loss}, got False.")
        for split in (data.train, data.validation, data.test):
            if self.has_deviance and len(split):
                deviance.verify_targets(self.loss, split.targets, data.outputs)
        means = data.train.targets.mean(0) if self.has_deviance else np.ones(1)
        if not means.all():
            raise ValueError(
                f"`loss` {self.loss} must have a training target above 0, got only zeros in "
                f"`{data.outputs[int(means.argmin())]}`."
            )

    def check_model(self, model, data):
        """Raises a ValueError if the number of outputs is not that of the targets."""
        if model.output_shape[-1] != len(data.outputs):
            raise ValueError(
                f"`model` must predict {len(data.outputs)} numbers ({', '.join(data.outputs)}), got {model.name} with "
                f"{model.output_shape[-1]}."
            )

    @property
    def has_deviance(self):
        """Whether targets are counts or proportions."""
        return self.loss in ("poisson", "binary_crossentropy")

    def wrap_model(self, model, data):
        """Returns the model with a last layer that converts its outputs to the targets' units."""
        if not self.standardize or model.layers[-1].name == "units":
            return model
        targets = data.train.targets
        if self.has_deviance:
            return deviance.with_link(model, self.loss, targets.mean(0))
        scale = np.where(targets.std(0) > 0, targets.std(0), 1.0)
        units = keras.layers.Rescaling(scale.tolist(), targets.mean(0).tolist(), dtype="float32", name="units")
        return keras.Model(model.inputs, units(model.outputs[0]), name=model.name)

    def prepare_target(self, y, classes=None):
        """Returns the target as float32, in its own units."""
        return keras.ops.cast(y, "float32")

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with a loss on standardized errors; arguments as `Task.compile` has them."""
        scale = model.layers[-1].scale if model.layers[-1].name == "units" else [1.0] * model.output_shape[-1]
        metrics = [keras.metrics.MeanAbsoluteError("mae"), keras.metrics.RootMeanSquaredError("rmse")]
        loss = StandardizedLoss(self.loss, list(np.ravel(scale)))
        model.compile(optimizer=self.make_optimizer(steps), loss=loss, metrics=metrics, **settings)
        return model

    def baseline_loss(self, data):
        """Returns the loss of always predicting the mean of the training split."""
        targets = data.train.targets.astype("float32")
        if self.has_deviance:
            mean = targets.mean(0)
            scale = mean if self.loss == "poisson" else np.ones_like(mean)
            return float(StandardizedLoss(self.loss, scale.tolist())(targets, np.broadcast_to(mean, targets.shape)))
        scale = targets.std(0) if self.standardize else np.ones(targets.shape[1])
        scale = np.where(scale > 0, scale, 1.0)
        mean = np.broadcast_to(targets.mean(0), targets.shape)
        return float(StandardizedLoss(self.loss, scale.tolist())(targets, mean))

    def finish_run(self, run):
        """Returns the run with the fitted baselines, and the intervals of the validation split, in its record."""
        has_intervals = run.data.task == "regression" and len(run.data.validation)
        predictions = run.predict_split("validation") if has_intervals else None
        limits = {"poisson": (0.0, None), "binary_crossentropy": (0.0, 1.0)}.get(self.loss, (None, None))
        calibration.add_conformal(run, predictions, self.coverage, limits)
        if self.baselines and (comparison := compare_with_baselines(run)):
            run.record["baselines"] = comparison
        return run

    def headline_metric(self, data, targets):
        """Returns R2, or D2 of counts and proportions, by which a run is judged; as that of `Classification`."""
        if self.has_deviance:

            def explained(weights, predictions):
                return deviance.explained_deviance(self.loss, weights, targets, predictions)

            return "D²", explained, True

        def score(weights, predictions):
            return verdicts.r2_score(weights, targets, predictions)

        return "R²", score, True

    def verdict(self, data, split, targets, predictions, *, baseline=None, baseline_name=None):
        """Compares predictions with a baseline; as `recipes.reports.verdict.verdict` returns it.

        Args:
            data: the `Data` that the targets are from.
            split: train, validation or test.
            targets, predictions: (N, outputs).
            baseline: (N, outputs) predictions of the baseline; None for the mean of the training split.
            baseline_name: name of the baseline for the sentence, or None.
        """
        baseline = training_mean(data, targets) if baseline is None else baseline
        metric, score, _ = self.headline_metric(data, targets)

        def scores(weights):
            return score(weights, predictions), score(weights, baseline)

        return verdicts.verdict(metric, scores, len(targets), split, seed=self.seed, baseline_name=baseline_name)

    def compute_metrics(self, data, targets, predictions):
        """Computes MAE, RMSE and R2 of (N, outputs) predictions, and D2 of counts and proportions."""
        if not self.has_deviance:
            return _errors(targets, predictions)
        weights = np.ones((1, len(targets)))
        explained = deviance.explained_deviance(self.loss, weights, targets, predictions)
        return {"d2": float(explained[0]), **_errors(targets, predictions)}

    def evaluate(self, run, split):
        """Computes MAE, RMSE and R2 of a run on one split.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers; `by_target` where there are several targets; `baseline` holds those of the mean.
        """
        data, targets, predictions = run.data, getattr(run.data, split).targets, run.predict_split(split)
        deviance.verify_targets(self.loss, targets, data.outputs)
        metrics = {
            "verdict": self.verdict(data, split, targets, predictions),
            "examples": len(targets),
            **self.compute_metrics(data, targets, predictions),
            "baseline": {
                **self.compute_metrics(data, targets, training_mean(data, targets)),
                "name": "the mean of the training split",
            },
        }
        if run.conformal and split != "validation":
            metrics |= calibration.coverage_metrics(run.conformal, targets, predictions, data.outputs)
        if len(data.outputs) > 1:
            metrics["by_target"] = {
                name: self.compute_metrics(data, targets[:, [i]], predictions[:, [i]])
                for i, name in enumerate(data.outputs)
            }
        return metrics

    def export_settings(self, run):
        """Returns the model and a tolerance of 1e-5 of the targets' standard deviation, as targets have units."""
        tolerance = 1e-5 * float(max(run.data.train.targets.std(0).max(), 1e-12))
        return run.model, run.data.classes or None, tolerance

    def summarize(self, metrics, split):
        """Returns the fraction of the variance that the model explains."""
        name, value = ("D²", metrics["d2"]) if self.has_deviance else ("R²", metrics["r2"])
        headline = f"{name} {value:.3f} on {metrics['examples']} {split} examples"
        return [headline, *calibration.describe_coverage(metrics)]

    def figures(self, run, split):
        """Returns a scatter plot of predicted against observed values."""
        from recipes.reports.report import scatter

        figure = scatter(getattr(run.data, split).targets, run.predict_split(split), run.data.outputs)
        return [("Predicted and observed", "A perfect model puts every point on the gray line.", figure)]


@keras.saving.register_keras_serializable("recipes")
class StandardizedLoss(keras.losses.Loss):
    """A loss on errors divided by the targets' standard deviation, so that its size does not depend on units.

    Args:
        kind: mse, mae, huber, poisson or binary_crossentropy.
        spread: standard deviation of each target.
    """

    def __init__(self, kind, spread, reduction="sum_over_batch_size", name="standardized_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.kind, self.spread = kind, spread
        self.function = {
            "mse": keras.losses.mean_squared_error,
            "mae": keras.losses.mean_absolute_error,
            "huber": keras.losses.huber,
            "poisson": keras.losses.poisson,
            "binary_crossentropy": keras.losses.binary_crossentropy,
        }[kind]

    def call(self, y_true, y_pred):
        spread = keras.ops.convert_to_tensor(self.spread, dtype=y_pred.dtype)
        return self.function(y_true / spread, y_pred / spread)

    def get_config(self):
        return {"kind": self.kind, "spread": self.spread, "reduction": self.reduction, "name": self.name}


def training_mean(data, targets):
    """Returns the mean of the training targets for each of (N, outputs) targets."""
    return np.broadcast_to(data.train.targets.mean(0), targets.shape)


def _errors(targets, predictions):
    from sklearn import metrics

    return {
        "mae": float(metrics.mean_absolute_error(targets, predictions)),
        "rmse": float(metrics.root_mean_squared_error(targets, predictions)),
        "r2": float(metrics.r2_score(targets, predictions)),
    }
