"""Counts and weights of classes: the most frequent class, the smallest one, and weights by index."""

import numpy as np

from zoo.arguments import suggestion


def most_frequent_class(data):
    """Returns the index of the most frequent class of the training split."""
    return int(np.bincount(data.train.targets, minlength=len(data.classes)).argmax())


def smallest_fraction(data):
    """Returns the fraction of the examples, of all splits, that are of the smallest class that has any."""
    targets = np.concatenate([data.train.targets, data.validation.targets, data.test.targets])
    counts = np.bincount(targets, minlength=len(data.classes))
    return float(counts[counts > 0].min() / counts.sum())


def weights_by_index(class_weight, classes):
    """Returns class weights by class index.

    Args:
        class_weight: dict from class (name, or index from 0) to weight.
        classes: names of the classes in the order of their index.
    Raises:
        ValueError: if a key is no class; the nearest name is offered.
    """
    indices = {str(name): i for i, name in enumerate(classes)}
    weights = {}
    for key, weight in class_weight.items():
        index = indices.get(str(key), int(key) if str(key).isdigit() and int(key) < len(indices) else None)
        if index is None:
            raise ValueError(
                f"`class_weight` must name the classes {list(indices)}, got {key!r}.{suggestion(key, indices)}"
            )
        weights[index] = float(weight)
    return weights
