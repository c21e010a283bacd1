"""What is to be answered: classes, several labels at once, or numbers, read from what people write."""

import typing

import numpy as np

from zoo.arguments import suggestion
from zoo.r_interop import called_from_r

FEW = 20  # a row's whole number is a class up to this many different values, and a number above
R_NA = -(2**31)  # what R sends for a missing whole number


class Targets(typing.NamedTuple):
    """Targets as models take them, and what they mean."""

    values: np.ndarray  # (N,) int32, (N, classes) uint8 or (N, outputs) float32
    task: str
    classes: tuple
    outputs: tuple
    notes: tuple


def gaps(y):
    """(N,) bool: which targets are missing; None, NaN, and what R sends for a missing whole number or text are."""
    import pandas as pd

    y = np.asarray(y)
    missing = pd.isna(y) if y.dtype.kind in "fcOMm" else y == R_NA if y.dtype.kind == "i" else np.zeros(y.shape, bool)
    if called_from_r() and y.dtype.kind in "OU":
        missing = missing | (y == "NA")
    return missing.reshape(len(y), -1).any(1)


def read_targets(y, *, task=None, classes=(), outputs=("target",), image=False):
    """Targets from strings, booleans, whole numbers (also as floats), one-hot or multi-hot rows, or floats.

    Args:
        y: (N,) or (N, K), without gaps.
        task: classification, multilabel or regression; None reads it from the values.
        classes: names of the classes, where `y` has their index from 0 or a column for each.
        outputs: what the columns of numbers are called.
        image: whether the inputs are images: their whole numbers are classes however many there are.
    Returns:
        `Targets`.
    Raises:
        ValueError: if the values are not such targets, there is only one class, or a class has a single example.
    """
    y = _array(y)
    notes = []
    if task is None:
        task = _task(y, image, notes)
    if task == "regression":
        if y.dtype.kind not in "iufb":
            raise ValueError(f"load: the target must be numbers for regression, got {y.ravel()[0]!r}.")
        values = y.reshape(len(y), -1).astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"load: the target must be finite, got {(~np.isfinite(values)).sum():,} that are not.")
        if len(outputs) != values.shape[1]:
            outputs = [f"{outputs[0]}{i}" for i in range(values.shape[1])]
        return Targets(values, task, (), tuple(map(str, outputs)), tuple(notes))
    names = classes or (tuple(map(str, outputs)) if y.ndim == 2 and len(outputs) == y.shape[1] else ())
    if task == "multilabel" or (y.ndim == 2 and _hot(y)):
        if y.ndim != 2 or not _hot(y):
            raise ValueError(f"load: the target must be rows of 0 and 1 for several labels, got shape {y.shape}.")
        names = names or tuple(map(str, range(y.shape[1])))
        if len(names) != y.shape[1]:
            raise ValueError(f"load: `classes` must have {y.shape[1]} names, one for each column, got {len(names)}.")
        if task == "multilabel":
            return Targets(y.astype(np.uint8), task, tuple(names), (), tuple(notes))
        return _indexed(y.argmax(1), tuple(names), notes)
    return _classes(y, classes, notes)


def _array(y):
    import pandas as pd

    if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical):
        y = y.astype(object) if isinstance(y, pd.Categorical) else y.to_numpy()
    try:
        y = np.asarray(y)
    except ValueError:
        raise ValueError("load: the target must be one value an example, got rows of different lengths.") from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"load: the target must have shape (N,) or (N, K), got {y.shape}.")
    missing = gaps(y)
    if missing.any():
        raise ValueError(
            f"load: the target must have no gaps, as a target is never imputed, got {missing.sum():,} in "
            f"{len(y):,} rows."
        )
    if y.dtype.kind == "O":
        y = np.asarray(y.tolist())  # numbers stay numbers, strings become strings
    return y


def _hot(y):
    return y.dtype.kind in "iufb" and bool(np.isin(y, (0, 1)).all())


def _whole(y):
    return y.dtype.kind in "iu" or (y.dtype.kind == "f" and bool((np.isfinite(y) & (y == np.round(y))).all()))


def _task(y, image, notes):
    """classification, multilabel or regression, as the values suggest; the notes say why where it is not plain."""
    if y.ndim == 2:
        if not _hot(y):
            return "regression"
        if (y.sum(1) == 1).all():
            notes.append("the targets are one-hot rows: taken as classes")
            return "classification"
        return "multilabel"
    if y.dtype.kind not in "iuf" or (image and _whole(y)):
        return "classification"
    if not _whole(y):
        return "regression"
    distinct = len(np.unique(y))
    found = "classification" if distinct <= FEW else "regression"
    meant = "classes" if distinct <= FEW else "numbers"
    notes.append(f"the target has {distinct} different whole numbers: taken as {meant}; `task` says otherwise")
    return found


def _classes(y, classes, notes):
    if y.ndim != 1:
        raise ValueError(f"load: the target must be one class an example, got shape {y.shape}.")
    if y.dtype.kind == "f":
        if not _whole(y):
            raise ValueError(
                f"load: the target must be whole numbers or names for classes, got {y[y != np.round(y)][0]}."
            )
        y = y.astype(np.int64)
    found, index = np.unique(y, return_inverse=True)
    if not classes:
        return _indexed(index, tuple(map(str, found.tolist())), notes)
    if y.dtype.kind in "iu":
        if found.min() < 0 or found.max() >= len(classes):
            hint = (
                " They look 1-based, as R has them: send the factor itself, or subtract 1." if found.min() == 1 else ""
            )
            raise ValueError(
                f"load: labels must lie in [0, {len(classes) - 1}], the places in `classes`, got [{found.min()}, "
                f"{found.max()}].{hint}"
            )
        return _indexed(y, tuple(classes), notes)
    for name in found.tolist():
        if name not in classes:
            raise ValueError(f"load: `classes` must name every label, got {name!r}.{suggestion(name, classes)}")
    place = {name: i for i, name in enumerate(classes)}
    return _indexed(np.array([place[name] for name in found.tolist()])[index], tuple(classes), notes)


def _indexed(index, names, notes):
    number = np.bincount(index, minlength=len(names))
    if (number > 0).sum() < 2:
        raise ValueError(f"load: the data must have two classes or more, got only {names[int(np.argmax(number))]!r}.")
    alone = [name for name, n in zip(names, number, strict=True) if n == 1]
    if alone:
        shown = ", ".join(map(repr, alone[:5])) + (f" and {len(alone) - 5} more" if len(alone) > 5 else "")
        raise ValueError(
            f"load: every class must have two examples or more, one to learn from and one to test with, got a single "
            f"one of {shown}; merge or remove {'it' if len(alone) == 1 else 'them'}."
        )
    absent = [name for name, n in zip(names, number, strict=True) if n == 0]
    if absent:
        notes = [*notes, f"no example of {', '.join(map(repr, absent))}"]
    return Targets(index.astype(np.int32), "classification", names, (), tuple(notes))
