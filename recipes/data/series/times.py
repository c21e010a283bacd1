"""The column of times of a table as dates, whatever way they are written in."""

import datetime
import re

import numpy as np

from recipes.data.series.time_numbers import COUNTS, DIGITS, SINCE, count_times, number_interpretations, read_digits
from recipes.data.series.time_steps import is_regular
from recipes.data.series.time_texts import (
    QUARTER,
    WEEK,
    clock_times,
    split_clock,
    text_interpretations,
    zone_offsets,
)

ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}(?::?\d{2})?(?::?\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?)?"
ADVICE = (
    "write dates such as 2020-01-31 or 2020-01-31 13:00, or set time_format, such as '%d.%m.%Y %H:%M', 'excel', 's' "
    "(seconds since 1970) or 'days since 2000-01-01'"
)
STRPTIME = {"y": "%Y", "m": "%m", "d": "%d", "j": "%j"}


def parse_times(frame, column, time_format=None, day_first=None, notes=None):
    """Returns the column of times as a pandas.DatetimeIndex without time zone; times with a zone are converted to UTC.

    Dates and times as in ISO 8601 are read, with or without time zone, and, with a note, other ways of writing that
    have one meaning only: day, month and year in any order, names of months, AM and PM, 202001, 2020031, years, Excel's
    days, seconds since 1970.

    Args:
        frame: data frame.
        column: name of the column.
        time_format: format as in strptime; excel, julian, s, ms, us or ns; or "days since 2000-01-01" (hours, minutes,
            seconds). None finds it.
        day_first: whether 01/02/2020 is the first of February, where the column could be read either way; None makes
            that an error.
        notes: list that notes are added to, or None.
    Raises:
        ValueError: naming column, row and value, if an entry is no date or has more than one meaning.
    """
    return TimeReader(column, time_format, day_first, [] if notes is None else notes).read(frame[column])


class TimeReader:
    """Reads a column of times; `time_format` and `day_first` then say how it was read, where the texts alone do not.

    Args:
        column: name of the column, for errors and notes.
        time_format, day_first: as `parse_times` has them.
        notes: list that notes are added to.
    """

    def __init__(self, column, time_format=None, day_first=None, notes=None):
        self.column, self.time_format, self.day_first = column, time_format, day_first
        self.notes = [] if notes is None else notes

    def read(self, values):
        """Returns a pandas.DatetimeIndex of a pandas.Series."""
        import pandas as pd
        from pandas.api import types

        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(values.cat.categories.dtype)
        gaps = values.isna().to_numpy()
        if gaps.any():
            self._fail(values, int(np.argmax(gaps)), "has no value")
        if isinstance(values.dtype, pd.PeriodDtype):
            return pd.DatetimeIndex(values.dt.to_timestamp())
        if types.is_datetime64_any_dtype(values):
            return self._without_zone(pd.DatetimeIndex(values))
        if types.is_bool_dtype(values):
            self._fail(values, 0)
        if types.is_numeric_dtype(values):
            return pd.DatetimeIndex(self._numbers(values.to_numpy(dtype=np.float64), values))
        texts = values.astype(str).str.strip()
        if self.time_format and not count_or_digits(self.time_format):
            return self._formatted(texts)
        if texts.str.fullmatch(r"\d+(?:\.\d+)?").all():
            return pd.DatetimeIndex(self._numbers(texts.astype(np.float64).to_numpy(), texts))
        if texts.str.fullmatch(ISO).all():
            return self._iso(texts)
        return self._texts(texts)

    def _fail(self, values, row, problem=None):
        """Raises the error on one entry."""
        value = values.iloc[row]
        value = value.item() if isinstance(value, np.generic) else value
        problem = f"must be dates, got {value!r}" if problem is None else f"{problem}, got {value!r}"
        advice = ADVICE
        if re.match(r"\d{4}\D0?2\D(29|30)\b", str(value)):
            advice = (
                "it is no day of the standard calendar but of one of 360 days or of equal years, as climate models "
            )
            advice += "use; convert it, as in xarray's convert_calendar('standard', align_on='year')"
        elif re.search(r"\d:\d\d(:\d\d)? *[A-Z][A-Za-z/_]{2,}$", str(value)):
            advice = "names of time zones are not read; write the offset to UTC, as in 2020-01-31 13:00+01:00"
        raise ValueError(f"`time` {problem} in the column {self.column!r}, row {row + 1}; {advice}.")

    def _without_zone(self, times):
        """Returns the times in UTC, without their zone, with a note."""
        if times.tz is None:
            return times
        return self._to_utc(times, str(times[0]), f"the time zone {times.tz}")

    def _to_utc(self, times, first, zone):
        times = times.tz_convert("UTC").tz_localize(None)
        if zone in ("the time zone UTC", "the time zone UTC+00:00"):
            self.notes.append(f"the times in `{self.column}` are in UTC")
        else:
            self.notes.append(
                f"the times in `{self.column}` have {zone} and are converted to UTC: {first} is {times[0]}"
            )
        return times

    def _iso(self, texts):
        """Returns times as in ISO 8601."""
        import pandas as pd

        zoned = texts.str.contains(r"\d{2}\s*(?:Z|[+-]\d{2}(?::?\d{2})?)$") & (texts.str.len() > 10)
        if not zoned.any():
            times = pd.to_datetime(texts, format="ISO8601", errors="coerce")
        else:
            self._all_zoned(zoned.to_numpy(), texts)
            times = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
        wrong = times.isna().to_numpy()
        if wrong.any():
            hour24 = texts.str.contains(r"[T ]24:?00").to_numpy()
            if (hour24 | ~wrong).all() and not zoned.any():
                return self._texts(texts)
            self._fail(texts, int(np.argmax(wrong)))
        times = pd.DatetimeIndex(times)
        if not zoned.any():
            return times
        offsets = texts.str.extract(r"(Z|[+-]\d{2}:?(?:\d{2})?)$")[0].unique()
        utc = all(o in ("Z", "+00", "+00:00", "+0000", "-00:00") for o in offsets)
        zone = "the time zone UTC" if utc else f"the offset{'s' * (len(offsets) > 1)} {', '.join(offsets[:3])} to UTC"
        return self._to_utc(times, texts.iloc[0], zone)

    def _all_zoned(self, zoned, texts):
        if not zoned.all():
            row = int(np.argmin(zoned))
            self._fail(texts, row, "must have a time zone in every row or in none")

    def _numbers(self, numbers, values):
        """Returns datetime64[us] of numbers."""
        if self.time_format:
            times = count_times(numbers, self.time_format)
            if times is None and self.time_format in DIGITS and (numbers == np.round(numbers)).all():
                times = read_digits(numbers, self.time_format)
            if times is None:
                digits = values.astype(str).str.replace(r"\.0$", "", regex=True)
                width = sum({"Y": 4, "j": 3}.get(code, 2) for code in re.findall("%(.)", self.time_format))
                return self._formatted(digits.str.zfill(width)).to_numpy()  # 1012020 is 01012020
            if np.isnat(times).any():
                self._fail(values, int(np.argmax(np.isnat(times))), f"must have the format {self.time_format!r}")
            return times
        return self._choose(number_interpretations(numbers), values)

    def _formatted(self, texts):
        """Returns the times of texts in `time_format`; a time of the day behind a format without hours is read too."""
        import pandas as pd

        time_format = self.time_format
        if "%" not in time_format:
            raise ValueError(
                f"`time_format` must be a format as in strptime, such as '%d.%m.%Y %H:%M', or one of "
                f"{', '.join(COUNTS)} (or hours, minutes, seconds since a date), got {time_format!r}."
            )
        clock, parts = np.timedelta64(0, "us"), None
        if not re.search(r"%[HIMSTRXcsfzZ]", time_format):
            parts = split_clock(texts)
            clock, texts_read = clock_times(parts), parts["date"].fillna("")
        else:
            texts_read = texts
        try:
            times = pd.to_datetime(texts_read, format=time_format, errors="coerce", utc="%z" in time_format or None)
        except ValueError as error:
            raise ValueError(f"`time_format` must be a format as in strptime, got {time_format!r}: {error}.") from None
        times = pd.DatetimeIndex(times)
        wrong = np.asarray(times.isna()) | np.isnat(clock)
        if wrong.any():
            self._fail(texts, int(np.argmax(wrong)), f"must have the format {time_format!r}")
        if parts is not None and parts["zone"].notna().any():
            self._all_zoned(parts["zone"].notna().to_numpy(), texts)
            return self._to_utc((times + clock - zone_offsets(parts)).tz_localize("UTC"), texts.iloc[0], "a time zone")
        return self._without_zone(times + clock)

    def _texts(self, texts):
        """Returns the times of texts in any other way of writing."""
        import pandas as pd

        parts = split_clock(texts)
        missing = parts["date"].isna().to_numpy()
        clock = clock_times(parts)
        wrong = missing | np.isnat(clock)
        if wrong.any():
            self._fail(texts, int(np.argmax(wrong)))
        codes, dates = pd.factorize(parts["date"])
        dates = pd.Series(dates)
        if dates.str.fullmatch(QUARTER).all():
            quarters = dates.str.extract(QUARTER).astype(float)
            year, quarter = quarters[0].fillna(quarters[3]), quarters[1].fillna(quarters[2])
            months = ((year - 1970) * 12 + (quarter - 1) * 3).astype(np.int64).to_numpy().astype("datetime64[M]")
            days = months.astype("datetime64[us]")
            self._note("year and quarter", texts, days[codes])
        elif dates.str.fullmatch(WEEK).all():
            weeks = dates.str.extract(WEEK)
            weeks = weeks[0] + "-" + weeks[1] + "-" + weeks[2].fillna("1")
            days = pd.to_datetime(weeks, format="%G-%V-%u", errors="coerce").to_numpy().astype("datetime64[us]")
            if np.isnat(days).any():
                self._fail(texts, int(np.argmax(np.isnat(days[codes]))))
            self._note("year and week, from Monday on", texts, days[codes])
        elif dates.str.fullmatch(r"\d+").all():
            days = self._numbers(dates.astype(np.float64).to_numpy(), dates)
        else:
            days = self._dates(dates, codes, texts)
        times = days[codes] + clock
        if parts["clock"].fillna("").astype(str).str.startswith("24:").any():
            self.notes.append(f"24:00 in `{self.column}` was read as 00:00 of the next day")
        zoned = parts["zone"].notna().to_numpy()
        if not zoned.any():
            return pd.DatetimeIndex(times)
        self._all_zoned(zoned, texts)
        times = pd.DatetimeIndex(times - zone_offsets(parts)).tz_localize("UTC")
        return self._to_utc(times, texts.iloc[0], "a time zone")

    def _dates(self, dates, codes, texts):
        """Returns datetime64[us] of distinct dates, which `codes` assigns to the rows of `texts`."""
        interpretations, wrong = text_interpretations(dates.tolist())
        if wrong is not None or not interpretations:
            self._fail(texts, int(np.argmax(codes == (wrong or 0))))
        if self.day_first is not None:
            stated_order = [i for i in interpretations if i.time_format == ("dmy" if self.day_first else "mdy")]
            others = [i for i in interpretations if i.time_format not in ("dmy", "mdy")]
            interpretations = stated_order or others
            if not interpretations:
                self._fail(texts, 0)
        valid = [i for i in interpretations if not np.isnat(i.times).any()]
        if not valid:
            best = min(interpretations, key=lambda i: np.isnat(i.times).sum())
            row = int(np.argmax(np.isnat(best.times)[codes]))
            self._fail(texts, row, f"must be dates ({best.description}, as in most rows)" if row else None)
        distinct = []
        for interpretation in valid:
            if not any((interpretation.times == other.times).all() for other in distinct):
                distinct.append(interpretation)
        orders = {i.time_format: i for i in distinct}
        if {"dmy", "mdy"} <= set(orders):
            raise ValueError(
                f"`time` must be dates such as 2020-01-31, got {texts.iloc[0]!r} in the column {self.column!r}, where "
                "day and month are ambiguous; day_first=True reads day, month, year, day_first=False month, day, year; "
                'in R as.Date(x, "%d.%m.%Y").'
            )
        interpretation = self._one(distinct, texts, codes)
        short = "two-digit" in interpretation.description
        if short and interpretation.time_format == "my" and not _runs_by_month(interpretation.times):
            self._fail(texts, 0)  # Jan-20 may be a day without its year
        is_iso_order = interpretation.time_format in ("ymd", "ym") and not short
        has_names = dates.str.contains(r"[^\W\d]", regex=True).any()
        if interpretation.time_format in ("dmy", "mdy") and (short or not has_names):
            self.day_first = interpretation.time_format == "dmy"
        if (short or interpretation.time_format == "yj") and not has_names:
            self.time_format = time_format_of(interpretation, dates.iloc[0])
        if short:
            future = interpretation.times >= np.datetime64(f"{datetime.date.today().year + 1}", "us")
            if future.any():
                form = interpretation.description
                problem = f"must have years of four digits, or years that are not in the future ({form})"
                self._fail(texts, int(np.argmax(future[codes])), problem)
        if not is_iso_order or has_names:
            self._note(interpretation.description, texts, interpretation.times[codes])
        return interpretation.times

    def _choose(self, interpretations, values):
        """Returns the times of the only interpretation of numbers, with a note."""
        codes = np.arange(len(values))
        if not interpretations:
            self._fail(values, 0)
        valid = [i for i in interpretations if not np.isnat(i.times).any()]
        if not valid:
            best = min(interpretations, key=lambda i: np.isnat(i.times).sum())
            row = int(np.argmax(np.isnat(best.times)))
            self._fail(values, row, f"must be dates (as most rows: {best.description})")
        interpretation = self._one(valid, values, codes)
        self._note(interpretation.description, values, interpretation.times)
        if interpretation.time_format not in ("%Y", "%Y%m%d"):
            self.time_format = interpretation.time_format
        return interpretation.times

    def _one(self, valid, values, codes):
        """Returns the only interpretation, or the only one with equal steps."""
        if len(valid) > 1:
            regular = [i for i in valid if is_regular(np.unique(i.times))]
            valid = regular if len(regular) == 1 else valid
        if len(valid) > 1:
            readings = "; ".join(
                f"as {i.description} {str(i.times[codes[0]].astype('datetime64[s]')).replace('T00:00:00', '')} "
                f"(time_format={time_format_of(i, values.iloc[0])!r})"
                for i in valid
            )
            raise ValueError(
                f"`time` must be dates with one meaning, got {values.iloc[0]} in the column {self.column!r}, row 1: "
                f"{readings}; set time_format."
            )
        return valid[0]

    def _note(self, description, values, times):
        first = str(times[0].astype("datetime64[s]")).replace("T00:00:00", "").replace("T", " ")
        self.notes.append(f"`{self.column}` was read as {description}: {values.iloc[0]} is {first}")


def _runs_by_month(times):
    """Whether times follow each other by equal steps of less than a year."""
    distinct = np.unique(times)
    return is_regular(distinct) and len(np.unique(distinct.astype("datetime64[M]").astype(int) % 12)) > 1


def count_or_digits(time_format):
    """Whether a format is one of numbers that count units or have digits alone, for which no text is needed."""
    return time_format in COUNTS or time_format in DIGITS or SINCE.fullmatch(time_format) is not None


def time_format_of(interpretation, text):
    """Returns an interpretation as the option `time_format` has it: its name, or the format of a text in its order."""
    order = interpretation.time_format
    if order not in ("ymd", "dmy", "mdy", "ym", "my", "yj"):
        return order
    year = "%y" if "two-digit" in interpretation.description else "%Y"
    separators = re.findall(r"[^\w]+", str(text))
    codes = [year if part == "y" else STRPTIME[part] for part in order]
    return "".join(code + separator for code, separator in zip(codes, [*separators, "", "", ""], strict=False)).rstrip()
