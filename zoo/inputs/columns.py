"""Columns of a table: the kind of their values, and their plain names."""

import decimal
import numbers as numbers_module
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
    return numbers_with_range(column, name)[0]


def numbers_with_range(column, name):
    """Returns (numbers as `numbers` does, smallest, largest); the range is NaN where there is a gap or no row."""
    with np.errstate(invalid="ignore", over="ignore"):  # R's NA is a signaling NaN
        is_numpy = isinstance(column.dtype, np.dtype)
        values = (
            column.to_numpy().astype(np.float32) if is_numpy else column.to_numpy(dtype=np.float32, na_value=np.nan)
        )
    low, high = (values.min(), values.max()) if len(values) else (np.nan, np.nan)
    if np.isfinite(low) and np.isfinite(high):  # two passes without a temporary array: most columns end here
        return values, low, high
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise ValueError(
            f"`{name}` must have finite numbers that fit in 32 bits, got {infinite.sum():,} that are not, the first is "
            f"{column.iloc[row]} in row {row + 1}."
        )
    return values, low, high


def numbers_of_objects(column, accepts_bool=True):
    """Returns (column of floats, None), or (the column, position of the first value that is no number).

    Numbers are those of Python, such as Fraction and Decimal; None and NaN are gaps. Texts, dates, lists and the like
    are no numbers.

    Args:
        column: pandas Series of any type.
        accepts_bool: whether True and False are 1 and 0.
    """
    import pandas as pd

    values = np.empty(len(column), np.float64)
    for i, value in enumerate(column):
        value = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
        is_number = isinstance(value, numbers_module.Real | decimal.Decimal | np.bool_)
        if is_number and (accepts_bool or not isinstance(value, bool | np.bool_)):
            values[i] = float(value)
        elif value is None or value is pd.NA or (value is pd.NaT and column.dtype == object):
            values[i] = np.nan
        else:
            return column, i
    return pd.Series(values, index=column.index), None


def plain_value(value):
    """Returns a NumPy scalar as a value of Python, which errors write as users do, and others as they are."""
    return value.item() if isinstance(value, np.generic) else value


def category_codes(column):
    """Returns (N,) indices of levels and the levels as an object array of strings, "" for a gap.

    Whole numbers are written without a decimal point, also where gaps made them floats.
    """
    import pandas as pd
    from pandas.api import types

    if isinstance(column.array, pd.arrays.ArrowStringArray):
        return _codes_of_texts(column)
    codes, levels = pd.factorize(column, use_na_sentinel=True)
    is_float = types.is_float_dtype(column)
    # The code 3 is "3", also beside gaps and fractions, which make it a float
    levels = [f"{level:.0f}" if is_float and float(level).is_integer() else str(level) for level in levels]
    if len(codes) and codes.min() < 0:
        levels.append("")  # the code -1 of a gap is the last
    texts, positions = np.unique(np.array(levels, dtype=str), return_inverse=True)
    return positions.reshape(-1)[codes], texts.astype(object)


def _codes_of_texts(column):
    """Returns as `category_codes` does for texts in Arrow's format, of which pandas copies the codes several times."""
    import pyarrow as pa

    texts = pa.array(column.array)
    encoded = (texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts).dictionary_encode()
    levels = encoded.dictionary.to_numpy(zero_copy_only=False)
    if not encoded.null_count:
        return encoded.indices.to_numpy(), levels
    gap = np.flatnonzero(levels == "")  # an empty text is a gap too
    if not len(gap):
        levels = np.array([*levels, ""], dtype=object)
    return encoded.indices.fill_null(int(gap[0]) if len(gap) else len(levels) - 1).to_numpy(), levels


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
