"""Columns of a table: which exist, and which are inputs."""

from recipes.data.assemble import warn_and_note
from zoo.arguments import suggestion

MIN_ROWS = 20  # rows from which a column with a distinct value in each row is read as an identifier


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


def target_columns(target, frame):
    """Returns the target columns, which must be given and exist."""
    if not target:
        raise ValueError(f"`target` must name a column of the table: {', '.join(frame)}.")
    return existing_columns("target", target, frame)


def input_columns(frame, targets, notes, *, columns, drop_columns, categorical, group, block):
    """Returns the names of the input columns; adds notes on columns that are left out.

    Args:
        frame: data frame.
        targets: names of the target columns.
        notes: list that notes are added to.
        columns, drop_columns, categorical, group, block: as `read_table` has them.
    Raises:
        ValueError: if a named column does not exist, or no input column is left.
    """
    from pandas.api import types

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
    if block:
        notes += [f"`{c}` is an input too; `drop_columns` leaves it out" for c in block[:2] if c in names]
    for c in list(names):
        column, reason = frame[c], None
        distinct = column.nunique()
        if distinct <= 1 and len(frame) > 1:
            reason = "it has the same value in every row" if distinct else "it has no values"
        elif types.is_datetime64_any_dtype(column):
            reason = "a date is no number; derive one, such as the day of the year"
        elif not types.is_numeric_dtype(column) and len(frame) >= MIN_ROWS and distinct >= 0.95 * column.count():
            reason = "it is text with a distinct value in almost every row"
        elif (
            types.is_integer_dtype(column)
            and len(frame) >= MIN_ROWS
            and distinct == len(frame) == column.max() - column.min() + 1
        ):
            reason = "it numbers the rows"
        if reason:
            names.remove(c)
            notes.append(warn_and_note(f"left out `{c}`: {reason}; `columns` names the inputs instead"))
    if not names:
        raise ValueError("the table must have an input column that varies between rows, got none.")
    return names
