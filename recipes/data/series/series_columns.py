"""Columns of a table of series: the column of times, the input columns, and their values as float32."""

import numpy as np

from recipes.data.assemble import warn_and_note


def with_time_column(frame, time):
    """Returns the frame with names that are text and rows numbered from 0; an index of times becomes a column.

    Args:
        frame: data frame.
        time: name of the column of times, which may be that of the index.
    """
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    if time not in frame and frame.index.nlevels == 1 and time in (frame.index.name, "index"):
        dtype = frame.index.dtype
        if dtype.kind in "Mm" or frame.index.name == time:
            return frame.reset_index(names=time)
    return frame.reset_index(drop=True)


def series_input_columns(frame, notes, *, time, target, group, columns, drop_columns):
    """Returns the numeric columns that go into a window: all, or `columns`, the past of the targets included.

    Args:
        frame: data frame.
        notes: list that notes are added to.
        time, target, group, columns, drop_columns: as `read_series` has them.
    Raises:
        ValueError: if no column is left.
    """
    from pandas.api import types

    others = [time, *([group] if group else [])]
    inputs = [c for c in columns or frame if c not in others and c not in drop_columns]
    if not columns:
        for c in [c for c in inputs if not types.is_numeric_dtype(frame[c]) and c not in target]:
            inputs.remove(c)
            notes.append(warn_and_note(f"left out `{c}`: it is not numeric; convert it to use it"))
    if not inputs:
        raise ValueError("the table must have a numeric input column, the past of the target included, got none.")
    return inputs


def numeric_values(frame, columns, argument):
    """Returns (N, F) float32 of columns, NaN where there is a gap.

    Args:
        frame: data frame.
        columns: names of the columns.
        argument: the argument that names them, for the error.
    Raises:
        ValueError: naming column, row and value, if one is text or infinite.
    """
    import pandas as pd
    from pandas.api import types

    values = np.empty((len(frame), len(columns)), np.float32)
    for i, name in enumerate(columns):
        column = frame[name]
        if not types.is_numeric_dtype(column):
            numbers = pd.to_numeric(column, errors="coerce")
            wrong = (numbers.isna() & column.notna()).to_numpy()
            if wrong.any() or not types.is_numeric_dtype(numbers):
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"`{argument}` must be numeric to be forecast, got {column.iloc[row]!r} in the column {name!r} "
                    f"with text, row {row + 1}; write numbers, or list it in missing_values."
                )
            column = numbers
        with np.errstate(invalid="ignore", over="ignore"):  # R's NA is a signaling NaN
            values[:, i] = column.to_numpy(dtype=np.float32, na_value=np.nan)
        infinite = np.isinf(values[:, i])
        if infinite.any():
            row = int(np.argmax(infinite))
            raise ValueError(
                f"`{argument}` must be finite numbers, got {column.iloc[row]} in the column {name!r}, row {row + 1}."
            )
    return values


def refuse_gaps(series, inputs, target):
    """Raises a ValueError that names the first gap of series: column, row and time.

    Args:
        series: list of `Series`.
        inputs: names of the inputs.
        target: names of the targets.
    """
    for s in series:
        for values, names in ((s.inputs, inputs), (s.targets, target)):
            gaps = np.isnan(values)
            if gaps.any():
                step, column = np.argwhere(gaps)[0]
                raise ValueError(
                    f"the table has gaps ({gaps.sum():,}), the first in the column {names[column]!r}, "
                    f"{describe_row(s, step)}; missing='drop' leaves out the windows with gaps, missing='impute' fills "
                    "the inputs (training split's median, and a channel that marks the gaps)."
                )


def describe_row(s, step):
    """Returns which row of the table is a step of a series: 'row 41 (2020-02-10 00:00:00)'."""
    from recipes.data.series.time_steps import format_time

    time = format_time(s.times[step])
    return f"row {s.rows[step] + 1} ({time})" if s.rows[step] >= 0 else f"where no row has the time {time}"
