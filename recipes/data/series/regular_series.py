"""The series of a table: rows in the order of time, with equal steps."""

import dataclasses

import numpy as np

from recipes.data.series.time_steps import (
    TOLERANCE,
    TimeStep,
    daylight_saving,
    estimate_step,
    format_time,
    irregular_error,
    month_numbers,
    month_times,
    parse_step,
    variation_note,
)

MONDAY = np.datetime64("1970-01-05", "us").astype(np.int64)  # means over several rows begin at whole weeks, days, hours
MOST_STEPS = 100  # steps for each row, above which the step or a time is wrong
SHOWN = 3  # series that a note on the grid names
ALL_ROWS = "the series"  # name of the series where no column names several


@dataclasses.dataclass
class Series:
    """One series of a table, in the order of time."""

    name: str
    rows: np.ndarray  # (T,) row numbers in the table from 0, -1 where a step has no row
    times: np.ndarray  # (T,) datetime64[us]
    inputs: np.ndarray  # (T, F) float32, NaN where there is a gap
    targets: np.ndarray  # (T, K) float32, likewise


def split_series(frame, times, inputs, targets, notes, *, time, group, has_step):
    """Returns a list of `Series`, each of which rises in time. Rows in reverse order are turned round, with a note.

    Args:
        frame: data frame.
        times: pandas.DatetimeIndex, (N,).
        inputs, targets: (N, F) and (N, K) float32.
        notes: list that notes are added to.
        time: name of the column of times.
        group: name of the column that names the series of each row, or None.
        has_step: whether rows will be put on a grid, where an hour may be doubled by daylight saving time.
    Raises:
        ValueError: naming column and row, if times do not rise.
    """
    times = times.to_numpy().astype("datetime64[us]")
    series, reversed_names, doubled = [], [], 0
    for label, rows in _rows_of_series(frame, group):
        differences = np.diff(times[rows])
        if len(rows) > 1 and (differences < np.timedelta64(0)).all():
            rows, reversed_names = rows[::-1], [*reversed_names, label]
        elif (differences <= np.timedelta64(0)).any():
            wrong = np.flatnonzero(differences <= np.timedelta64(0))
            rising = differences[differences > np.timedelta64(0)]
            usual = TimeStep(micros=int(np.median(rising.astype(np.int64)))) if len(rising) else TimeStep(micros=1)
            is_saving = all(daylight_saving(times[rows[i]], times[rows[i + 1]], usual) for i in wrong)
            if not (is_saving and has_step):
                raise _order_error(frame, times, rows, wrong[0], time, group, label, usual if is_saving else None)
            doubled += len(wrong)
            rows = rows[np.argsort(times[rows], kind="stable")]
        series.append(Series(label, rows, times[rows], inputs[rows], targets[rows]))
    if reversed_names:
        notes.append(f"the times in `{time}` fall row by row; the rows were turned round")
    if doubled:
        notes.append("the hour that the end of daylight saving time doubles was averaged")
    return series


def _rows_of_series(frame, group):
    """Yields (name, row numbers) of each series, in the order of the table."""
    if group is None:
        yield ALL_ROWS, np.arange(len(frame))
        return
    gaps = frame[group].isna().to_numpy()
    if gaps.any():
        raise ValueError(
            f"`group` must name the series of every row, got none in the column {group!r}, row {np.argmax(gaps) + 1}."
        )
    for label, rows in frame.groupby(frame[group].astype(str).to_numpy(), sort=False).indices.items():
        yield str(label), np.sort(rows)


def _order_error(frame, times, rows, index, time, group, label, daylight_step):
    """Returns the ValueError on the first row that is not later than the one before."""
    before, after = times[rows[index]], times[rows[index + 1]]
    relation = "the same as" if before == after else "before"
    if daylight_step is not None:
        advice = (
            "this is the hour that the end of daylight saving time doubles: write the times in UTC or with their "
            f"offset (2021-10-31T02:00+02:00), or set step='{daylight_step}', which averages the doubled hour (in "
            "spring it leaves a gap, which missing='impute' fills)"
        )
    elif group:
        advice = "sort the table, or remove one of the rows"
    else:
        columns = group_columns(frame, times, time)
        named = f"group='{columns[0]}' reads one series for each `{columns[0]}`" if columns else ""
        advice = named or "sort the table, or set `group` to the column that names the series"
        parts = [c for c in frame if str(c).strip().lower() in ("month", "day", "hour", "doy", "jday") and c != time]
        if parts and not columns:
            advice = f"`time` must be one column: join {time!r} and {', '.join(map(repr, parts))} to dates"
    of = f" of {label}" if group else ""
    return ValueError(
        f"`time` must rise row by row, got {format_time(after)} in the column {time!r}, row "
        f"{rows[index + 1] + 1}{of}, which is {relation} the row before; {advice}."
    )


def group_columns(frame, times, time):
    """Returns the columns whose values name series without doubled times, columns of text first."""
    import pandas as pd
    from pandas.api import types

    columns = []
    for c in frame:
        few = c != time and 1 < frame[c].nunique() <= len(frame) / 2 and not types.is_float_dtype(frame[c])
        if few and not pd.DataFrame({"label": frame[c].to_numpy(), "time": times}).duplicated().any():
            columns.append(c)
    return sorted(columns, key=lambda c: types.is_numeric_dtype(frame[c]))


def equal_steps(series, step, time, notes, *, is_trained=False):
    """Returns (series, `TimeStep`, whether steps are means of several rows), each series with equal steps.

    Args:
        series: list of `Series`.
        step: text of the step, on whose grid the rows are put; None finds the rows' own, which must be equal.
        time: name of the column of times.
        notes: list that notes are added to.
        is_trained: whether `step` is the rows' own step that a run was trained on: rows that keep it stay as they are.
    Raises:
        ValueError: naming column and row, if the steps differ, or the valid steps.
    """
    longest = max(series, key=lambda s: len(s.times))
    if step is None:
        if len(longest.times) < 2:
            raise ValueError("the table must have two rows or more of a series, got one.")
        row_step = estimate_step(longest.times)
        for s in series:
            is_regular = row_step.is_kept(s.times)
            if not is_regular.all():
                of = f" of {s.name}" if s.name != ALL_ROWS else ""
                raise irregular_error(s.times, s.rows, int(np.argmin(is_regular)), row_step, time, of)
        note = variation_note(longest.times, row_step, time)
        notes += [note] if note else []
        return series, row_step, False
    grid_step = parse_step(step)
    result, changed, has_means = [], [], False
    for s in series:
        if is_trained and grid_step.is_kept(s.times).all():
            result.append(s)
            continue
        regular, is_mean, is_cut = put_on_grid(s, grid_step)
        if is_cut:
            notes.append(f"{s.name}: the first or last step without all of its rows was left out")
        if len(regular.times) != len(s.times) or (regular.times != s.times).any():
            changed.append((s, regular))
        has_means |= is_mean
        result.append(regular)
    for s, regular in changed[:SHOWN]:
        notes.append(f"{s.name}: {len(s.times):,} rows put on {len(regular.times):,} steps of {step}")
    if len(changed) > SHOWN:
        notes.append(f"the rows of {len(changed) - SHOWN:,} more series were put on steps of {step}")
    return result, grid_step, has_means


def put_on_grid(s, step):
    """Returns (a series on the grid of a step, whether steps are means of several rows, whether some were left out).

    Rows that are closer than the step are averaged over whole hours, days, weeks (from Monday on), months, quarters or
    years, and a first or last step without all of its rows is left out. Other rows are put at the nearest step.

    Args:
        s: `Series`.
        step: `TimeStep`.
    Raises:
        ValueError: if nearly all steps would be gaps.
    """
    median = np.median(np.diff(s.times).astype(np.int64)) if len(s.times) > 1 else step.duration.astype(np.int64)
    is_mean = bool(median < 0.75 * step.duration.astype(np.int64))
    micros = s.times.astype(np.int64)
    if step.months:
        numbers = month_numbers(s.times)
        origin = 0 if is_mean else numbers[0] % step.months
        cells = (numbers - origin) // step.months
    elif is_mean:
        origin = MONDAY
        cells = (micros - origin) // step.micros
    else:
        origin = micros[0]
        if ((micros - origin) % step.micros).any():
            offset = (origin - MONDAY + step.micros // 2) % step.micros - step.micros // 2
            origin -= offset if abs(offset) <= TOLERANCE * step.micros else 0
        cells = np.rint((micros - origin) / step.micros).astype(np.int64)

    def starts(numbers):
        if step.months:
            return (numbers * step.months + origin).astype("datetime64[M]").astype("datetime64[us]")
        return (origin + numbers * step.micros).astype("datetime64[us]")

    start, end = starts(np.array([cells[0], cells[-1] + 1])).astype(np.int64)
    is_late = is_mean and micros[0] - median * (1 + TOLERANCE) > start
    is_early = is_mean and micros[-1] + median * (1 + TOLERANCE) < end
    is_cut = bool(is_late or is_early) and cells[-1] - cells[0] > is_late + is_early
    used = np.ones(len(cells), bool)
    if is_cut:
        used = ~((is_late & (cells == cells[0])) | (is_early & (cells == cells[-1])))
        cells = cells[used]
    index = cells - cells[0]
    if index[-1] >= MOST_STEPS * max(len(index), 10):
        raise ValueError(
            f"`step` must be about the time between rows, got {step}, which makes {index[-1] + 1:,} steps of "
            f"{len(index):,} rows from {format_time(s.times[0])} to {format_time(s.times[-1])}."
        )
    grid = np.arange(cells[0], cells[-1] + 1)
    times = starts(grid)
    if step.months and not is_mean:
        times = month_times(month_numbers(times), s.times)
        times[index[::-1]] = s.times[used][::-1]
    rows = np.full(len(grid), -1)
    rows[index[::-1]] = s.rows[used][::-1]  # the first row of each step
    inputs, targets = (_step_means(v[used], index, len(grid)) for v in (s.inputs, s.targets))
    return Series(s.name, rows, times, inputs, targets), is_mean, is_cut


def _step_means(values, index, steps):
    """Returns (steps, F) float32 means of the rows of each step, NaN where a step has none."""
    import pandas as pd

    if len(np.unique(index)) == len(index):
        result = np.full((steps, values.shape[1]), np.nan, np.float32)
        result[index] = values
        return result
    means = pd.DataFrame(values).groupby(index).mean().reindex(range(steps))
    return means.to_numpy(dtype=np.float32)


def verify_step(series, step, time, *, has_grid, has_means):
    """Raises a ValueError if the rows' step is another than the one that a run was trained on.

    Args:
        series: list of `Series` before they are put on a grid.
        step: text of the step.
        time: name of the column of times.
        has_grid: whether the training rows were put on a grid, where longer steps are gaps.
        has_means: whether the run was trained on means of several rows.
    """
    expected = parse_step(step).duration.astype(np.int64)
    for s in series:
        if len(s.times) < 3 or has_means:
            continue
        estimate = estimate_step(s.times)
        micros = estimate.duration.astype(np.int64)
        if micros < 0.75 * expected or (not has_grid and abs(micros - expected) > TOLERANCE * expected):
            of = f" of {s.name}" if s.name != ALL_ROWS else ""
            raise ValueError(
                f"`{time}` must have the step of the training data, {step}, got {estimate}{of}; make the rows' step "
                "that of the training data, or train again with `step`."
            )
