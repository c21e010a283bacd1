"""Classification: one class of two or more, or several labels per example."""

from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np

from recipes.data.augment.steps import MIXING
from recipes.losses import CumulativeCrossEntropy, GeneralizedCrossEntropy, SymmetricCrossEntropy
from recipes.reports import verdict as verdicts
from recipes.reports.coverage import coverage_figures, describe_coverage
from recipes.reports.reliability import reliability_figures
from recipes.tasks import calibration
from recipes.tasks.class_counts import most_frequent_class, smallest_fraction, weights_by_index
from recipes.tasks.class_metrics import UNBALANCED, class_metrics
from recipes.tasks.ensemble_task import EnsembleTask
from recipes.tasks.fitted_baselines import compare_with_baselines
from recipes.tasks.label_metrics import label_figure, label_metrics, mean_area
from recipes.tasks.ordered_classes import (
    class_frequencies,
    describe_order,
    ordered_data,
    ranked_probability_scores,
)
from recipes.tasks.two_class_metrics import describe_tss
from recipes.training.task import task
from zoo.arguments import OpenFraction, Rate, Whole
from zoo.introspect.output_activation import output_activation
from zoo.registry import entry

CLASS_LOSSES = {
    "generalized_cross_entropy": GeneralizedCrossEntropy,
    "symmetric_cross_entropy": SymmetricCrossEntropy,
    "cumulative_cross_entropy": CumulativeCrossEntropy,
}
THRESHOLD_EXAMPLES = 5  # of each class in the validation split, from which a threshold is chosen on it


@task
class Classification(EnsembleTask):
    """One class of two or more, or several labels per example (multi-hot targets).

    The data's task is classification or multilabel. The loss is the cross-entropy that fits the model's output:
    softmax, one sigmoid, several sigmoids, or logits. Metrics are accuracy with its 95 % interval, balanced accuracy,
    F1, top-k accuracy and the confusion matrix; for two classes also the area under the ROC curve and the true skill
    statistic (TSS = sensitivity + specificity - 1). The baseline always predicts the most frequent class of the
    training split. The run is compared with it by accuracy. Where classes are unbalanced, which is two of which one
    has below 20 % of the examples, or more of which one has below 40 % of an even fraction, it is compared by ROC AUC
    or by balanced accuracy. With an `order` it is the ranked probability score, and the mean error in classes is a
    metric, too. Several labels are compared by the Hamming loss, or by the mean ROC AUC where labels are rare.

    Args:
        class_weight: balanced (each class has the same total weight), a dict from class (name, or index from 0) to
            weight, in R a named list, or None.
        label_smoothing: fraction of the target that is spread over all classes.
        loss: cross_entropy; or generalized_cross_entropy or symmetric_cross_entropy, which wrong labels disturb less,
            for one class per example; or cumulative_cross_entropy, by which mistakes cost more the further they are
            apart in `order`. Heads that a logistic regression fits have the cross-entropy.
        order: names of all classes from the lowest to the highest, where they have an order; () for none.
        baselines: whether to fit a logistic regression, a random forest and gradient boosting to tables, vectors and
            series, too, for the report. Large tables are sampled. Images and texts have no such baselines.
        coverage: fraction of new examples whose true class is in the sets of `Run.predict_set`, between 0 and 1.
        calibrate: whether to divide the logits by the temperature that makes the log loss of the validation split
            smallest. Classes stay the same, and probabilities become as large as they are right.
        report_examples: number of held-out examples used in the report's robustness section. A quarter of them are
            explained by several methods, whose quality is measured. Large models use fewer examples and steps, as the
            report says. 0 skips the section.
        **kwargs: as `EnsembleTask` has them.
    """

    class_weight: Literal["balanced"] | dict | None = None
    label_smoothing: Rate = 0.0
    loss: Literal["cross_entropy", *CLASS_LOSSES] = "cross_entropy"
    order: tuple = ()
    baselines: bool = True
    coverage: OpenFraction = 0.9
    calibrate: bool = False
    report_examples: Whole = 64

    data_tasks: ClassVar[tuple] = ("classification", "multilabel")
    main_metric: ClassVar[str] = "accuracy"

    def open_data(self, data):
        """Returns the `Data` to train on, with its classes in `order`; as `Task.open_data` has it."""
        data = super().open_data(data)
        return ordered_data(data, tuple(map(str, self.order))) if self.order else data

    def check_data(self, data):
        """Raises a ValueError if the data set is for another task, or the loss needs an order and there is none."""
        super().check_data(data)
        if self.loss == "cumulative_cross_entropy" and not self.order:
            raise ValueError("`order` must name the classes for the loss cumulative_cross_entropy, got none.")

    def head_arguments(self, name, data):
        """Returns the number of classes and the activation of the output."""
        parameters = signature(entry(name).build).parameters
        count = "classes" if "classes" in parameters else "outputs"
        if count not in parameters:
            raise ValueError(f"`model` must be an architecture that predicts classes, got {name} ({entry(name).task}).")
        return {count: len(data.classes), "activation": "sigmoid" if data.task == "multilabel" else "softmax"}

    def check_model(self, model, data):
        """Raises a ValueError if the model's output does not fit the classes."""
        if self.calibrate:
            calibration.verify_calibration(model, data.task)
        if self.loss in CLASS_LOSSES and data.task == "multilabel":
            raise ValueError(f"`loss` must be cross_entropy for several labels per example, got {self.loss}.")
        units = model.output_shape[-1]
        if units == 1 and len(data.classes) == 2 and data.task == "classification":
            return
        if units != len(data.classes):
            raise ValueError(
                f"`model` must predict the {len(data.classes)} classes of {data.name}, got {model.name} with {units}."
            )
        activation = output_activation(model)
        if data.task == "multilabel" and activation != "sigmoid":
            raise ValueError(
                f"`model` must end in a sigmoid for several labels per example, got {model.name} with {activation}."
            )

    def has_soft_targets(self):
        """Returns whether targets become fractions of classes, which need one-hot targets from the start."""
        names = [step.partition(":")[0] for step in self.augment if isinstance(step, str)]
        return self.label_smoothing > 0 or any(name in MIXING for name in names)

    def prepare_target(self, y, classes):
        """Returns the class index; one-hot where targets are mixed or smoothed; floats where they are multi-hot."""
        if y.shape.rank:
            return keras.ops.cast(y, "float32")
        if not self.has_soft_targets():
            return y
        if not classes:
            raise ValueError("pipeline: `classes` must be given where targets are mixed or smoothed, got None.")
        return keras.ops.one_hot(y, classes)

    def cross_entropy(self, model):
        """Returns the cross-entropy that fits the model's output."""
        activation = output_activation(model)
        logits = activation == "linear"
        if model.output_shape[-1] == 1 or activation == "sigmoid":
            return keras.losses.BinaryCrossentropy(from_logits=logits, label_smoothing=self.label_smoothing)
        if self.has_soft_targets():
            return keras.losses.CategoricalCrossentropy(from_logits=logits, label_smoothing=self.label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)

    def compile(self, model, steps=1000, data=None, **settings):
        """Compiles the model with its loss and accuracy; arguments as `Task.compile` has them."""
        loss = self.cross_entropy(model)
        threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
        if isinstance(loss, keras.losses.BinaryCrossentropy):
            metrics = [keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)]
        elif isinstance(loss, keras.losses.CategoricalCrossentropy):
            metrics = [keras.metrics.CategoricalAccuracy("accuracy")]
        else:
            metrics = [keras.metrics.SparseCategoricalAccuracy("accuracy")]
        settings.setdefault("optimizer", self.make_optimizer(steps))
        robust = CLASS_LOSSES.get(self.loss)
        model.compile(loss=robust(output_activation(model)) if robust else loss, metrics=metrics, **settings)
        return model

    def class_weights(self, data):
        """Returns class weights by class index: as given, or inversely proportional to the classes' sizes."""
        if self.class_weight is None:
            return None
        if data.task == "multilabel":
            raise ValueError("`class_weight` must be None for several labels per example, got one.")
        if data.train.weights is not None:
            raise ValueError("`class_weight` must be None for a table with `weight`: multiply the column by it.")
        if self.class_weight == "balanced":
            counts = np.bincount(data.train.targets, minlength=len(data.classes))
            return {i: float(counts.sum() / (len(counts) * max(n, 1))) for i, n in enumerate(counts)}
        return weights_by_index(self.class_weight, data.classes)

    def baseline_loss(self, data):
        """Returns the loss of always predicting the class frequencies of the training split."""
        targets = data.train.targets
        if data.task == "multilabel":
            p = np.clip(targets.mean(0), 1e-7, 1 - 1e-7)
            return float(np.mean(-(p * np.log(p) + (1 - p) * np.log(1 - p))))
        p = np.bincount(targets) / len(targets)
        if self.loss in CLASS_LOSSES:
            of_class = CLASS_LOSSES[self.loss]().loss_of(np.eye(len(p)), np.tile(p, (len(p), 1)))
            return float(np.sum(p * np.asarray(of_class)))
        return float(-np.sum(p[p > 0] * np.log(p[p > 0])))

    def finish_run(self, run):
        """Returns the run with the fitted baselines in its record.

        The record also has, from the validation split, the conformal sets, with `calibrate` the temperature, and for
        two classes the threshold of the highest TSS.
        """
        data, predictions = run.data, None
        if data.task == "classification" and len(data.validation):
            targets, predictions = data.validation.targets, run.predict_split("validation")
            if self.calibrate:
                temperature = calibration.best_temperature(targets, predictions)
                calibration.divide_logits(run.model, temperature)
                run = run.replace()  # without the predictions of the logits before
                predictions = calibration.at_temperature(predictions, temperature)
                run.record["temperature"] = temperature
            positive = targets == 1
            if len(data.classes) == 2 and min(positive.sum(), (~positive).sum()) >= THRESHOLD_EXAMPLES:
                run.record["tss_threshold"] = calibration.best_threshold(positive, predictions[:, 1])
        calibration.add_conformal(run, predictions, self.coverage)
        if self.baselines and (comparison := compare_with_baselines(run)):
            run.record["baselines"] = comparison
        return run

    def evaluate(self, run, split):
        """Computes the metrics of a run on one split, and its verdict; see `compute_metrics`.

        The threshold of the TSS is that of the run's record, except on the validation split, on which it was chosen.
        """
        targets, predictions = getattr(run.data, split).targets, run.predict_split(split)
        threshold = None if split == "validation" else run.record.get("tss_threshold")
        metrics = self.compute_metrics(run.data, targets, predictions, threshold)
        if run.conformal and split != "validation":
            groups = calibration.groups_of(getattr(run.data, split))
            metrics |= calibration.coverage_metrics(run.conformal, targets, predictions, run.classes, groups)
        return {"verdict": self.verdict(run.data, split, targets, predictions), **metrics}

    def headline_metric(self, data, targets):
        """Returns the metric by which a run is judged: (name, score, whether higher is better).

        Args:
            data: the `Data` that the targets are from.
            targets: (N,) class index, or (N, classes) multi-hot.
        Returns:
            `score` is a function of (R, N) weights and (N, classes) probabilities that returns (R,) numbers.
        """
        if data.task == "multilabel" and data.train.targets.mean() < UNBALANCED:
            return "mean ROC AUC", mean_area(targets), True
        if data.task == "multilabel":

            def hamming_loss(weights, predictions):
                return verdicts.mean_score(weights, ((predictions >= 0.5) != targets).mean(-1))

            return "Hamming loss", hamming_loss, False
        if self.order:

            def rank_score(weights, predictions):
                return verdicts.mean_score(weights, ranked_probability_scores(targets, predictions))

            return "ranked probability score", rank_score, False
        classes = len(data.classes)
        if smallest_fraction(data) >= UNBALANCED * 2 / classes:

            def accuracy(weights, predictions):
                return verdicts.mean_score(weights, predictions.argmax(-1) == targets)

            return "accuracy", accuracy, True
        if classes == 2:

            def area(weights, predictions):
                return verdicts.roc_auc(weights, targets == 1, predictions[:, 1])

            return "ROC AUC", area, True

        def recall(weights, predictions):
            return verdicts.balanced_accuracy(weights, targets, predictions.argmax(-1), classes)

        return "balanced accuracy", recall, True

    def verdict(self, data, split, targets, predictions, *, baseline=None, baseline_name=None):
        """Compares predictions with a baseline; as `recipes.reports.verdict.verdict` returns it.

        Args:
            data: the `Data` that the targets are from.
            split: train, validation or test.
            targets: (N,) class index, or (N, classes) multi-hot.
            predictions: (N, classes) probabilities.
            baseline: (N, classes) probabilities of the baseline; None for the most frequent class, the most frequent
                value of each label, or the frequencies of ordered classes.
            baseline_name: name of the baseline for the sentence, or None.
        """
        if baseline is None and data.task == "multilabel":
            baseline = np.broadcast_to((data.train.targets.mean(0) > 0.5).astype(float), predictions.shape)
        elif baseline is None and self.order:
            baseline = class_frequencies(data, len(targets))
        elif baseline is None:
            baseline = np.broadcast_to(np.eye(len(data.classes))[most_frequent_class(data)], predictions.shape)
        metric, score, higher_is_better = self.headline_metric(data, targets)

        def scores(weights):
            return score(weights, predictions), score(weights, baseline)

        return verdicts.verdict(
            metric, scores, len(targets), split, higher_is_better=higher_is_better, seed=self.seed,
            baseline_name=baseline_name,
        )  # fmt: skip

    def compute_metrics(self, data, targets, predictions, threshold=None):
        """Computes metrics of predictions, and those of the baseline.

        Args:
            data: the `Data` that the targets are from.
            targets: (N,) class index, or (N, classes) multi-hot.
            predictions: (N, classes) probabilities.
            threshold: probability of the second class, 0 to 1, from which the TSS counts it as predicted; None is 0.5.
                It must not be chosen on these examples.
        Returns:
            Dict of numbers; `baseline` holds those of always predicting the most frequent class.
        """
        if data.task == "multilabel":
            return label_metrics(data.classes, targets, predictions)
        return class_metrics(data, targets, predictions, threshold, has_order=bool(self.order))

    def summarize(self, metrics, split):
        """Returns the accuracy with its interval, beside that of the most frequent class.

        Where classes are unbalanced, ROC AUC and TSS of two classes, or the balanced accuracy of more, come first.
        """
        if "accuracy" not in metrics:
            area = f" and mean ROC AUC {metrics['roc_auc']:.3f}" if "roc_auc" in metrics else ""
            return [f"F1 {metrics['f1_micro']:.3f}{area} on {metrics['examples']} {split} examples"]
        low, high = metrics["accuracy_interval"]
        examples, coverage = f"on {metrics['examples']} {split} examples", describe_coverage(metrics)
        of_two = [*describe_order(metrics), *describe_tss(metrics)]
        accuracy = f"Accuracy {100 * metrics['accuracy']:.1f} %"
        interval = (
            f"95 % interval is {100 * low:.1f} to {100 * high:.1f} %. Always predicting the most frequent class has "
            f"{100 * metrics['baseline']['accuracy']:.1f} %."
        )
        if "smallest_class_fraction" not in metrics:
            return [f"{accuracy} {examples}", f"Its {interval}", *of_two, *coverage]
        if "tss" in metrics:
            headline = f"ROC AUC {metrics['roc_auc']:.3f} and TSS {metrics['tss']:.2f} {examples}"
        else:
            balanced, f1 = metrics["balanced_accuracy"], metrics["f1_macro"]
            headline = f"Balanced accuracy {100 * balanced:.1f} %, macro F1 {f1:.3f} {examples}"
        unbalanced = (
            f"The classes are unbalanced: the smallest has {100 * metrics['smallest_class_fraction']:.1f} % of the "
            "examples, so that accuracy says little."
        )
        return [headline, unbalanced, *of_two, f"{accuracy}; its {interval}", *coverage]

    def figures(self, run, split):
        """Returns the confusion matrix, attributions of some examples, and the robustness section."""
        from recipes.reports import robustness
        from recipes.reports.report import confusion

        figures = []
        if run.data.task == "classification":
            caption = "Rows are targets, columns are predictions; a perfect model fills only the diagonal."
            matrix = confusion(run.evaluate(split)["confusion"], run.data.classes)
            figures.append(("Confusion matrix", caption, matrix))
            figures += reliability_figures(getattr(run.data, split).targets, run.predict_split(split))
            figures += coverage_figures(run.evaluate(split))
        elif run.data.task == "multilabel":
            figures += label_figure(run.evaluate(split)["by_label"])
        return figures + self.attribution_figures(run, split) + robustness.figures(run, split)

    def attribution_figures(self, run, split):
        """Returns, for images, the pixels that mattered in correct predictions and in mistakes; as `figures` does."""
        from recipes.reports.report import pixel_attributions

        return pixel_attributions(run, split) if run.data.kind == "image" else []
