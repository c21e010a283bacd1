"""Targets of supervised learning: classes, several labels at once, or numbers, read from what users write."""

import typing

import numpy as np

from zoo.arguments import suggestion
from zoo.r_interop import R_NA, called_from_r

MAX_INTEGER_CLASSES = 20  # whole numbers are classes up to this many distinct values, and amounts above
SHOWN = 5  # classes that an error lists
FEW_CLASSES = 4  # whole numbers that are classes, whatever their distribution
UNBALANCED = 4  # ratio of the most frequent whole number to the rarest above which more of them may be counts
YES, NO = ("yes", "y", "true", "t", "1", "1.0", "present"), ("no", "n", "false", "f", "0", "0.0", "absent")


class Targets(typing.NamedTuple):
    """Targets as models take them, with their task and names."""

    values: np.ndarray  # (N,) int32, (N, classes) uint8 or (N, outputs) float32
    task: str
    classes: tuple
    outputs: tuple
    notes: tuple


def gaps(y):
    """Returns (N,) bool: which targets are missing: None, NaN, and what R sends for a missing whole number or text."""
    import pandas as pd

    y = np.asarray(y)
    missing = pd.isna(y) if y.dtype.kind in "fcOMm" else y == R_NA if y.dtype.kind == "i" else np.zeros(y.shape, bool)
    if called_from_r() and y.dtype.kind in "OU":
        missing = missing | (y == "NA")
    return missing.reshape(len(y), -1).any(1)


def read_targets(y, *, task=None, classes=(), outputs=("target",), image=False, complete=True):
    """Reads targets from strings, booleans, whole numbers (also as floats), one-hot or multi-hot rows, or floats.

    Args:
        y: (N,) or (N, K), without gaps.
        task: classification, multilabel or regression; None infers it from the values.
        classes: names of the classes, where `y` has their index from 0 or a column for each.
        outputs: names of the numeric columns.
        image: whether the inputs are images: whole numbers are then classes, whatever their number.
        complete: whether two classes or more must have two examples or more; not for the evaluation of a model.
    Returns:
        `Targets`.
    Raises:
        ValueError: if the values are not such targets, there is only one class, or a class has a single example.
    """
    y = _as_array(y)
    notes = []
    if y.ndim == 2 and task in (None, "multilabel") and y.dtype.kind in "US":
        y = _from_yes_no(y, outputs, notes)
    if task is None:
        task = _infer_task(y, image, notes, outputs[0] if len(outputs) == 1 else "target")
    if task == "regression":
        if y.dtype.kind not in "iufb":
            raise ValueError(f"the target must be numbers for regression, got {str(y.ravel()[0])!r}.")
        values = y.reshape(len(y), -1).astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"the target must be finite, got {(~np.isfinite(values)).sum():,} values that are not.")
        if len(outputs) != values.shape[1]:
            outputs = [f"{outputs[0]}{i}" for i in range(values.shape[1])]
        return Targets(values, task, (), tuple(map(str, outputs)), tuple(notes))
    names = classes or (tuple(map(str, outputs)) if y.ndim == 2 and len(outputs) == y.shape[1] else ())
    if task == "multilabel" or (y.ndim == 2 and _is_binary(y)):
        if y.ndim != 2 or not _is_binary(y):
            raise ValueError(f"the target must be rows of 0 and 1 for several labels, got shape {y.shape}.")
        names = names or tuple(map(str, range(y.shape[1])))
        if len(names) != y.shape[1]:
            raise ValueError(f"`classes` must have {y.shape[1]} names, one for each column, got {len(names)}.")
        if task == "multilabel":
            return Targets(y.astype(np.uint8), task, tuple(names), (), tuple(notes))
        return _from_indices(y.argmax(1), tuple(names), notes, complete)
    return _read_classes(y, classes, notes, complete)


def class_indices(y, classes):
    """Returns (N,) int32: the index of each label in the classes of a trained model, by name.

    Args:
        y: (N,) labels as the user wrote them: strings, booleans or numbers.
        classes: names of the classes.
    Raises:
        ValueError: if a label is none of the classes; the nearest is offered.
    """
    y = _as_array(y)
    if y.dtype.kind == "f" and _is_whole(y):
        y = y.astype(np.int64)
    labels, positions = np.unique(y, return_inverse=True)
    index = {name: i for i, name in enumerate(classes)}
    names = [name if name in index else name.strip() for name in map(str, labels.tolist())]
    unknown = [name for name in names if name not in index]
    if unknown:
        listed = ", ".join(map(repr, unknown[:SHOWN])) + f" and {len(unknown) - SHOWN} more" * (len(unknown) > SHOWN)
        raise ValueError(
            f"the target must have the classes of the model, {', '.join(classes)}, got {listed}."
            f"{suggestion(unknown[0], classes)}"
        )
    return np.array([index[name] for name in names], dtype=np.int32)[positions.reshape(-1)]


def _as_array(y):
    import pandas as pd

    if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical):
        y = y.astype(object) if isinstance(y, pd.Categorical) else y.to_numpy()
    try:
        y = np.asarray(y)
    except ValueError:
        raise ValueError("the target must be one value per example, got rows of different lengths.") from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"the target must have shape (N,) or (N, K), got {y.shape}.")
    missing = gaps(y)
    if missing.any():
        raise ValueError(
            f"the target must have no gaps, as a target is never imputed, got {missing.sum():,} in {len(y):,} rows."
        )
    if y.dtype.kind == "O":
        y = np.asarray(y.tolist())  # numbers stay numbers, strings become strings
    return y


def _from_yes_no(y, outputs, notes):
    """Returns (N, K) uint8 of columns of yes and no, as texts.

    Raises:
        ValueError: if a column has other texts.
    """
    names = outputs if len(outputs) == y.shape[1] else [f"{i + 1}" for i in range(y.shape[1])]
    words = np.char.lower(np.char.strip(y.astype(str)))
    for i, name in enumerate(names):
        other = y[~np.isin(words[:, i], YES + NO), i]
        if len(other):
            raise ValueError(
                "several target columns must be labels of yes and no (or 1 and 0) for task='multilabel', or numbers "
                f"for task='regression', got {str(other[0])!r} in the column {str(name)!r}."
            )
    notes.append("the target columns have yes and no: read as one label each (task='multilabel')")
    return np.isin(words, YES).astype(np.uint8)


def _is_binary(y):
    return y.dtype.kind in "iufb" and bool(np.isin(y, (0, 1)).all())


def _is_whole(y):
    return y.dtype.kind in "iu" or (y.dtype.kind == "f" and bool((np.isfinite(y) & (y == np.round(y))).all()))


def _infer_task(y, image, notes, name):
    """Returns classification, multilabel or regression from the values; adds a note where that is ambiguous.

    Raises:
        ValueError: if whole numbers may be classes or counts.
    """
    if y.ndim == 2:
        if not _is_binary(y):
            return "regression"
        if (y.sum(1) == 1).all():
            notes.append("the targets are one-hot rows: read as classes")
            return "classification"
        return "multilabel"
    if y.dtype.kind not in "iuf" or (image and _is_whole(y)):
        return "classification"
    if not _is_whole(y):
        return "regression"
    numbers, rows = np.unique(y, return_counts=True)
    distinct = len(numbers)
    if FEW_CLASSES < distinct <= MAX_INTEGER_CLASSES and _may_be_amounts(numbers, rows):
        raise ValueError(
            f"the target {name!r} has {distinct} distinct whole numbers from {numbers[0]:g} to {numbers[-1]:g}, which "
            "may be amounts or codes of classes: set task='regression' for counts, years and other amounts, "
            "task='classification' for codes."
        )
    task = "classification" if distinct <= MAX_INTEGER_CLASSES else "regression"
    kind = "classes" if distinct <= MAX_INTEGER_CLASSES else "numbers"
    notes.append(f"the target has {distinct} distinct whole numbers: read as {kind}; set `task` to change that")
    return task


def _may_be_amounts(numbers, rows):
    """Whether whole numbers look like counts or years: some are rare, or they begin neither at 0 nor at 1."""
    return rows.max() > UNBALANCED * rows.min() or numbers[0] not in (0, 1)


def _read_classes(y, classes, notes, complete):
    if y.ndim != 1:
        raise ValueError(f"the target must be one class per example, got shape {y.shape}.")
    if y.dtype.kind == "f":
        if not _is_whole(y):
            raise ValueError(f"the target must be whole numbers or names for classes, got {y[y != np.round(y)][0]}.")
        y = y.astype(np.int64)
    labels, index = np.unique(y, return_inverse=True)
    if not classes:
        return _from_indices(index, tuple(map(str, labels.tolist())), notes, complete)
    if y.dtype.kind in "iu":
        if labels.min() < 0 or labels.max() >= len(classes):
            one_based = labels.min() == 1
            hint = " They look 1-based, as R has them: send the factor itself, or subtract 1." if one_based else ""
            raise ValueError(
                f"labels must lie in [0, {len(classes) - 1}], the indices of `classes`, got [{labels.min()}, "
                f"{labels.max()}].{hint}"
            )
        return _from_indices(y, tuple(classes), notes, complete)
    for name in labels.tolist():
        if name not in classes:
            raise ValueError(f"`classes` must name every label, got {name!r}.{suggestion(name, classes)}")
    class_index = {name: i for i, name in enumerate(classes)}
    return _from_indices(
        np.array([class_index[name] for name in labels.tolist()])[index], tuple(classes), notes, complete
    )


def _from_indices(index, names, notes, complete):
    counts = np.bincount(index, minlength=len(names))
    if complete and (counts > 0).sum() < 2:
        raise ValueError(f"the data must have two classes or more, got only {names[int(np.argmax(counts))]!r}.")
    rare = [name for name, n in zip(names, counts, strict=True) if n == 1 and complete]
    if rare:
        listed = ", ".join(map(repr, rare[:SHOWN])) + (f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else "")
        raise ValueError(
            "every class must have two examples or more, one for training and one for testing, got a single one of "
            f"{listed}; merge or remove {'it' if len(rare) == 1 else 'them'}."
        )
    absent = [name for name, n in zip(names, counts, strict=True) if n == 0]
    if absent:
        notes = [*notes, f"no example of {', '.join(map(repr, absent))}"]
    return Targets(index.astype(np.int32), "classification", names, (), tuple(notes))
