"""Windows of series in a table: inputs, targets, baselines, and splits in the order of time."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.bundled.packages import read_ts
from recipes.data.preprocessing import moments, preprocessing
from recipes.data.series.calendar import cycles, season_length_of
from tests.tolerance import assert_close


def daily(days=120, start="2020-01-01", **columns):
    """A table whose `flow` is the day's number."""
    times = pd.date_range(start, periods=days)
    return pd.DataFrame({"day": times, "flow": np.arange(days, dtype=float), **columns})


def load(frame, **options):
    return recipes.load(frame, **{"time": "day", "target": "flow", "window": 5, "horizon": 3, **options})


def test_a_window_is_what_came_before_its_targets():
    data = load(daily())
    assert (data.task, data.kind, data.shape) == ("forecasting", "series", (5, 1))
    assert data.outputs == ("flow +1", "flow +2", "flow +3")
    for split in (data.train, data.validation, data.test):
        last = split.inputs[:, -1, 0]
        np.testing.assert_array_equal(split.inputs[:, :, 0], last[:, None] + np.arange(-4, 1))
        np.testing.assert_array_equal(split.targets, last[:, None] + [1, 2, 3])
        assert split.names[0].startswith(str(np.datetime64("2020-01-01") + np.timedelta64(int(last[0]), "D")))


def test_single_steps_of_the_horizon_may_be_forecast():
    data = load(daily(), horizon=(1, 7))
    assert data.outputs == ("flow +1", "flow +7")
    np.testing.assert_array_equal(data.test.targets, data.test.inputs[:, -1] + [1, 7])


@pytest.mark.parametrize("gap", [0, 4])
def test_splits_follow_each_other_and_share_no_target(gap):
    data = load(daily(), gap=gap)
    spans = [(p.targets.min(), p.targets.max()) for p in (data.train, data.validation, data.test)]
    assert spans[0][1] + gap < spans[1][0] and spans[1][1] + gap < spans[2][0]
    assert spans[2][1] == 119
    assert data.train.targets.max() == 83  # 70 % of 120 days


def test_normalization_uses_the_training_split_only():
    data = load(daily())
    mean, _ = moments(data)
    assert_close(mean, data.train.inputs.mean((0, 1)))
    prepared = np.asarray(preprocessing(data)(data.train.inputs))
    assert abs(prepared.mean()) < 1e-4 and abs(prepared.std() - 1) < 1e-4


def test_baselines_of_a_yearly_series():
    yearly = daily(1200)
    yearly["flow"] = yearly["day"].dt.day_of_year.astype(float)
    data = load(yearly)
    test, baselines = data.test, data.baselines["test"]
    np.testing.assert_array_equal(baselines["persistence"], np.repeat(test.inputs[:, -1], 3, axis=1))
    climate = baselines["climatology"][np.abs(test.targets - 183).max(1) < 150]
    assert np.abs(climate - test.targets[np.abs(test.targets - 183).max(1) < 150]).max() < 1e-3
    assert np.abs(baselines["seasonal naive"] - test.targets).max() in (0, 1)  # 2020 is a leap year


def test_season_length_follows_from_the_time_step():
    day = np.timedelta64(1, "D")
    assert [season_length_of(s) for s in (day, 7 * day, 30 * day, 365 * day, np.timedelta64(1, "h"))] == [
        365,
        52,
        12,
        0,
        24,
    ]


def test_a_cycle_ends_where_it_begins():
    times = pd.DatetimeIndex(["2021-12-31", "2022-01-01", "2021-07-02"])
    end, start, middle = cycles(times, ("day_of_year",))
    assert np.abs(end - start).max() < 0.02 < 1.9 < np.linalg.norm(middle - start)
    data = load(daily(), calendar=("day_of_year", "month"))
    assert data.shape == (5, 5) and list(data.columns)[1:3] == ["day_of_year_sine", "day_of_year_cosine"]


def test_a_window_lies_in_one_series():
    frame = pd.concat([daily(60, site="a"), daily(60, site="b").assign(flow=lambda f: f.flow + 1000)])
    data = load(frame, group="site", missing="drop")
    both = np.concatenate([data.train.inputs, data.test.inputs])
    assert set((both[:, :, 0] >= 1000).sum(1)) == {0, 5}
    assert data.train.names[0].startswith("a 2020")


def test_gaps_are_an_error_unless_missing_is_set():
    frame = daily()
    frame.loc[40, "flow"] = np.nan
    with pytest.raises(ValueError, match=r"gaps \(1\), the first in the column 'flow', row 41"):
        load(frame)
    dropped = load(frame, missing="drop")
    assert np.isfinite(dropped.train.inputs).all() and len(dropped.train) == len(load(daily()).train) - 8
    filled = load(frame, missing="impute")
    window = filled.train.inputs[[39 in x and np.isnan(x).any() for x in filled.train.inputs]]
    prepared = np.asarray(preprocessing(filled)(window))
    assert prepared.shape[1:] == (5, 2)
    place = np.isnan(window[:, :, 0])
    np.testing.assert_array_equal(prepared[:, :, 1], place)
    assert_close(prepared[:, 1:, 0][place[:, 1:]], prepared[:, :-1, 0][place[:, 1:]])


def windows_by_a_loop(data, frame):
    """The windows of a data frame of several series, cut one by one: (inputs, targets, names) of all splits."""
    options, rows = data.series_options, []
    leads = [int(o.rpartition("+")[2]) for o in data.outputs if o.startswith(options["target"][0])]
    for label, part in frame.groupby("site", sort=False):
        inputs, targets = (part[list(c)].to_numpy("float32") for c in (options["columns"], options["target"]))
        for last in range(options["window"] - 1, len(part) - max(leads)):
            y = np.stack([targets[last + lead] for lead in leads])
            x = inputs[last - options["window"] + 1 : last + 1]
            if not np.isnan(y).any() and not (data.missing == "drop" and np.isnan(x).any()):
                rows.append((f"{label} {part['day'].iloc[last]}", x, y.ravel(), targets[: last + 1]))
    return rows


@pytest.mark.parametrize("missing", ["drop", "impute"])
@pytest.mark.parametrize("gaps", [0, 6])
def test_windows_are_those_of_a_plain_loop(missing, gaps):
    rng = np.random.default_rng(gaps)
    parts = [daily(n, site=site, rain=rng.random(n), level=rng.random(n)) for n, site in ((60, "b"), (90, "a"))]
    frame = pd.concat(parts, ignore_index=True)
    for column in ("flow", "rain"):
        frame.loc[rng.choice(150, gaps, replace=False), column] = np.nan
    data = load(frame, group="site", target=("flow", "level"), horizon=(1, 2, 5), missing=missing)
    expected = {name: rest for name, *rest in windows_by_a_loop(data, frame)}
    compared = 0
    for split in ("train", "validation", "test"):
        examples = getattr(data, split)
        for i, name in enumerate(examples.names):
            x, y, before = expected[name]
            np.testing.assert_array_equal(examples.inputs[i], x)
            np.testing.assert_array_equal(examples.targets[i], y)
            last = [before[~np.isnan(before[:, k]), k][-1] for k in range(2)]
            np.testing.assert_array_equal(data.baselines[split]["persistence"][i], np.tile(last, 3))
            compared += 1
    assert compared > (60 if gaps else 100)


def test_the_windows_of_one_series_are_a_view_of_its_rows():
    data = load(daily(100))
    assert data.train.inputs.base is not None and data.train.inputs.strides[:2] == (4, 4)


def test_numbers_that_mark_missing_values_are_noted_and_read_as_gaps_on_request(tmp_path):
    frame = daily()
    frame.loc[[3, 40], "flow"] = -9999
    with pytest.warns(UserWarning, match="`flow` has -9999 in 2 rows"):
        assert "set missing_values=-9999" in " ".join(load(frame).notes)
    frame.to_csv(tmp_path / "flow.csv", index=False)
    with pytest.raises(ValueError, match="gaps"):
        recipes.load(f"series:{tmp_path / 'flow.csv'}?time=day&target=flow&window=5&missing_values=-9999")


def test_irregular_times_are_put_on_the_grid_of_step():
    frame = daily().drop(index=[50, 51])
    with pytest.raises(ValueError, match=r"equal steps.*row 51.*step='1D'"):
        load(frame)
    data = load(frame, step="1D", missing="impute")
    assert np.isnan(data.train.inputs).any() and any("120 steps" in n for n in data.notes)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.iloc[[1, 0, *range(2, 120)]], {}, "must rise row by row.*row 2.*before the row before"),
        (lambda f: f.assign(day=f.day.where(f.index != 3, f.day[2])), {}, "row 4, which is the same as"),
        (
            lambda f: f.assign(day=["x", *f.day[1:].astype(str)]),
            {},
            "must be dates, got 'x' in the column 'day', row 1",
        ),
        (lambda f: f.head(7), {}, r"must fit the series, got 5 \+ 3 steps.*7 rows"),
        (lambda f: f, {"horizon": 0}, "would leak into the window"),
        (lambda f: f, {"horizon": (3, 1)}, "must have rising steps"),
        (lambda f: f, {"target": "flux"}, "got 'flux'. Did you mean 'flow'|got 'flux'.*flow"),
        (lambda f: f, {"window": None}, "`window` must be"),
        (lambda f: f, {"window": 2.5}, "`window`"),
        (lambda f: f.assign(flow="wet"), {}, "must be numeric to be forecast"),
        (lambda f: f, {"calendar": "moon"}, "`calendar`"),
    ],
)
def test_unsuitable_tables_and_options_are_errors(change, options, message):
    with pytest.raises(ValueError, match=message):
        load(change(daily()), **options)


def test_a_source_string_has_options(tmp_path):
    daily().to_csv(tmp_path / "river.csv", index=False)
    data = recipes.load(f"table:{tmp_path}/river.csv?time=day&target=flow&window=6&horizon=2,4&gap=1&time_fraction=0.5")
    assert data.shape == (6, 1) and data.outputs == ("flow +2", "flow +4")
    assert data.test.targets.max() == 59


@pytest.mark.parametrize(
    ("name", "shape", "outputs"),
    [("seattle-weather", (14, 6), 7), ("co2", (52, 1), 12), ("sunspots", (22, 1), 5)],
)
def test_bundled_series(name, shape, outputs):
    data = recipes.load(f"bundled:{name}")
    assert data.shape == shape and len(data.outputs) == outputs
    assert {"persistence", "climatology", "seasonal naive"} == set(data.baselines["test"])


@pytest.mark.parametrize(
    ("name", "train", "test", "shape", "classes"),
    [
        ("osu-leaf", 200, 242, (427, 1), 6),
        ("italy-power", 67, 1029, (24, 1), 2),
        ("basic-motions", 40, 40, (100, 6), 4),
        ("japanese-vowels", 270, 370, (29, 12), 9),
    ],
)
def test_bundled_labelled_series(name, train, test, shape, classes):
    data = recipes.load(f"bundled:{name}")
    assert (len(data.train) + len(data.validation), len(data.test)) == (train, test)
    assert (data.shape, len(data.classes), data.kind) == (shape, classes, "series")


def test_padded_steps_are_0_and_only_they():
    data = recipes.load("bundled:japanese-vowels")
    raw = data.train.head(20)
    prepared = np.asarray(preprocessing(data)(raw))
    np.testing.assert_array_equal((prepared == 0).all(-1), np.isnan(raw).all(-1))


def test_a_ts_file_is_read():
    series, labels = read_ts("# a note\n@problemName x\n@data\n1,2,3:4,5,6:yes\n7:8:no\n")
    assert [s.tolist() for s in series] == [[[1, 4], [2, 5], [3, 6]], [[7, 8]]]
    assert labels.tolist() == ["yes", "no"]
