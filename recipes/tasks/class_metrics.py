"""Metrics of one class per example: of all classes, of two, and of ordered ones."""

import numpy as np

from recipes.tasks import calibration
from recipes.tasks.class_counts import most_frequent_class, smallest_fraction
from recipes.tasks.ordered_classes import ordered_metrics
from recipes.tasks.two_class_metrics import two_class_metrics

UNBALANCED = 0.2  # fraction of the smaller one of two classes below which they are unbalanced


def class_metrics(data, targets, predictions, threshold=None, *, has_order=False):
    """Returns metrics of one class per example, as `Classification.compute_metrics` documents.

    Args:
        data: the `Data` that the targets are from.
        targets: (N,) index of the class.
        predictions: (N, classes) probabilities.
        threshold: probability of the second of two classes, from which it is predicted; None is 0.5.
        has_order: whether the classes have an order.
    """
    from scipy.stats import binomtest
    from sklearn import metrics

    classes, present = range(len(data.classes)), np.unique(targets)  # other data may lack examples of a class
    predicted = predictions.argmax(-1)
    most_frequent = most_frequent_class(data)
    probabilities = np.clip(predictions, 1e-7, 1)
    probabilities = probabilities / probabilities.sum(-1, keepdims=True)
    correct = int((predicted == targets).sum())
    interval = binomtest(correct, len(targets)).proportion_ci(method="wilson")
    results = {
        "accuracy": correct / len(targets),
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "balanced_accuracy": float(metrics.recall_score(targets, predicted, labels=present, average="macro")),
        "f1_macro": float(metrics.f1_score(targets, predicted, average="macro", zero_division=0)),
        "log_loss": float(metrics.log_loss(targets, probabilities, labels=classes)),
        "calibration_error": calibration.calibration_error(targets, probabilities),
        "confusion": metrics.confusion_matrix(targets, predicted, labels=classes).tolist(),
        "examples": len(targets),
        "baseline": {
            "accuracy": float((targets == most_frequent).mean()),
            "balanced_accuracy": 1 / len(present),
            "name": "the most frequent class",
        },
    }
    for k in (3, 5):
        if len(data.classes) > k:
            accuracy = metrics.top_k_accuracy_score(targets, predictions, k=k, labels=classes)
            results[f"top_{k}_accuracy"] = float(accuracy)
    if len(data.classes) == 2 and (of_two := two_class_metrics(targets, predictions[:, 1], threshold)):
        results |= of_two
        results["baseline"] |= {"roc_auc": 0.5, "tss": 0.0}
    if has_order:
        of_order, of_baseline = ordered_metrics(data, targets, predictions)
        results |= of_order
        results["baseline"] |= of_baseline
    smallest = smallest_fraction(data)
    if smallest < UNBALANCED * 2 / len(data.classes):
        results["smallest_class_fraction"] = smallest
    return results
