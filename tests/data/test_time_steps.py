"""Steps of series: calendar steps, grids, daylight saving time, order of rows, several series in a table."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.series.time_steps import TimeStep, estimate_step, is_regular, parse_step


def table(times, **columns):
    """A table whose `flow` numbers the rows."""
    return pd.DataFrame({"day": times, "flow": np.arange(len(times), dtype=float), **columns})


def load(frame, **options):
    return recipes.load(frame, **{"time": "day", "target": "flow", "window": 4, "horizon": 2, **options})


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("1D", "1D"), ("D", "1D"), ("daily", "1D"), ("7D", "1W"), ("1h", "1h"), ("H", "1h"), ("60min", "1h"),
        ("15T", "15min"), ("90s", "90s"), ("24h", "1D"), ("1W", "1W"), ("weekly", "1W"), ("1MS", "1MS"), ("1M", "1MS"),
        ("ME", "1MS"), ("monthly", "1MS"), ("3MS", "1QS"), ("Q", "1QS"), ("12MS", "1YS"), ("YS", "1YS"), ("A", "1YS"),
        ("1Y", "1YS"), ("10YS", "10YS"), ("1 day", "1D"), ("30 minutes", "30min"), ("100ms", "100ms"),
    ],
)  # fmt: skip
def test_steps_have_the_names_of_pandas_and_plain_ones(text, step):
    assert str(parse_step(text)) == step == str(parse_step(step))


@pytest.mark.parametrize("text", ["1 fortnight", "1m", "0D", "-1D", "B", "W-SUN", "x", "", "1.5h"])
def test_another_step_is_an_error_that_names_valid_ones(text):
    with pytest.raises(ValueError, match=r"`step` must be.*1h, 1D, 1W, 1MS \(month\).*1YS"):
        load(table(pd.date_range("2020-01-01", periods=30)), step=text)


@pytest.mark.parametrize(
    ("times", "step", "following"),
    [
        (pd.date_range("2019-11-01", periods=20, freq="MS"), "1MS", ["2021-07-01", "2021-08-01"]),
        (pd.date_range("2019-01-31", periods=20, freq="ME"), "1MS", ["2020-09-30", "2020-10-31"]),
        (pd.date_range("2019-01-15", periods=20, freq=pd.DateOffset(months=1)), "1MS", ["2020-09-15", "2020-10-15"]),
        (pd.date_range("2000-02-01", periods=20, freq="QS-FEB"), "1QS", ["2005-02-01", "2005-05-01"]),
        (pd.date_range("2000-03-31", periods=20, freq="QE"), "1QS", ["2005-03-31", "2005-06-30"]),
        (pd.date_range("1990-01-01", periods=20, freq="YS"), "1YS", ["2010-01-01", "2011-01-01"]),
        (pd.date_range("2001-01-01", periods=3, freq="YS"), "1YS", ["2004-01-01", "2005-01-01"]),
        (pd.date_range("1990-12-31", periods=20, freq="5YE"), "5YS", ["2090-12-31", "2095-12-31"]),
        (pd.date_range("2020-01-05", periods=20, freq="W"), "1W", ["2020-05-24", "2020-05-31"]),
        (pd.date_range("2020-01-01", periods=20, freq="28D"), "4W", ["2021-07-14", "2021-08-11"]),
        (pd.date_range("2020-01-01", periods=20, freq="365D"), "365D", ["2039-12-27", "2040-12-26"]),
        (pd.date_range("2020-02-27", periods=3), "1D", ["2020-03-01", "2020-03-02"]),
        (pd.date_range("2020-01-01", periods=20, freq="90min"), "90min", ["2020-01-02 06:00", "2020-01-02 07:30"]),
    ],
)
def test_the_rows_own_step_and_the_times_after_them(times, step, following):
    micros = times.to_numpy().astype("datetime64[us]")
    estimate = estimate_step(micros)
    assert str(estimate) == step and is_regular(micros)
    np.testing.assert_array_equal(estimate.after(micros, [1, 2]), np.array(following, "datetime64[us]"))


@pytest.mark.parametrize(
    ("times", "step", "lost"),
    [
        (pd.date_range("2000-01-01", periods=60, freq="MS"), "1MS", 20),
        (pd.date_range("2000-01-31", periods=60, freq="ME"), "1MS", 20),
        (pd.date_range("2000-01-01", periods=60, freq="QS"), "1QS", 20),
        (pd.date_range("1900-01-01", periods=60, freq="YS"), "1YS", 20),
        (pd.date_range("2000-01-02", periods=60, freq="W"), "1W", 20),
        (pd.date_range("2000-01-01", periods=60, freq="10min"), "10min", 20),
        (pd.date_range("2000-01-01 06:00", periods=60), "1D", 20),
    ],
)
def test_a_missing_row_is_an_error_that_names_the_step_which_makes_it_a_gap(times, step, lost):
    frame = table(times).drop(index=lost)
    with pytest.raises(ValueError, match=rf"equal steps, here of {step}, got .*row {lost + 1};.*step='{step}'"):
        load(frame)
    data = load(frame, step=step, missing="impute")
    inputs = np.concatenate([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert np.isnan(inputs).any() and data.series_options["step"] == step
    last = data.test.inputs[-1, :, 0]
    np.testing.assert_array_equal(last, [54, 55, 56, 57])  # rows keep their values and places
    assert any("59 rows put on 60 steps" in n for n in data.notes)
    assert data.test.names[-1].startswith(str(times[57])[:16])


def test_rows_closer_than_the_step_are_averaged_over_whole_days_and_months():
    hours = pd.date_range("2020-01-01", periods=24 * 40 + 7, freq="h")
    data = load(table(hours), step="1D")
    np.testing.assert_array_equal(data.train.inputs[0, :, 0], 11.5 + 24 * np.arange(4))
    assert (
        any("the first or last step without all of its rows" in n for n in data.notes)
        and data.series_options["has_means"]
    )
    assert data.test.targets.max() == 11.5 + 24 * 39
    days = pd.date_range("2019-12-15", periods=800)
    data = load(table(days), step="1MS")
    assert data.train.names[0].startswith("2020-04-01")
    np.testing.assert_array_equal(data.train.inputs[0, :2, 0], [17 + 15, 48 + 14])


def test_a_step_far_below_that_of_the_rows_is_refused():
    with pytest.raises(ValueError, match="`step` must be about the time between rows, got 1s, which makes 3,369,601"):
        load(table(pd.date_range("2020-01-01", periods=40)), step="1s")
    ages = pd.DatetimeIndex([*pd.date_range("2020-01-01", periods=39), "2999-01-01"])
    with pytest.raises(ValueError, match="from 2020-01-01 00:00:00 to 2999-01-01"):
        load(table(ages), step="1D")


def test_explicit_steps_of_a_complete_series_change_nothing():
    for freq, step in (("D", "1D"), ("MS", "1MS"), ("ME", "M"), ("h", "1h"), ("YS", "yearly")):
        frame = table(pd.date_range("2020-01-01", periods=40, freq=freq))
        plain, grid = load(frame), load(frame, step=step)
        np.testing.assert_array_equal(plain.train.inputs, grid.train.inputs)
        np.testing.assert_array_equal(plain.test.names, grid.test.names)
        assert plain.notes == grid.notes == () and plain.series_options["step"] == grid.series_options["step"]


@pytest.mark.parametrize(
    ("zone", "start"),
    [("Europe/Paris", "2021-03-25"), ("America/New_York", "2021-03-11"), ("Australia/Sydney", "2021-10-01")],
)
@pytest.mark.parametrize("minutes", [60, 30, 15])
def test_an_hour_skipped_by_daylight_saving_time_is_named_so(zone, start, minutes):
    times = pd.date_range(start, periods=480, freq=f"{minutes}min", tz=zone).tz_localize(None)
    frame = table(times)
    with pytest.raises(ValueError, match=r"daylight saving time skips: write the times in UTC.*step="):
        load(frame)
    step = "1h" if minutes == 60 else f"{minutes}min"
    assert len(load(frame, step=step, missing="impute").train)


@pytest.mark.parametrize(
    ("zone", "start"),
    [("Europe/Paris", "2021-10-28"), ("America/New_York", "2021-11-04"), ("Australia/Sydney", "2021-04-01")],
)
@pytest.mark.parametrize(("minutes", "is_sorted"), [(60, False), (30, False), (30, True)])
def test_an_hour_doubled_by_daylight_saving_time_is_named_so(zone, start, minutes, is_sorted):
    times = pd.date_range(start, periods=480, freq=f"{minutes}min", tz=zone).tz_localize(None)
    frame = table(times)
    if is_sorted:
        frame = frame.sort_values("day", kind="stable")
    with pytest.raises(ValueError, match=r"end of daylight saving time doubles: write the times in UTC.*step="):
        load(frame)
    data = load(frame, step="1h" if minutes == 60 else "30min")
    assert "the hour that the end of daylight saving time doubles was averaged" in data.notes


def test_rows_in_reverse_order_are_turned_round_with_a_note():
    frame = table(pd.date_range("2020-01-01", periods=60))
    data = load(frame[::-1])
    np.testing.assert_array_equal(data.train.inputs, load(frame).train.inputs)
    assert any("turned round" in n for n in data.notes)
    with pytest.raises(ValueError, match=r"must rise row by row.*sort the table"):
        load(frame.sample(frac=1, random_state=0))


@pytest.mark.filterwarnings("ignore:left out `station`")
@pytest.mark.parametrize("label", [["a", "b"], [7, 12]])
@pytest.mark.parametrize("is_interleaved", [True, False])
def test_several_series_without_a_group_are_an_error_that_names_their_column(label, is_interleaved):
    times = pd.date_range("2020-01-01", periods=40)
    frame = pd.concat([table(times, station=name, code=1.5) for name in label], ignore_index=True)
    if is_interleaved:
        frame = frame.sort_values("day", kind="stable")
    for options in ({}, {"step": "1D"}):
        with pytest.raises(ValueError, match=r"must rise row by row.*group='station' reads one series for each"):
            load(frame, **options)
    data = load(frame, group="station", drop_columns=("code",))
    assert sorted({str(n).split(" ")[0] for n in data.train.names}) == sorted(map(str, label))
    with pytest.raises(ValueError, match=r"`group` must name the series of every row.*'station', row 3"):
        load(frame.assign(station=frame["station"].astype(object).where(np.arange(80) != 2)), group="station")


def test_separate_columns_of_year_and_month_are_named():
    months = pd.date_range("2000-01-01", periods=48, freq="MS")
    frame = pd.DataFrame({"year": months.year, "month": months.month, "flow": 1.0 + np.arange(48) % 5})
    with pytest.raises(ValueError, match=r"join 'year' and 'month' to dates|group='month'"):
        load(frame, time="year")


def test_steps_that_vary_a_little_are_noted_and_others_are_errors():
    rng = np.random.default_rng(0)
    even = pd.date_range("2020-01-01", periods=100, freq="10min")
    data = load(table(even + pd.to_timedelta(rng.integers(-28, 28, 100), unit="s")))
    assert data.series_options["step"] == "10min" and any("vary from" in n for n in data.notes)
    uneven = table(even + pd.to_timedelta(rng.integers(-200, 200, 100), unit="s"))
    with pytest.raises(ValueError, match="equal steps.*step='10min'"):
        load(uneven)
    grid = load(uneven, step="10min", missing="impute")
    assert len(grid.train) > 50


def test_a_calendar_without_29_february_is_named():
    days = pd.date_range("2019-06-01", periods=500)
    frame = table(days[~((days.month == 2) & (days.day == 29))])
    with pytest.raises(ValueError, match=r"no 29 February \(noleap.*step='1D'"):
        load(frame)
    assert len(load(frame, step="1D", missing="impute").train)


def test_an_index_of_times_is_the_column_of_times():
    frame = table(pd.date_range("2020-01-01", periods=60))
    expected = load(frame).train.inputs
    np.testing.assert_array_equal(load(frame.set_index("day")).train.inputs, expected)
    unnamed = frame.set_index("day").rename_axis(None)
    np.testing.assert_array_equal(load(unnamed, time="index").train.inputs, expected)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"flow": ["1.5"] * 20 + ["M"] * 20}, {}, "the column 'flow' must have numbers.*got 'M' in row 21"),
        (
            {"rain": ["M", *["0.5"] * 39]},
            {"columns": ("flow", "rain")},
            "the column 'rain' must have numbers.*got 'M' in row 1",
        ),
        ({"rain": [np.inf, *[0.5] * 39]}, {}, "must be finite numbers, got inf in the column 'rain', row 1"),
    ],
)
def test_text_and_infinite_values_are_errors_that_name_them(columns, options, message):
    with pytest.raises(ValueError, match=message):
        load(table(pd.date_range("2020-01-01", periods=40)).assign(**columns), **options)


def test_an_input_column_of_text_is_left_out_with_a_note():
    frame = table(pd.date_range("2020-01-01", periods=40), temp=["low", "high"] * 20)
    with pytest.warns(UserWarning, match="left out `temp`: it is not numeric"):
        data = load(frame)
    assert data.series_options["columns"] == ["flow"]


def test_months_have_their_mean_length():
    assert TimeStep(months=12).duration == np.timedelta64(31_557_600, "s")
