"""Time series in a table: windows of the past as inputs, later values as targets, splits in the order of time."""

from typing import Literal

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import SPLITS, Data
from recipes.data.series.calendar import climatology, cycles, season_length_of
from recipes.data.series.regular_series import equal_steps, split_series
from recipes.data.series.series_columns import numeric_values, refuse_gaps, series_input_columns, with_time_column
from recipes.data.series.times import TimeReader
from recipes.data.series.window_arrays import cut_windows, split_ends
from recipes.data.source_spec import with_source_spec
from recipes.data.tables.column_checks import missing_marks
from recipes.data.tables.columns import existing_columns, target_columns
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from zoo.arguments import Count, Fraction, Whole, checked
from zoo.inputs.columns import plain_names

Cycle = Literal["hour", "day_of_week", "day_of_year", "month"]


@checked
@takes_table_format
def read_series(
    source,
    time: str,
    target: tuple[str, ...],
    window: Count,
    *,
    horizon: tuple[int, ...] = (1,),
    gap: Whole = 0,
    step: str | None = None,
    group: str | None = None,
    columns: tuple[str, ...] = (),
    drop_columns: tuple[str, ...] = (),
    calendar: tuple[Cycle, ...] = (),
    season_length: Count | None = None,
    time_fraction: Fraction | None = None,
    missing: Literal["error", "drop", "impute"] | None = None,
    time_format: str | None = None,
    day_first: bool | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    table_format: TableFormat,
) -> Data:
    """Reads time series for forecasting from a table with a column of times.

    Each example has `window` rows of one series as inputs and, as targets, the target columns at each step of the
    horizon. The splits follow each other in time: no target of a split is a target of another.

    Args:
        source: path of a CSV or Parquet file, a data frame or a dict of columns, with one row per time (and series).
        time: column of times; or the name of a data frame's index of times. Dates and times as in ISO 8601, and, with a
            note, others with one meaning only. Times with a time zone are converted to UTC.
        target: columns to forecast.
        window: rows of the past in an example.
        horizon: number of steps to forecast from the next one; or several steps, which are forecast alone.
        gap: steps left out between the splits.
        step: time between rows, such as 1min, 1h, 1D, 1W, 1MS (month), 1QS (quarter) or 1YS (year), for irregular
            times, which are put on that grid; rows closer than the step are averaged. None is the rows' own step.
        group: column that names the series of each row.
        columns: input columns; all numeric ones where empty, the past of the targets included.
        drop_columns: columns to leave out.
        calendar: calendar cycles to add to the inputs, each as sine and cosine.
        season_length: steps after which the series repeats, for the seasonal naive baseline; from the calendar if None.
        time_fraction: fraction of the time range to load, 0 to 1; later rows are left out. None loads all.
        missing: error, drop (windows with gaps) or impute (the value before, then the training split's median, with an
            indicator); None is error. Targets are never imputed.
        time_format: format of the times, as in strptime; or excel, julian, s, ms, us, ns, or "days since 2000-01-01"
            (also hours, minutes, seconds); None finds it.
        day_first: whether 01/02/2020 is the first of February; None is an error where it could be either.
        validation, test: fractions of the time range, 0 to 1.
        seed: not used; the splits follow each other in time.
        table_format: options of reading the file, each an argument of its own, such as `decimal`, `missing_values` and
            `sheet`: the fields of `TableFormat`.
    Returns:
        `Data` of kind series; `baselines` has the predictions of persistence, seasonal naive and climatology.
    Raises:
        ValueError: naming column and row, if times do not parse, rise or keep their step, if there are gaps and
            `missing` is error, or if a series is too short.
    """
    arguments = {name: value for name, value in locals().items() if name != "table_format"}
    used = (*columns, *target) if columns else None
    unchecked = (time, *([group] if group else []), *drop_columns)
    frame, facts, resolved = read_frame(source, table_format, unchecked=unchecked, checked=used)
    notes = list(facts.pop("notes"))
    data = from_time_frame(
        frame, time=time, target=target, window=window, horizon=horizon, gap=gap, step=step, group=group,
        columns=columns, drop_columns=drop_columns, calendar=calendar, season_length=season_length,
        time_fraction=time_fraction, missing=missing or "error", time_format=time_format, day_first=day_first,
        validation=validation, test=test, notes=notes, **facts,
    )  # fmt: skip
    detected = resolved.detected_by(table_format)
    return with_source_spec(data, "series", arguments, detected=detected, **resolved.options())


def from_time_frame(
    frame, *, time, target, window, horizon, gap, step, group, columns, drop_columns, calendar, season_length,
    time_fraction, missing, time_format, day_first, validation, test, notes, **facts,
):  # fmt: skip
    """Returns `Data` for forecasting from a data frame, with the arguments of `read_series`.

    Args:
        frame: data frame.
        notes: list of sentences.
        **facts: name, source, license, description, as `Data` has them.
    """
    import pandas as pd

    leads = lead_steps(horizon)
    frame = with_time_column(frame, time)
    for argument, names in (("time", [time]), ("drop_columns", drop_columns), ("columns", columns)):
        existing_columns(argument, names, frame)
    target_columns(target, frame)
    existing_columns("group", [group] if group else [], frame)
    if not len(frame):
        raise ValueError("the table has no rows.")
    reader = TimeReader(time, time_format, day_first, notes)
    times = reader.read(frame[time])
    if time_fraction:
        early = times <= np.quantile(times.unique(), time_fraction)
        frame, times = frame[early].reset_index(drop=True), times[early]
    inputs = series_input_columns(
        frame, notes, time=time, target=target, group=group, columns=columns, drop_columns=drop_columns
    )
    options = {
        "time": time, "target": list(target), "window": window, "horizon": list(horizon), "group": group,
        "columns": list(inputs), "calendar": list(calendar), "missing": missing, "time_format": reader.time_format,
        "day_first": reader.day_first,
    }  # fmt: skip
    target_values = numeric_values(frame, target, "target")
    values = numeric_values(frame, inputs, "columns")
    marks = [missing_marks(frame[c], c) for c in dict.fromkeys((*inputs, *target))]
    notes.extend(warn_and_note(mark) for mark in marks if mark)
    series = split_series(frame, times, values, target_values, notes, time=time, group=group, has_step=step is not None)
    series, time_step, has_means = equal_steps(series, step, time, notes)
    options |= {"step": str(time_step), "has_grid": step is not None, "has_means": has_means}
    inputs = add_cycles(series, inputs, calendar)
    if missing == "error":
        refuse_gaps(series, inputs, target)
    ends = split_ends(series, window, leads, validation, test)
    index = [(pd.DatetimeIndex(s.times), s.targets) for s in series]
    climate = climatology(index, ends[0], time_step.duration)
    splits, baselines, dropped = cut_windows(
        series, window, leads, gap, ends, season_length or season_length_of(time_step.duration),
        lambda times: climate(pd.DatetimeIndex(times)), missing, named=bool(group),
    )  # fmt: skip
    if dropped:
        notes.append(f"left out {dropped:,} windows whose targets (or inputs, where gaps are dropped) have gaps")
    if not len(splits["train"]):
        raise ValueError(
            f"the training split must have a window of {window} rows and {max(leads)} steps after it, got none."
        )
    return Data(
        task="forecasting", kind="series", shape=(window, len(inputs)), dtype="float32", classes=(),
        outputs=tuple(f"{c} +{lead}" for lead in leads for c in target), **splits,
        columns=dict.fromkeys(plain_names(inputs).values(), "number"), notes=tuple(notes), missing=missing,
        split_description=_describe_split(splits, ends, gap), baselines=baselines, series_options=options, **facts,
    )  # fmt: skip


def lead_steps(horizon):
    """Returns the forecast steps after the window, rising from 1 at least."""
    leads = tuple(range(1, horizon[0] + 1)) if len(horizon) == 1 else tuple(horizon)
    if not leads or min(leads) < 1:
        raise ValueError(
            f"`horizon` must be 1 or more steps after the window, got {horizon}: it would leak into the window."
        )
    if list(leads) != sorted(set(leads)):
        raise ValueError(f"`horizon` must have rising steps, got {horizon}.")
    return leads


def add_cycles(series, inputs, calendar):
    """Adds calendar cycles to the inputs of series; returns the names of all inputs.

    Args:
        series: list of `Series`.
        inputs: names of the input columns.
        calendar: names of the cycles.
    """
    import pandas as pd

    if not calendar:
        return inputs
    for s in series:
        s.inputs = np.concatenate([s.inputs, cycles(pd.DatetimeIndex(s.times), calendar)], axis=1)
    return [*inputs, *(f"{c} {f}" for c in calendar for f in ("sine", "cosine"))]


def _describe_split(splits, ends, gap):
    sizes = [f"{len(splits[s]):,} {s}" for s in SPLITS if len(splits[s])]
    first, second = (str(np.datetime_as_string(end, unit="D")) for end in ends)
    between = f", {gap} steps between them" if gap else ""
    return f"{', '.join(sizes)} windows, forward in time: targets up to {first}, up to {second}, and after{between}"
