"""Species distribution models: where a species is present, by the environment."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.data.environment import Environment
from recipes.prediction.predict import predict_batch
from recipes.reports import verdict as verdicts
from recipes.tasks.classification import Classification
from recipes.tasks.species_metrics import MaxentLoss, boyce_index, permutation_importance
from recipes.training.pipeline import input_shape
from recipes.training.task import task
from zoo.arguments import Count
from zoo.introspect.head import head_layer
from zoo.registry import entry

IMPORTANCE_ROWS = 2_000  # held-out points that columns are shuffled in
INTERCEPT_STEPS = 5  # of an ensemble, whose probabilities are a mean
FEATURE_CLASSES = (("linear", 0), ("quadratic", 10), ("hinge", 15), ("product", 80))  # from that many presences


@task
class SpeciesDistribution(Classification):
    """Presence of a species, by presences with background points or absences.

    The data are those of `recipes.read_species`: a table, or points with environmental rasters. Metrics are those of
    two classes, and the continuous Boyce index. The run is judged by the area under the ROC curve. Predictions have the
    similarity of a row to the training's environments, of which a negative one marks extrapolation. The report has
    response curves and the importance of the variables.

    Args:
        loss: maxent, for presences with background points: the likelihood of the presences among all points of a batch,
            after which the intercept is set to the fraction of presences in the training split; or
            binary_crossentropy, for presences and absences.
        **kwargs: as `Classification` has them, which are used with binary_crossentropy.
    """

    loss: Literal["maxent", "binary_crossentropy"] = "maxent"
    epochs: Count = 100
    batch_size: Count | None = 256

    supports_ensemble: ClassVar[bool] = False
    main_metric: ClassVar[str] = "roc_auc"

    def check_data(self, data):
        """Raises a ValueError if the data are no table with presences and others."""
        super().check_data(data)
        if data.kind != "table" or len(data.classes) != 2:
            raise ValueError(
                f"SpeciesDistribution: `data` must be a table of presences and others, got {data.name} of kind "
                f"{data.kind} with {len(data.classes)} classes; species:FILE?target=COLUMN reads them."
            )
        if self.loss == "maxent" and data.train.weights is not None:
            raise ValueError("SpeciesDistribution: `weight` must be unset for the loss maxent, got weights of rows.")
        if self.loss == "maxent" and (self.class_weight or self.has_soft_targets()):
            option = "class_weight" if self.class_weight else "label_smoothing"
            raise ValueError(f"SpeciesDistribution: `{option}` must be unset for the loss maxent, got {option}.")

    def check_model(self, model, data):
        """Raises a ValueError if the model does not predict two probabilities, or has no intercept."""
        super().check_model(model, data)
        if self.loss == "maxent" and (model.output_shape[-1] != 2 or _head_bias(model) is None):
            raise ValueError(
                f"`model` must end in a layer of two units with a bias for the loss maxent, got {model.name} with "
                f"{model.output_shape[-1]}."
            )

    def head_arguments(self, name, data):
        """Returns the classes and the activation; the feature classes of Maxent, and the number of coordinates."""
        arguments, parameters = super().head_arguments(name, data), signature(entry(name).build).parameters
        if "feature_classes" in parameters:
            presences = int((data.train.targets == 1).sum())
            arguments["feature_classes"] = tuple(c for c, fewest in FEATURE_CLASSES if presences >= fewest)
        if "environment" in parameters:
            coordinates = [data.options.get(axis) for axis in ("x", "y")]
            first = [data.column_names.get(column, column) for column in data.columns][:2]
            if sorted(map(str, coordinates)) != sorted(first):
                raise ValueError(
                    f"{name} must have the coordinates as its first columns, got {', '.join(first)}; columns=lon,lat "
                    "behind the source names them."
                )
            arguments |= {"environment": input_shape(name, data)[0] - 2, "use_bias": True}
        return arguments

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with Maxent's loss or the cross-entropy; arguments as `Task.compile` has them."""
        if self.loss != "maxent":
            return super().compile(model, steps, data, **settings)
        settings.setdefault("optimizer", self.make_optimizer(steps))
        model.compile(loss=MaxentLoss(), metrics=[PresenceArea()], **settings)
        return model

    def baseline_loss(self, data):
        """Returns 0, the loss of a uniform distribution, or the cross-entropy of the fraction of presences."""
        return 0.0 if self.loss == "maxent" else super().baseline_loss(data)

    def finish_run(self, run):
        """Returns the run with its intercept, and the training's environments in its record."""
        if self.loss == "maxent":
            _fit_intercept(run)
            run = run.replace()
        run = super().finish_run(run)
        run.record["environment"] = Environment.of_data(run.data).to_json()
        run.record["coordinates"] = [run.data.options.get(axis) for axis in ("x", "y")]
        return run

    def headline_metric(self, data, targets):
        """Returns the area under the ROC curve, by which a run is judged; as that of `Classification`."""

        def area(weights, predictions):
            return verdicts.roc_auc(weights, targets == 1, predictions[:, 1])

        return "ROC AUC", area, True

    def compute_metrics(self, data, targets, predictions, threshold=None):
        """Computes the metrics of `Classification` and the continuous Boyce index."""
        metrics = super().compute_metrics(data, targets, predictions, threshold)
        index = boyce_index(targets == 1, predictions[:, 1])
        return {**metrics, "presences": int((targets == 1).sum()), **({} if index is None else {"boyce_index": index})}

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, and the importance of each column for it."""
        metrics, examples = super().evaluate(run, split), getattr(run.data, split)
        if len(examples) > IMPORTANCE_ROWS:
            rows = np.random.default_rng(self.seed).choice(len(examples), IMPORTANCE_ROWS, replace=False)
            examples = examples.take(np.sort(rows))
        presence = examples.targets == 1
        if presence.all() or not presence.any():
            return metrics
        predict = _presence_predictor(run)
        return {**metrics, "importance": permutation_importance(predict, examples.inputs, presence, seed=self.seed)}

    def summarize(self, metrics, split):
        """Returns ROC AUC, TSS and Boyce index, then what `Classification` says."""
        if "roc_auc" not in metrics:
            return super().summarize(metrics, split)
        boyce = f", continuous Boyce index {metrics['boyce_index']:.2f}" if "boyce_index" in metrics else ""
        headline = (
            f"ROC AUC {metrics['roc_auc']:.3f}, TSS {metrics['tss']:.2f}{boyce} on {metrics['examples']} {split} "
            f"points, {metrics['presences']} of them presences"
        )
        return [headline, *super().summarize(metrics, split)[1:]]

    def figures(self, run, split):
        """Returns response curves, the importance of the variables, and the figures of `Classification`."""
        from recipes.reports.response_figures import importance_figure, response_figure

        importance = run.evaluate(split).get("importance")
        return [
            *response_figure(run.data, _presence_predictor(run)),
            *(importance_figure(importance, run.data, split) if importance else []),
            *super().figures(run, split),
        ]


@keras.saving.register_keras_serializable("recipes")
class PresenceArea(keras.metrics.Metric):
    """Area under the ROC curve of the probability of presence, (B, 2) probabilities."""

    def __init__(self, name="auc", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.area = keras.metrics.AUC(num_thresholds=500)

    def update_state(self, y_true, y_pred, sample_weight=None):
        presence = y_pred[:, -1]
        self.area.update_state(keras.ops.reshape(y_true, (-1,)), presence)

    def result(self):
        return self.area.result()

    def reset_state(self):
        self.area.reset_state()


def _presence_predictor(run):
    """Returns a function from a dict of columns to (N,) probabilities of presence."""
    return lambda inputs: predict_batch(run, inputs)[:, 1]


def _head_bias(model):
    """Returns the bias of a model's last layer with weights, or None."""
    return getattr(head_layer(model.outputs[0]), "bias", None)


def _fit_intercept(run):
    """Sets the intercept by which the mean probability of the training split is its fraction of presences, in place."""
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    bias, examples = _head_bias(run.model), run.data.train
    fraction = float((examples.targets == 1).mean())
    for _ in range(INTERCEPT_STEPS):
        predictions = predict_batch(run, examples.inputs).astype(np.float64)
        smallest = np.finfo(np.float32).tiny
        log_odds = np.log(np.maximum(predictions[:, 1], smallest)) - np.log(np.maximum(predictions[:, 0], smallest))
        bound = float(np.abs(log_odds).max() + abs(logit(fraction)) + 1)
        shift = brentq(lambda c, f=log_odds: expit(f + c).mean() - fraction, -bound, bound)
        bias.assign(np.asarray(bias) + np.array([-shift / 2, shift / 2], np.float32))
        if abs(shift) < 1e-3:
            break
