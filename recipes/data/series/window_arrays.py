"""Windows of series as arrays: inputs, targets, baselines and the split of each window, without a loop over rows."""

import numpy as np

from recipes.data.examples import SPLITS, Examples
from recipes.data.series.time_steps import format_times

BASELINES = ("persistence", "climatology", "seasonal naive")


def split_ends(series, window, leads, validation, test):
    """Returns the last times of the training and of the validation split.

    Args:
        series: list of `Series`.
        window: rows in a window.
        leads: forecast steps.
        validation, test: fractions of the time range.
    Raises:
        ValueError: if the shortest series has no window.
    """
    times = np.unique(np.concatenate([s.times for s in series]))
    shortest = min(series, key=lambda s: len(s.times))
    if len(shortest.times) < window + max(leads):
        raise ValueError(
            f"`window` and `horizon` must fit the series, got {window} + {max(leads)} steps for {shortest.name} with "
            f"{len(shortest.times)} rows."
        )
    ends = np.cumsum([1 - validation - test, validation])
    indices = np.clip((ends * len(times)).astype(int), 1, len(times))
    return times[indices - 1]


def cut_windows(series, window, leads, gap, ends, season_length, climate, missing, named):
    """Returns (split -> `Examples`, split -> baselines, number of windows left out for gaps).

    A window belongs to the split in whose span its first target lies, and its last target must lie there too. Where one
    series has all windows of a split, without gaps between them, the inputs are a view of its rows.

    Args:
        series: list of `Series`.
        window: rows in a window.
        leads: forecast steps, rising from 1 at least.
        gap: steps left out between the splits.
        ends: last times of the training and of the validation split.
        season_length: steps in a season, or 0.
        climate: function of times to the climatology, as `climatology` returns it.
        missing: error, drop or impute.
        named: whether the windows' names have those of the series.
    """
    parts = {split: [] for split in SPLITS}
    dropped = 0
    for s in series:
        splits, left_out = _last_rows(s, window, leads, gap, ends, missing)
        dropped += left_out
        for split, last in zip(SPLITS, splits, strict=True):
            if len(last):
                parts[split].append((s, last, _baseline_values(s, last, leads, season_length, climate)))
    splits, baselines = {}, {}
    for split, pieces in parts.items():
        inputs = [windows_ending_at(s.inputs, last, window) for s, last, _ in pieces]
        targets = [s.targets[last[:, None] + np.asarray(leads)].reshape(len(last), -1) for s, last, _ in pieces]
        names = [np.char.add(f"{s.name} " if named else "", format_times(s.times[last])) for s, last, _ in pieces]
        empty = np.zeros((0, len(leads) * series[0].targets.shape[1]), np.float32)
        splits[split] = Examples(
            _joined(inputs, np.zeros((0, window, series[0].inputs.shape[1]), np.float32)),
            _joined(targets, empty),
            _joined(names, np.zeros(0, "U1")),
        )
        values = {name: [b[name] for _, _, b in pieces] for name in BASELINES} if pieces else {}
        joined = {name: _joined(arrays, empty) for name, arrays in values.items()}
        baselines[split] = {name: array for name, array in joined.items() if np.isfinite(array).all()}
    return splits, baselines, dropped


def windows_ending_at(rows, last, window):
    """Returns (N, window, F): the rows up to each index of `last`; a view where the indices follow each other.

    Args:
        rows: (T, F).
        last: (N,) rising indices from window - 1.
        window: rows in a window.
    """
    views = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0).transpose(0, 2, 1)
    first = last[0] - window + 1
    if last[-1] - last[0] == len(last) - 1:
        return views[first : first + len(last)]
    return views[last - window + 1]


def _joined(arrays, empty):
    if not arrays:
        return empty
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _last_rows(s, window, leads, gap, ends, missing):
    """Returns (the last rows of the windows of each split, number of windows left out for gaps)."""
    longest = max(leads)
    last = np.arange(window - 1, len(s.times) - longest)
    split_of_row = np.searchsorted(ends, s.times)  # 0, 1, 2 for each row
    starts = np.array([0, *(int(np.searchsorted(s.times, end, side="right")) + gap for end in ends)])
    split = split_of_row[last + 1]
    inside = (split_of_row[last + longest] == split) & ((split == 0) | (last + 1 >= starts[split]))
    last, split = last[inside], split[inside]
    has_gap = np.isnan(s.targets).any(1)[last[:, None] + np.asarray(leads)].any(1)
    if missing == "drop":
        gaps_before = np.concatenate([[0], np.cumsum(np.isnan(s.inputs).any(1))])
        has_gap |= gaps_before[last + 1] > gaps_before[last + 1 - window]
    return [last[(split == i) & ~has_gap] for i in range(len(SPLITS))], int(has_gap.sum())


def _baseline_values(s, last, leads, season_length, climate):
    """Returns baseline -> (N, leads * K) predictions of windows that end at the rows `last`, NaN where undefined."""
    values, leads = forward_filled(s.targets), np.asarray(leads)
    steps = last[:, None] + leads
    shape = (*steps.shape, values.shape[1])
    if season_length:
        before = steps - season_length * -(-leads // season_length)
        seasonal = np.where((before >= 0).all(1)[:, None, None], values[np.maximum(before, 0)], np.float32(np.nan))
    else:
        seasonal = np.full(shape, np.nan, np.float32)
    arrays = (np.broadcast_to(values[last][:, None], shape), climate(s.times)[steps], seasonal)
    return {name: np.reshape(array, (len(last), -1)) for name, array in zip(BASELINES, arrays, strict=True)}


def forward_filled(values):
    """Returns (T, K) with each gap filled by the value before it."""
    index = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(index, axis=0), axis=0)
