"""Classes with an order, such as low, medium and high: their order in the data, and the scores that count steps."""

import dataclasses

import numpy as np

from zoo.arguments import suggestion


def ordered_data(data, order):
    """Returns the `Data` with its classes, and the indices of its targets, in a certain order.

    Args:
        data: `Data` with one class per example.
        order: names of all classes, from the lowest to the highest.
    Raises:
        ValueError: if the data have several labels per example, or `order` lacks, repeats or adds a class.
    """
    if data.task != "classification":
        raise ValueError(f"`order` must be unset for {data.task}, got {', '.join(order)}.")
    lacking, unknown = ([c for c in a if c not in b] for a, b in ((data.classes, order), (order, data.classes)))
    if unknown or lacking or len(set(order)) < len(order):
        what = f"the unknown class {unknown[0]!r}" if unknown else f"no {lacking[0]!r}" if lacking else "one twice"
        hint = suggestion(unknown[0], data.classes) if unknown else ""
        raise ValueError(f"`order` must name each class once ({', '.join(data.classes)}), got {what}.{hint}")
    if tuple(data.classes) == tuple(order):
        return data
    position = np.array([order.index(name) for name in data.classes], dtype=np.int32)

    def reorder(examples):
        targets = examples.targets
        if not isinstance(targets, np.ndarray) or examples.unlabelled is not None or (targets < 0).any():
            raise ValueError(f"`order` must be unset where examples have no label in memory, got {data.name}.")
        return dataclasses.replace(examples, targets=position[targets])

    splits = {split: reorder(getattr(data, split)) for split in ("train", "validation", "test")}
    return dataclasses.replace(data, classes=tuple(order), **splits)


def ranked_probability_scores(targets, probabilities):
    """Returns (N,) ranked probability scores, from 0 to 1; lower is better.

    Args:
        targets: (N,) index of the class in the order.
        probabilities: (N, classes).

    Source: Epstein 1969, https://doi.org/10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2, divided by classes - 1.
    """
    classes = probabilities.shape[-1]
    at_most = np.cumsum(np.asarray(probabilities, float), axis=-1)[:, :-1]
    observed = np.asarray(targets)[:, None] <= np.arange(classes - 1)
    return ((at_most - observed) ** 2).sum(-1) / (classes - 1)


def class_frequencies(data, count):
    """Returns (count, classes) frequencies of the classes in the training split."""
    frequencies = np.bincount(data.train.targets, minlength=len(data.classes)) / len(data.train)
    return np.broadcast_to(frequencies, (count, len(frequencies)))


def ordered_metrics(data, targets, probabilities):
    """Returns the metrics of ordered classes: ranked probability score and mean error in classes.

    Args:
        data: `Data` whose classes are in their order.
        targets: (N,) index of the class.
        probabilities: (N, classes).
    Returns:
        (metrics, those of the baseline, which predicts the frequencies and the median of the training classes).
    """
    median = int(np.median(data.train.targets))

    def metrics(probabilities, predicted):
        return {
            "ranked_probability_score": float(ranked_probability_scores(targets, probabilities).mean()),
            "class_error": float(np.abs(predicted - targets).mean()),
        }

    baseline = metrics(class_frequencies(data, len(targets)), median)
    return metrics(probabilities, probabilities.argmax(-1)), baseline


def describe_order(metrics):
    """Returns a sentence on the metrics of ordered classes, in a list; none for metrics without them."""
    if "class_error" not in metrics:
        return []
    baseline = metrics["baseline"]
    return [
        f"The ranked probability score is {metrics['ranked_probability_score']:.3f}, and predictions are "
        f"{metrics['class_error']:.2f} classes from the true one on average; the frequencies of the classes have "
        f"{baseline['ranked_probability_score']:.3f}, and their median {baseline['class_error']:.2f} classes."
    ]
