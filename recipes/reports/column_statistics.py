"""Statistics of the columns of a table: kinds, ranges, levels and gaps, vectorized for millions of rows."""

import numpy as np

TEXT_FRACTION = 0.95  # distinct values per value from which a column of strings is text, not a category
MIN_ROWS = 20  # rows below which a column of strings is a category
LEVELS = 20  # levels of a category that a row lists
DATE = r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?"
DATE_SAMPLE = 200  # values that are compared with the form of a date


def column_rows(frame, kinds=None):
    """Returns one dict per column of a data frame.

    Args:
        frame: data frame with distinct names.
        kinds: dict from name to "number" or "category" where a reader decided it; else the dtype decides.
    Returns:
        List of dicts: name; kind (number, category, text, date or empty); values and gaps (numbers of rows);
        gap_fraction (0 to 1); distinct (number of distinct values); smallest, median and largest of numbers and dates;
        levels, a list of dicts of level and count, of the commonest `LEVELS` levels; infinite (number of rows).
    """
    kinds = kinds or {}
    return [column_row(str(name), frame[name], kinds.get(str(name))) for name in frame]


def column_row(name, column, kind=None):
    """Returns the dict of one column, as `column_rows` describes it."""
    import pandas as pd
    from pandas.api import types

    values = column.dropna()
    gaps = len(column) - len(values)
    row = {
        "name": name,
        "kind": "empty",
        "values": len(values),
        "gaps": gaps,
        "gap_fraction": gaps / max(len(column), 1),
        "distinct": 0,
    }
    if not len(values):
        return row
    is_number = types.is_numeric_dtype(column) and not types.is_complex_dtype(column)
    if types.is_datetime64_any_dtype(column):
        times = values.sort_values()
        row |= {"kind": "date", "distinct": int(values.nunique())}
        return row | {
            place: str(times.iloc[i]) for place, i in (("smallest", 0), ("median", len(times) // 2), ("largest", -1))
        }
    if kind == "number" and not is_number:
        values = pd.to_numeric(values, errors="coerce").dropna()
        is_number = True
    if is_number and kind != "category":
        return row | number_statistics(values.to_numpy(dtype=np.float64))
    texts = values.astype(str)
    counts = texts.value_counts()
    distinct = len(counts)
    written = "text" if kind is None and is_text(distinct, len(values)) else "category"
    levels = [{"level": str(level), "count": int(n)} for level, n in counts.head(LEVELS).items()]
    row |= {"kind": written, "distinct": distinct, "levels": levels}
    return row | ({"looks_like": "date"} if looks_like_dates(texts) else {})


def is_text(distinct, count):
    """Whether strings are texts or identifiers, not levels of a category.

    Args:
        distinct: number of distinct strings.
        count: number of strings.
    """
    return count >= MIN_ROWS and distinct >= TEXT_FRACTION * count


def number_statistics(values):
    """Returns the fields of `column_rows` for (N,) floats without NaN: kind, distinct, smallest, ..."""
    import pandas as pd

    finite = values[np.isfinite(values)]
    row = {"kind": "number", "distinct": int(pd.unique(values).size)}
    if finite.size:
        low, median, high = finite.min(), np.median(finite), finite.max()
        row |= {"smallest": float(low), "median": float(median), "largest": float(high)}
    if finite.size < values.size:
        row["infinite"] = int(values.size - finite.size)
    return row


def looks_like_dates(texts):
    """Whether the first values of a column of strings are all written as dates."""
    return bool(texts.head(DATE_SAMPLE).str.fullmatch(DATE).all())


def frame_of_data(data):
    """Returns a data frame of the inputs of all splits of a table or of vectors, as `frame_of_inputs` does.

    Args:
        data: `Data` of kind table or vector.
    Returns:
        Data frame in the order training, validation, test; None where the inputs are a tf.data.Dataset.
    """
    import pandas as pd

    frames = [frame_of_inputs(data, e.inputs) for e in (data.train, data.validation, data.test) if len(e)]
    return None if any(frame is None for frame in frames) else pd.concat(frames, ignore_index=True)


def frame_of_inputs(data, inputs):
    """Returns a data frame of the inputs of one split, with None where a category has a gap.

    Args:
        data: `Data` of kind table or vector.
        inputs: dict from column to (N,) array, or (N, F) array.
    Returns:
        Data frame; None where the inputs are a tf.data.Dataset.
    """
    import pandas as pd

    if isinstance(inputs, dict):
        frame = pd.DataFrame(inputs)
        categories = [c for c in frame if data.columns.get(c) == "category"]
        return frame.assign(**{c: frame[c].where(frame[c] != "", None) for c in categories})
    if isinstance(inputs, np.ndarray):
        return pd.DataFrame(inputs).rename(columns=lambda i: f"input {i}")
    return None


def targets_of_data(data):
    """Returns the (N,) or (N, K) targets of all splits, in the order training, validation, test."""
    return np.concatenate([np.asarray(e.targets) for e in (data.train, data.validation, data.test) if len(e)])
