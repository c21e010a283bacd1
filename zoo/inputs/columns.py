"""Columns of a table: the kind of their values, and their plain names."""

import re
import unicodedata

import numpy as np

MANY_LEVELS = 100  # levels of a category above which a note says so


def column_values(column, is_category, name, notes):
    """Returns ("number", float32 array) or ("category", object array of strings, "" where there is a gap).

    Args:
        column: pandas Series.
        is_category: whether numbers are codes.
        name: of the column, for errors and notes.
        notes: list that notes are added to.
    Raises:
        ValueError: if a number is infinite.
    """
    from pandas.api import types

    if types.is_numeric_dtype(column) and not is_category:
        return "number", numbers(column, name)
    codes, levels = category_codes(column)
    if len(levels) > MANY_LEVELS:
        notes.append(f"`{name}` has {len(levels):,} categories, each an input of its own")
    return "category", levels[codes]


def numbers(column, name):
    """Returns a numeric column as (N,) float32, NaN where there is a gap; a ValueError names infinite numbers."""
    with np.errstate(invalid="ignore", over="ignore"):  # R's NA is a signaling NaN
        is_numpy = isinstance(column.dtype, np.dtype)
        values = (
            column.to_numpy().astype(np.float32) if is_numpy else column.to_numpy(dtype=np.float32, na_value=np.nan)
        )
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise ValueError(
            f"`{name}` must have finite numbers that fit in 32 bits, got {infinite.sum():,} that are not, the first is "
            f"{column.iloc[row]} in row {row + 1}."
        )
    return values


def category_codes(column):
    """Returns (N,) indices of levels and the levels as an object array of strings, "" for a gap.

    Whole numbers are written without a decimal point, also where gaps made them floats.
    """
    import pandas as pd
    from pandas.api import types

    if types.is_float_dtype(column) and (column.dropna() == column.dropna().round()).all():
        column = column.astype("Int64")  # the code 3 is "3", also beside gaps
    codes, levels = pd.factorize(column, use_na_sentinel=True)
    levels = np.array([*(str(level) for level in levels), ""], dtype=object)  # the code -1 of a gap is the last
    texts, positions = np.unique(levels.astype(str), return_inverse=True)
    codes = positions.reshape(-1)[codes]
    used = np.zeros(len(texts), bool)
    used[codes] = True
    return (np.cumsum(used) - 1)[codes], texts[used].astype(object)


def plain_names(columns):
    """Maps every column name to one of letters, digits and _: 'bill length (mm)' becomes bill_length_mm.

    Args:
        columns: distinct names.
    Returns:
        Dict in the columns' order, with distinct values.
    """
    plain = {}
    for column in columns:
        stem = plain_name(column)
        name, n = stem, 1
        while name in plain.values():
            n += 1
            name = f"{stem}_{n}"
        plain[column] = name
    return plain


def plain_name(column):
    """Returns one column name in letters, digits and _, beginning with a letter."""
    ascii_only = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    stem = re.sub(r"\W+", "_", ascii_only).strip("_") or "column"
    return stem if stem[0].isalpha() else f"x{stem}"
