"""Forecasts of the future: the last windows of a table equal the training windows, and predictions become a table."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.series.forecast_window import forecast_frame, forecast_table, future_windows

RNG = np.random.default_rng(0)


def table(times, **columns):
    """A table of two inputs, of which `flow` is the target."""
    n = len(times)
    return pd.DataFrame({"day": times, "rain": RNG.random(n), "flow": RNG.random(n) * 1e3, "note": "text", **columns})


def load(frame, **options):
    options = {"time": "day", "target": "flow", "window": 5, "horizon": (1, 3), "drop_columns": ("note",), **options}
    return recipes.load(frame, **options)


def all_windows(data):
    """Returns name -> window of all splits."""
    splits = (data.train, data.validation, data.test)
    return {str(n): x for s in splits for n, x in zip(s.names, s.inputs, strict=True)}


def with_gaps(frame, *rows):
    frame = frame.copy()
    frame.loc[list(rows), "rain"] = np.nan
    return frame


DAYS = pd.date_range("2020-01-01", periods=80)
HOURS = pd.date_range("2020-01-01", periods=80, freq="h")
CASES = {
    "days": (table(DAYS), {}),
    "cycles": (table(HOURS), {"calendar": ("hour", "day_of_week", "day_of_year", "month")}),
    "months": (table(pd.date_range("2010-01-31", periods=80, freq="ME")), {"calendar": ("month",)}),
    "grid": (table(DAYS).drop(index=[20, 21]), {"step": "1D", "missing": "impute", "calendar": ("day_of_week",)}),
    "month_grid": (
        table(pd.date_range("2010-01-01", periods=80, freq="MS")).drop(index=[30]),
        {"step": "1MS", "missing": "impute"},
    ),
    "gaps": (with_gaps(table(DAYS), 10, 11, 30), {"missing": "impute"}),
    "dropped": (with_gaps(table(DAYS), 10, 11, 30), {"missing": "drop"}),
    "columns": (table(DAYS), {"columns": ("flow", "rain")}),
    "text_times": (table(DAYS.strftime("%d.%m.%Y")), {}),
    "short_years": (table(DAYS.strftime("%d.%m.%y")), {}),
    "serial_days": (table((DAYS - pd.Timestamp("1899-12-30")).days), {}),
    "zone": (table(HOURS.tz_localize("Europe/Berlin")), {"calendar": ("hour",)}),
    "varying": (
        table(HOURS + pd.to_timedelta(RNG.integers(-100, 100, 80), unit="s")),
        {"calendar": ("hour",)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_last_window_of_a_table_is_the_training_window_that_ends_there(name):
    frame, options = CASES[name]
    data = load(frame, **options)
    times = load(frame, **{**options, "missing": "impute"}).test  # for the number of rows alone
    assert len(times)
    compared = 0
    windows = all_windows(data)
    for k in range(7, len(frame), 5):
        part = frame.iloc[: k + 1]
        try:
            future = future_windows(part, data.series_options)
        except ValueError as error:
            assert data.missing == "drop" and "must have no gaps" in str(error)
            continue
        step = future.times[0, 0] - (future.times[0, 1] - future.times[0, 0]) // 2
        names = [n for n in windows if (windows[n][-1] == future.inputs[0, -1]).all()]
        if names:
            np.testing.assert_array_equal(future.inputs[0], windows[names[0]])
            assert abs(np.datetime64(names[0].replace(" ", "T")) - step) < np.timedelta64(4, "D")
            compared += 1
    assert compared >= 8


def test_series_of_a_group_have_a_window_each():
    frame = pd.concat([table(DAYS, site="b"), table(DAYS[:70], site="a")], ignore_index=True)
    data = load(frame, group="site")
    future = future_windows(frame.sample(frac=1, random_state=1).sort_values("day"), data.series_options)
    assert sorted(future.names) == ["a", "b"] and future.inputs.shape == (2, 5, 2) and future.times.shape == (2, 2)
    order = list(future.names)
    assert future.times[order.index("a"), 0] == np.datetime64("2020-03-11")
    assert future.times[order.index("b"), 1] == np.datetime64("2020-03-23")
    np.testing.assert_array_equal(future.inputs[order.index("a"), :, 1], frame["flow"].iloc[-5:].astype("float32"))


def test_columns_are_matched_by_name():
    frame = table(DAYS)
    options = load(frame).series_options
    assert options["columns"] == ["rain", "flow"] and options["step"] == "1D"
    expected = future_windows(frame, options).inputs
    other = frame[["flow", "note", "day", "rain"]].assign(extra=1.0, more="x")
    np.testing.assert_array_equal(future_windows(other, options).inputs, expected)
    np.testing.assert_array_equal(future_windows(frame.set_index("day"), options).inputs, expected)
    with pytest.raises(ValueError, match="got none named 'rain'. Did you mean `Rain`"):
        future_windows(frame.rename(columns={"rain": "Rain"}), options)


def test_a_target_need_not_be_there_where_it_is_no_input():
    frame = table(DAYS)
    options = load(frame, columns=("rain",)).series_options
    assert future_windows(frame.drop(columns="flow"), options).inputs.shape == (1, 5, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.tail(4), "must have the 5 rows before the forecast.*got 4"),
        (lambda f: f.head(0), "has no rows"),
        (lambda f: f.assign(day=HOURS), "must have the step of the training data, 1D, got 1h"),
        (lambda f: f.assign(day=pd.date_range("2010-01-01", periods=80, freq="MS")), "1D, got 1MS"),
        (lambda f: f.drop(index=77), "must have no gaps.*'rain', where no row has the time 2020-03-18"),
        (lambda f: with_gaps(f, 78), r"no gaps.*got 1, the first in the column 'rain', row 79 \(2020-03-19"),
        (lambda f: f.assign(rain=["M", *["1"] * 79]), "got 'M' in the column 'rain'"),
        (lambda f: f.assign(day=["x", *f.day[1:].astype(str)]), "got 'x' in the column 'day', row 1"),
        (lambda f: pd.concat([f, f]), "must rise row by row"),
    ],
)
def test_tables_that_do_not_fit_are_refused(change, message):
    frame = table(DAYS)
    with pytest.raises(ValueError, match=message):
        future_windows(change(frame), load(frame).series_options)


def test_a_gap_before_the_last_window_is_no_error():
    frame = table(DAYS)
    options = load(frame).series_options
    expected = future_windows(frame, options).inputs
    np.testing.assert_array_equal(future_windows(frame.drop(index=30), options).inputs, expected)
    np.testing.assert_array_equal(future_windows(with_gaps(frame, 3), options).inputs, expected)
    np.testing.assert_array_equal(future_windows(frame.tail(5), options).inputs, expected)


def test_rows_are_averaged_as_in_training():
    hours = pd.date_range("2020-01-01", periods=24 * 60, freq="h")
    frame = table(hours)
    data = load(frame, step="1D")
    future = future_windows(frame.iloc[:-5], data.series_options)  # the last day is not complete
    windows = all_windows(data)
    last = sorted(windows)[0]
    rows = 24 * ((pd.Timestamp(last) - hours[0]).days + 1)
    np.testing.assert_array_equal(future_windows(frame.iloc[:rows], data.series_options).inputs[0], windows[last])
    assert future.times[0].tolist() == [pd.Timestamp("2020-02-29"), pd.Timestamp("2020-03-02")]


def test_predictions_become_a_table_with_intervals():
    times = np.array([["2020-01-01", "2020-01-02"], ["2020-02-01", "2020-02-02"]], "datetime64[us]")
    outputs = ("flow +1", "level +1", "flow +2", "level +2")
    predictions = np.arange(2 * 4 * 3, dtype="float32").reshape(2, 12)
    frame = forecast_table(predictions, np.array(["a", "b"]), times, outputs, (0.1, 0.5, 0.9))
    assert list(frame) == ["series", "time", "flow", "flow_lower", "flow_upper", "level", "level_lower", "level_upper"]
    assert frame["series"].tolist() == ["a", "a", "b", "b"] and frame["time"].iloc[2] == pd.Timestamp("2020-02-01")
    assert frame.loc[1, ["flow", "flow_lower", "flow_upper", "level"]].tolist() == [7, 6, 8, 10]
    plain = forecast_table(predictions[:1, :4], np.array([""]), times[:1], outputs)
    assert list(plain) == ["time", "flow", "level"] and plain["level"].tolist() == [1, 3]
    many = forecast_table(np.arange(5.0)[None], [""], times[:1, :1], ("flow +1",), (0.05, 0.25, 0.5, 0.75, 0.95))
    assert list(many)[1:] == ["flow", "flow_lower", "flow_q0.25", "flow_q0.75", "flow_upper"]


def test_a_forecast_of_persistence():
    frame = table(DAYS)
    data = load(frame)
    result = forecast_frame(lambda x: np.repeat(x[:, -1, 1:], 2, axis=1), frame, data.series_options, data.outputs)
    assert result["flow"].tolist() == [np.float32(frame["flow"].iloc[-1])] * 2
    assert result["time"].tolist() == [pd.Timestamp("2020-03-21"), pd.Timestamp("2020-03-23")]
