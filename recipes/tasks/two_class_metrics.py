"""Metrics of two classes: area under the ROC curve and true skill statistic, and their sentence."""

import numpy as np


def two_class_metrics(targets, probabilities, threshold=None):
    """Returns ROC AUC, TSS, sensitivity and specificity of the second class; {} where a class has no example.

    Args:
        targets: (N,) index of the class, 0 or 1.
        probabilities: (N,) of the second class.
        threshold: probability from which the second class is predicted, chosen on other examples; None is 0.5.
    """
    from sklearn.metrics import roc_auc_score

    positive = np.asarray(targets) == 1
    if not positive.any() or positive.all():
        return {}
    at_threshold = probabilities >= (0.5 if threshold is None else threshold)
    sensitivity, specificity = float(at_threshold[positive].mean()), float((~at_threshold[~positive]).mean())
    return {
        "roc_auc": float(roc_auc_score(positive, probabilities)),
        "tss": sensitivity + specificity - 1,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "threshold": 0.5 if threshold is None else threshold,
        "threshold_source": "default" if threshold is None else "validation",
    }


def describe_tss(metrics):
    """Returns a sentence on the true skill statistic, in a list; none for metrics without one."""
    if "tss" not in metrics:
        return []
    source = "chosen on the validation split" if metrics["threshold_source"] == "validation" else "the default"
    return [
        f"The true skill statistic is {metrics['tss']:.2f}: sensitivity {metrics['sensitivity']:.2f} + "
        f"specificity {metrics['specificity']:.2f} - 1, where the second class is predicted from a probability "
        f"of {metrics['threshold']:.2g} ({source})."
    ]
