"""Texts that are numbers: marks, units, codes and missing values, decided for whole columns or refused."""

import numpy as np
import pandas as pd
import pytest

from recipes.data.tables.table_files import read_frame, read_table_file
from recipes.data.tables.table_format import TableFormat
from tests.tolerance import assert_close


@pytest.fixture
def column(tmp_path):
    """Reads a column of texts beside one of letters, and perhaps one of other texts."""

    def column(texts, others=None, separator=";", unchecked=(), **options):
        others = others or ["x", "y"] * len(texts)
        lines = [separator.join([t, o, "xyz"[i % 3]]) for i, (t, o) in enumerate(zip(texts, others, strict=False))]
        (tmp_path / "t.csv").write_text("\n".join([separator.join(["a", "b", "c"]), *lines]))
        frame, notes = read_table_file(tmp_path / "t.csv", TableFormat(**options), unchecked=unchecked)
        return frame["a"], "\n".join(notes)

    return column


@pytest.mark.parametrize(
    ("texts", "numbers", "note"),
    [
        (["1", "-2", "+3"], [1, -2, 3], ""),
        (["1.5", ".5", "2.", "1e3", "2.5E-3"], [1.5, 0.5, 2, 1000, 0.0025], ""),
        (["−4", "5"], [-4, 5], ""),
        (["1,5", "2", "-0,25"], [1.5, 2, -0.25], "decimal commas"),
        (["0,125", "1,200"], [0.125, 1.2], "decimal commas"),
        (["1,200,000", "12"], [1_200_000, 12], "',' between thousands"),
        (["1,200.5", "12"], [1200.5, 12], "',' between thousands"),
        (["1.200,5", "12"], [1200.5, 12], "decimal commas and '.' between thousands"),
        (["1.200.000", "1.200"], [1_200_000, 1200], "'.' between thousands"),
        (["1 200", "12"], [1200, 12], "blanks between thousands"),
        (["1\u00a0200,5", "1\u202f000"], [1200.5, 1000], "decimal commas and blanks between thousands"),
        (["1'200.5", "12"], [1200.5, 12], "between thousands"),
        (["1’200", "999"], [1200, 999], "between thousands"),
        (["5%", "10 %"], [5, 10], "the unit '%'"),
        (["10 cm", "5.5 cm"], [10, 5.5], "the unit 'cm'"),
        (["10cm", "5cm"], [10, 5], "the unit 'cm'"),
        (["1,5 kg/ha", "2 kg/ha"], [1.5, 2], "decimal commas and the unit 'kg/ha'"),
        (["1,200 m²", "1,200,000 m²"], [1200, 1_200_000], "the unit 'm²'"),
        (["€ 5", "€7.5"], [5, 7.5], "the unit '€'"),
        (["-5 °C", "3 °C"], [-5, 3], "the unit '°C'"),
        (["3 trees", "12 trees"], [3, 12], "the unit 'trees'"),
    ],
)
def test_numbers_are_read_where_a_whole_column_agrees(column, texts, numbers, note):
    values, notes = column(texts)
    assert_close(values.to_numpy(float), np.array(numbers, float))
    assert note in notes and bool(note) == ("numbers with" in notes)


@pytest.mark.parametrize(
    ("texts", "others", "separator", "numbers", "note"),
    [
        (["1.542", "476"], None, ";", [1542, 476], "such as 1.542, are read as marks between thousands; decimal='.'"),
        (["1.542", "476"], ["1,5", "2"], ";", [1542, 476], "are read as marks between thousands"),
        (["-1.542", "476", "12.000.000"], None, ";", [-1542, 476, 12_000_000], "between thousands"),
        (["1.542", "476"], ["0.5", "2"], ";", [1.542, 476], ""),
        (["1.542", "1476"], None, ";", [1.542, 1476], ""),
        (["1.542", "0.476"], None, ";", [1.542, 0.476], ""),
        (["1.542", "2.476"], None, ";", [1.542, 2.476], "the points in `a`, such as 1.542, are read as decimal marks"),
        (["1.542", "476"], None, ",", [1.542, 476], "the points in `a`, such as 1.542, are read as decimal marks"),
        (["1.542", "2.476"], None, ",", [1.542, 2.476], ""),
    ],
)
def test_points_that_may_separate_thousands_are_decided_or_noted(
    column, recwarn, texts, others, separator, numbers, note
):
    values, notes = column(texts, others=others, separator=separator)
    assert_close(values.to_numpy(float), np.array(numbers, float))
    assert note in notes and bool(note) == ("the points in" in notes or "between thousands" in notes)
    assert ("read as decimal marks" in notes and "476" in texts) == bool(recwarn.list)


def test_options_overrule_what_points_are(column):
    assert column(["1.542", "476"], decimal=".")[0].tolist() == [1.542, 476]
    assert column(["1.542", "476"], separator=",", thousands=".")[0].tolist() == [1542, 476]


def test_thousands_in_a_comma_separated_file(column):
    values, notes = column(['"12,000"', '"1,200"', "500"], separator=",")
    assert values.tolist() == [12000, 1200, 500] and "',' between thousands in `a`" in notes


def test_numbers_that_can_be_read_in_two_ways_are_an_error(column):
    with pytest.raises(
        ValueError, match=r"'a', such as '1,200', can be read in two ways: decimal=',' .* thousands=','"
    ):
        column(["1,200", "2,300"])
    assert column(["1,200", "2,300"], decimal=",")[0].tolist() == [1.2, 2.3]
    assert column(["1.200", "2.300"], decimal=",")[0].tolist() == [1200, 2300]
    assert column(["1,200", "2,300"], thousands=",")[0].tolist() == [1200, 2300]
    assert column(["1,200", "2,300"], others=["1.5", "2.25"])[0].tolist() == [1200, 2300]
    assert column(["1,200", "2,300"], others=["1,5", "2,25"])[0].tolist() == [1.2, 2.3]
    with pytest.raises(ValueError, match=r"'a', such as '1.200', can be read in two ways: decimal='.'"):
        column(["1.200", "2.300"], others=["1,5", "2,25"])
    assert column(["1.200", "2.300"], others=["1,5", "2,25"], thousands=".")[0].tolist() == [1200, 2300]
    assert column(["1.200", "2.300"])[0].tolist() == [1.2, 2.3]  # nothing speaks of decimal commas
    with pytest.raises(ValueError, match="writes its numbers in different ways, such as '12,5'.*and '12.5'"):
        column(["12,5", "12.5", "3"])


@pytest.mark.parametrize(
    ("texts", "value", "line"),
    [
        (["1", "2", "total"], "total", 4), (["1.5", "?", "2"], "?", 3), (["-", "1", "2"], "-", 2),
        (["<0.1", "0.5", "0.7"], "<0.1", 2), (["<0.1", "<0.1", "0.7"], "<0.1", 2), (["1,5", "ND", "2,5"], "ND", 3),
        (["10 cm", "5 cm", "none yet"], "none yet", 4), (["12", "M", "M", "M", "7"], None, 0),
        ([*"1234567", *["ND"] * 9], "ND", 9), (["1", "2", "#DIV/0!"], "#DIV/0!", 4),
        (["5", "2.1.2020", "7"], "2.1.2020", 3),
    ],
)  # fmt: skip
def test_mostly_numbers_with_some_text_is_an_error(column, texts, value, line):
    if value is None:
        values, notes = column(texts)
        assert values.tolist() == texts and "`a` is read as text: 2 of its 5 values are numbers" in notes
        return
    message = rf"the column 'a' must have numbers, .*got '{value.replace('?', '[?]')}' in line {line}"
    with pytest.raises(ValueError, match=f"{message}.*`missing_values`.*`decimal` and `thousands`.*`categorical`"):
        column(texts)
    assert column(texts, unchecked=("a",))[0].tolist() == texts
    numbers = column(texts, missing_values=(value,))[0]
    assert numbers.dtype.kind == "f" and numbers.isna().sum() == texts.count(value)


def test_mixed_units_are_an_error(column):
    with pytest.raises(ValueError, match=r"'a' must have one unit, got cm and m: '10 cm', but '1 m' in line 4"):
        column(["10 cm", "5 cm", "1 m"])
    with pytest.raises(ValueError, match=r"got cm and none: '10 cm', but '5' in line 3"):
        column(["10 cm", "5", "3 cm"])


@pytest.mark.parametrize("texts", [["001", "002", "010"], ["0", "00", "1"], ["12345678901234567890"] * 2])
def test_codes_stay_text(column, texts):
    values, notes = column(texts)
    assert values.tolist() == texts and "`a` stays text: its values are codes" in notes


@pytest.mark.parametrize(
    "texts",
    [["1a", "2b", "3a"], ["1m", "2f", "3m"], ["A1", "B2", "C3"], ["4-5", "6-7", "1-2"], ["0x1F", "0x2A", "0x3B"]],
)
def test_texts_with_digits_stay_text(column, texts):
    values, notes = column(texts)
    assert values.tolist() == texts and notes == "columns separated by ';'"


def test_truth_values(column):
    assert column(["TRUE", "false", "True"])[0].tolist() == [True, False, True]
    assert column(["TRUE", "", "false"])[0].isna().tolist() == [False, True, False]
    assert column(["yes", "no", "yes"])[0].tolist() == ["yes", "no", "yes"]


def test_texts_that_mean_missing_are_noted(column):
    values, notes = column(["NA", "oak", "elm"])
    assert values.isna().tolist() == [True, False, False]
    assert "texts read as missing: `a` 'NA' (1 rows); keep_default_missing=False" in notes
    assert column(["NA", "None", "BW"], keep_default_missing=False)[0].tolist() == ["NA", "None", "BW"]
    assert column(["NA", "ZA", "BW"], keep_default_missing=False, missing_values=("ZA",))[0].isna().tolist()[1]
    for texts in (["NA", "ZA", "BW"], ["None", "rust", "blight"]):  # Namibia, and a class
        with pytest.warns(UserWarning, match=f"`a` has '{texts[0]}' beside '{texts[1]}': it is read as missing; if it"):
            assert column(texts)[0].isna().tolist() == [True, False, False]
    values, notes = column(["NaN", "1.5", "n/a"])
    assert values.dtype.kind == "f" and "'NaN' (1 rows)" in notes and "'n/a' (1 rows)" in notes


def test_numbers_that_mean_missing(column):
    values, notes = column(["-9999", "1.5", "-9999.0"], missing_values=(-9999,))
    assert values.isna().tolist() == [True, False, True] and "read as missing: `a` '-9999'" in notes
    values, _ = column(["-9999", "1.5", "-9999.0"], missing_values=("-9999",))
    assert values.isna().tolist() == [True, False, True]
    frame, facts, _ = read_frame(pd.DataFrame({"a": [-9999, 1, 2]}), {"missing_values": (-9999,)})
    assert frame["a"].isna().tolist() == [True, False, False] and "1 values of `a` read as missing" in facts["notes"]


def test_blanks_around_texts_are_left_out(column):
    values, notes = column(["ant ", " ant", "bee"])
    assert values.tolist() == ["ant", "ant", "bee"] and "blanks around texts are left out in `a`" in notes
    frame, facts, _ = read_frame(pd.DataFrame({"a": ["ant ", "ant"]}))
    assert frame["a"].tolist() == ["ant", "ant"] and "blanks around texts" in facts["notes"][0]


def test_texts_of_data_frames_are_checked_too():
    with pytest.raises(ValueError, match=r"the table: the column 'a' must have numbers.*got '\?' in row 2"):
        read_frame(pd.DataFrame({"a": ["1.5", "?", "2"], "b": list("xyz")}))
    frame, facts, _ = read_frame(pd.DataFrame({"a": ["1", "2", "3"], "b": list("xyz")}))
    assert frame["a"].tolist() == ["1", "2", "3"] and "`a` is read as text, as its type says" in facts["notes"][0]
    with pytest.raises(ValueError, match="distinct names of columns, got 'a' twice"):
        read_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";;"}, "`separator` must be one character or tab, .*got ';;'"),
        ({"thousands": ",", "decimal": ","}, "`decimal` and `thousands` must differ"),
    ],
)
def test_unsuitable_formats(options, message):
    with pytest.raises(ValueError, match=message):
        TableFormat(**options)
