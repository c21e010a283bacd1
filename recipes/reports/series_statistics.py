"""Times, steps and gaps of time series, and what is suspicious in them."""

import numpy as np

from recipes.data.examples import SPLITS
from recipes.reports.column_statistics import number_statistics

FLAT_FRACTION = 0.5  # fraction of the rows in which a series keeps its value
MAX_GAP_FRACTION = 0.3  # of the steps


def series_facts(data, frame, options):
    """Returns the times of series.

    Args:
        data: `Data` of kind series.
        frame: data frame that it was read from, or None.
        options: of the reader: time, window, horizon, gap, group.
    Returns:
        Dict: window (steps of an example), channels, and of forecasts horizon (steps ahead, such as "1, 2, 3"), first
        and last (times), step (time between rows), rows, series (number of them), missing_steps (steps between the
        first and the last time without a row), gaps (values that are missing in the windows).
    """
    facts = {"window": data.shape[0], "channels": data.shape[1]}
    values = [e.inputs for e in (data.train, data.validation, data.test) if isinstance(e.inputs, np.ndarray)]
    facts["gaps"] = sum(int(np.isnan(v).sum()) for v in values if v.dtype.kind == "f")
    if data.task != "forecasting":
        return facts
    leads = dict.fromkeys(int(name.rpartition(" +")[2]) for name in data.outputs if " +" in name)
    facts["horizon"] = list(leads)
    times, groups = _times_of_frame(frame, options) if frame is not None else _times_of_windows(data)
    if times is None or not len(times):
        return facts
    steps, missing = _steps(times, groups)
    facts |= {"first": str(times.min()), "last": str(times.max()), "step": _describe_step(steps)}
    facts["series"] = len(np.unique(groups))
    return facts if frame is None else {**facts, "rows": len(times), "missing_steps": missing}


def _times_of_frame(frame, options):
    """Returns (pandas.DatetimeIndex, (N,) group) of the rows of a table; (None, None) where times cannot be read."""
    from recipes.data.series.times import parse_times

    time, group = options.get("time"), options.get("group")
    try:
        times = parse_times(frame, time)
    except (ValueError, KeyError, TypeError):  # calendars that are no dates, such as 2020-W05
        return None, None
    times = getattr(times, "to_timestamp", lambda: times)()  # of a period index
    has_group = isinstance(group, str) and group in frame
    return times, frame[group].astype(str).to_numpy() if has_group else np.zeros(len(frame), int)


def _times_of_windows(data):
    """Returns (pandas.DatetimeIndex, (N,) group) of the last row of every window."""
    import pandas as pd

    names = [str(n) for s in SPLITS for n in ([] if getattr(data, s).names is None else getattr(data, s).names)]
    parts = [name.rpartition(" ") if "T" in name.rpartition(" ")[2] else ("", "", name) for name in names]
    times = pd.to_datetime([time for *_, time in parts], errors="coerce")
    if times.isna().any():
        return None, None
    return pd.DatetimeIndex(times), np.array([group for group, *_ in parts])


def _steps(times, groups):
    """Returns (seconds between neighboring rows of each series, number of steps without a row)."""
    seconds, missing = [], 0
    values = times.to_numpy().astype("datetime64[s]").astype(np.int64)
    for group in np.unique(groups):
        differences = np.diff(np.unique(values[groups == group]))
        seconds.append(differences)
        if len(differences):
            missing += int((np.round(differences / np.median(differences)) - 1).clip(0).sum())
    return np.concatenate(seconds), missing


def _describe_step(seconds):
    """Returns the usual time between rows: "1 day", "1 hour", "1 month"."""
    if not len(seconds):
        return None
    step = int(np.median(seconds))
    days = step / 86400
    for low, high, unit in ((28, 31, "month"), (89, 92, "quarter"), (365, 366, "year")):
        if low <= days <= high:
            return f"1 {unit}"
    for size, unit in ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if step and step % size == 0:
            n = step // size
            return f"{n} {unit}{'s' * (n > 1)}"
    return f"{step} seconds"


def channel_rows(data):
    """Returns one dict per channel of series: name, kind, values, gaps, distinct, smallest, median and largest."""
    parts = [getattr(data, s).inputs for s in SPLITS if isinstance(getattr(data, s).inputs, np.ndarray)]
    names = (
        list(data.columns) if len(data.columns) == data.shape[-1] else [f"channel {i}" for i in range(data.shape[-1])]
    )
    rows = []
    for i, name in enumerate(names):
        values = np.concatenate([part[..., i].ravel() for part in parts if len(part)] or [np.zeros(0)])
        values = values.astype(np.float64)
        valid = values[~np.isnan(values)]
        gaps = len(values) - len(valid)
        row = {
            "name": name, "role": "input", "input_name": None, "policy": data.missing if gaps else None,
            "kind": "number", "values": len(valid), "gaps": gaps, "gap_fraction": gaps / max(len(values), 1),
        }  # fmt: skip
        rows.append({**row, **number_statistics(valid)})
    return rows


def series_sentences(facts, accepted):
    """Returns sentences on steps without a row.

    Args:
        facts: as `series_facts` returns them.
        accepted: names of the options that the reader takes.
    """
    missing, rows = facts.get("missing_steps", 0), facts.get("rows", 0)
    if not missing:
        return []
    option = "; `step` puts the rows on a grid, `missing` says what to do with the gaps" if "step" in accepted else ""
    fraction = missing / (missing + rows)
    return [f"{missing:,} steps ({fraction:.1%}) between the first and the last time have no row{option}"]
