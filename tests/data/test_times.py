"""Times of a table in the ways that people and programs write them: one meaning with a note, or one clear error."""

import datetime

import numpy as np
import pandas as pd
import pytest

from recipes.data.series.time_texts import month_numbers
from recipes.data.series.times import TimeReader, parse_times

DAYS = pd.date_range("2020-01-01", periods=60)
HOURS = pd.date_range("2021-10-25", periods=60, freq="h")
MONTHS = pd.date_range("2000-01-01", periods=40, freq="MS")
YEARS = pd.date_range("1950-01-01", periods=40, freq="YS")
FRENCH = ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."]
GERMAN = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]


def read(values, **options):
    """Returns (times, notes) of a column."""
    notes = []
    return parse_times(pd.DataFrame({"t": values}), "t", notes=notes, **options), notes


def written(times, date_format):
    return times.strftime(date_format).tolist()


@pytest.mark.parametrize(
    ("times", "values"),
    [
        (DAYS, written(DAYS, "%Y-%m-%d")),
        (DAYS, DAYS),
        (DAYS, DAYS.to_period("D")),
        (DAYS, [d.date() for d in DAYS]),
        (DAYS, written(DAYS, "%Y/%m/%d")),
        (DAYS, pd.Categorical(written(DAYS, "%Y-%m-%d"))),
        (HOURS, written(HOURS, "%Y-%m-%dT%H:%M:%S")),
        (HOURS, [t[:10] if t.endswith("00:00:00") else t for t in written(HOURS, "%Y-%m-%d %H:%M:%S")]),
        (HOURS, written(HOURS, "%Y-%m-%dT%H")),
        (MONTHS, written(MONTHS, "%Y-%m")),
    ],
)
def test_standard_times_are_read_without_a_note(times, values):
    result, notes = read(values)
    np.testing.assert_array_equal(result.to_numpy(), times.to_numpy())
    assert notes == []


OTHERS = {
    "day_month_year": (DAYS, written(DAYS, "%d/%m/%Y")),
    "day_month_year_hour": (HOURS, written(HOURS, "%d.%m.%Y %H:%M")),
    "month_day_year": (DAYS, written(DAYS, "%m/%d/%Y")),
    "without_zeros": (DAYS, [f"{d.day}.{d.month}.{d.year}" for d in DAYS]),
    "month_first_am_pm": (HOURS, written(HOURS, "%m/%d/%Y %I:%M %p")),
    "am_pm_in_lower_case": (HOURS, [t.lower() for t in written(HOURS, "%d-%m-%Y %I:%M:%S%p")]),
    "am_pm_without_minutes": (HOURS, written(HOURS, "%m/%d/%Y %I %p")),
    "two_digit_year": (DAYS, written(DAYS, "%d.%m.%y")),
    "two_digit_year_first": (DAYS, written(DAYS, "%y-%m-%d")),
    "two_digit_year_american": (DAYS, written(DAYS, "%m/%d/%y")),
    "year_and_day": (DAYS, written(DAYS, "%Y-%j")),
    "year_and_day_without_zeros": (DAYS, [f"{d.year}-{d.day_of_year}" for d in DAYS]),
    "yyyyjjj": (DAYS, [int(t) for t in written(DAYS, "%Y%j")]),
    "yyyymm": (MONTHS, [int(t) for t in written(MONTHS, "%Y%m")]),
    "yyyymm_text": (MONTHS, written(MONTHS, "%Y%m")),
    "month_and_year": (MONTHS, written(MONTHS, "%m/%Y")),
    "yyyymmdd": (DAYS, [int(t) for t in written(DAYS, "%Y%m%d")]),
    "yyyymmddhh": (HOURS, [int(t) for t in written(HOURS, "%Y%m%d%H")]),
    "yyyymmddhhmm": (HOURS, written(HOURS, "%Y%m%d%H%M")),
    "yyyymmdd_hhmm": (HOURS, written(HOURS, "%Y%m%d %H:%M")),
    "years": (YEARS, YEARS.year.to_numpy()),
    "years_as_floats": (YEARS, YEARS.year.to_numpy().astype(float)),
    "early_years": (pd.DatetimeIndex([f"0{y}-01-01" for y in range(850, 900)]), list(range(850, 900))),
    "seconds": (HOURS, (HOURS.astype("datetime64[s]").astype(np.int64)).to_numpy()),
    "seconds_as_text": (HOURS, [str(s) for s in HOURS.astype("datetime64[s]").astype(np.int64)]),
    "milliseconds": (HOURS, HOURS.astype("datetime64[ms]").astype(np.int64).to_numpy()),
    "nanoseconds": (HOURS, HOURS.astype("datetime64[ns]").astype(np.int64).to_numpy()),
    "excel": (DAYS, (DAYS - pd.Timestamp("1899-12-30")).days.to_numpy()),
    "excel_hours": (HOURS, ((HOURS - pd.Timestamp("1899-12-30")) / pd.Timedelta("1D")).to_numpy()),
    "julian_days": (DAYS, DAYS.to_julian_date().to_numpy()),
    "french": (DAYS, [f"{d.day} {FRENCH[d.month - 1]} {d.year}" for d in DAYS]),
    "french_first": (DAYS, [f"{d.day}{'er' * (d.day == 1)} {FRENCH[d.month - 1]} {d.year}" for d in DAYS]),
    "german": (DAYS, [f"{d.day}. {GERMAN[d.month - 1]} {d.year}" for d in DAYS]),
    "spanish": (DAYS[:31], [f"{d.day} de enero de {d.year}" for d in DAYS[:31]]),
    "english": (DAYS, written(DAYS, "%B %d, %Y")),
    "weekday": (DAYS, written(DAYS, "%A, %d %b %Y")),
    "sas": (DAYS, written(DAYS, "%d%b%Y")),
    "oracle": (DAYS, written(DAYS, "%d-%b-%y")),
    "month_name_and_year": (MONTHS, written(MONTHS, "%b %Y")),
    "month_name_and_short_year": (MONTHS, written(MONTHS, "%b-%y")),
    "japanese": (DAYS, written(DAYS, "%Y年%m月%d日")),
    "quarters": (
        pd.date_range("2000-01-01", periods=20, freq="QS"),
        [f"{2000 + i // 4}Q{i % 4 + 1}" for i in range(20)],
    ),
    "weeks": (pd.date_range("2019-12-30", periods=20, freq="W-MON"), [f"2020-W{i:02d}" for i in range(1, 21)]),
    "hour_24": (
        pd.date_range("2020-01-01 01:00", periods=48, freq="h"),
        [f"2020-01-{1 + i // 24:02d} {i % 24 + 1:02d}:00" for i in range(48)],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_ways_of_writing_are_read_with_a_note(name):
    times, values = OTHERS[name]
    result, notes = read(values)
    np.testing.assert_array_equal(result.to_numpy(), times.to_numpy())
    assert len(notes) == 1 and "`t`" in notes[0]


ZONES = {
    "Z": (written(HOURS, "%Y-%m-%dT%H:%M:%SZ"), 0, "are in UTC"),
    "+00:00": (written(HOURS, "%Y-%m-%d %H:%M:%S+00:00"), 0, "are in UTC"),
    "+01:00": (written(HOURS, "%Y-%m-%d %H:%M:%S+01:00"), 1, "offset +01:00"),
    "-0330": (written(HOURS, "%Y-%m-%dT%H:%M-0330"), -3.5, "offset -0330"),
    "column": (HOURS.tz_localize("Europe/Berlin"), 2, "Europe/Berlin"),
    "utc_column": (HOURS.tz_localize("UTC"), 0, "are in UTC"),
    "not ISO": (written(HOURS, "%d/%m/%Y %H:%M +02:00"), 2, "time zone"),
}


@pytest.mark.parametrize("name", ZONES)
def test_times_with_a_zone_are_converted_to_utc_with_a_note(name):
    values, hours, words = ZONES[name]
    result, notes = read(values)
    np.testing.assert_array_equal(result.to_numpy(), (HOURS - pd.Timedelta(hours=hours)).to_numpy())
    assert any(words in note for note in notes) and result.tz is None


def test_offsets_that_change_with_daylight_saving_time_make_a_regular_series():
    local = pd.date_range("2021-10-30", periods=72, freq="h", tz="Europe/Berlin")
    result, notes = read([t.isoformat() for t in local])
    assert (np.diff(result.to_numpy()) == np.timedelta64(1, "h")).all() and "+02:00, +01:00" in notes[0]


ERRORS = {
    "ambiguous": (["01/02/2020", "01/03/2020"], {}, "day and month are ambiguous; day_first=True"),
    "ambiguous_short": (["01.02.20", "01.03.20", "01.04.20"], {}, "ambiguous"),
    "contradiction": (["13/01/2020", "14/01/2020", "01/15/2020"], {}, "'01/15/2020' in the column 't', row 3"),
    "not_day_first": (["01/13/2020", "01/14/2020"], {"day_first": True}, "'01/13/2020' in the column 't', row 1"),
    "one_text": (["2020-01-01", "soon", "2020-01-03"], {}, "got 'soon' in the column 't', row 2"),
    "gap": (["2020-01-01", None, "2020-01-03"], {}, "has no value.*row 2"),
    "no_such_day": (["2019-02-28", "2019-02-31"], {}, "'2019-02-31' in the column 't', row 2"),
    "360_days": (["2020-02-29", "2020-02-30"], {}, "calendar.* of 360 days"),
    "noleap_text": (["2019-02-28", "2019-02-29"], {}, "no day of the standard calendar"),
    "some_zones": (["2020-01-01T00:00Z", "2020-01-01T01:00"], {}, "time zone in every row or in none.*row 2"),
    "zone_name": (["2020-01-01 00:00 CET", "2020-01-01 01:00 CET"], {}, "names of time zones are not read"),
    "row_numbers": (list(range(40)), {}, "got 0 in the column 't', row 1.*time_format"),
    "decimal_years": ((2000 + np.arange(24) / 12).round(3), {}, "got 2000.0.*time_format"),
    "day_counts": (list(range(18262, 18300)), {}, "one meaning.*Excel.*days since 1970"),
    "short_months": (["20-Jan", "21-Jan", "22-Jan"], {}, "got '20-Jan'"),
    "days_without_year": (["Jan-20", "Jan-21", "Jan-22"], {}, "got 'Jan-20'"),
    "clock_alone": (["00:00", "01:00"], {}, "got '00:00'"),
    "hour_25": (["2020-01-01 23:00", "2020-01-01 25:00"], {}, "row 2"),
    "bad_number": ([20200101, 20200102, 20200132], {}, "got 20200132 in the column 't', row 3"),
    "truth_values": ([True, False], {}, "got True"),
    "unknown_format": (["2020-01-01"], {"time_format": "dd.mm.yyyy"}, "`time_format` must be a format as in strptime"),
    "other_format": (
        ["2020-01-01"],
        {"time_format": "%d.%m.%Y"},
        "must have the format '%d.%m.%Y'.*'2020-01-01'.*row 1",
    ),
    "since_nothing": ([1, 2], {"time_format": "days since 2000-13-01"}, "must count from a date"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_has_no_meaning_or_two_is_an_error_that_says_what_to_do(name):
    values, options, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        read(values, **options)


@pytest.mark.parametrize(
    ("values", "options", "first"),
    [
        (["01/02/2020", "01/03/2020"], {"day_first": True}, "2020-02-01"),
        (["01/02/2020", "01/03/2020"], {"day_first": False}, "2020-01-02"),
        (["01/02/2020 04:00", "01/03/2020 05:00"], {"time_format": "%d/%m/%Y"}, "2020-02-01 04:00"),
        (["01022020", "01032020"], {"time_format": "%d%m%Y"}, "2020-02-01"),
        ([1022020, 1032020], {"time_format": "%d%m%Y"}, "2020-02-01"),
        ([0, 1, 2.5], {"time_format": "days since 2000-01-01"}, "2000-01-01"),
        ([24, 25], {"time_format": "hours since 1900-01-01 00:00:00"}, "1900-01-02"),
        ([18262, 18263], {"time_format": "days since 1970-01-01"}, "2020-01-01"),
        ([18264, 18265], {"time_format": "excel"}, "1950-01-01"),
        ([5, 6], {"time_format": "s"}, "1970-01-01 00:00:05"),
        ([12, 13], {"time_format": "%Y"}, "0012-01-01"),
        (["2020-01-01 01:00+02:00"], {"time_format": "%Y-%m-%d %H:%M%z"}, "2019-12-31 23:00"),
        (DAYS, {"time_format": "%d.%m.%Y", "day_first": True}, "2020-01-01"),
    ],
)
def test_options_say_how_times_are_written(values, options, first):
    assert read(values, **options)[0][0] == pd.Timestamp(first)


@pytest.mark.parametrize("name", [n for n in OTHERS if n not in ("hour_24", "month_name_and_short_year")])
def test_a_part_of_the_column_is_read_as_the_whole_was(name):
    times, values = OTHERS[name]
    reader = TimeReader("t")
    reader.read(pd.Series(values))
    part = pd.Series(values).iloc[:3]
    again = parse_times(pd.DataFrame({"t": part}), "t", reader.time_format, reader.day_first)
    np.testing.assert_array_equal(again.to_numpy(), times[:3].to_numpy())


def test_names_of_months_have_one_meaning():
    months = month_numbers()
    assert [months[m] for m in ("january", "fevr", "mrz", "mai", "sept", "okt", "dez", "agosto")] == [
        1, 2, 3, 5, 9, 10, 12, 8,
    ]  # fmt: skip
    assert "jui" not in months  # juin or juillet


def test_two_digit_years_do_not_lie_in_the_future():
    days = pd.date_range(f"{datetime.date.today().year + 2}-01-01", periods=40)
    with pytest.raises(ValueError, match=f"years of four digits.*got '01.01.{days[0].year % 100}'"):
        read(written(days, "%d.%m.%y"))
