"""Arrays as users have them: (x, y), or two or three splits of such, of numbers or texts."""

from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.examples import Data
from recipes.data.in_memory import is_texts, named_splits, without_names
from recipes.data.split import SplitOptions, content_keys
from recipes.data.streams import read_stream
from recipes.data.targets import gaps
from recipes.data.text.labelled_texts import from_texts
from recipes.data.unlabelled import with_unlabelled
from zoo.arguments import Fraction, Whole, checked
from zoo.inputs.frames import verify_doubles
from zoo.r_interop import R_NA


@checked
def read_arrays(
    source,
    *,
    task: Literal["classification", "multilabel", "regression"] | None = None,
    classes: tuple[str, ...] = (),
    group=None,
    missing: Literal["error", "drop", "impute"] | None = None,
    unlabelled=None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads (x, y) arrays, two or three splits of such, or tf.data.Datasets.

    Args:
        source: (x, y), where x is (N, F) for vectors, (N, T, F) for series, (N, H, W, C) for images, or N strings; a
            tf.data.Dataset of (input, target); or (train, test) or (train, validation, test) of such.
        task: classification, multilabel or regression; inferred from the targets if None.
        classes: names of the classes, where y has their index from 0.
        group: (N,) labels of groups that stay in one split.
        missing: error, drop (the example) or impute (vectors only: medians of the training split, with an indicator).
            None is error. A target is never imputed.
        unlabelled: array of further inputs like x, without targets, for `recipes.FewLabels`; None for none.
        validation, test: fractions of the examples, 0 to 1, for splits that are not given.
        seed: seed of the split.
    Returns:
        `Data` of kind vector, series, image or text.
    Raises:
        ValueError: if the arrays do not fit together, or have gaps and `missing` is error.
    """
    import tensorflow as tf

    split_options = SplitOptions(validation, test, seed)
    pools, notes = [], []
    for split, entry in named_splits(without_names(source)):
        if isinstance(entry, tf.data.Dataset):
            pools.append(read_stream(entry, split))
        elif is_texts(entry[0]):
            pools.append(_text_pool(*entry, split, group))
        else:
            pools.append(_pool(*entry, split, group, missing, notes))
    common = {"task": task, "classes": classes, "missing": missing, "group": group, "notes": notes}
    if is_texts(pools[0].inputs):
        return from_texts(pools, split_options, name="texts", **common)
    shapes = [kind_shape_dtype(pool.inputs) for pool in pools]
    if len(set(shapes)) > 1:
        raise ValueError(f"the inputs of all splits must have one shape and dtype, got {sorted(set(shapes), key=str)}.")
    kind, shape, dtype = shapes[0]
    if missing == "impute" and kind != "vector":
        raise ValueError(f"`missing` must be 'error' or 'drop' for inputs of kind {kind}, got 'impute'.")
    data = assemble(pools, split_options, name="arrays", kind=kind, shape=shape, dtype=dtype, **common)
    return data if unlabelled is None else with_unlabelled(data, _unlabelled(unlabelled, data))


def _unlabelled(x, data):
    """Returns further inputs without targets as an array like those of the `Data`, or raises a ValueError."""
    x = read_inputs(x, [])
    if (x.shape[1:], x.dtype.name) != (data.shape, data.dtype):
        raise ValueError(
            f"`unlabelled` must have inputs of {data.shape} {data.dtype}, as x has, got {x.shape[1:]} {x.dtype.name}."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError("`unlabelled` must be finite, got NaN or infinite numbers; leave those inputs out.")
    return x


def _pool(x, y, split, group, missing, notes):
    """Returns the pool of one (x, y), without the examples that `missing` drops."""
    import pandas as pd

    y = y if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical) else np.asarray(y)
    x = read_inputs(x, notes)
    if len(x) != len(y):
        raise ValueError(f"x and y must have as many examples, got {len(x):,} and {len(y):,}.")
    groups = _group_labels(group, len(x)) if split in (None, "train") else None
    missing = missing or "error"
    incomplete = ~np.isfinite(x).reshape(len(x), -1).all(1) if x.dtype.kind == "f" else np.zeros(len(x), bool)
    if incomplete.any() and (missing == "error" or (missing == "impute" and np.isinf(x).any())):
        raise ValueError(
            f"x has NaN or infinite numbers in {incomplete.sum():,} of {len(x):,} examples; missing='drop' leaves "
            "those out, missing='impute' fills the NaN of vectors with the training split's medians."
        )
    dropped = {"error": np.zeros(len(x), bool), "drop": incomplete | gaps(y), "impute": gaps(y)}[missing]
    names = np.arange(len(x))
    if dropped.any():
        notes.append(f"left out {dropped.sum():,} of {len(x):,} examples with gaps")
        x, y, names = x[~dropped], y[~dropped], names[~dropped]
        groups = None if groups is None else groups[~dropped]
    return Pool(x, y, split, names, content_keys(x), groups)


def _text_pool(x, y, split, group):
    import pandas as pd

    y = y if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical) else np.asarray(y)
    return Pool(x, y, split, groups=_group_labels(group, len(x)) if split in (None, "train") else None)


def _group_labels(group, rows):
    if group is None:
        return None
    if isinstance(group, str):
        raise ValueError(f"`group` must be one label per example where the inputs are arrays, got {group!r}.")
    groups = np.asarray(group)
    if groups.shape != (rows,):
        raise ValueError(f"`group` must have one label for each of {rows:,} examples, got shape {groups.shape}.")
    return groups


def read_inputs(x, notes):
    """Returns `x` as an array that models take: float64 becomes float32, a missing feature or band axis is added."""
    try:
        x = np.asarray(x)
    except ValueError:
        raise ValueError("x must be one array, got entries of different shapes; use folder: for image files.") from None
    if x.dtype.kind not in "biuf" or not x.size:
        hint = " Text and factors are columns of a data frame." * (x.dtype.kind in "OUS")
        raise ValueError(f"x must be an array of numbers, got dtype {x.dtype} and shape {x.shape}.{hint}")
    if x.dtype.kind == "i" and (x == R_NA).any():
        x = np.where(x == R_NA, np.nan, x)
    if x.ndim not in (1, 2, 3, 4):
        raise ValueError(
            f"x must have shape (N, F) for vectors, (N, T, F) for series or (N, H, W, C) for images, got {x.shape}."
        )
    if x.dtype.kind == "b":
        x = x.astype(np.uint8)
    if x.dtype == np.float64:
        verify_doubles(x, "x")
    if x.dtype.itemsize == 8 or x.dtype == np.float16 or (x.ndim < 3 and x.dtype.kind in "iu"):
        with np.errstate(invalid="ignore"):  # R's NA is a signaling NaN
            x = x.astype(np.float32)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim == 3 and x.dtype == np.uint8:
        notes.append("8-bit inputs of shape (N, H, W) read as images of one band")
        x = x[..., None]
    return np.ascontiguousarray(x)


def kind_shape_dtype(inputs):
    """Returns (kind, shape, dtype) of single inputs, from an array or a tf.data.Dataset."""
    if isinstance(inputs, np.ndarray):
        shape, dtype = inputs.shape[1:], inputs.dtype.name
    else:
        shape, dtype = tuple(inputs.element_spec.shape), inputs.element_spec.dtype.name
    kinds = {1: "vector", 2: "series", 3: "image"}
    if len(shape) not in kinds:
        raise ValueError(f"an input must have shape (F,), (T, F) or (H, W, C), got {shape}.")
    return kinds[len(shape)], shape, dtype
