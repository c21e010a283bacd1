"""Regression: one or several numbers."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.training.task import Recipe, recipe
from zoo.registry import entry


@recipe
class Regression(Recipe):
    """One or several numbers, in their own units.

    It needs data whose task is regression. The model learns standardised targets, and a last layer called `units`
    brings its answers back to the targets' own units, so that metrics, predictions and the export speak in those. It
    reports MAE, RMSE and R2 beside those of always answering the training part's mean.

    Args:
        loss: mse, mae (robust to outliers) or huber.
        standardise: whether to add the layer `units`; without it the model is trained as it is.
        **kwargs: as `Recipe` has them.
    """

    loss: Literal["mse", "mae", "huber"] = "mse"
    standardise: bool = True

    tasks: ClassVar[tuple] = ("regression",)
    headline: ClassVar[str] = "r2"

    def answers(self, name, data):
        """What a builder is told about the answer: how many numbers, and a linear head."""
        accepted = signature(entry(name).build).parameters
        count = "outputs" if "outputs" in accepted else "classes"
        if count not in accepted:
            raise ValueError(f"`model` must be an architecture that answers numbers, got {name} ({entry(name).task}).")
        return {count: len(data.outputs), "activation": "linear"}

    def verify_answer(self, model, data):
        """A ValueError where the model answers another number of values than there are targets."""
        if model.output_shape[-1] != len(data.outputs):
            raise ValueError(
                f"`model` must answer {len(data.outputs)} numbers ({', '.join(data.outputs)}), got {model.name} with "
                f"{model.output_shape[-1]}."
            )

    def finish(self, model, data):
        """The model with its answers brought to the targets' units."""
        if not self.standardise or model.layers[-1].name == "units":
            return model
        targets = data.train.targets
        spread = np.where(targets.std(0) > 0, targets.std(0), 1.0)
        units = keras.layers.Rescaling(spread.tolist(), targets.mean(0).tolist(), dtype="float32", name="units")
        return keras.Model(model.inputs, units(model.outputs[0]), name=model.name)

    def target(self, y, classes=None):
        """Targets as the loss takes them: float32, in their own units."""
        return keras.ops.cast(y, "float32")

    def compile(self, model, steps=1000, **settings):
        """Compiles `model` for `steps` training steps; `settings` go to `model.compile` (jit_compile, ...)."""
        spread = model.layers[-1].scale if model.layers[-1].name == "units" else [1.0] * model.output_shape[-1]
        metrics = [keras.metrics.MeanAbsoluteError("mae"), keras.metrics.RootMeanSquaredError("rmse")]
        loss = StandardisedLoss(self.loss, list(np.ravel(spread)))
        model.compile(optimizer=self.optimize(steps), loss=loss, metrics=metrics, **settings)
        return model

    def trivial_loss(self, data):
        """Loss of always answering the training part's mean."""
        targets = data.train.targets.astype("float32")
        spread = targets.std(0) if self.standardise else np.ones(targets.shape[1])
        spread = np.where(spread > 0, spread, 1.0)
        return float(
            StandardisedLoss(self.loss, spread.tolist())(targets, np.broadcast_to(targets.mean(0), targets.shape))
        )

    def measure(self, data, targets, answers):
        """Metrics of answers beside those of the training part's mean.

        Args:
            data: the `Data` that the targets are from.
            targets: (N, outputs) in their own units.
            answers: (N, outputs) likewise.
        Returns:
            Dict of floats, by target where there are several; `baseline` holds the mean's.
        """
        mean = np.broadcast_to(data.train.targets.mean(0), targets.shape)
        found = {"examples": len(targets), **_errors(targets, answers), "baseline": _errors(targets, mean)}
        if len(data.outputs) > 1:
            found["by_target"] = {
                name: _errors(targets[:, [i]], answers[:, [i]]) for i, name in enumerate(data.outputs)
            }
        return found

    def tolerance(self, data):
        """1e-5 of the targets' standard deviation, as they have units."""
        return 1e-5 * float(max(data.train.targets.std(0).max(), 1e-12))

    def verdict(self, found, part):
        """The share of the variance that is explained."""
        return [f"R² {found['r2']:.3f} on {found['examples']} {part} examples"]

    def figures(self, run, part):
        """Predicted against observed values."""
        from recipes.reports.report import scatter

        drawn = scatter(getattr(run.data, part).targets, run.answers(part), run.data.outputs)
        return [("Predicted and observed", "A perfect model puts every point on the grey line.", drawn)]


@keras.saving.register_keras_serializable("recipes")
class StandardisedLoss(keras.losses.Loss):
    """A loss on errors measured in the targets' own spread, so that its size and the rate do not depend on units.

    Args:
        kind: mse, mae or huber.
        spread: standard deviation of each target.
    """

    def __init__(self, kind, spread, reduction="sum_over_batch_size", name="standardised_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.kind, self.spread = kind, spread
        self.function = {"mse": keras.losses.mean_squared_error, "mae": keras.losses.mean_absolute_error}.get(
            kind, keras.losses.huber
        )

    def call(self, y_true, y_pred):
        spread = keras.ops.convert_to_tensor(self.spread, dtype=y_pred.dtype)
        return self.function(y_true / spread, y_pred / spread)

    def get_config(self):
        return {"kind": self.kind, "spread": self.spread, "reduction": self.reduction, "name": self.name}


def _errors(targets, answers):
    from sklearn import metrics

    return {
        "mae": float(metrics.mean_absolute_error(targets, answers)),
        "rmse": float(metrics.root_mean_squared_error(targets, answers)),
        "r2": float(metrics.r2_score(targets, answers)),
    }
