"""Time series in a table: windows of the past as inputs, later values as targets, splits in the order of time."""

from typing import Literal

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.series.calendar import climatology, cycles, season_length_of
from recipes.data.series.times import parse_times, split_series, time_step
from recipes.data.source_spec import with_source_spec
from recipes.data.tables.columns import existing_columns, plain_names, target_columns
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from zoo.arguments import Count, Fraction, Whole, checked

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
        time: column of times.
        target: columns to forecast.
        window: rows of the past in an example.
        horizon: number of steps to forecast from the next one; or several steps, which are forecast alone.
        gap: steps left out between the splits.
        step: time between rows, such as 1D or 1h, for irregular times, which are put on that grid.
        group: column that names the series of each row.
        columns: input columns; all numeric ones where empty, the past of the targets included.
        drop_columns: columns to leave out.
        calendar: calendar cycles to add to the inputs, each as sine and cosine.
        season_length: steps after which the series repeats, for the seasonal naive baseline; from the calendar if None.
        time_fraction: fraction of the time range to load, 0 to 1; later rows are left out. None loads all.
        missing: error, drop (windows with gaps) or impute (the value before, then the training split's median, with an
            indicator); None is error. Targets are never imputed.
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
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    notes = list(facts.pop("notes"))
    data = from_time_frame(
        frame, time=time, target=target, window=window, horizon=horizon, gap=gap, step=step, group=group,
        columns=columns, drop_columns=drop_columns, calendar=calendar, season_length=season_length,
        time_fraction=time_fraction, missing=missing or "error", validation=validation, test=test, notes=notes, **facts,
    )  # fmt: skip
    detected = resolved.detected_by(table_format)
    return with_source_spec(data, "series", arguments, detected=detected, **resolved.options())


def from_time_frame(
    frame, *, time, target, window, horizon, gap, step, group, columns, drop_columns, calendar, season_length,
    time_fraction, missing, validation, test, notes, **facts,
):  # fmt: skip
    """Returns `Data` for forecasting from a data frame, with the arguments of `read_series`.

    Args:
        frame: data frame.
        notes: list of sentences.
        **facts: name, source, license, description, as `Data` has them.
    """
    leads = _lead_steps(horizon)
    for argument, names in (("time", [time]), ("drop_columns", drop_columns), ("columns", columns)):
        existing_columns(argument, names, frame)
    target_columns(target, frame)
    existing_columns("group", [group] if group else [], frame)
    times = parse_times(frame, time)
    if time_fraction:
        early = times <= np.quantile(times.unique(), time_fraction)
        frame, times = frame[early].reset_index(drop=True), times[early]
    inputs = _input_columns(frame, notes, time, target, group, columns, drop_columns)
    series = split_series(frame, times, inputs, notes, time=time, target=target, group=group, step=step)
    step = time_step(series, time)
    if calendar:
        for s in series:
            s.inputs = np.concatenate([s.inputs, cycles(s.times, calendar)], axis=1)
        inputs = [*inputs, *(f"{c} {f}" for c in calendar for f in ("sine", "cosine"))]
    if missing == "error":
        _refuse_gaps(series, inputs, target)
    ends = _split_ends(series, window, leads, validation, test)
    climate = climatology([(s.times, s.targets) for s in series], ends[0], step)
    season_length = season_length or season_length_of(step)
    windows = {split: [] for split in SPLITS}
    dropped = 0
    for s in series:
        dropped += _cut_windows(s, window, leads, gap, ends, season_length, climate, missing, windows)
    if dropped:
        notes.append(f"left out {dropped:,} windows whose targets (or inputs, where gaps are dropped) have gaps")
    splits = {split: _examples(windows[split], window, len(leads) * len(target), group) for split in SPLITS}
    if not len(splits["train"]):
        raise ValueError(
            f"the training split must have a window of {window} rows and {max(leads)} steps after it, got none."
        )
    return Data(
        task="forecasting", kind="series", shape=(window, len(inputs)), dtype="float32", classes=(),
        outputs=tuple(f"{c} +{lead}" for lead in leads for c in target), **splits,
        columns=dict.fromkeys(plain_names(inputs).values(), "number"), notes=tuple(notes), missing=missing,
        split_description=_describe_split(splits, ends, gap),
        baselines={split: _baselines(windows[split]) for split in SPLITS}, **facts,
    )  # fmt: skip


def _lead_steps(horizon):
    """Returns the forecast steps after the window, rising from 1 at least."""
    leads = tuple(range(1, horizon[0] + 1)) if len(horizon) == 1 else tuple(horizon)
    if not leads or min(leads) < 1:
        raise ValueError(
            f"`horizon` must be 1 or more steps after the window, got {horizon}: it would leak into the window."
        )
    if list(leads) != sorted(set(leads)):
        raise ValueError(f"`horizon` must have rising steps, got {horizon}.")
    return leads


def _input_columns(frame, notes, time, target, group, columns, drop_columns):
    """Returns the numeric columns that go into a window: all, or `columns`, the past of the targets included."""
    from pandas.api import types

    index_columns = [time, *([group] if group else [])]
    for column in target:
        if not types.is_numeric_dtype(frame[column]):
            raise ValueError(f"`target` must be numeric to be forecast, got {column!r} with text.")
    if columns:
        return [c for c in columns if c not in index_columns]
    inputs = []
    for c in frame:
        if c in index_columns or c in drop_columns:
            continue
        if types.is_numeric_dtype(frame[c]):
            inputs.append(c)
        else:
            notes.append(warn_and_note(f"left out `{c}`: it is not numeric; convert it to use it"))
    return inputs


def _refuse_gaps(series, inputs, target):
    for s in series:
        for values, names in ((s.inputs, inputs), (s.targets, target)):
            gaps = ~np.isfinite(values)
            if gaps.any():
                row, column = np.argwhere(gaps)[0]
                raise ValueError(
                    f"the table has gaps ({gaps.sum():,}), the first in the column {names[column]!r}, row "
                    f"{s.rows[row] + 1}; missing='drop' leaves out the windows with gaps, missing='impute' fills the "
                    "inputs (training split's median, and a channel that marks the gaps)."
                )


def _split_ends(series, window, leads, validation, test):
    """Returns the last times of the training and of the validation split."""
    times = np.unique(np.concatenate([s.times.to_numpy() for s in series]))
    shortest = min(series, key=lambda s: len(s.times))
    if len(shortest.times) < window + max(leads):
        raise ValueError(
            f"`window` and `horizon` must fit the series, got {window} + {max(leads)} steps for {shortest.name} with "
            f"{len(shortest.times)} rows."
        )
    ends = np.cumsum([1 - validation - test, validation])
    indices = np.clip((ends * len(times)).astype(int), 1, len(times))
    return times[indices - 1]


def _cut_windows(s, window, leads, gap, ends, season_length, climate, missing, windows):
    """Adds the windows of a series to their splits; returns the number of windows left out for gaps."""
    longest = max(leads)
    times, dropped = s.times.to_numpy(), 0
    last_values = _forward_filled(s.targets)
    climate_values = climate(s.times)
    # A window belongs to the split in whose span its first target lies, and its last target must lie there too
    split_of_row = np.searchsorted(ends, times)  # 0, 1, 2 for each row
    starts = [0, *(int(np.searchsorted(times, end, side="right")) + gap for end in ends)]
    for last in range(window - 1, len(times) - longest):
        split = split_of_row[last + 1]
        if split_of_row[last + longest] != split or (split and last + 1 < starts[split]):
            continue
        x = s.inputs[last - window + 1 : last + 1]
        y = s.targets[[last + lead for lead in leads]]
        if np.isnan(y).any() or (missing == "drop" and np.isnan(x).any()):
            dropped += 1
            continue
        before = [last + lead - season_length * -(-lead // season_length) if season_length else -1 for lead in leads]
        baselines = {
            "persistence": np.broadcast_to(last_values[last], y.shape),
            "climatology": climate_values[[last + lead for lead in leads]],
            "seasonal naive": last_values[before] if min(before) >= 0 else np.full(y.shape, np.nan),
        }
        windows[SPLITS[split]].append((x, y, s, last, baselines))
    return dropped


def _forward_filled(values):
    """Returns (T, K) with each gap filled by the value before it."""
    index = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(index, axis=0), axis=0)


def _examples(windows, window, outputs, group):
    inputs = np.stack([x for x, *_ in windows]) if windows else np.zeros((0, window, 1), np.float32)
    targets = np.stack([y.reshape(-1) for _, y, *_ in windows]) if windows else np.zeros((0, outputs), np.float32)
    names = [f"{s.name} {s.times[i]}" if group else str(s.times[i]) for _, _, s, i, _ in windows]
    return Examples(inputs, targets, np.array(names))


def _baselines(windows):
    """Returns name -> (N, outputs) predictions of the baselines that are defined for every window of a split."""
    predictions = {}
    for name in windows[0][-1] if windows else ():
        values = np.stack([baselines[name].reshape(-1) for *_, baselines in windows])
        if np.isfinite(values).all():
            predictions[name] = values
    return predictions


def _describe_split(splits, ends, gap):
    sizes = [f"{len(splits[s]):,} {s}" for s in SPLITS if len(splits[s])]
    first, second = (str(np.datetime_as_string(end, unit="D")) for end in ends)
    between = f", {gap} steps between them" if gap else ""
    return f"{', '.join(sizes)} windows, forward in time: targets up to {first}, up to {second}, and after{between}"
