"""Steps between the rows of a series: fixed ones, months and years, their names, and errors where steps differ."""

import dataclasses
import re

import numpy as np

SECOND = 1_000_000  # microseconds
FIXED = {  # unit -> microseconds
    "us": 1, "ms": 1_000, "s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND, "D": 86_400 * SECOND,
    "W": 604_800 * SECOND,
}  # fmt: skip
MONTHS = {"MS": 1, "QS": 3, "YS": 12}
NAMES = {  # other names of the units, in lower case where letters do not tell units apart
    "me": "MS", "month": "MS", "months": "MS", "monthly": "MS", "mo": "MS",
    "q": "QS", "qe": "QS", "quarter": "QS", "quarters": "QS", "quarterly": "QS",
    "y": "YS", "ye": "YS", "a": "YS", "as": "YS", "year": "YS", "years": "YS", "yearly": "YS", "annual": "YS",
    "annually": "YS", "yr": "YS", "ms": "MS", "qs": "QS", "ys": "YS",
    "w": "W", "week": "W", "weeks": "W", "weekly": "W",
    "d": "D", "day": "D", "days": "D", "daily": "D",
    "h": "h", "hour": "h", "hours": "h", "hourly": "h", "hr": "h",
    "min": "min", "t": "min", "minute": "min", "minutes": "min", "mins": "min",
    "s": "s", "sec": "s", "second": "s", "seconds": "s",
    "millisecond": "ms", "milliseconds": "ms", "us": "us",
}  # fmt: skip
EXAMPLES = "1min, 1h, 1D, 1W, 1MS (month), 1QS (quarter) or 1YS (year)"
TOLERANCE = 0.11  # of a step: a month has 28 to 31 days, clocks drift
ROUND_STEPS = [n * FIXED[u] for u, counts in {
    "s": (1, 2, 5, 10, 15, 20, 30), "min": (1, 2, 5, 10, 15, 20, 30), "h": (1, 2, 3, 4, 6, 8, 12), "D": (1, 7),
}.items() for n in counts]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TimeStep:
    """Time from a row to the next: a number of months, or a fixed number of microseconds.

    Args:
        months: number of months, 0 for a fixed step.
        micros: microseconds, 0 for months.
    """

    months: int = 0
    micros: int = 0

    def __str__(self):
        if self.months:
            unit, size = next((u, m) for u, m in reversed(MONTHS.items()) if self.months % m == 0)
            return f"{self.months // size}{unit}"
        unit, size = next((u, s) for u, s in reversed(FIXED.items()) if self.micros % s == 0)
        return f"{self.micros // size}{unit}"

    @property
    def duration(self):
        """The step as numpy.timedelta64[us]; months have their mean length."""
        micros = self.months * FIXED["D"] * 30.4375 if self.months else self.micros
        return np.timedelta64(round(micros), "us")

    def is_kept(self, times):
        """Returns (N - 1,) whether each time follows the one before by this step, within 11 %.

        Args:
            times: (N,) datetime64[us].
        """
        micros = np.diff(times).astype(np.int64)
        is_equal = np.abs(micros - self.duration.astype(np.int64)) <= TOLERANCE * self.duration.astype(np.int64)
        return is_equal & (np.diff(month_numbers(times)) == self.months) if self.months else is_equal

    def after(self, times, leads):
        """Returns (leads,) datetime64[us] of steps after the last of a series' times.

        Args:
            times: (N,) datetime64[us] of the series; months keep the day, or the last day of the month.
            leads: numbers of steps.
        """
        leads = np.asarray(leads, dtype=np.int64)
        if not self.months:
            return times[-1] + leads * np.timedelta64(self.micros, "us")
        return month_times(month_numbers(times[-1:]) + leads * self.months, times)


def month_numbers(times):
    """Returns the number of months since January 1970 of each time."""
    return times.astype("datetime64[M]").astype(np.int64)


def month_times(months, times):
    """Returns datetime64[us] in each month, at the day and time of the day of a series' times.

    Args:
        months: numbers of months since January 1970.
        times: (N,) datetime64[us] of the series, of which the latest day of the month counts.
    """
    first = months.astype("datetime64[M]")
    days = (times.astype("datetime64[D]") - times.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
    clock = times[-1] - times[-1].astype("datetime64[D]")
    return (first.astype("datetime64[D]") + np.minimum(days.max(), length - 1)).astype("datetime64[us]") + clock


def parse_step(text):
    """Returns the `TimeStep` of a text such as 1h, 1D, 1W, 1MS, 1YS, monthly, or of pandas' names.

    Raises:
        ValueError: naming valid steps.
    """
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)", str(text).strip())
    number, word = (int(match[1] or 1), match[2]) if match else (0, "")
    unit = word if word in FIXED else "MS" if word == "M" else NAMES.get(word.lower())
    if not number or unit is None:
        raise ValueError(f"`step` must be a time between rows, such as {EXAMPLES}, got {text!r}.")
    if unit in MONTHS:
        return TimeStep(months=number * MONTHS[unit])
    return TimeStep(micros=number * FIXED[unit])


def is_regular(times):
    """Whether sorted times have equal steps, months and years included.

    Args:
        times: (N,) datetime64[us], N of 3 or more; fewer are not called regular.
    """
    return len(times) > 2 and bool(estimate_step(times).is_kept(times).all())


def estimate_step(times):
    """Returns the most usual `TimeStep` of rising times, at least two.

    Args:
        times: (N,) datetime64[us].
    """
    micros = np.diff(times).astype(np.int64)
    median = int(np.median(micros))
    months = int(np.median(np.diff(month_numbers(times))))
    if months and median >= 27 * FIXED["D"]:
        days = (times.astype("datetime64[D]") - times.astype("datetime64[M]")).astype(np.int64)
        last_days = ((times + np.timedelta64(1, "D")).astype("datetime64[M]") != times.astype("datetime64[M]")).all()
        step = TimeStep(months=months)
        near = abs(median - step.duration.astype(np.int64)) <= TOLERANCE * step.duration.astype(np.int64)
        if near and (np.ptp(days) == 0 or last_days or np.ptp(micros) > 0):
            return step
    if np.ptp(micros) == 0:
        return TimeStep(micros=median)
    is_regular = TimeStep(micros=median).is_kept(times)
    for size in ROUND_STEPS:  # 9 min 58 s among steps that vary is 10 min
        if abs(size - median) <= 0.05 * size:
            runs = np.split(times, np.flatnonzero(~is_regular) + 1)
            drift = [np.abs((t - t[0]).astype(np.int64) - size * np.arange(len(t))).max() for t in runs]
            if max(drift) <= 0.25 * size:
                return TimeStep(micros=size)
    unit = SECOND if median >= 10 * SECOND else 1
    return TimeStep(micros=max(1, round(median / unit) * unit))


def variation_note(times, step, column):
    """Returns a note on steps that differ a little from a fixed step, or None."""
    micros = np.diff(times).astype(np.int64)
    if step.months or not len(micros) or (micros == step.micros).all():
        return None
    low, high = (describe_span(int(v)) for v in (micros.min(), micros.max()))
    return f"the steps in `{column}` vary from {low} to {high}; the rows are taken as equal steps of {step}"


def describe_span(micros):
    """Returns a time span in words that a person reads: '2 days', '9 min 58 s'."""
    parts = []
    for unit, name in (("D", "days"), ("h", "h"), ("min", "min"), ("s", "s")):
        count, micros = divmod(micros, FIXED[unit])
        if count:
            parts.append("1 day" if count == 1 and unit == "D" else f"{count:,} {name}")
    return " ".join(parts[:2]) or f"{micros / SECOND:g} s"


def daylight_saving(before, after, step):
    """Whether a missing or doubled hour between two times is that of daylight saving time.

    Args:
        before, after: datetime64[us] of two rows.
        step: `TimeStep`.
    """
    hour = FIXED["h"]
    if step.months or step.micros > 3 * hour:
        return False
    day = before.astype("datetime64[D]")
    sunday = (day.astype(np.int64) + 3) % 7 == 6
    in_season = month_numbers(np.array([before]))[0] % 12 + 1 in (2, 3, 4, 9, 10, 11)
    night = (before - day).astype("timedelta64[us]").astype(np.int64) < 4 * hour
    change = (after - before).astype(np.int64) - step.micros
    return bool(sunday and in_season and night and change in (hour, -hour, -step.micros))


def irregular_error(times, rows, index, step, column, label=""):
    """Returns the ValueError on the first step that differs.

    Args:
        times: (N,) datetime64[us] of the series.
        rows: (N,) row numbers in the table, from 0.
        index: of the row before the step.
        step: `TimeStep` of the other rows.
        column: name of the column of times.
        label: " of NAME" for one of several series.
    """
    before, after = times[index], times[index + 1]
    micros = np.diff(times).astype(np.int64)
    if not step.months and (micros == step.micros).mean() < 0.5:  # the steps vary: advise a round one
        size = min(ROUND_STEPS, key=lambda size: abs(size - step.micros))
        step = TimeStep(micros=size) if abs(size - step.micros) < 0.15 * size else step
    advice = (
        f"step='{step}' puts the rows on a grid and leaves gaps, which missing='impute' fills (or another step, such "
        f"as {EXAMPLES})"
    )
    gap = (after - before).astype(np.int64) - step.duration.astype(np.int64)
    leap_day = np.datetime64(f"{str(before)[:4]}-02-29") if is_leap_year(before) else None
    if daylight_saving(before, after, step):
        advice = (
            "this is the hour that daylight saving time skips: write the times in UTC or with their offset "
            f"(2021-03-28T03:00+02:00), or {advice}"
        )
    elif leap_day is not None and gap == FIXED["D"] and before < leap_day < after:
        advice = f"the calendar of the table has no 29 February (noleap, as climate models have it): {advice}"
    return ValueError(
        f"`time` must have equal steps, here of {step}, got {format_time(before)} and then {format_time(after)} in the "
        f"column {column!r}, row {int(rows[index + 1]) + 1}{label}; {advice}."
    )


def is_leap_year(time):
    """Whether the year of a datetime64 has a 29 February."""
    year = time.astype("datetime64[Y]").astype(np.int64) + 1970
    return bool(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def format_time(time):
    """Returns a datetime64 as 2020-01-31 00:00:00."""
    return str(time.astype("datetime64[s]")).replace("T", " ")


def format_times(times):
    """Returns (N,) texts of datetime64[us], to the second or, where they have fractions, to the microsecond."""
    unit = "s" if (times == times.astype("datetime64[s]")).all() else "us"
    return np.char.replace(np.datetime_as_string(times, unit=unit), "T", " ")
