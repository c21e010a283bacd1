"""Forecasting: what a series will be, some steps ahead, beside what needs no model."""

from typing import ClassVar

import keras
import numpy as np

from recipes.data.preprocessing import moments
from recipes.data.tables.columns import plain_names
from recipes.tasks.regression import Regression, StandardisedLoss
from recipes.training.task import recipe
from zoo.arguments import Fraction
from zoo.layers.last_step import LastStep
from zoo.layers.since_last import SinceLast


@recipe
class Forecasting(Regression):
    """Several steps ahead, in the series' own units, with intervals on request.

    It needs data with a column of times, as "table:FILE?time=date&target=flow&window=14&horizon=7" gives them. It
    reports MAE, RMSE and R2 by lead, beside persistence (the last known value), the seasonal naive forecast (the value
    one season before) and climatology (what is usual at that time of the year), and the skill over the best of them:
    1 - MAE / MAE of the best; 0 is no better, 1 is perfect.

    Args:
        quantiles: shares below which the truth should lie, rising, with 0.5 among them, as in (0.1, 0.5, 0.9); the
            model then answers all of them for each lead and is trained with the pinball loss. () answers one number.
        relative: whether the model sees and answers its targets as changes from their last known value; for series
            that drift away from what training saw. A network that answers 0 is then persistence.
        **kwargs: as `Regression` has them; `loss` is not used with quantiles.
    """

    quantiles: tuple[Fraction, ...] = ()
    relative: bool = False

    tasks: ClassVar[tuple] = ("forecasting",)
    headline: ClassVar[str] = "skill"

    def __post_init__(self):
        if self.quantiles and (list(self.quantiles) != sorted(set(self.quantiles)) or 0.5 not in self.quantiles):
            raise ValueError(
                f"`quantiles` must rise and have 0.5 among them, as in (0.1, 0.5, 0.9), got {self.quantiles}."
            )

    def answers(self, name, data):
        """What a builder is told about the answer: a number for each target, lead and quantile, and a linear head."""
        told = super().answers(name, data)
        return {k: v * max(1, len(self.quantiles)) if k in ("outputs", "classes") else v for k, v in told.items()}

    def verify_answer(self, model, data):
        """A ValueError where the model answers another number of values than leads (and quantiles)."""
        wanted = len(data.outputs) * max(1, len(self.quantiles))
        if len(model.output_shape) != 2 or model.output_shape[-1] != wanted:
            raise ValueError(
                f"`model` must answer {wanted} numbers ({len(data.outputs)} leads and targets"
                f"{f', {len(self.quantiles)} quantiles each' if self.quantiles else ''}), got {model.name} with "
                f"{model.output_shape[1:]}."
            )

    def finish(self, model, data):
        """The model with its answers brought to the targets' units, and added to the last known value if `relative`."""
        if model.layers[-1].name == "units" or not (self.standardise or self.relative):
            return model
        centre, spread = self.scale(data)
        often = max(1, len(self.quantiles))
        spread, centre = (np.repeat(v, often).tolist() for v in (spread, centre))
        units = {"dtype": "float32", "name": "units"}
        if not self.relative:
            rescaled = keras.layers.Rescaling(spread, centre, **units)
            return keras.Model(model.inputs, rescaled(model.outputs[0]), name=model.name)
        places, mean, deviation = self.last(data)
        stretch = {int(p): float(d / s) for p, d, s in zip(places, deviation, spread[::often], strict=True)}
        inputs = keras.Input(model.input_shape[1:], name="series")
        since = SinceLast(list(stretch), list(stretch.values()), dtype="float32", name="since-last")
        change = keras.layers.Rescaling(spread, centre, dtype="float32", name="changes")(model(since(inputs)))
        last = LastStep(
            *(np.repeat(v, often).tolist() for v in (places, deviation, mean)), dtype="float32", name="last"
        )
        return keras.Model(inputs, keras.layers.Add(**units)([last(inputs), change]), name=model.name)

    def scale(self, data):
        """(mean, standard deviation) of the training targets, or of their changes from the last known value."""
        targets = data.train.targets
        if self.relative:
            targets = targets - data.baselines["train"]["persistence"]
        spread = targets.std(0) if self.standardise else np.ones(targets.shape[1])
        centre = targets.mean(0) if self.standardise else np.zeros(targets.shape[1])
        return centre, np.where(spread > 0, spread, 1.0)

    def last(self, data):
        """For each output the place of its target among the inputs, and that input's mean and standard deviation."""
        names = [o.rpartition(" +")[0] for o in data.outputs]
        columns, plain = list(data.columns), plain_names(dict.fromkeys(names))
        lacking = [n for n in names if plain[n] not in columns]
        if lacking:
            raise ValueError(f"`relative` needs the target's past among the inputs, got none of {lacking[0]!r}.")
        places = [columns.index(plain[n]) for n in names]
        mean, variance = moments(data)
        deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
        return places, mean[places], deviation[places]

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; `settings` go to `model.compile` (jit_compile, ...)."""
        changes = [layer for layer in model.layers if layer.name in ("units", "changes") and hasattr(layer, "scale")]
        spread = np.ravel(changes[-1].scale) if changes else np.ones(model.output_shape[-1])
        often = max(1, len(self.quantiles))
        if not self.quantiles:
            loss = StandardisedLoss(self.loss, spread.tolist())
            metrics = [keras.metrics.MeanAbsoluteError("mae"), keras.metrics.RootMeanSquaredError("rmse")]
        else:
            loss, metrics = PinballLoss(self.quantiles, spread[::often].tolist()), []
        model.compile(optimizer=self.optimize(steps), loss=loss, metrics=metrics, **settings)
        return model

    def trivial_loss(self, data):
        """Loss of always answering the training part's mean (or mean change), without intervals."""
        centre, spread = self.scale(data)
        targets = data.train.targets
        answers = np.broadcast_to(centre, targets.shape)
        if self.relative:
            answers = answers + data.baselines["train"]["persistence"]
        targets, answers = (np.asarray(v, dtype=np.float32) for v in (targets, answers))
        if not self.quantiles:
            return float(StandardisedLoss(self.loss, spread.tolist())(targets, answers))
        answers = np.repeat(answers, len(self.quantiles), axis=1)
        return float(PinballLoss(self.quantiles, spread.tolist())(targets, answers))

    def tolerance(self, data):
        """1e-5 of the targets' standard deviation; of their mean where that is larger, as float32 ends there."""
        targets = data.train.targets
        return 1e-5 * float(max(targets.std(0).max(), np.abs(targets).max() / 10, 1e-12))

    def middle(self, answers):
        """(N, outputs) of the answers: the medians where there are quantiles."""
        return answers[:, self.quantiles.index(0.5) :: len(self.quantiles)] if self.quantiles else answers

    def examine(self, run, part):
        """Metrics of a run on one part, by lead, beside the trivial forecasts of that part.

        Args:
            run: a `Run`.
            part: train, validation or test.
        Returns:
            Dict of floats; `baseline` holds the best trivial forecast's, `rivals` all of them, `by_lead` each lead.
        """
        data, answers = run.data, run.answers(part)
        targets, middle = getattr(data, part).targets, self.middle(answers)
        rivals = {name: errors(targets, found) for name, found in data.baselines[part].items()}
        best = min(rivals, key=lambda name: rivals[name]["mae"])
        own = errors(targets, middle)
        found = {
            "examples": len(targets),
            **own,
            "skill": 1 - own["mae"] / rivals[best]["mae"],
            "baseline": {**rivals[best], "skill": 0.0, "name": best},
            "rivals": rivals,
            "by_lead": {
                name: {
                    "mae": float(np.abs(middle[:, i] - targets[:, i]).mean()),
                    "rmse": float(np.sqrt(((middle[:, i] - targets[:, i]) ** 2).mean())),
                    **{
                        f"{rival} mae": float(np.abs(a[:, i] - targets[:, i]).mean())
                        for rival, a in data.baselines[part].items()
                    },
                }
                for i, name in enumerate(data.outputs)
            },
        }
        for i, low in enumerate(self.quantiles[: len(self.quantiles) // 2]):
            high = self.quantiles[-1 - i]
            inside = (targets >= answers[:, i :: len(self.quantiles)]) & (
                targets <= answers[:, len(self.quantiles) - 1 - i :: len(self.quantiles)]
            )
            found[f"coverage_{low:g}_{high:g}"] = float(inside.mean())
        return found

    def verdict(self, found, part):
        """The error beside the best trivial forecast's."""
        best = found["baseline"]
        said = [
            f"Mean error {found['mae']:.3g} on {found['examples']} {part} windows; {best['name']} has "
            f"{best['mae']:.3g} (skill {found['skill']:+.2f})."
        ]
        if found["skill"] <= 0:
            said.append(f"This model is no better than {best['name']}: do not use it.")
        worse = [lead for lead, e in found["by_lead"].items() if e["mae"] > min(v for k, v in e.items() if " mae" in k)]
        if worse and found["skill"] > 0:
            said.append(f"At {', '.join(worse)} a trivial forecast is better.")
        for name, share in found.items():
            if name.startswith("coverage_"):
                low, high = (float(q) for q in name.split("_")[1:])
                said.append(f"The {high - low:.0%} interval held {share:.1%} of the truth.".replace("%", " %"))
        return said

    def figures(self, run, part):
        """The error by lead beside the trivial forecasts', and forecasts beside what came."""
        from recipes.reports.report import errors_by_lead, forecasts

        found = run.evaluate(part)
        told = "Lower is better; a model is worth its while where its line is the lowest."
        shown = [("How the error grows with the lead", told, errors_by_lead(found))]
        data, answers = run.data, run.answers(part)
        told = "What came, and what was said of it one lead earlier; shaded the interval where there is one."
        return [
            *shown,
            ("Forecasts and what came", told, forecasts(data, part, answers, self.quantiles, self.middle(answers))),
        ]


@keras.saving.register_keras_serializable("recipes")
class PinballLoss(keras.losses.Loss):
    """The loss whose minimum is a quantile, on errors measured in the targets' own spread.

    (B, outputs) targets and (B, outputs * quantiles) answers, the quantiles of an output side by side.

    Args:
        quantiles: shares below which the truth should lie.
        spread: standard deviation of each target.

    Source: Koenker and Bassett 1978, https://doi.org/10.2307/1913643.
    """

    def __init__(self, quantiles, spread, reduction="sum_over_batch_size", name="pinball_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantiles, self.spread = tuple(quantiles), list(spread)

    def call(self, y_true, y_pred):
        ops = keras.ops
        shares = ops.convert_to_tensor(self.quantiles, dtype=y_pred.dtype)
        spread = ops.convert_to_tensor(self.spread, dtype=y_pred.dtype)[:, None]
        answers = ops.reshape(y_pred, (-1, len(self.spread), len(self.quantiles)))
        error = (ops.expand_dims(y_true, -1) - answers) / spread
        return ops.mean(ops.maximum(shares * error, (shares - 1) * error), axis=(1, 2))

    def get_config(self):
        return {
            "quantiles": self.quantiles,
            "spread": self.spread,
            "reduction": self.reduction,
            "name": self.name,
        }


def errors(targets, answers):
    """MAE, RMSE and R2 over all leads together."""
    off = answers - targets
    return {
        "mae": float(np.abs(off).mean()),
        "rmse": float(np.sqrt((off**2).mean())),
        "r2": float(1 - (off**2).sum() / ((targets - targets.mean(0)) ** 2).sum()),
    }


def backtest(recipe, model, source, *, folds=5, first_fraction=0.5, **options):
    """Trains anew at several origins in time and forecasts what follows each: one split alone says little.

    Each fold knows all before its origin, a tenth of it as the validation part, and is measured on the stretch up to
    the next origin; the stretches are equally long.

    Args:
        recipe: a `Forecasting`.
        model: a registered name.
        source: a table with times, as `recipes.load` takes it.
        folds: how many origins.
        first_fraction: share of the times before the first origin.
        **options: of `recipes.load`, and of the builder under `arguments`.
    Returns:
        pandas.DataFrame, one row a fold: training windows, MAE, RMSE, skill, the best trivial forecast and its MAE.
    Raises:
        ValueError: as `recipes.load` says, or if `folds` or `first_fraction` is out of range.
    """
    import pandas as pd

    from recipes.data import load
    from zoo.arguments import Count, convert

    folds = convert(folds, Count, "folds")
    if not 0 < first_fraction < 1:
        raise ValueError(f"backtest: `first_fraction` must lie between 0 and 1, got {first_fraction}.")
    arguments = options.pop("arguments", {})
    stretch, rows = (1 - first_fraction) / folds, []
    for fold in range(1, folds + 1):
        end = first_fraction + fold * stretch
        until = end if fold < folds else None
        data = load(source, seed=recipe.seed, validation=0.1, test=stretch / end, time_fraction=until, **options)
        found = recipe.fit(model, data, verbose=False, **arguments).evaluate("test")
        best = found["baseline"]
        rows.append(
            {
                "fold": fold,
                "training": len(data.train),
                **{k: found[k] for k in ("mae", "rmse", "skill")},
                "best": best["name"],
                "best_mae": best["mae"],
            }
        )
    return pd.DataFrame(rows)
