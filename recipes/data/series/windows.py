"""Series in a table: windows of the past as inputs, what comes after as targets, parted in time."""

import dataclasses

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import Data, Examples
from recipes.data.series.calendar import climatology, cycles, season_of
from recipes.data.tables.table import plain_names
from zoo.arguments import suggestion

PARTS = ("train", "validation", "test")


@dataclasses.dataclass
class Series:
    """One series of the table, in time's order."""

    name: str
    rows: np.ndarray  # (T,) their numbers in the table
    times: object  # pandas.DatetimeIndex, (T,)
    inputs: np.ndarray  # (T, F), NaN where there is a gap
    targets: np.ndarray  # (T, K), likewise


def read_windows(frame, options, *, name, **told):
    """`Data` for forecasting from a data frame with a column of times.

    Each example is `window` rows of one series and, as targets, the target columns at each lead after them. The parts
    follow each other in time: no target of a part is a target of another, and with `gap` that many steps lie between.

    Args:
        frame: one row a time (and series).
        options: `Options` with `time`, `target`, `window` and `horizon`.
        name: of the data set.
        **told: source, licence, description, notes, as `Data` has them.
    Returns:
        `Data` of kind series; `baselines` holds what persistence, the season before and climatology answer.
    Raises:
        ValueError: naming column and row, if times do not parse, rise or keep their step, if there are gaps without a
            policy, or if a series is too short.
    """
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    notes = list(told.pop("notes", ()))
    leads = _leads(options)
    _verify_columns(frame, options)
    times = _times(frame, options.time)
    if options.time_fraction:
        past = times <= np.quantile(times.unique(), options.time_fraction)
        frame, times = frame[past].reset_index(drop=True), times[past]
    columns = _inputs(frame, options, notes)
    series = _series(frame, times, columns, options, notes)
    step = _step(series, options)
    if options.calendar:
        for s in series:
            s.inputs = np.concatenate([s.inputs, cycles(s.times, options.calendar)], axis=1)
        columns = [*columns, *(f"{c} {f}" for c in options.calendar for f in ("sine", "cosine"))]
    if options.missing in (None, "error"):
        _verify_whole(series, columns, options)
    bounds = _bounds(series, options, leads)
    known = climatology([(s.times, s.targets) for s in series], bounds[0], step)
    season = options.season_length or season_of(step)
    kept = {part: [] for part in PARTS}
    dropped = 0
    for s in series:
        dropped += _cut(s, options, leads, bounds, season, known, kept)
    if dropped:
        notes.append(f"left out {dropped:,} windows whose targets (or inputs, where gaps are dropped) have gaps")
    parts = {part: _examples(kept[part], options, leads) for part in PARTS}
    if not len(parts["train"]):
        raise ValueError(
            f"load: the training part must have a window of {options.window} rows and {max(leads)} to come, got none."
        )
    outputs = tuple(f"{c} +{lead}" for lead in leads for c in options.target)
    rivals = {part: _rivals(kept[part]) for part in PARTS}
    told = {"source": "the user", "licence": "not stated", "description": "", **told}
    return Data(
        name=name, task="forecasting", kind="series", shape=(options.window, len(columns)), dtype="float32",
        classes=(), outputs=outputs, **parts, columns=dict.fromkeys(plain_names(columns).values(), "number"),
        split=_in_words(parts, bounds, options), notes=tuple(notes), missing=options.missing or "error",
        baselines=rivals, **told,
    )  # fmt: skip


def _leads(options):
    """The steps ahead that are asked for, rising from 1 at least."""
    horizon = options.horizon
    leads = tuple(range(1, horizon[0] + 1)) if len(horizon) == 1 else tuple(horizon)
    if not leads or min(leads) < 1:
        raise ValueError(
            f"load: `horizon` must be 1 or more steps after the window, got {horizon}: it would leak into the window."
        )
    if list(leads) != sorted(set(leads)):
        raise ValueError(f"load: `horizon` must name rising steps, got {horizon}.")
    return leads


def _verify_columns(frame, options):
    for argument in ("time", "target", "drop", "keep", "group"):
        for column in np.atleast_1d(np.array(getattr(options, argument) or (), dtype=object)):
            if column not in frame:
                raise ValueError(
                    f"load: `{argument}` must name columns of the table, got {column!r}.{suggestion(str(column), frame)} "
                    f"It has {', '.join(frame)}."
                )
    if not options.target:
        raise ValueError(f"load: `target` must name a column of the table: {', '.join(frame)}.")


def _times(frame, column):
    """The column as times; whole years and days written as 19580329 are understood."""
    import pandas as pd
    from pandas.api import types

    values = frame[column]
    if types.is_datetime64_any_dtype(values):
        times = pd.Series(values)
    else:
        text = values.map(lambda v: str(int(v)) if isinstance(v, float) and v == int(v) else str(v).strip())
        digits = text.str.fullmatch(r"\d+")
        form = {4: "%Y", 8: "%Y%m%d"}.get(len(text.iloc[0])) if len(text) and digits.all() else None
        if digits.all() and form is None:
            raise ValueError(f"load: `time` must be dates, got {text.iloc[0]!r} in the column {column!r}.")
        early = text.str.extract(r"^(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}").dropna().astype(int)
        if len(early) and (early.max() <= 12).all():
            raise ValueError(
                f"load: `time` must be dates such as 2020-01-31, got {text.iloc[0]!r} in the column {column!r}, where "
                'day and month cannot be told apart; in R as.Date(x, "%d.%m.%Y").'
            )
        later = bool(len(early)) and early[0].max() > 12  # the day comes first
        times = pd.to_datetime(text, format=form or "mixed", dayfirst=later, errors="coerce")
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise ValueError(
            f"load: `time` must be dates, got {values.iloc[row]!r} in the column {column!r}, row {row + 1}."
        )
    return pd.DatetimeIndex(times)


def _inputs(frame, options, notes):
    """The columns of numbers that go into a window: all, or those of `keep`, the targets' past included."""
    from pandas.api import types

    own = [options.time, *([options.group] if options.group else [])]
    for column in options.target:
        if not types.is_numeric_dtype(frame[column]):
            raise ValueError(f"load: `target` must be numbers to be forecast, got {column!r} with text.")
    if options.columns:
        return [c for c in options.columns if c not in own]
    columns = []
    for c in frame:
        if c in own or c in options.drop_columns:
            continue
        if types.is_numeric_dtype(frame[c]):
            columns.append(c)
        else:
            notes.append(warn_and_note(f"left out `{c}`: it is no number; make it one to use it"))
    return columns


def _series(frame, times, columns, options, notes):
    """The table's series, each checked to rise in time, on the grid of `step` where one is given."""
    import pandas as pd

    labels = frame[options.group].astype(str).to_numpy() if options.group else np.full(len(frame), "the series")
    found = []
    for label in dict.fromkeys(labels):
        rows = np.flatnonzero(labels == label)
        mine = times[rows]
        differences = np.diff(mine.to_numpy())
        bad = np.flatnonzero(differences <= np.timedelta64(0, "s"))
        if len(bad):
            row = rows[bad[0] + 1]
            what = "the same as" if differences[bad[0]] == np.timedelta64(0, "s") else "before"
            of = f" of {label}" if options.group else ""
            raise ValueError(
                f"load: `time` must rise row by row, got {times[row]} in the column {options.time!r}, row {row + 1}"
                f"{of}, which is {what} the row before; sort the table, or say which rows belong together by `group`."
            )
        inputs = frame[columns].to_numpy(dtype=np.float32, na_value=np.nan)[rows]
        targets = frame[list(options.target)].to_numpy(dtype=np.float32, na_value=np.nan)[rows]
        if options.step:
            grid = pd.date_range(mine[0], mine[-1], freq=options.step)
            place = grid.get_indexer(mine, method="nearest", tolerance=pd.tseries.frequencies.to_offset(options.step))
            spread = pd.DataFrame(np.concatenate([inputs, targets], 1)).groupby(place).mean().reindex(range(len(grid)))
            both = spread.to_numpy(dtype=np.float32)
            notes.append(f"{label}: {len(mine):,} rows put on {len(grid):,} steps of {options.step}")
            inputs, targets, mine = both[:, : len(columns)], both[:, len(columns) :], grid
            rows = np.arange(len(grid))
        found.append(Series(label, rows, mine, inputs, targets))
    return found


def _step(series, options):
    """The time between two rows, as a timedelta; months and years may differ by their days."""
    longest = max(series, key=lambda s: len(s.times))
    if len(longest.times) < 2:
        raise ValueError("load: the table must have two rows or more of a series, got one.")
    usual = np.median(np.diff(longest.times.to_numpy()).astype("timedelta64[s]").astype(np.int64))
    usual = np.timedelta64(int(usual), "s")
    for s in series:
        steps = np.diff(s.times.to_numpy()).astype("timedelta64[s]")
        off = np.abs(steps - usual) > usual * 0.11  # a month has 28 to 31 days, a leap year one more
        if off.any():
            row = int(s.rows[int(np.argmax(off)) + 1])
            raise ValueError(
                f"load: `time` must go in equal steps, here of {usual.astype(object)}, got {s.times[np.argmax(off)]} "
                f"and then {s.times[np.argmax(off) + 1]} in the column {options.time!r}, row {row + 1}; step='1D' (or "
                "another) puts the rows on a grid and leaves gaps, which missing='impute' fills."
            )
    return usual


def _verify_whole(series, columns, options):
    for s in series:
        for values, names in ((s.inputs, columns), (s.targets, options.target)):
            bad = ~np.isfinite(values)
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise ValueError(
                    f"load: the table has gaps ({bad.sum():,}), the first in the column {names[column]!r}, row "
                    f"{s.rows[row] + 1}; missing='drop' leaves out the windows with gaps, missing='impute' fills the "
                    "inputs (training part's median, and a channel that shows where)."
                )


def _bounds(series, options, leads):
    """The last times of the training and of the validation part."""
    times = np.unique(np.concatenate([s.times.to_numpy() for s in series]))
    shortest = min(len(s.times) for s in series)
    if shortest < options.window + max(leads):
        short = min(series, key=lambda s: len(s.times))
        raise ValueError(
            f"load: `window` and `horizon` must fit the series, got {options.window} + {max(leads)} steps for "
            f"{short.name} with {shortest} rows."
        )
    ends = np.cumsum([1 - options.validation - options.test, options.validation])
    places = np.clip((ends * len(times)).astype(int), 1, len(times))
    return times[places - 1]


def _cut(s, options, leads, bounds, season, known, kept):
    """Adds the windows of a series to their parts; returns how many were left out for gaps."""
    window, reach = options.window, max(leads)
    times, dropped = s.times.to_numpy(), 0
    last_known = _filled(s.targets)
    clock = known(s.times)
    # A target belongs to the part in whose span its window's first lead lies, and its last lead must lie there too
    part_of = np.searchsorted(bounds, times)  # 0, 1, 2 for each row
    starts = [0, *(int(np.searchsorted(times, b, side="right")) + options.gap for b in bounds)]
    for origin in range(window - 1, len(times) - reach):
        first, last = origin + 1, origin + reach
        part = part_of[first]
        if part_of[last] != part or (part and first < starts[part]):
            continue
        x = s.inputs[origin - window + 1 : origin + 1]
        y = s.targets[[origin + lead for lead in leads]]
        if np.isnan(y).any() or (options.missing == "drop" and np.isnan(x).any()):
            dropped += 1
            continue
        before = [origin + lead - season * -(-lead // season) if season else -1 for lead in leads]
        rivals = {
            "persistence": np.broadcast_to(last_known[origin], y.shape),
            "climatology": clock[[origin + lead for lead in leads]],
            "seasonal naive": last_known[before] if min(before) >= 0 else np.full(y.shape, np.nan),
        }
        kept[PARTS[part]].append((x, y, s, origin, rivals))
    return dropped


def _filled(values):
    """(T, K) with each gap holding the value before it."""
    place = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(place, axis=0), axis=0)


def _examples(kept, options, leads):
    inputs = np.stack([x for x, *_ in kept]) if kept else np.zeros((0, options.window, 1), np.float32)
    outputs = len(leads) * len(options.target)
    targets = np.stack([y.reshape(-1) for _, y, *_ in kept]) if kept else np.zeros((0, outputs), np.float32)
    names = [f"{s.name} {s.times[o]}" if options.group else str(s.times[o]) for _, _, s, o, _ in kept]
    return Examples(inputs, targets, np.array(names))


def _rivals(kept):
    """What trivial forecasts answer for each example of a part, (N, outputs); those that know every one."""
    found = {}
    for name in kept[0][-1] if kept else ():
        answers = np.stack([rivals[name].reshape(-1) for *_, rivals in kept])
        if np.isfinite(answers).all():
            found[name] = answers
    return found


def _in_words(parts, bounds, options):
    spans = [f"{len(parts[p]):,} {p}" for p in PARTS if len(parts[p])]
    first, second = (str(np.datetime_as_string(b, unit="D")) for b in bounds)
    between = f", {options.gap} steps between them" if options.gap else ""
    return f"{', '.join(spans)} windows, forward in time: targets up to {first}, up to {second}, and after{between}"
