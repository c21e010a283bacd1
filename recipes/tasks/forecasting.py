"""Forecasting: several steps ahead of a time series, compared with baselines that need no model."""

from typing import ClassVar

import keras
import numpy as np

from recipes.data.preprocessing import moments
from recipes.reports.verdict import series_block, skill_verdict
from recipes.tasks.quantiles import PinballLoss, verify_quantiles
from recipes.tasks.regression import Regression
from recipes.tasks.standardized_loss import StandardizedLoss
from recipes.training.task import task
from zoo.arguments import Fraction
from zoo.inputs.columns import plain_names
from zoo.layers.last_step import LastStep
from zoo.layers.since_last import SinceLast


@task
class Forecasting(Regression):
    """Forecasts several steps ahead, in the series' own units, with prediction intervals on request.

    The data has a column of times, as "table:FILE?time=date&target=flow&window=14&horizon=7" reads them. Metrics are
    MAE, RMSE and R2, over all leads and by lead. The baselines are persistence (the last observed value), the seasonal
    naive forecast (the value one season before) and climatology (the mean at that time of the year). The skill score is
    1 - MAE / MAE of the best baseline: 0 is no better than the baseline, 1 is perfect.

    Args:
        quantiles: rising quantile levels with 0.5 among them, as in (0.1, 0.5, 0.9). The model then predicts all of
            them for each lead and is trained with the pinball loss. () predicts one number.
        relative: whether the model's inputs and outputs are changes from the targets' last observed value; for series
            that drift away from the range of the training split. A network that predicts 0 is then persistence.
        **kwargs: as `Regression` has them; `loss` is not used with quantiles.
    """

    quantiles: tuple[Fraction, ...] = ()
    relative: bool = False

    supports_ensemble: ClassVar[bool] = False
    data_tasks: ClassVar[tuple] = ("forecasting",)
    main_metric: ClassVar[str] = "skill"

    def __post_init__(self):
        if self.loss not in ("mse", "mae", "huber"):
            raise ValueError(f"`loss` must be mse, mae or huber for forecasts, got {self.loss}.")
        if self.quantiles:
            verify_quantiles(self.quantiles)

    @property
    def outputs_per_target(self):
        """Number of outputs for each target and lead: one, or one per quantile."""
        return max(1, len(self.quantiles))

    def check_model(self, model, data):
        """Raises a ValueError if the number of outputs is not that of leads, targets and quantiles."""
        expected = len(data.outputs) * self.outputs_per_target
        if len(model.output_shape) != 2 or model.output_shape[-1] != expected:
            raise ValueError(
                f"`model` must predict {expected} numbers ({len(data.outputs)} leads and targets"
                f"{f', {len(self.quantiles)} quantiles each' if self.quantiles else ''}), got {model.name} with "
                f"{model.output_shape[1:]}."
            )

    def wrap_model(self, model, data):
        """Returns the model with outputs in the targets' units, added to the last observed value if `relative`."""
        if model.layers[-1].name == "units" or not (self.standardize or self.relative):
            return model
        center, scale = self.target_moments(data)
        repeats = self.outputs_per_target
        scale, center = (np.repeat(v, repeats).tolist() for v in (scale, center))
        units = {"dtype": "float32", "name": "units"}
        if not self.relative:
            rescaled = keras.layers.Rescaling(scale, center, **units)
            return keras.Model(model.inputs, rescaled(model.outputs[0]), name=model.name)
        columns, mean, deviation = self.target_columns(data)
        factors = {int(c): float(d / s) for c, d, s in zip(columns, deviation, scale[::repeats], strict=True)}
        inputs = keras.Input(model.input_shape[1:], name="series")
        since = SinceLast(list(factors), list(factors.values()), dtype="float32", name="since-last")
        change = keras.layers.Rescaling(scale, center, dtype="float32", name="changes")(model(since(inputs)))
        last = LastStep(
            *(np.repeat(v, repeats).tolist() for v in (columns, deviation, mean)), dtype="float32", name="last"
        )
        return keras.Model(inputs, keras.layers.Add(**units)([last(inputs), change]), name=model.name)

    def target_moments(self, data):
        """Returns (mean, standard deviation) of the training targets, or of their changes from the last value."""
        targets = data.train.targets
        if self.relative:
            targets = targets - data.baselines["train"]["persistence"]
        scale = targets.std(0) if self.standardize else np.ones(targets.shape[1])
        center = targets.mean(0) if self.standardize else np.zeros(targets.shape[1])
        return center, np.where(scale > 0, scale, 1.0)

    def target_columns(self, data):
        """Returns for each output the index of its target among the inputs, and that input's mean and deviation."""
        names = [output.rpartition(" +")[0] for output in data.outputs]
        columns, plain = list(data.columns), plain_names(dict.fromkeys(names))
        missing = [name for name in names if plain[name] not in columns]
        if missing:
            raise ValueError(f"`relative` needs the target's past among the inputs, got none of {missing[0]!r}.")
        indices = [columns.index(plain[name]) for name in names]
        mean, variance = moments(data)
        deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
        return indices, mean[indices], deviation[indices]

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with its loss, or the pinball loss; arguments as `Task.compile` has them."""
        rescaling = [layer for layer in model.layers if layer.name in ("units", "changes") and hasattr(layer, "scale")]
        scale = np.ravel(rescaling[-1].scale) if rescaling else np.ones(model.output_shape[-1])
        if not self.quantiles:
            loss = StandardizedLoss(self.loss, scale.tolist())
            metrics = [keras.metrics.MeanAbsoluteError("mae"), keras.metrics.RootMeanSquaredError("rmse")]
        else:
            loss, metrics = PinballLoss(self.quantiles, scale[:: self.outputs_per_target].tolist()), []
        model.compile(optimizer=self.make_optimizer(steps), loss=loss, metrics=metrics, **settings)
        return model

    def baseline_loss(self, data):
        """Returns the loss of always predicting the mean (or mean change) of the training split, without intervals."""
        center, scale = self.target_moments(data)
        targets = data.train.targets
        predictions = np.broadcast_to(center, targets.shape)
        if self.relative:
            predictions = predictions + data.baselines["train"]["persistence"]
        targets, predictions = (np.asarray(v, dtype=np.float32) for v in (targets, predictions))
        if not self.quantiles:
            return float(StandardizedLoss(self.loss, scale.tolist())(targets, predictions))
        predictions = np.repeat(predictions, len(self.quantiles), axis=1)
        return float(PinballLoss(self.quantiles, scale.tolist())(targets, predictions))

    def export_settings(self, run):
        """Returns the model and a tolerance of 1e-5 of the targets' deviation, or of float32's precision there."""
        targets = run.data.train.targets
        tolerance = 1e-5 * float(max(targets.std(0).max(), np.abs(targets).max() / 10, 1e-12))
        return run.model, run.data.classes or None, tolerance

    def point_predictions(self, predictions):
        """Returns (N, outputs) of the predictions: the medians where there are quantiles."""
        if not self.quantiles:
            return predictions
        return predictions[:, self.quantiles.index(0.5) :: len(self.quantiles)]

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, over all leads and by lead, and those of the baselines.

        Args:
            run: `Run`.
            split: "train", "validation" or "test".
        Returns:
            Dict of numbers; `baseline` holds the best baseline's, `baselines` all of them, `by_lead` each lead.
        """
        data, predictions = run.data, run.predict_split(split)
        targets, medians = getattr(data, split).targets, self.point_predictions(predictions)
        baselines = {name: errors(targets, forecast) for name, forecast in data.baselines[split].items()}
        best = min(baselines, key=lambda name: baselines[name]["mae"])
        model_errors = errors(targets, medians)
        losses, baseline_losses = (
            np.abs(forecast - targets).mean(axis=1) for forecast in (medians, data.baselines[split][best])
        )
        block = series_block(len(targets), int(np.max(data.series_options.get("horizon", 1))))
        metrics = {
            "verdict": skill_verdict(losses, baseline_losses, split, unit="windows", block=block, seed=self.seed),
            "examples": len(targets),
            **model_errors,
            "skill": 1 - model_errors["mae"] / baselines[best]["mae"],
            "baseline": {**baselines[best], "skill": 0.0, "name": best},
            "baselines": baselines,
            "by_lead": {
                name: {
                    "mae": float(np.abs(medians[:, i] - targets[:, i]).mean()),
                    "rmse": float(np.sqrt(((medians[:, i] - targets[:, i]) ** 2).mean())),
                    **{
                        f"{baseline} mae": float(np.abs(forecast[:, i] - targets[:, i]).mean())
                        for baseline, forecast in data.baselines[split].items()
                    },
                }
                for i, name in enumerate(data.outputs)
            },
        }
        for i, low in enumerate(self.quantiles[: len(self.quantiles) // 2]):
            high = self.quantiles[-1 - i]
            inside = (targets >= predictions[:, i :: len(self.quantiles)]) & (
                targets <= predictions[:, len(self.quantiles) - 1 - i :: len(self.quantiles)]
            )
            metrics[f"coverage_{low:g}_{high:g}"] = float(inside.mean())
        return metrics

    def summarize(self, metrics, split):
        """Returns the mean error, beside that of the best baseline."""
        best = metrics["baseline"]
        sentences = [
            f"Mean absolute error {metrics['mae']:.3g} on {metrics['examples']} {split} windows; {best['name']} has "
            f"{best['mae']:.3g} (skill score {metrics['skill']:+.2f})."
        ]
        if metrics["skill"] <= 0:
            sentences.append(f"This model is no better than {best['name']}: do not use it.")
        worse = [
            lead
            for lead, errors_of_lead in metrics["by_lead"].items()
            if errors_of_lead["mae"] > min(v for k, v in errors_of_lead.items() if " mae" in k)
        ]
        if worse and metrics["skill"] > 0:
            sentences.append(f"At {', '.join(worse)} a baseline is better.")
        for name, coverage in metrics.items():
            if name.startswith("coverage_"):
                low, high = (float(q) for q in name.split("_")[1:])
                sentences.append(
                    f"The {100 * (high - low):.0f} % interval contained {100 * coverage:.1f} % of the targets."
                )
        return sentences

    def figures(self, run, split):
        """Returns the error by lead beside the baselines', and forecasts beside the observations."""
        from recipes.reports.report import errors_by_lead, forecasts

        data, predictions = run.data, run.predict_split(split)
        return [
            (
                "Error by lead",
                "Lower is better. The model is useful where its line is the lowest.",
                errors_by_lead(run.evaluate(split)),
            ),
            (
                "Forecasts and observations",
                "Observations, and what was forecast for them; shaded is the prediction interval where there is one.",
                forecasts(data, split, predictions, self.quantiles, self.point_predictions(predictions)),
            ),
        ]


def errors(targets, predictions):
    """Returns MAE, RMSE and R2 over all leads together."""
    difference = predictions - targets
    return {
        "mae": float(np.abs(difference).mean()),
        "rmse": float(np.sqrt((difference**2).mean())),
        "r2": float(1 - (difference**2).sum() / ((targets - targets.mean(0)) ** 2).sum()),
    }


def backtest(task, model, source, *, folds=5, first_fraction=0.5, **options):
    """Trains at several origins in time and evaluates the forecasts that follow each.

    Each fold knows the times before its origin, of which the last tenth is the validation split. It is evaluated up to
    the next origin; these test periods are equally long.

    Args:
        task: a `Forecasting`.
        model: a registered name.
        source: a table with times, as `recipes.load` takes it.
        folds: number of origins.
        first_fraction: fraction of the time range before the first origin.
        **options: options of `recipes.load`; `arguments` is a dict of the builder's arguments.
    Returns:
        pandas.DataFrame, one row per fold: training windows, MAE, RMSE, skill score, the best baseline and its MAE.
    Raises:
        ValueError: as `recipes.load` does, or if `folds` or `first_fraction` is out of range.
    """
    import pandas as pd

    from recipes.data import load
    from zoo.arguments import Count, convert

    folds = convert(folds, Count, "folds")
    if not 0 < first_fraction < 1:
        raise ValueError(f"backtest: `first_fraction` must lie between 0 and 1, got {first_fraction}.")
    arguments = options.pop("arguments", {})
    period, rows = (1 - first_fraction) / folds, []
    for fold in range(1, folds + 1):
        end = first_fraction + fold * period
        time_fraction = end if fold < folds else None
        data = load(source, seed=task.seed, validation=0.1, test=period / end, time_fraction=time_fraction, **options)
        metrics = task.fit(model, data, verbose=False, **arguments).evaluate("test")
        best = metrics["baseline"]
        rows.append(
            {
                "fold": fold,
                "training": len(data.train),
                **{k: metrics[k] for k in ("mae", "rmse", "skill")},
                "best": best["name"],
                "best_mae": best["mae"],
            }
        )
    return pd.DataFrame(rows)
