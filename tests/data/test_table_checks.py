"""Doubtful columns and targets of tables: row numbers, leaks, marks of missing values, levels that look alike."""

import json

import numpy as np
import pandas as pd
import pytest

from recipes.data import SourceSpec, load, reopen
from recipes.data.tables.column_checks import doubtful_values
from recipes.data.tables.columns import input_columns
from recipes.data.tables.table_format import as_table_format
from recipes.data.targets import read_targets

N = 60
RNG = np.random.default_rng(0)


def table(**columns):
    species = RNG.choice(["oak", "elm"], N)
    return pd.DataFrame(
        {"ph": RNG.normal(6, 1, N), "soil": RNG.choice(["clay", "sand"], N), "species": species}
    ).assign(**columns)


def inputs_of(frame, target="species"):
    """Names of the input columns, and the notes."""
    notes = []
    options = dict.fromkeys(("columns", "drop_columns", "categorical"), ())
    names = input_columns(frame, (target,), notes, group=None, block=None, weight=None, **options)
    return names, "\n".join(notes)


@pytest.mark.parametrize("name", ["Unnamed: 0", "X", "rownames", "index", "id", "tree_id", "FID", "plot.nr"])
def test_numbers_of_rows_are_left_out(name):
    for numbers in (np.arange(1, N + 1), RNG.permutation(N), RNG.choice(500, N, replace=False)):
        with pytest.warns(UserWarning, match=f"left out `{name}`"):
            names, notes = inputs_of(table(**{name: numbers}))
        assert name not in names and "`columns` names the inputs instead" in notes


def test_other_whole_numbers_stay():
    names, notes = inputs_of(table(count=RNG.integers(0, 9, N), x=RNG.permutation(N) * 7, y=RNG.permutation(N) * 3))
    assert names == ["ph", "soil", "count", "x", "y"] and notes == ""
    with pytest.warns(UserWarning, match="`depth` rises from row to row, .*`drop_columns` leaves it out"):
        names, _ = inputs_of(table(depth=np.cumsum(RNG.integers(2, 9, N))))
    assert "depth" in names


def test_unnamed_names_of_rows_are_left_out_of_small_tables():
    frame = table()[:5].assign(**{"Unnamed: 0": list("abcde")})
    with pytest.warns(UserWarning, match="it has no name and a distinct value in every row"):
        assert "Unnamed: 0" not in inputs_of(frame)[0]


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%Y-%m-%d %H:%M:%S"])
def test_dates_are_left_out(form):
    days = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 9, N), unit="D"))
    with pytest.warns(UserWarning, match="left out `day`: a date is no number"):
        assert "day" not in inputs_of(table(day=days.dt.strftime(form)))[0]


def checked(frame, target="species"):
    inputs = frame.drop(columns=target)
    with pytest.warns(UserWarning) as warned:
        notes = doubtful_values(inputs, frame[[target]], (target,), ())
    assert [str(w.message) for w in warned] == notes
    return "\n".join(notes)


@pytest.mark.parametrize("mark", [-9999, -999.9, -99.0, 9999, 1e36, -3.4e38, 65535])
def test_marks_of_missing_values_are_named(mark):
    values = RNG.normal(6, 1, N)
    values[[3, 7]] = mark
    notes = checked(table(girth=values))
    assert f"`girth` has {mark:g} in 2 rows, far from its other values" in notes and "set missing_values=" in notes


@pytest.mark.parametrize("values", [RNG.normal(0, 9999, N), RNG.integers(0, 999, N), np.r_[np.zeros(N - 1), 50]])
def test_values_that_are_no_marks(values):
    assert doubtful_values(table(girth=values).drop(columns="species"), table()[["species"]], ("species",), ()) == []


def test_levels_that_look_alike_are_named():
    frame = table(soil=RNG.choice(["clay", "Clay", "sand"], N))
    assert "`soil` has levels that differ only in case or blanks: 'Clay' and 'clay'; they are read as" in checked(frame)
    frame = table(species=RNG.choice(["chêne", "che\u0302ne", "elm"], N))
    assert "`species` has levels that differ only in Unicode form" in checked(frame)
    frame = table(soil=RNG.choice(["red  clay", "red clay", "sand"], N))
    assert "differ only in case or blanks" in checked(frame)


def test_inputs_that_determine_the_target_are_named():
    frame = table()
    frame["present"] = np.where(frame["species"] == "oak", "present", "absent")
    assert "`present` determines the target `species` one-to-one" in checked(frame)
    frame = table()
    frame["ph2"] = 2 * frame["ph"] + 1
    assert "`ph2` determines the target `ph` one-to-one" in checked(frame, "ph")
    frame = table()
    frame["code"] = np.where(frame["species"] == "oak", 1, 2)
    assert "`code` determines" in checked(frame)
    independent = table(near=frame["ph"] + RNG.normal(0, 0.01, N))
    assert doubtful_values(independent[["near", "soil"]], independent[["ph"]], ("ph",), ()) == []


@pytest.mark.parametrize(
    "y", [RNG.poisson(3, 200), np.r_[np.zeros(90), RNG.integers(0, 6, 40)], RNG.integers(2001, 2011, 200)]
)
def test_counts_need_the_task(y):
    message = "the target 'count' has .* distinct whole numbers .*task='regression' for counts.*task='classification'"
    with pytest.raises(ValueError, match=message):
        read_targets(y, outputs=("count",))
    assert read_targets(y, task="regression").task == "regression"


def test_codes_of_classes_need_no_task():
    for y in (np.arange(100) % 10, np.arange(90) % 3 + 1, [1, 2, 7] * 20, np.repeat([0, 1], [90, 10])):
        assert read_targets(y).task == "classification"


def test_several_columns_of_yes_and_no_are_labels():
    rows = [("no", 1, True), ("yes", 0, False), ("yes", 1, True), ("no", 0, False)] * 5
    expected = np.array([[w == "yes", n, t] for w, n, t in rows], np.uint8)
    for frame in (pd.DataFrame(rows), pd.DataFrame(rows).astype(str)):
        targets = read_targets(frame, outputs=("bee", "ant", "fly"))
        np.testing.assert_array_equal(targets.values, expected)
        assert targets.task == "multilabel" and targets.classes == ("bee", "ant", "fly")
    with pytest.raises(
        ValueError, match=r"task='multilabel', or numbers for task='regression', got 'oak' in the column"
    ):
        read_targets(pd.DataFrame({"a": ["oak", "elm"], "b": ["yes", "no"]}), outputs=("a", "b"))


def test_a_table_without_rows_says_so(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    for source in (f"table:{tmp_path / 't.csv'}?target=b", table()[:0]):
        with pytest.raises(ValueError, match="the table has no rows, only the columns"):
            load(source, **({} if isinstance(source, str) else {"target": "species"}))


def test_the_format_of_a_file_is_saved_with_its_data(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{i},5;{'oak' if i % 2 else 'chêne'};{-9999 if i == 3 else i % 7}" for i in range(N)]
    path.write_bytes("\n".join(["height;species;age", *lines]).encode("cp1252"))
    data = load(f"table:{path}?target=species&missing_values=-9999&missing=drop")
    spec = data.source_spec
    assert {n: spec.options[n] for n in ("separator", "decimal", "encoding", "header_row")} == {
        "separator": ";", "decimal": ",", "encoding": "cp1252", "header_row": 1,
    }  # fmt: skip
    assert "read as cp1252" in "\n".join(data.notes) and "left out 1 of 60 rows with gaps" in data.notes
    assert "separator" not in str(spec) and "missing_values=-9999" in str(spec)
    explicit = as_table_format(spec.explicit_options)
    assert explicit.missing_numbers == (-9999,) and explicit.separator is None and explicit.encoding is None
    for again in (SourceSpec(**json.loads(json.dumps(spec.to_json()))), str(spec)):
        reopened = reopen(again)
        np.testing.assert_array_equal(reopened.train.inputs["height"], data.train.inputs["height"])
        assert str(reopened.source_spec) == str(spec)


def test_gaps_name_the_texts_that_were_read_as_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "ph,country,species\n"
        + "".join(f"{i}.5,{('NA', 'ZA', 'BW', 'NA')[i % 4]},{'xy'[i // 3 % 2]}\n" for i in range(40))
    )
    with (
        pytest.warns(UserWarning, match="'NA'"),
        pytest.raises(ValueError, match=r"gaps in `country` \(20\).*'NA' \(20"),
    ):
        load(f"table:{path}?target=species")
    data = load(f"table:{path}?target=species&keep_default_missing=false")
    assert set(data.train.inputs["country"]) == {"NA", "ZA", "BW"} and "keep_default_missing=false" in str(
        data.source_spec
    )


def test_options_decide_which_columns_may_be_mixed(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "ph,plot,species\n" + "".join(f"{i}.5,{'12?456789'[i % 9]},{'xy'[i // 3 % 2]}\n" for i in range(40))
    )
    with pytest.raises(ValueError, match=r"'plot' must have numbers.*got '\?' in line 4"):
        load(f"table:{path}?target=species")
    for option in ("drop_columns=plot", "columns=ph", "group=plot"):
        assert list(load(f"table:{path}?target=species&{option}").columns) == ["ph"]
    assert load(f"table:{path}?target=species&categorical=plot").columns["plot"] == "category"


@pytest.mark.filterwarnings("ignore")
def test_a_last_row_that_sums_up_the_others_is_noted():
    rows = pd.DataFrame({"site": ["a", "b"] * 10 + ["Total"], "cover": [*range(20), 190]})
    y = pd.DataFrame({"y": range(21)})
    (note,) = [n for n in doubtful_values(rows, y, ("y",), ()) if "last row" in n]
    assert note == "the last row looks like a summary of the others, `site` is 'Total': leave it out of the table"
    levels = rows.assign(site=["mean", "max"] * 10 + ["mean"])
    assert not any("last row" in n for n in doubtful_values(levels, y, ("y",), ()))
