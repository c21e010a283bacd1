"""Times of a table's rows: parsing, ordering and regular steps."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Series:
    """One series of the table, in the order of time."""

    name: str
    rows: np.ndarray  # (T,) row numbers in the table
    times: object  # pandas.DatetimeIndex, (T,)
    inputs: np.ndarray  # (T, F), NaN where there is a gap
    targets: np.ndarray  # (T, K), likewise


def parse_times(frame, column):
    """Returns the column as a pandas.DatetimeIndex; whole-number years and days written as 19580329 are accepted.

    Raises:
        ValueError: naming the row, if an entry is no date or day and month are ambiguous.
    """
    import pandas as pd
    from pandas.api import types

    values = frame[column]
    if types.is_datetime64_any_dtype(values):
        times = pd.Series(values)
    else:
        text = values.map(lambda v: str(int(v)) if isinstance(v, float) and v == int(v) else str(v).strip())
        digits = text.str.fullmatch(r"\d+")
        date_format = {4: "%Y", 8: "%Y%m%d"}.get(len(text.iloc[0])) if len(text) and digits.all() else None
        if digits.all() and date_format is None:
            raise ValueError(f"`time` must be dates, got {text.iloc[0]!r} in the column {column!r}.")
        leading = text.str.extract(r"^(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}").dropna().astype(int)
        if len(leading) and (leading.max() <= 12).all():
            raise ValueError(
                f"`time` must be dates such as 2020-01-31, got {text.iloc[0]!r} in the column {column!r}, where day "
                'and month are ambiguous; in R as.Date(x, "%d.%m.%Y").'
            )
        day_first = bool(len(leading)) and leading[0].max() > 12
        times = pd.to_datetime(text, format=date_format or "mixed", dayfirst=day_first, errors="coerce")
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise ValueError(f"`time` must be dates, got {values.iloc[row]!r} in the column {column!r}, row {row + 1}.")
    return pd.DatetimeIndex(times)


def split_series(frame, times, columns, notes, *, time, target, group, step):
    """Returns a list of `Series`, each verified to rise in time, on the grid of `step` where that is given.

    Args:
        frame: data frame.
        times: pandas.DatetimeIndex, (N,).
        columns: names of the input columns.
        notes: list that notes are added to.
        time, target, group, step: as `read_series` has them.
    Raises:
        ValueError: naming column and row, if times do not rise.
    """
    import pandas as pd

    labels = frame[group].astype(str).to_numpy() if group else np.full(len(frame), "the series")
    series = []
    for label in dict.fromkeys(labels):
        rows = np.flatnonzero(labels == label)
        series_times = times[rows]
        differences = np.diff(series_times.to_numpy())
        wrong = np.flatnonzero(differences <= np.timedelta64(0, "s"))
        if len(wrong):
            row = rows[wrong[0] + 1]
            relation = "the same as" if differences[wrong[0]] == np.timedelta64(0, "s") else "before"
            of = f" of {label}" if group else ""
            raise ValueError(
                f"`time` must rise row by row, got {times[row]} in the column {time!r}, row {row + 1}{of}, which is "
                f"{relation} the row before; sort the table, or set `group` to the column that names the series."
            )
        inputs = frame[columns].to_numpy(dtype=np.float32, na_value=np.nan)[rows]
        targets = frame[list(target)].to_numpy(dtype=np.float32, na_value=np.nan)[rows]
        if step:
            grid = pd.date_range(series_times[0], series_times[-1], freq=step)
            tolerance = pd.tseries.frequencies.to_offset(step)
            cell = grid.get_indexer(series_times, method="nearest", tolerance=tolerance)
            values = pd.DataFrame(np.concatenate([inputs, targets], 1)).groupby(cell).mean().reindex(range(len(grid)))
            values = values.to_numpy(dtype=np.float32)
            notes.append(f"{label}: {len(series_times):,} rows put on {len(grid):,} steps of {step}")
            inputs, targets, series_times = values[:, : len(columns)], values[:, len(columns) :], grid
            rows = np.arange(len(grid))
        series.append(Series(label, rows, series_times, inputs, targets))
    return series


def time_step(series, time):
    """Returns the time between two rows, a numpy.timedelta64; months and years may differ by their days.

    Args:
        series: list of `Series`.
        time: name of the column of times, for the error.
    Raises:
        ValueError: naming column and row, if the steps differ.
    """
    longest = max(series, key=lambda s: len(s.times))
    if len(longest.times) < 2:
        raise ValueError("the table must have two rows or more of a series, got one.")
    median = np.median(np.diff(longest.times.to_numpy()).astype("timedelta64[s]").astype(np.int64))
    median = np.timedelta64(int(median), "s")
    for s in series:
        steps = np.diff(s.times.to_numpy()).astype("timedelta64[s]")
        irregular = np.abs(steps - median) > median * 0.11  # a month has 28 to 31 days, a leap year one more
        if irregular.any():
            first = int(np.argmax(irregular))
            raise ValueError(
                f"`time` must have equal steps, here of {median.astype(object)}, got {s.times[first]} and then "
                f"{s.times[first + 1]} in the column {time!r}, row {int(s.rows[first + 1]) + 1}; step='1D' (or "
                "another) puts the rows on a grid and leaves gaps, which missing='impute' fills."
            )
    return median
