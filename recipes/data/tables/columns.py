"""Columns of a table: which exist, and which are inputs."""

import re

import numpy as np

from recipes.data.assemble import warn_and_note
from zoo.arguments import suggestion

MIN_ROWS = 20  # rows from which a column with a distinct value in each row is read as an identifier
ROW_NAMES = re.compile(r"(|unnamed: 0|x|index|row_?names?|row_?(id|nr|no|number)?|\.\.\.1|v1)", re.IGNORECASE)
ID_NAMES = re.compile(r"(.*[_.\s-])?(id|fid|oid|gid|uid|objectid|ogc_fid|nr)", re.IGNORECASE)
IMAGE_COLUMNS = ("image", "file", "file_name", "filename", "path", "image_path")
LABEL_COLUMNS = ("class", "label", "category", "species", "name")
DATE_TEXT = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?"


def existing_columns(argument, names, frame):
    """Returns `names`, all of which must be columns.

    Args:
        argument: the argument that names them, for the error.
        names: names of columns.
        frame: data frame.
    Raises:
        ValueError: if one is not there (the nearest is offered).
    """
    for name in names:
        if name not in frame:
            raise ValueError(
                f"`{argument}` must name columns of the table, got {name!r}.{suggestion(str(name), frame)} "
                f"It has {', '.join(frame)}."
            )
    return tuple(names)


def named_column(frame, name, defaults, option):
    """Returns the name of a column: the option's, or the first of the defaults that the table has.

    Args:
        frame: data frame.
        name: the column that the option names; None for the first of `defaults`.
        defaults: usual names of such a column.
        option: the option, for the error.
    Raises:
        ValueError: if the table has no such column (the nearest is offered).
    """
    if name is None:
        name = next((c for c in defaults if c in frame), None)
        if name is None:
            raise ValueError(
                f"the table must have a column {' or '.join(defaults)}, or the option `{option}`, got "
                f"{', '.join(map(str, frame))}."
            )
    return existing_columns(option, (name,), frame)[0]


def target_columns(target, frame):
    """Returns the target columns, which must be given and exist."""
    if not target:
        raise ValueError(f"`target` must name a column of the table: {', '.join(frame)}.")
    return existing_columns("target", target, frame)


def row_weights(frame, weight, outputs):
    """Returns (N,) float32 weights of the rows, of mean 1, from a column of numbers, or None."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if weight is None:
        return None
    existing_columns("weight", [weight], frame)
    if weight in outputs:
        raise ValueError(f"`weight` must be another column than the target, got {weight!r}.")
    values = frame[weight]
    if not is_numeric_dtype(values) or is_bool_dtype(values):
        raise ValueError(f"`weight` must be a column of numbers, got {weight!r} with {values.iloc[0]!r}.")
    values = values.to_numpy(np.float32, na_value=np.nan)
    if not np.all(np.isfinite(values) & (values >= 0)):
        row = int(np.flatnonzero(~(np.isfinite(values) & (values >= 0)))[0])
        raise ValueError(
            f"`weight` must have a finite number of at least 0 in every row, got {values[row]:g} in {weight!r} of row "
            f"{row}, from 0."
        )
    if not values.any():
        raise ValueError(f"`weight` must have a number above 0 in some row, got 0 in all rows of {weight!r}.")
    return values / values.mean()


def input_columns(frame, targets, notes, *, columns, drop_columns, categorical, group, block, weight):
    """Returns the names of the input columns; adds notes on columns that are left out.

    Args:
        frame: data frame.
        targets: names of the target columns.
        notes: list that notes are added to.
        columns, drop_columns, categorical, group, block, weight: as `read_table` has them.
    Raises:
        ValueError: if a named column does not exist, or no input column is left.
    """

    for argument, names in (("drop_columns", drop_columns), ("columns", columns), ("categorical", categorical)):
        existing_columns(argument, names, frame)
    names = [c for c in columns or frame if c not in (*targets, *drop_columns)]
    if not names:
        raise ValueError("the table must have an input column beside the target, got none.")
    if columns:
        return names
    if isinstance(group, str) and group in names:
        names.remove(group)
        notes.append(f"left out `{group}`: it names the groups")
    if weight in names:
        names.remove(weight)
        notes.append(f"left out `{weight}`: it has the weights of the rows")
    if block:
        notes += [f"`{c}` is an input too; `drop_columns` leaves it out" for c in block[:2] if c in names]
    for c in list(names):
        reason = _reason_to_leave_out(c, frame)
        if reason:
            names.remove(c)
            notes.append(warn_and_note(f"left out `{c}`: {reason}; `columns` names the inputs instead"))
        elif _rises(frame[c]):
            notes.append(
                warn_and_note(f"`{c}` rises from row to row, as numbers of rows do; `drop_columns` leaves it out")
            )
    if not names:
        raise ValueError("the table must have an input column that varies between rows, got none.")
    return names


def _reason_to_leave_out(name, frame):
    """Returns why a column is no input, or None."""
    from pandas.api import types

    column = frame[name]
    distinct = column.nunique()
    if distinct <= 1 and len(frame) > 1:
        return "it has the same value in every row" if distinct else "it has no values"
    if types.is_datetime64_any_dtype(column) or _has_dates(column):
        return "a date is no number; derive one, such as the day of the year"
    every_row_differs = distinct == len(frame) > 1
    is_number = types.is_numeric_dtype(column)
    if every_row_differs and name == "Unnamed: 0":
        return "it has no name and a distinct value in every row, as names of rows have"
    if not is_number and len(frame) >= MIN_ROWS and distinct >= 0.95 * column.count():
        return "it is text with a distinct value in almost every row"
    if not types.is_integer_dtype(column) or not every_row_differs:
        return None
    if len(frame) >= MIN_ROWS and distinct == column.max() - column.min() + 1:
        return "it numbers the rows"
    is_coordinate = name.lower() == "x" and {"y", "Y"} & set(frame)
    if ROW_NAMES.fullmatch(name) and not is_coordinate:
        return "it has a distinct whole number in every row, as names of rows have"
    if ID_NAMES.fullmatch(name) and len(frame) >= MIN_ROWS:
        return "it is an identifier, with a distinct whole number in every row"
    return None


def _has_dates(column):
    """Whether every text of a column is a date, such as 2020-01-31 or 31/01/2020."""
    from pandas.api import types

    if not types.is_string_dtype(column) or isinstance(column.dtype, types.CategoricalDtype):
        return False
    texts = column.dropna()
    return bool(len(texts)) and bool(texts.astype(str).str.fullmatch(DATE_TEXT).all())


def _rises(column):
    """Whether a column has whole numbers that rise from each row to the next."""
    from pandas.api import types

    if len(column) < MIN_ROWS or not types.is_integer_dtype(column) or column.isna().any():
        return False
    return bool((np.diff(column.to_numpy()) > 0).all())
