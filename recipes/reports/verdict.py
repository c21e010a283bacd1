"""The verdict of an evaluation: whether a model beats its baseline, with a bootstrap interval of the difference."""

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95
MIN_EXAMPLES = 6  # a sign test of fewer differences cannot reach 95 %
CELLS = 2_000_000  # resamples x examples in memory at a time
MAX_DRAWS = 20_000_000  # resamples x examples in all; large splits have fewer resamples
MIN_LOSS = 1e-9  # mean loss of a baseline that a skill score divides by
METRIC_NAMES = {"skill": "skill score", "gain_db": "gain in dB", "ap50": "AP50"}
UNITS = {"test": "test", "validation": "validation", "train": ""}  # `train` holds all examples of other data


def verdict(
    metric,
    scores,
    count,
    split,
    *,
    unit="examples",
    block=1,
    groups=None,
    higher_is_better=True,
    seed=0,
    baseline_name=None,
):
    """Compares a model with its baseline on the same examples, by a paired bootstrap over the examples.

    The examples are drawn with replacement, 1,000 times, and the percentiles of the difference of the metric are its
    95 % interval. Examples are taken as independent of each other, or blocks of consecutive ones, as of a series, or
    groups of them, as the questions about one image.

    Args:
        metric: name of the metric for the sentence.
        scores: function of (R, N) weights, how often each of R resamples has each example, that returns the metric of
            the model and that of the baseline, (R,) each.
        count: number of examples, N.
        split: train, validation or test; train for other data than those of the training.
        unit: what an example is, in the plural.
        block: number of consecutive examples that are drawn together.
        groups: (N,) label of the group of each example; those of a group are drawn together. None for `block`.
        higher_is_better: whether a higher metric is better.
        seed: of the resamples.
        baseline_name: name of the baseline for the sentence; None for "the baseline".
    Returns:
        Dict: `result` (better, worse, or unclear), `metric`, `value`, `baseline`, `difference` (of value and baseline),
        `higher_is_better`, `interval` (of the difference, or None), `examples`, with `block` or `groups` also `blocks`,
        and `sentence`.

    Source: Kunsch 1989, https://doi.org/10.1214/aos/1176347265, for blocks.
    Differs: blocks do not overlap.
    """
    value, baseline = (float(np.ravel(v)[0]) for v in scores(np.ones((1, count))))
    difference, interval = value - baseline, None
    block_of_example = np.arange(count) // block if groups is None else np.unique(groups, return_inverse=True)[1]
    blocks = int(block_of_example.max()) + 1 if count else 0
    if blocks > 1:
        interval = _interval(lambda weights: np.subtract(*scores(weights[:, block_of_example])), blocks, seed)
    if interval is None or blocks < MIN_EXAMPLES or not np.isfinite(interval).all():
        result = "unclear"
    else:
        low, high = interval if higher_is_better else (-interval[1], -interval[0])
        no_better = low == high == 0 and baseline_name is None  # a constant prediction must be beaten
        result = "better" if low > 0 else "worse" if high < 0 or no_better else "unclear"
    entry = {"result": result, "metric": metric, "value": value, "baseline": baseline, "difference": difference}
    entry |= {
        "higher_is_better": higher_is_better,
        "interval": interval,
        "examples": count,
        **({"blocks": blocks} if block > 1 or groups is not None else {}),
    }
    if groups is not None:
        unit = f"{unit} in {blocks:,} groups"
    elif block > 1:
        unit = f"{unit} in blocks of {block:,}"
    return {**entry, "sentence": _sentence(entry, " ".join(filter(None, (UNITS[split], unit))), baseline_name)}


def skill_verdict(losses, baseline_losses, split, **options):
    """Compares a model with its baseline by the skill score, 1 - sum of its losses / sum of the baseline's.

    Args:
        losses, baseline_losses: (N,) loss of each example.
        split, **options: as `verdict` has them.
    """
    losses, baseline_losses = np.asarray(losses, float), np.asarray(baseline_losses, float)

    def scores(weights):
        of_baseline = np.maximum(weights @ baseline_losses, MIN_LOSS * weights.sum(1))
        return 1 - weights @ losses / of_baseline, np.zeros(len(weights))

    return verdict(METRIC_NAMES["skill"], scores, len(losses), split, **options)


def series_block(count, overlap):
    """Returns the number of consecutive windows of a series that are drawn together.

    It is the number of windows that overlap, at least the cube root of all, which leaves long-range dependence out.

    Args:
        count: number of windows.
        overlap: number of windows that share a step that is forecast.

    Source: Hall, Horowitz, Jing 1995, https://doi.org/10.1093/biomet/82.3.561, for the cube root.
    """
    return int(max(1, overlap, np.ceil(count ** (1 / 3))))


def verdict_without_interval(metric, metrics, split):
    """Compares a metric with the baseline's where no metric of single examples is available for an interval.

    Args:
        metric: key of `metrics` and of its baseline; higher is better.
        metrics: what `Task.evaluate` returned.
        split: as in `verdict`.
    Returns:
        As `verdict`, with `interval` None; None where the metric or its baseline is missing.
    """
    value, baseline = metrics.get(metric), metrics.get("baseline", {}).get(metric)
    if value is None or baseline is None:
        return None
    result = "better" if value > baseline else "worse"
    name = METRIC_NAMES.get(metric, metric)
    entry = {"result": result, "metric": name, "value": value, "baseline": baseline, "difference": value - baseline}
    entry |= {"higher_is_better": True, "interval": None, "examples": metrics.get("examples", 0)}
    return {**entry, "sentence": _sentence(entry, " ".join(filter(None, (UNITS[split], "examples"))))}


def _interval(difference, count, seed):
    """Returns the percentile interval of `difference`, a function of (R, N) weights, as [low, high]."""
    from scipy.stats import bootstrap

    def statistic(indices, axis=-1):
        indices = np.atleast_2d(indices)
        rows = np.arange(len(indices))[:, None] * count
        weights = np.bincount((indices + rows).ravel(), minlength=len(indices) * count)
        return difference(weights.reshape(len(indices), count).astype(float))

    resamples = int(np.clip(MAX_DRAWS // count, 100, RESAMPLES))
    resampling = bootstrap(
        (np.arange(count),), statistic, n_resamples=resamples, batch=max(1, CELLS // count), vectorized=True,
        method="percentile", confidence_level=CONFIDENCE, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return [float(resampling.confidence_interval.low), float(resampling.confidence_interval.high)]


def _sentence(entry, unit, baseline_name=None):
    start = {
        "better": f"Beats {baseline_name or 'the baseline'}",
        "worse": f"Loses to {baseline_name}" if baseline_name else "Does not beat the baseline",
        "unclear": f"No clear difference from {baseline_name or 'the baseline'}",
    }[entry["result"]]
    width = 0 if entry["interval"] is None else np.ptp(entry["interval"])
    digits = 2 if max(abs(entry["difference"]), width) > 0.02 else 4
    numbers = f"{entry['metric']} {entry['value']:.{digits}f} against {entry['baseline']:.{digits}f}"
    parts = [f"difference {entry['difference']:+.{digits}f}"]
    if entry["interval"] is None:
        parts.append("no interval")
    else:
        low, high = entry["interval"]
        parts.append(f"95 % interval {low:+.{digits}f} to {high:+.{digits}f}")
    few = entry["result"] == "unclear" and entry.get("blocks", entry["examples"]) < MIN_EXAMPLES
    parts.append(f"{entry['examples']:,} {unit}{', too few to tell' if few else ''}")
    return f"{start}: {numbers} ({', '.join(parts)})."


# Metrics of resamples, from (R, N) weights


def mean_score(weights, values):
    """Returns (R,) weighted means of (N,) values."""
    return weights @ np.asarray(values, float) / weights.sum(1)


def balanced_accuracy(weights, targets, predicted, classes):
    """Returns (R,) mean recalls of the classes that a resample has.

    Args:
        weights: (R, N).
        targets, predicted: (N,) class index.
        classes: number of classes.
    """
    one_hot = np.eye(classes)[targets]
    totals, hits = weights @ one_hot, weights @ (one_hot * (targets == predicted)[:, None])
    present = totals > 0
    return np.where(present, hits / np.maximum(totals, 1), 0).sum(1) / present.sum(1)


def roc_auc(weights, positive, scores):
    """Returns (R,) areas under the ROC curve; 0.5 where a resample has one class only.

    Args:
        weights: (R, N).
        positive: (N,) bool.
        scores: (N,) scores, higher for the positive class.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(np.asarray(scores)[order]) > 0])  # of equal scores
    weights, positive = weights[:, order], np.asarray(positive)[order]
    hits = np.add.reduceat(weights * positive, starts, axis=1)
    others = np.add.reduceat(weights * ~positive, starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    pairs = hits.sum(1) * others.sum(1)
    return np.where(pairs > 0, (hits * below).sum(1) / np.maximum(pairs, 1), 0.5)


def r2_score(weights, targets, predictions):
    """Returns (R,) coefficients of determination, averaged over the outputs.

    Args:
        weights: (R, N).
        targets, predictions: (N, outputs).
    """
    targets, predictions = np.asarray(targets, float), np.asarray(predictions, float)
    centered = targets - targets.mean(0)
    total = weights @ centered**2 - (weights @ centered) ** 2 / weights.sum(1, keepdims=True)
    squares = weights @ (targets - predictions) ** 2
    varies = total > 1e-12 * np.maximum((centered**2).sum(0), 1e-300)
    ratio = np.where(varies, squares / np.where(varies, total, 1), squares > 0)
    return (1 - ratio).mean(1)


def intersection_over_union(weights, matrices):
    """Returns (R,) intersections over unions: of two classes that of the second one, of more their mean.

    Args:
        weights: (R, N).
        matrices: (N, C, C) confusion matrix of each image, rows are the true classes.
    """
    count, classes = matrices.shape[:2]
    sums = (weights @ matrices.reshape(count, -1).astype(float)).reshape(-1, classes, classes)
    correct = np.diagonal(sums, axis1=1, axis2=2)
    union = sums.sum(1) + sums.sum(2) - correct
    iou = correct / np.maximum(union, 1)
    if classes == 2:
        return iou[:, 1]
    present = union > 0
    return (iou * present).sum(1) / np.maximum(present.sum(1), 1)
