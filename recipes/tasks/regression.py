"""Regression: one or several numbers per example."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.prediction.distribution import distribution_model, with_named_outputs
from recipes.reports import verdict as verdicts
from recipes.reports.coverage import coverage_figures, describe_coverage
from recipes.tasks import calibration, counts, deviance, quantiles
from recipes.tasks.ensemble_task import EnsembleTask, average, members_of
from recipes.tasks.fitted_baselines import compare_with_baselines
from recipes.tasks.standardized_loss import StandardizedLoss
from recipes.training.task import task
from zoo.arguments import Fraction, OpenFraction
from zoo.registry import entry

REFIT_ROWS = 20  # of the validation split, from which the dispersion of counts is fitted to it


@task
class Regression(EnsembleTask):
    """One or several numbers per example, in their own units.

    The data's task is regression. The model learns standardized targets. A last layer called `units` converts its
    outputs back to the targets' units, so that metrics, predictions and the export have those units. Metrics are MAE,
    RMSE and R2; of counts and proportions also D2, the fraction of the deviance that is explained, by which the run is
    judged. The baseline always predicts the mean of the training split.

    Counts that vary more than poisson has it, or have more zeros, have the losses negative_binomial,
    zero_inflated_poisson and zero_inflated_negative_binomial: the network predicts a distribution, of which predictions
    are the mean, and the run is judged by the log score, the mean of -log probability of the observed counts. With the
    loss quantile predictions are medians, the intervals lie around the lowest and the highest quantile of each row, and
    the run is judged by the pinball loss. `Run.predict_distribution` has the quantiles and the probabilities of zero.

    Args:
        loss: mse, mae (robust to outliers) or huber; poisson for counts, whose logarithm the network predicts;
            negative_binomial, zero_inflated_poisson or zero_inflated_negative_binomial for whole numbers;
            binary_crossentropy for proportions, 0 to 1, whose logit it predicts; or quantile. All but the first three
            need `standardize`.
        baselines: whether to fit a ridge regression, a random forest and gradient boosting to tables, vectors and
            series, too, for the report. Large tables are sampled. Images and forecasts have no such baselines.
        coverage: fraction of new targets that the intervals of `Run.predict_interval` contain, between 0 and 1.
            Forecasts have intervals by their `quantiles` instead.
        quantiles: rising quantile levels of the loss quantile, with 0.5 among them, as in (0.1, 0.5, 0.9). () has 0.5
            and the ends of an interval of `coverage`.
        standardize: whether to add the layer `units`; without it the model is trained on the targets as they are.
        **kwargs: as `EnsembleTask` has them.
    """

    loss: Literal["mse", "mae", "huber", "poisson", *counts.COUNT_LOSSES, "binary_crossentropy", "quantile"] = "mse"
    baselines: bool = True
    coverage: OpenFraction = 0.9
    quantiles: tuple[Fraction, ...] = ()
    standardize: bool = True

    data_tasks: ClassVar[tuple] = ("regression",)
    main_metric: ClassVar[str] = "r2"

    def __post_init__(self):
        if self.quantiles and self.loss != "quantile":
            raise ValueError(f"`quantiles` must be unset for the loss {self.loss}, got {self.quantiles}.")
        if self.quantiles:
            quantiles.verify_quantiles(self.quantiles)

    @property
    def levels(self):
        """The levels of the loss quantile."""
        tail = (1 - self.coverage) / 2
        return self.quantiles or (round(tail, 12), 0.5, round(1 - tail, 12))

    @property
    def outputs_per_target(self):
        """Number of outputs of the network for each target."""
        return len(self.levels) if self.loss == "quantile" else 1 + counts.is_inflated(self.loss)

    def head_arguments(self, name, data):
        """Returns the number of outputs, of all parameters of each target, and a linear activation."""
        parameters = signature(entry(name).build).parameters
        count = "outputs" if "outputs" in parameters else "classes"
        if count not in parameters:
            raise ValueError(f"`model` must be an architecture that predicts numbers, got {name} ({entry(name).task}).")
        return {count: len(data.outputs) * self.outputs_per_target, "activation": "linear"}

    def check_data(self, data):
        """Raises a ValueError if the targets are not those that the loss takes."""
        super().check_data(data)
        if self.ensemble > 1 and self.has_distribution:
            raise ValueError(f"`ensemble` must be 1 for the loss {self.loss}, got {self.ensemble}.")
        has_counts = self.loss == "poisson" or self.loss in counts.COUNT_LOSSES
        if (self.has_deviance or self.has_distribution) and not self.standardize:
            raise ValueError(f"`standardize` must be True for the loss {self.loss}, got False.")
        for split in (data.train, data.validation, data.test):
            if len(split):
                self.verify_targets(split.targets, data.outputs)
        means = data.train.targets.mean(0) if has_counts or self.has_deviance else np.ones(1)
        if not means.all():
            raise ValueError(
                f"`loss` {self.loss} must have a training target above 0, got only zeros in "
                f"`{data.outputs[int(means.argmin())]}`."
            )

    def verify_targets(self, targets, names):
        """Raises a ValueError where a target is none that the loss takes.

        Args:
            targets: (N, outputs).
            names: of the outputs.
        """
        deviance.verify_targets(self.loss, targets, names)
        if self.loss in counts.COUNT_LOSSES:
            counts.verify_counts(self.loss, targets, names)

    def check_model(self, model, data):
        """Raises a ValueError if the number of outputs is not that of the targets and their parameters."""
        expected = len(data.outputs) * self.outputs_per_target
        if model.output_shape[-1] != expected:
            parameters = f" and {self.outputs_per_target} parameters of each" if self.outputs_per_target > 1 else ""
            raise ValueError(
                f"`model` must predict {expected} numbers ({', '.join(data.outputs)}{parameters}), got {model.name} "
                f"with {model.output_shape[-1]}."
            )

    @property
    def has_deviance(self):
        """Whether targets are counts or proportions."""
        return self.loss in ("poisson", "binary_crossentropy")

    @property
    def has_distribution(self):
        """Whether the network predicts the parameters of a distribution, or quantiles, of each target."""
        return self.loss in counts.COUNT_LOSSES or self.loss == "quantile"

    def wrap_model(self, model, data):
        """Returns the model with a last layer that converts its outputs to the targets' units."""
        if members := members_of(model):
            single = self.replace(ensemble=1)
            return average([single.wrap_model(member, data) for member in members], model.name)
        if not self.standardize or model.layers[-1].name == "units":
            return model
        targets = data.train.targets
        if self.has_deviance:
            return deviance.with_link(model, self.loss, targets.mean(0))
        if self.loss in counts.COUNT_LOSSES:
            return counts.with_parameters(model, self.loss, targets)
        if self.loss == "quantile":
            return quantiles.with_quantiles(model, self.levels, targets)
        scale = np.where(targets.std(0) > 0, targets.std(0), 1.0)
        units = keras.layers.Rescaling(scale.tolist(), targets.mean(0).tolist(), dtype="float32", name="units")
        return keras.Model(model.inputs, units(model.outputs[0]), name=model.name)

    def prepare_target(self, y, classes=None):
        """Returns the target as float32, in its own units."""
        return keras.ops.cast(y, "float32")

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with a loss on standardized errors; arguments as `Task.compile` has them.

        With a distribution the model is that of `recipes.prediction.distribution.distribution_model`.
        """
        if self.has_distribution:
            spread = getattr(model.layers[-1], "scale", None)
            is_count = self.loss in counts.COUNT_LOSSES
            loss = counts.CountLikelihood(self.loss) if is_count else quantiles.PinballLoss(self.levels, spread)
            model.compile(optimizer=self.make_optimizer(steps), loss=loss, metrics=[], **settings)
            return model
        scale = model.layers[-1].scale if model.layers[-1].name == "units" else [1.0] * model.output_shape[-1]
        metrics = [keras.metrics.MeanAbsoluteError("mae"), keras.metrics.RootMeanSquaredError("rmse")]
        loss = StandardizedLoss(self.loss, list(np.ravel(scale)))
        model.compile(optimizer=self.make_optimizer(steps), loss=loss, metrics=metrics, **settings)
        return model

    def train(self, model, training_batches, steps, compile_arguments, fit_arguments, data):
        """Compiles and trains the model in place, by its distribution where it has one; as `Task.train` has it."""
        model = distribution_model(model) if self.has_distribution else model
        return super().train(model, training_batches, steps, compile_arguments, fit_arguments, data)

    def predict_split(self, run, split):
        """Returns (N, outputs) predictions for one split; with a distribution (N, outputs, parameters)."""
        if not self.has_distribution:
            return super().predict_split(run, split)
        batches = self.pipeline(getattr(run.data, split), False, run.preprocessing)
        return distribution_model(run.model).predict(batches, verbose=0)

    def point_predictions(self, predictions):
        """Returns (N, outputs) means or medians of what `predict_split` returns."""
        if self.loss in counts.COUNT_LOSSES:
            return counts.count_means(predictions)
        return predictions[..., self.levels.index(0.5)] if self.loss == "quantile" else predictions

    def constant_predictions(self, data, targets):
        """Returns the mean, or the distribution, of the training targets for each of (N, outputs) targets."""
        train = data.train.targets
        if self.loss == "quantile":
            constant = np.quantile(train, self.levels, axis=0).T
        elif self.loss in counts.COUNT_LOSSES:
            constant = counts.fit_constant(self.loss, train)
        else:
            constant = train.mean(0)
        return np.broadcast_to(constant, (len(targets), *constant.shape))

    def baseline_loss(self, data):
        """Returns the loss of always predicting the mean, or the distribution, of the training split."""
        targets = data.train.targets.astype("float32")
        if self.has_distribution:
            scores = self._scores(targets, self.constant_predictions(data, targets))
            scale = quantiles.spread(targets) if self.loss == "quantile" else 1.0
            return float((scores / scale).mean())
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
        if counts.is_dispersed(self.loss) and len(run.data.validation) >= REFIT_ROWS:
            rates, _, zeros = np.moveaxis(run.predict_split("validation"), -1, 0)
            dispersion = counts.fit_dispersion(run.data.validation.targets, rates, zeros, self.loss)
            run.model.get_layer("distribution").set_dispersion(dispersion)
            run = run.replace()  # without the predictions of the dispersion before
        predictions = self.interval_inputs(run.predict_split("validation")) if has_intervals else None
        no_limits = (0.0, None) if self.loss in counts.COUNT_LOSSES else (None, None)
        limits = {"poisson": (0.0, None), "binary_crossentropy": (0.0, 1.0)}.get(self.loss, no_limits)
        calibration.add_conformal(run, predictions, self.coverage, limits)
        if self.baselines and (comparison := compare_with_baselines(run)):
            run.record["baselines"] = comparison
        return run

    def interval_inputs(self, predictions):
        """Returns what intervals are made of: the quantiles, or the means; of what `predict_split` returns."""
        return predictions if self.loss == "quantile" else self.point_predictions(predictions)

    def _scores(self, targets, predictions):
        """Returns (N, outputs) -log probabilities of counts, or pinball losses, of predicted distributions."""
        if self.loss == "quantile":
            return quantiles.pinball(targets, predictions, self.levels)
        return -counts.log_likelihood(self.loss, targets, predictions)

    def headline_metric(self, data, targets):
        """Returns R2, D2, log score or pinball loss, by which a run is judged; as that of `Classification`."""
        if self.has_distribution:

            def mean_score(weights, predictions):
                return verdicts.mean_score(weights, self._scores(targets, predictions).mean(-1))

            return "pinball loss" if self.loss == "quantile" else "log score", mean_score, False
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
            targets: (N, outputs).
            predictions: (N, outputs), or (N, outputs, parameters) of a distribution.
            baseline: predictions of the baseline, like those; None for `constant_predictions`.
            baseline_name: name of the baseline for the sentence, or None.
        """
        baseline = self.constant_predictions(data, targets) if baseline is None else baseline
        metric, score, higher_is_better = self.headline_metric(data, targets)

        def scores(weights):
            return score(weights, predictions), score(weights, baseline)

        return verdicts.verdict(
            metric, scores, len(targets), split, higher_is_better=higher_is_better, seed=self.seed,
            baseline_name=baseline_name,
        )  # fmt: skip

    def compute_metrics(self, data, targets, predictions):
        """Computes MAE, RMSE and R2 of what `predict_split` returns, and the score of the loss."""
        if self.loss == "quantile":
            below = (targets[..., None] <= predictions).mean((0, 1))
            return {
                "pinball_loss": float(self._scores(targets, predictions).mean()),
                **_errors(targets, self.point_predictions(predictions)),
                "below_quantile": {f"{level:g}": float(b) for level, b in zip(self.levels, below, strict=True)},
            }
        if self.loss in counts.COUNT_LOSSES:
            return {
                **counts.scores(self.loss, targets, predictions),
                **_errors(targets, counts.count_means(predictions)),
            }
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
        self.verify_targets(targets, data.outputs)
        metrics = {
            "verdict": self.verdict(data, split, targets, predictions),
            "examples": len(targets),
            **self.compute_metrics(data, targets, predictions),
            "baseline": {
                **self.compute_metrics(data, targets, self.constant_predictions(data, targets)),
                "name": f"the {'distribution' if self.has_distribution else 'mean'} of the training split",
            },
        }
        if run.conformal and split != "validation":
            regions = self.interval_inputs(predictions)
            groups = calibration.groups_of(getattr(data, split))
            metrics |= calibration.coverage_metrics(run.conformal, targets, regions, data.outputs, groups)
        if len(data.outputs) > 1:
            metrics["by_target"] = {
                name: self.compute_metrics(data, targets[:, [i]], predictions[:, [i]])
                for i, name in enumerate(data.outputs)
            }
        return metrics

    def export_settings(self, run):
        """Returns the model and a tolerance of 1e-5 of the targets' standard deviation, as targets have units."""
        tolerance = 1e-5 * float(max(run.data.train.targets.std(0).max(), 1e-12))
        model = with_named_outputs(run.model) if self.has_distribution else run.model
        return model, run.data.classes or None, tolerance

    def summarize(self, metrics, split):
        """Returns the metric by which the run is judged, and the coverage of its intervals."""
        key = "log_score" if self.loss in counts.COUNT_LOSSES else "pinball_loss" if self.loss == "quantile" else "r2"
        key = "d2" if self.has_deviance else key
        name = {"d2": "D²", "r2": "R²", "log_score": "Log score", "pinball_loss": "Pinball loss"}[key]
        headline = f"{name} {metrics[key]:.3f} on {metrics['examples']} {split} examples"
        zeros = []
        if "zeros_observed" in metrics:
            observed, predicted = (100 * metrics[f"zeros_{kind}"] for kind in ("observed", "predicted"))
            zeros = [f"{observed:.1f} % of the counts are 0; {predicted:.1f} % are predicted to be."]
        return [headline, *zeros, *describe_coverage(metrics)]

    def figures(self, run, split):
        """Returns a scatter plot of predicted against observed values."""
        from recipes.reports.report import scatter

        predictions = self.point_predictions(run.predict_split(split))
        figure = scatter(getattr(run.data, split).targets, predictions, run.data.outputs)
        scatter_caption = "A perfect model puts every point on the gray line."
        return [("Predicted and observed", scatter_caption, figure), *coverage_figures(run.evaluate(split))]


def _errors(targets, predictions):
    from sklearn import metrics

    return {
        "mae": float(metrics.mean_absolute_error(targets, predictions)),
        "rmse": float(metrics.root_mean_squared_error(targets, predictions)),
        "r2": float(metrics.r2_score(targets, predictions)),
    }
