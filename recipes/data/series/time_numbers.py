"""Times written as numbers: years, 202001, 2020031, 20200131, Excel's days, seconds since 1970, days since a date."""

import datetime
import re
from typing import NamedTuple

import numpy as np

EXCEL_ORIGIN = np.datetime64("1899-12-30", "us")  # Excel counts a 29 February 1900, so 1 March 1900 is day 61
JULIAN_ORIGIN = 2_440_587.5  # Julian day of 1970-01-01
UNITS = {"day": 86_400_000_000, "hour": 3_600_000_000, "minute": 60_000_000, "second": 1_000_000, "ms": 1_000}
EPOCHS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}  # microseconds in each unit
SINCE = re.compile(r"(day|hour|minute|second)s? since (\d{4}-\d{1,2}-\d{1,2}.*)")
DIGITS = {  # format of whole numbers -> (number of digits of each field, what a note calls it)
    "%Y": ((4,), "years"),
    "%Y%m": ((4, 2), "year and month"),
    "%Y%j": ((4, 3), "year and day of the year"),
    "%y%j": ((2, 3), "two-digit year and day of the year"),
    "%y%m%d": ((2, 2, 2), "two-digit year, month and day"),
    "%Y%m%d": ((4, 2, 2), "year, month and day"),
    "%Y%m%d%H": ((4, 2, 2, 2), "year, month, day and hour"),
    "%Y%m%d%H%M": ((4, 2, 2, 2, 2), "year, month, day, hour and minute"),
    "%Y%m%d%H%M%S": ((4, 2, 2, 2, 2, 2), "year, month, day, hour, minute and second"),
}
COUNTS = {
    "excel": "Excel's serial days",
    "julian": "Julian days",
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "days since 1970-01-01": "days since 1970",
}


class Interpretation(NamedTuple):
    """One way to read a column of times."""

    time_format: str  # as the option `time_format` has it
    description: str  # for notes and errors
    times: np.ndarray  # (N,) datetime64[us], NaT where an entry is no date


def number_interpretations(values):
    """Returns the interpretations in which at least half of the numbers are plausible dates.

    Args:
        values: (N,) float64 without gaps.
    """
    year = datetime.date.today().year
    result = []
    if (values == np.round(values)).all():
        for time_format, (_, description) in DIGITS.items():
            # Two-digit years are of this century or of the one before; years of three digits are accepted alone
            low, high = {"%Y": (100, 2999), "%Y%m%d": (1000, 2999)}.get(time_format, (1500, 2200))
            if time_format.startswith("%y"):
                low, high = 1969, year
            result.append(Interpretation(time_format, description, read_digits(values, time_format, low, high)))
    day = np.timedelta64(1, "D")
    for time_format, description in COUNTS.items():
        times = count_times(values, time_format)
        low = {"excel": "1927", "days since 1970-01-01": "1997"}.get(time_format, "1973")
        if time_format == "julian":
            low = "1858"
        plausible = (times >= np.datetime64(low, "us")) & (times < np.datetime64(f"{year + 2}", "us") + day)
        result.append(Interpretation(time_format, description, np.where(plausible, times, np.datetime64("NaT", "us"))))
    result = [i for i in result if np.isnat(i.times).mean() <= 0.5]
    digits = [i for i in result if i.time_format in ("%Y%m%d%H", "%Y%m%d%H%M") and not np.isnat(i.times).any()]
    return digits or result  # ten or twelve digits that are all dates are no counts of seconds


def read_digits(values, time_format, low=1, high=9999):
    """Returns (N,) datetime64[us] of whole numbers such as 20200131, NaT where one is no date.

    Args:
        values: (N,) whole numbers.
        time_format: a key of `DIGITS`.
        low, high: first and last year that is accepted.
    """
    widths, _ = DIGITS[time_format]
    fields, rest = [], np.where(np.isfinite(values), values, -1).astype(np.int64)
    for width in widths[:0:-1]:
        fields.insert(0, rest % 10**width)
        rest = rest // 10**width
    years = full_years(rest) if time_format.startswith("%y") else rest
    if time_format.endswith("%j"):
        times = compose_ordinal(years, fields[0])
    else:
        month, day = [*fields, *[np.ones_like(rest)] * 2][:2] if len(fields) < 2 else fields[:2]
        times = compose_days(years, month, day)
    times = times.astype("datetime64[us]")
    for unit, limit, count in zip(("hour", "minute", "second"), (24, 60, 60), fields[2:], strict=False):
        times = times + count * np.timedelta64(UNITS[unit], "us")
        times[count >= limit] = np.datetime64("NaT")
    times[(years < low) | (years > high) | ((rest > 99) & time_format.startswith("%y"))] = np.datetime64("NaT")
    return times


def count_times(values, time_format):
    """Returns (N,) datetime64[us] of numbers that count units of time, or None for another format.

    Args:
        values: (N,) float64.
        time_format: excel, julian, s, ms, us, ns, or "days since 2000-01-01" (also hours, minutes, seconds).
    """
    since = SINCE.fullmatch(time_format)
    origin = np.datetime64(0, "us")
    if time_format in EPOCHS:
        scale = EPOCHS[time_format]
    elif time_format == "excel":
        scale, origin = UNITS["day"], EXCEL_ORIGIN
    elif time_format == "julian":
        scale, values = UNITS["day"], values - JULIAN_ORIGIN
    elif since:
        scale = UNITS[since[1]]
        try:
            origin = np.datetime64(since[2].strip().replace(" ", "T"), "us")
        except ValueError:
            raise ValueError(
                f"`time_format` must count from a date such as 'days since 2000-01-01', got {time_format!r}."
            ) from None
    else:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        micros = values * scale
    if scale > 1000:  # a fraction of a day has 15 digits: milliseconds are exact, microseconds are not
        micros = np.round(micros / 1000) * 1000
    inside = np.abs(micros) < 2.5e17  # within 7,900 years
    return np.where(inside, origin + np.where(inside, micros, 0).astype(np.int64), np.datetime64("NaT", "us"))


def full_years(years):
    """Returns the years of two-digit ones: 69 to 99 are 1969 to 1999, 0 to 68 are 2000 to 2068, as in strptime."""
    return np.where(years < 69, years + 2000, years + 1900)


def compose_days(year, month, day):
    """Returns (N,) datetime64[D], NaT where the calendar has no such day."""
    months = ((np.clip(year, 0, 9999) - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    days[(month < 1) | (month > 12) | (day < 1) | (days.astype("datetime64[M]") != months)] = np.datetime64("NaT")
    return days


def compose_ordinal(year, day):
    """Returns (N,) datetime64[D] of years and days of the year from 1, NaT where the year has no such day."""
    years = (np.clip(year, 0, 9999) - 1970).astype("datetime64[Y]")
    days = years.astype("datetime64[D]") + (day - 1)
    days[(day < 1) | (days.astype("datetime64[Y]") != years)] = np.datetime64("NaT")
    return days
