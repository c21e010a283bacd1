"""What the validation split says about predictions: temperature and threshold of probabilities, intervals, sets."""

import dataclasses

import numpy as np
from keras import layers

from zoo.conformal import Conformal, smallest_calibration
from zoo.introspect.head import head_layer

BINS = 15  # of the expected calibration error
GROUP_EXAMPLES = 5  # of a group whose coverage is measured
TEMPERATURES = (0.05, 20.0)  # lowest and highest


def add_conformal(run, predictions, coverage, limits=(None, None)):
    """Adds what `Run.conformal` returns to the record of a run, where its validation split has enough examples.

    Args:
        run: `Run` of a classification or a regression; nothing is added for other data.
        predictions: of its validation split, (N, classes) probabilities, (N, outputs) numbers or (N, outputs, levels)
            quantiles; None for no split.
        coverage: fraction of new examples, 0 to 1.
        limits: lowest and highest number that a target can be, or None.
    """
    of_numbers = Conformal.from_quantiles if np.ndim(predictions) == 3 else Conformal.of_numbers
    calibrate = {"classification": Conformal.of_classes, "regression": of_numbers}.get(run.data.task)
    if calibrate and predictions is not None and len(predictions) >= smallest_calibration(coverage):
        conformal = calibrate(run.data.validation.targets, predictions, coverage)
        conformal = dataclasses.replace(conformal, lowest=limits[0], highest=limits[1])
        run.record["conformal"] = conformal.to_json()


def coverage_metrics(conformal, targets, predictions, names, groups=None):
    """Returns how often intervals or sets contain the targets, and their size: dict of numbers.

    Args:
        conformal: `zoo.conformal.Conformal`.
        targets: (N,) class index, or (N, outputs).
        predictions: (N, classes) probabilities, (N, outputs), or (N, outputs, levels) quantiles.
        names: of the classes or outputs.
        groups: (N,) names of groups, as `groups_of` returns them, or None.
    """
    regions = conformal(predictions)
    if conformal.kind == "interval":
        inside = (targets >= regions[..., 0]) & (targets <= regions[..., 1])
        by_name = {name: float(inside[:, i].mean()) for i, name in enumerate(names)}
        width = {name: float(np.mean(regions[:, i, 1] - regions[:, i, 0])) for i, name in enumerate(names)}
        metrics = {"interval_coverage": float(inside.mean()), "interval_width": width}
    else:
        inside = regions[np.arange(len(targets)), targets]
        by_name = {name: float(inside[targets == i].mean()) for i, name in enumerate(names) if (targets == i).any()}
        metrics = {"set_coverage": float(inside.mean()), "set_size": float(regions.sum(-1).mean())}
    metrics |= {"nominal_coverage": conformal.coverage, "coverage_by_name": by_name}
    if groups is None:
        return metrics
    present = [group for group in dict.fromkeys(groups) if group is not None]
    return {**metrics, "coverage_by_group": {group: float(inside[groups == group].mean()) for group in present}}


def groups_of(examples):
    """Returns (N,) names of the groups of examples that stay in one split, None for small ones; None for no groups.

    Args:
        examples: `Examples` with `units`. A group has the name of its first example.
    """
    if examples.units is None:
        return None
    _, first, group, sizes = np.unique(examples.units, return_index=True, return_inverse=True, return_counts=True)
    if sizes.max(initial=0) < GROUP_EXAMPLES:
        return None
    names = np.arange(len(examples)) if examples.names is None else examples.names
    labels = [
        f"group of example {names[i]}" if size >= GROUP_EXAMPLES else None for i, size in zip(first, sizes, strict=True)
    ]
    return np.array(labels, dtype=object)[group]


def calibration_error(targets, probabilities):
    """Returns the expected calibration error of the most probable class, 0 to 1.

    Args:
        targets: (N,) index of the class.
        probabilities: (N, classes).

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3, with 15 bins of equal width.
    """
    confidence, correct = probabilities.max(-1), probabilities.argmax(-1) == targets
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence.astype(float), minlength=BINS)
    return float(np.abs(gaps).sum() / len(targets))


def best_temperature(targets, probabilities):
    """Returns the temperature that makes the log loss smallest; at least 1 where all examples are predicted right.

    Without a mistake the loss falls with the temperature down to 0, and nothing says how sure is too sure.

    Args:
        targets: (N,) index of the class.
        probabilities: (N, classes).

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    logs = log_probabilities(probabilities)
    lowest = TEMPERATURES[0] if (probabilities.argmax(-1) != targets).any() else 1.0

    def log_loss(log_temperature):
        scaled = logs / np.exp(log_temperature)
        return float(np.mean(logsumexp(scaled, axis=-1) - scaled[np.arange(len(targets)), targets]))

    return float(np.exp(minimize_scalar(log_loss, bounds=np.log([lowest, TEMPERATURES[1]]), method="bounded").x))


def at_temperature(probabilities, temperature):
    """Returns (N, classes) probabilities of logits that are divided by a temperature."""
    from scipy.special import softmax

    return softmax(log_probabilities(probabilities) / temperature, axis=-1).astype("float32")


def log_probabilities(probabilities):
    """Returns logarithms, float64; zeros count as the smallest float32."""
    return np.log(np.maximum(probabilities, np.finfo("float32").tiny).astype("float64"))


def verify_calibration(model, task):
    """Raises a ValueError where `divide_logits` cannot be used: several labels, or logits of more than one layer."""
    if task == "multilabel":
        raise ValueError("`calibrate` must be False for several labels per example, got True.")
    if not isinstance(head_layer(model.outputs[0]), layers.Dense | layers.Conv2D):
        raise ValueError(
            f"`calibrate` must be False for {model.name}, whose output is not that of a dense layer and its activation."
        )


def divide_logits(model, temperature):
    """Divides the logits of a classifier by a temperature, in the weights of its head."""
    layer = head_layer(model.outputs[0])
    layer.set_weights([weight / temperature for weight in layer.get_weights()])


def best_threshold(positive, probabilities):
    """Returns the threshold of the highest TSS: a probability is of the positive class from it on.

    Args:
        positive: (N,) bool, some of them True and some False.
        probabilities: (N,) of the positive class.
    """
    from sklearn.metrics import roc_curve

    false_positives, true_positives, thresholds = roc_curve(positive, probabilities)
    best = int(np.argmax(true_positives - false_positives))
    # halfway to the next lower probability, so that examples slightly below those of this split count as well
    lower = probabilities[probabilities < thresholds[best]]
    return float(np.clip((thresholds[best] + (lower.max() if lower.size else thresholds[best])) / 2, 0, 1))
