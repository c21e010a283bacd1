"""Sources in memory: (x, y) pairs, two or three splits of such, tf.data.Datasets and data frames."""

import numpy as np

SPLITS_OF_NUMBER = {1: (None,), 2: ("train", "test"), 3: ("train", "validation", "test")}


def kind_of_source(source):
    """Returns the kind of an object that `load` got: table, or arrays for everything else.

    Raises:
        ValueError: if it is no data at all.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame | dict):
        return "table"
    import tensorflow as tf

    if not isinstance(source, tuple | list | tf.data.Dataset):
        raise ValueError(
            "load: `source` must be a string, (x, y), a data frame, a dict of columns or a tf.data.Dataset, got "
            f"{type(source).__name__}."
        )
    entry = source_entries(source)[0]
    x = entry.element_spec if isinstance(entry, tf.data.Dataset) else entry
    x = x[0] if isinstance(x, tuple | list) and len(x) else None
    return "table" if isinstance(x, pd.DataFrame | dict) else "arrays"


def without_names(source):
    """Returns (x, y) of R's list(x = , y = ), or splits of list(train = , test = ) of such; others as they are."""
    import pandas as pd

    if not isinstance(source, dict):
        return source
    x = source.get("x")
    if set(source) == {"x", "y"} and (isinstance(x, dict | pd.DataFrame) or (isinstance(x, np.ndarray) and x.ndim > 1)):
        return x, source["y"]
    splits = [without_names(source[split]) for split in SPLITS_OF_NUMBER[3] if split in source]
    if len(splits) == len(source) and all(isinstance(split, tuple | list) and len(split) == 2 for split in splits):
        return splits
    return source


def named_splits(source):
    """Returns [(split name or None, (x, y) or tf.data.Dataset), ...], one to three of them.

    Args:
        source: (x, y), a tf.data.Dataset, or (train, test) or (train, validation, test) of such.
    Raises:
        ValueError: if there are more than three.
    """
    entries = source_entries(source)
    if len(entries) not in SPLITS_OF_NUMBER:
        raise ValueError(f"`source` must be one to three splits of (x, y), got {len(entries)}.")
    return list(zip(SPLITS_OF_NUMBER[len(entries)], entries, strict=True))


def source_entries(source):
    """Returns the splits of a source as a list; a list of one where the source is a single (x, y) or Dataset."""
    import pandas as pd
    import tensorflow as tf

    def is_split(entry):
        if isinstance(entry, tf.data.Dataset):
            return True
        arrays = (np.ndarray, dict, pd.DataFrame, tf.Tensor)
        if not isinstance(entry, tuple | list) or len(entry) != 2:
            return False
        return isinstance(entry[0], arrays) or is_texts(entry[0])

    if not isinstance(source, tuple | list) or (len(source) == 2 and is_texts(source[0])):
        return [source]
    return list(source) if len(source) and all(map(is_split, source)) else [source]


def is_texts(x):
    """Whether these are texts: a list, an array or a column whose first entry that is not missing is a string."""
    if isinstance(x, str | bytes | dict) or not hasattr(x, "__len__") or getattr(x, "ndim", 1) != 1:
        return False
    if isinstance(x, np.ndarray):
        if x.dtype.kind in "SU":
            return True
        if x.dtype.kind != "O":
            return False
    first = next((e for e in x if not (e is None or (isinstance(e, float) and e != e))), None)
    return isinstance(first, str | bytes)
