"""Matching of new data to an input schema: columns, levels, bands, arrays and texts."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from recipes.data.tables.table_files import read_table_file
from zoo.inputs import Band, Column, InputSchema, band_range_notes, match, match_bands, unit_notes
from zoo.inputs.columns import category_codes

COLUMNS = (
    Column("bill_length_mm", "bill length (mm)", "number", (), 30.0, 60.0),
    Column("sex", "sex", "category", ("f", "m")),
    Column("code", "code", "category", ("1", "2", "7")),
)
TABLE = InputSchema("table", None, "mixed", classes=("a", "b"), targets=("species",), columns=COLUMNS)
IMPUTING = InputSchema("table", None, "mixed", missing="impute", columns=COLUMNS)


def frame(**changes):
    columns = {"bill length (mm)": [31.5, 40.0, 55.0], "sex": ["m", "f", "m"], "code": [7, 1, 2]}
    return pd.DataFrame({**columns, **changes})


def assert_batch(matched, frame):
    np.testing.assert_array_equal(matched.batch["bill_length_mm"], frame["bill length (mm)"].astype("float32"))
    assert matched.batch["sex"].tolist() == frame["sex"].tolist()
    assert matched.batch["code"].tolist() == [str(v) for v in frame["code"]]


def test_a_schema_is_the_same_after_json():
    schema = InputSchema(
        "image", (None, None, 2), "uint16", "pad", ("a",), bands=(Band("red", 3, 0.0, 9.5), Band("nir")), nodata=-1.0
    )
    for one in (schema, TABLE):
        assert InputSchema.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize(("version", "advice"), [(99, "update fieldzoo"), (None, "export the model again")])
def test_a_schema_of_another_version_is_refused_with_advice(version, advice):
    with pytest.raises(ValueError, match=f"must have version 1, got version {version}; {advice}"):
        InputSchema.from_json({**TABLE.to_json(), "version": version})


def test_the_order_of_columns_does_not_matter_and_others_are_left_out_with_a_note():
    new = frame()[["code", "sex", "bill length (mm)"]].assign(age=1, site="x", species="a")
    matched = match(TABLE, new)
    assert_batch(matched, frame())
    assert list(matched.batch) == ["bill_length_mm", "sex", "code"]
    assert matched.notes == ["left out the columns `age`, `site`, which the model was not trained on"]


@pytest.mark.parametrize(
    "name", ["bill_length_mm", " bill length (mm)", "bill length mm", "bill length (mm) "], ids=repr
)
def test_a_column_is_also_matched_by_the_name_of_the_input(name):
    assert_batch(match(TABLE, frame().rename(columns={"bill length (mm)": name})), frame())


def test_a_table_may_be_a_dict_and_a_row_a_dict_of_values():
    row = {"bill length (mm)": 31.5, "sex": "m", "code": 7}
    assert_batch(match(TABLE, row), frame().head(1))
    assert_batch(match(TABLE, frame().iloc[0]), frame().head(1))
    assert_batch(match(TABLE, {c: frame()[c].to_numpy() for c in frame()}), frame())


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (frame().rename(columns={"sex": "sexx"}), r"got none called 'sex'. Did you mean `sexx`\?"),
        (frame().drop(columns=["sex", "code"]), "got none called 'sex', 'code'"),
        (frame().assign(Sex="m").drop(columns="sex"), r"none called 'sex'. Did you mean `Sex`\?"),
        (frame().assign(bill_length_mm=1.0).rename(columns={"bill length (mm)": "bill length mm"}), None),
        (frame().head(0), "the table has no rows"),
        (frame(**{"bill length (mm)": [1, "about 2", 3]}), "must have numbers.*'about 2' in row 2"),
        (frame(**{"bill length (mm)": pd.to_datetime(["2020-01-01"] * 3)}), "must have numbers"),
        (frame(**{"bill length (mm)": [1, 2 + 1j, 3]}), "must have real numbers, got complex ones"),
        (frame(**{"bill length (mm)": [40, np.nan, 41]}), r"must have no gaps.*got 1 of 3 rows.*the first in row 2"),
        (frame(**{"bill length (mm)": [40, 41, np.inf]}), "finite numbers.*inf in row 3"),
        (frame(**{"bill length (mm)": [40, 41, 1e39]}), "finite numbers that fit in 32 bits"),
        (frame(sex=["m", None, "f"]), r"`sex` must have no gaps.*got 1 of 3 rows with a gap, the first in row 2"),
        (frame(sex=["m", "  ", "f"]), "`sex` must have no gaps"),
        (frame().set_axis(["sex", "sex", "code"], axis=1), "distinct names, got 'sex' twice"),
        (np.zeros((3, 3)), "must be a data frame or a dict of columns"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_an_error_naming_column_and_row(new, message):
    if message is None:  # the name of the input is exact, so it is the one that counts
        assert match(TABLE, new).batch["bill_length_mm"].tolist() == [1.0] * 3
        return
    with pytest.raises(ValueError, match=message):
        match(TABLE, new)


def test_gaps_are_passed_on_where_the_model_imputes_them():
    new = frame(**{"bill length (mm)": [40, None, 41], "sex": ["m", None, ""], "code": [7, np.nan, 1.0]})
    batch, notes = match(IMPUTING, new)
    assert np.isnan(batch["bill_length_mm"]).tolist() == [False, True, False]
    assert batch["sex"].tolist() == ["m", "", ""] and batch["code"].tolist() == ["7", "", "1"]
    assert [note.partition(":")[0] for note in notes] == ["`bill length (mm)`", "`sex`", "`code`"]
    assert "1 of 3 rows have a gap, which training did not have, and are filled by the median" in notes[0]
    assert "2 of 3 rows have a gap, which training did not have" in notes[1]


def test_levels_that_training_did_not_have_are_counted_with_the_nearest():
    new = frame(sex=["M", "f ", "x"])
    batch, notes = match(TABLE, new)
    assert batch["sex"].tolist() == ["M", "f", "x"]  # blanks around a level are no part of it
    (note,) = notes
    assert "`sex`: 2 of 3 rows have a level that training did not have" in note
    assert "'M' (rows: 1, nearest 'm')" in note and "'x' (rows: 1)" in note
    plots = dataclasses.replace(TABLE.columns[-1], kind="category", levels=("001", "010", "101"))
    codes = dataclasses.replace(TABLE, columns=(plots,))
    (note,) = match(codes, pd.DataFrame({plots.source: [1, 1, 10]})).notes  # as a spreadsheet writes codes
    assert "'1' (rows: 2, nearest '001'), '10' (rows: 1, nearest '010')" in note


def test_numbers_far_outside_of_the_training_range_are_noted():
    (note,) = match(TABLE, frame(**{"bill length (mm)": [15.0, 76.0, 14.0]})).notes
    assert "2 of 3 rows are far outside of the training range, 30 to 60, the first is 76 in row 2" in note


def test_objects_are_numbers_where_training_had_numbers_and_truth_values_are_not():
    batch = match(TABLE, frame(**{"bill length (mm)": np.array([39, 40, 41.5], object)})).batch
    assert batch["bill_length_mm"].tolist() == [39, 40, 41.5]
    with pytest.raises(ValueError, match="`bill length .mm.` must have numbers, as in training, got True in row 1"):
        match(TABLE, frame(**{"bill length (mm)": np.array([True, 40, 41.5], object)}))


NAMED = InputSchema("image", (8, 8, 3), "uint16", bands=(Band("B2"), Band("B3"), Band("B4")))
UNNAMED = InputSchema("image", (8, 8, 3), "uint16", bands=(Band(""), Band(""), Band("")))
SELECTED_BANDS = InputSchema("image", (8, 8, 2), "uint16", bands=(Band("", 3), Band("", 1)))


@pytest.mark.parametrize(
    ("schema", "names", "numbers", "note"),
    [
        (NAMED, ("B2", "B3", "B4"), (1, 2, 3), None),
        (NAMED, ("B4", "B3", "B2"), (3, 2, 1), None),
        (NAMED, ("B8", "B4", "", "B2", "B3"), (4, 5, 2), "left out the bands B8, one without a name"),
        (NAMED, ("", "", ""), (1, 2, 3), "have no names; they are read as B2, B3, B4"),
        (NAMED, ("b4", "b3", "B2", "b8"), (3, 2, 1), "left out the bands b8"),
        (UNNAMED, ("", "", ""), (1, 2, 3), None),
        (UNNAMED, ("x", "y", "z"), (1, 2, 3), None),
        (SELECTED_BANDS, ("", "", "", ""), (3, 1), None),
    ],
)
def test_bands_are_matched_by_name_where_all_have_one(schema, names, numbers, note):
    matched, notes = match_bands(schema, names, "scene.tif")
    assert matched == numbers
    assert (not notes) if note is None else note in notes[0]


def test_arrays_of_images_in_another_unit_are_noted():
    bands = (Band("", None, 100, 3000), Band("", None, 200, 4000))
    schema = InputSchema("image", (2, 2, 2), "float32", bands=bands)
    assert match(schema, np.full((2, 2, 2, 2), 500.0)).notes == []
    (note,) = match(schema, np.full((2, 2, 2, 2), 0.2)).notes
    assert note.startswith("2 images may have another unit than the training range, 100 to 4000: image 1 has 0.2")


@pytest.mark.parametrize(
    ("schema", "names", "message"),
    [
        (NAMED, ("B2", "B3", "B5"), r"bands must be B2, B3, B4, as in training, got B2, B3, B5 in scene.tif"),
        (NAMED, ("", ""), r"there must be 3 bands \(B2, B3, B4\), as in training, got 2"),
        (NAMED, ("b2", "b2", "B3", "B4"), "distinct names, got 'B2' twice"),
        (NAMED, ("B2", "B3", "B3", "B4"), "distinct names, got 'B3' twice"),
        (UNNAMED, ("", "", "", ""), "there must be 3 bands, as in training, got 4"),
        (SELECTED_BANDS, ("", ""), "must have band 3, as in training, got 2"),
    ],
)
def test_bands_that_do_not_fit_are_an_error(schema, names, message):
    with pytest.raises(ValueError, match=message):
        match_bands(schema, names, "scene.tif")


@pytest.mark.parametrize(
    ("kind", "shape", "dtype", "received", "expected"),
    [
        ("image", (None, None, 3), "uint8", (5, 6, 3), (1, 5, 6, 3)),
        ("image", (28, 28, 1), "uint8", (4, 28, 28), (4, 28, 28, 1)),
        ("image", (28, 28, 1), "uint8", (28, 28), (1, 28, 28, 1)),
        ("image", (28, 28, 1), "uint8", (28, 28, 1), (1, 28, 28, 1)),
        ("vector", (3,), "float32", (3,), (1, 3)),
        ("vector", (1,), "float32", (3,), (3, 1)),
        ("series", (7, 2), "float32", (7, 2), (1, 7, 2)),
        ("series", (7, 1), "float32", (5, 7), (5, 7, 1)),
    ],
)
def test_one_example_and_arrays_without_a_band_axis_are_batches(kind, shape, dtype, received, expected):
    batch = match(InputSchema(kind, shape, dtype), np.zeros(received, dtype)).batch
    assert batch.shape == expected and batch.dtype == dtype


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 9, 8, 3), "uint16"), r"shape \(N, 8, 8, 3\), as in training, got uint16 of shape \(2, 9, 8, 3\)"),
        (np.full((2, 8, 8, 3), 0.5), "whole numbers from 0 to 65535, as in training, got 0.5"),
        (np.full((2, 8, 8, 3), -1), "whole numbers from 0 to 65535"),
        (np.zeros((0, 8, 8, 3), "uint16"), "an example or more, got none"),
        (np.full((1, 8, 8, 3), "a"), "must be numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_an_error(array, message):
    with pytest.raises(ValueError, match=message):
        match(NAMED, array)


def test_a_gap_in_an_array_is_refused_unless_the_model_fills_it():
    series = np.array([[[1.0], [np.nan]]])
    with pytest.raises(ValueError, match="must have no gaps.*got 1 of 1 examples"):
        match(InputSchema("series", (2, 1), "float32"), series)
    assert np.isnan(match(InputSchema("series", (2, 1), "float32", "pad"), series).batch).sum() == 1


def test_texts_are_strings_or_a_column():
    schema = InputSchema("text", (), "string", text="note")
    new = pd.DataFrame({"day": [1, 2], "note": ["a heron", "a trout"]})
    for texts in (["a heron", "a trout"], new, new.to_dict("list"), new.rename(columns={"note": " note "})):
        assert match(schema, texts).batch.tolist() == ["a heron", "a trout"]
    with pytest.raises(ValueError, match=r"must have the column 'note', got 'day', 'notes'. Did you mean `notes`\?"):
        match(schema, new.rename(columns={"note": "notes"}))
    with pytest.raises(ValueError, match="every text must have a character, got empty or missing texts in row 2"):
        match(schema, ["a", ""])


def test_the_only_column_is_not_taken_for_that_of_the_training():
    new = pd.DataFrame({"comment": ["a heron"]})
    with pytest.raises(ValueError, match=r"must have the column 'note', got 'comment'. `--text COLUMN`"):
        match(InputSchema("text", (), "string", text="note"), new)
    assert match(InputSchema("text", (), "string"), new).batch.tolist() == ["a heron"]


@pytest.mark.parametrize("values", [["b", "a", "b"], ["b", None, "a"], ["", None, "a"], [None, None], [], ["", "a"]])
def test_texts_in_arrows_format_have_the_levels_of_texts_as_objects(values):
    expected = [value or "" for value in values]
    for column in (pd.Series(values, dtype="str"), pd.Series(values, dtype=object)):
        codes, levels = category_codes(column)
        assert levels[codes].tolist() == expected and sorted(levels) == sorted(set(expected))


@pytest.mark.parametrize(
    ("factor", "corner", "note"),
    [
        (1, 700, None),
        (1e-4, 0.07, "1 images may have another unit than the training range, 200 to 3700: a.tif has 0.0"),
        (
            1,
            -9999,
            "1 images are far outside of the training range, 200 to 3700: a.tif has -9999 to 500 in band nir",
        ),
        (1, np.nan, None),
    ],
)
def test_images_in_another_unit_or_with_unmarked_nodata_are_noted(factor, corner, note):
    schema = InputSchema(
        "image", (4, 4, 2), "float32", bands=(Band("red", None, 200, 3700), Band("nir", None, 300, 900))
    )
    image = np.full((4, 4, 2), (1000, 500), "float32") * np.float32(factor)
    image[0, 0] = corner
    notes = band_range_notes(schema, ["a.tif"], [image])
    assert [n.startswith(note) for n in notes] == [True] if note else notes == []
    assert band_range_notes(dataclasses.replace(schema, dtype="uint8"), ["a.tif"], [image]) == []


def test_another_unit_than_in_training_is_refused_and_a_missing_one_noted():
    columns = (Column("b", "b (m)", "number", minimum=1, maximum=90, unit="m"), Column("c", "c", "number"))
    assert unit_notes(columns, {"b": "b (m)"}, {"b (m)": "m"}) == []
    assert unit_notes(columns, {"b": "b (m)"}, None) == []
    assert unit_notes(columns, {"b": "b (m)"}, {"c": "%"}) == [
        "`b (m)` has no unit, in training it had the unit 'm'",
        "`c` has the unit '%', in training it had no unit",
    ]
    with pytest.raises(ValueError, match=r"predict: the column `b \(m\)` must be in 'm', as in training, got 'cm'"):
        unit_notes(columns, {"b": "b (m)"}, {"b (m)": "cm"})


def test_a_file_in_another_unit_is_refused_by_the_reader_and_the_match(tmp_path):
    schema = InputSchema("table", None, "mixed", columns=(Column("b", "b", "number", minimum=1, maximum=9, unit="m"),))
    for unit in ("cm", "m"):
        file = tmp_path / f"{unit}.csv"
        file.write_text("a,b\n" + f"1,5.5 {unit}\n" * 30)
        frame, _ = read_table_file(file)
        if unit == "m":
            assert match(schema, frame).batch["b"].tolist() == [5.5] * 30
        else:
            with pytest.raises(ValueError, match="must be in 'm', as in training, got 'cm'"):
                match(schema, frame)


def test_series_far_outside_of_the_training_range_are_noted_and_infinite_ones_refused():
    columns = (Column("rain", "rain", "number", minimum=0, maximum=30), Column("flow", "flow", "number"))
    schema = InputSchema("series", (4, 2), "float32", columns=columns)
    series = np.full((2, 4, 2), 20.0)
    assert match(schema, series).notes == []
    series[1, 0, 0] = -9999
    (note,) = match(schema, series).notes
    assert note == "`rain`: 1 of 8 values are far outside of the training range, 0 to 30, the first is -9999"
    series[1, 0, 1] = np.inf
    with pytest.raises(ValueError, match="must be finite numbers, got infinity in example 2"):
        match(schema, series)


def test_a_fraction_among_codes_leaves_the_others_as_they_are():
    codes, levels = category_codes(pd.Series([1.0, 1.5, np.nan, 3.0]))
    assert levels[codes].tolist() == ["1", "1.5", "", "3"]
