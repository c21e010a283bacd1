"""Examples without labels beside a training split: added to data, or made by hiding the labels of most examples."""

import dataclasses
import re

import numpy as np

from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.images.image_files import ImageFiles

UNKNOWN = -1  # target of an example without a label
UNLABELLED = "unlabelled"  # `Data.task` of images without labels
NAMED = 5  # classes that an error lists


def with_unlabelled(data, inputs, targets=None, names=None):
    """Returns the `Data` whose training split has examples without labels beside it, as `data.train.unlabelled`.

    Args:
        data: `Data` for classification.
        inputs: as `Examples` has them, of the same shape and dtype as those of the training split.
        targets: (N,) hidden class index, for diagnostics only; None where the classes are unknown.
        names: (N,) where each came from, or None.
    """
    targets = np.full(len(inputs), UNKNOWN, np.int32) if targets is None else np.asarray(targets, np.int32)
    unlabelled = Examples(inputs, targets, np.arange(len(targets)) if names is None else names)
    return dataclasses.replace(data, train=dataclasses.replace(data.train, unlabelled=unlabelled))


def without_labels(data):
    """Returns the `Data` of images for self-supervised learning: task unlabelled, without classes and outputs.

    Targets are class indices where `data` has two classes or more, for diagnostics only, and else -1.

    Args:
        data: `Data` of images for any task.
    """
    has_classes = data.task == "classification" and len(data.classes) > 1
    splits = {
        split: Examples(
            examples.inputs,
            examples.targets if has_classes else np.full(len(examples), UNKNOWN, np.int32),
            examples.names,
            units=examples.units,
            unlabelled=examples.unlabelled,
        )
        for split, examples in ((split, getattr(data, split)) for split in SPLITS)
    }
    description = data.split_description
    if not has_classes:
        description = re.sub(", stratified by [a-z ]+", "", description)
    return dataclasses.replace(data, task=UNLABELLED, classes=(), outputs=(), split_description=description, **splits)


def hide_labels(data: Data, labels_per_class, seed):
    """Returns the `Data` with a few labelled training examples of each class; the labels of all others are hidden.

    The hidden labels are those of the rest of the training split and of all of the validation split, which becomes
    empty: labels by which a model or a setting is chosen would be labels that the training has used. The test split
    stays as it is.

    Args:
        data: `Data` for classification.
        labels_per_class: number of labelled examples of each class.
        seed: of the draw.
    Raises:
        ValueError: if a class has fewer training examples.
    """
    train, count = data.train, len(data.classes)
    numbers = np.bincount(train.targets, minlength=count)
    if not len(data.validation) and (numbers == labels_per_class).all():
        return data
    lacking = [f"{data.classes[i]} has {numbers[i]:,}" for i in np.flatnonzero(numbers < labels_per_class)]
    if lacking:
        raise ValueError(
            f"`labels_per_class` must be at most the number of training examples of each class, got {labels_per_class} "
            f"where {', '.join(lacking[:NAMED])}; lower it, or `validation` and `test`."
        )
    order = np.random.default_rng(seed).permutation(len(train))
    classes = train.targets[order]
    labelled = np.sort(np.concatenate([order[classes == c][:labels_per_class] for c in range(count)]))
    hidden = [train.take(np.setdiff1d(np.arange(len(train)), labelled)), data.validation, train.unlabelled]
    hidden = [examples for examples in hidden if examples is not None and len(examples)]
    note = (
        f"{len(labelled):,} labelled training examples, {labels_per_class} of each class, drawn with seed {seed}; the "
        f"labels of the other {sum(map(len, hidden)):,} are hidden, those of the validation split included"
    )
    changed = dataclasses.replace(
        data, train=train.take(labelled), validation=data.validation.take(slice(0, 0)), notes=(*data.notes, note)
    )
    if not hidden:
        return changed
    targets, names = (np.concatenate([getattr(part, field) for part in hidden]) for field in ("targets", "names"))
    return with_unlabelled(changed, join_inputs([part.inputs for part in hidden]), targets, names)


def join_inputs(parts):
    """Returns the inputs of several `Examples` as one: arrays, or image files, of one shape and dtype.

    Raises:
        ValueError: if they are of another kind, such as a tf.data.Dataset.
    """
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    if all(isinstance(part, ImageFiles) for part in parts):
        paths, orientations = (np.concatenate([getattr(p, f) for p in parts]) for f in ("paths", "orientations"))
        sizes = None if any(part.sizes is None for part in parts) else np.concatenate([part.sizes for part in parts])
        return dataclasses.replace(parts[0], paths=paths, orientations=orientations, sizes=sizes)
    raise ValueError(f"examples without labels must be arrays or image files, got {type(parts[0]).__name__}.")
