"""Tables: kinds of columns, gaps, targets, groups and spatial blocks."""

import numpy as np
import pandas as pd
import pytest

from recipes.data import load
from zoo.inputs.columns import plain_names

N = 60


def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "height": rng.normal(20, 5, N),
            "soil": rng.choice(["clay", "loam", "sand"], N),
            "wet": rng.random(N) < 0.5,
            "species": rng.choice(["oak", "birch"], N),
            "biomass": rng.gamma(2, 10, N),
            "x": rng.uniform(0, 100, N),
            "y": rng.uniform(0, 100, N),
            "site": rng.choice([f"s{i}" for i in range(12)], N),
            "code": rng.choice([1, 2, 7], N),
        }
    )


@pytest.fixture
def table():
    return frame()


@pytest.fixture
def file(tmp_path, table):
    table.to_csv(tmp_path / "trees.csv", index=False)
    return tmp_path / "trees.csv"


def splits(data):
    return data.train, data.validation, data.test


def test_columns_are_numbers_or_categories(file):
    data = load(f"table:{file}?target=species&drop_columns=site")
    assert (data.name, data.kind, data.task, data.shape, data.dtype) == (
        "trees",
        "table",
        "classification",
        None,
        "mixed",
    )
    assert data.classes == ("birch", "oak") and data.source == str(file)
    assert data.columns == {
        "height": "number", "soil": "category", "wet": "number", "biomass": "number", "x": "number", "y": "number",
        "code": "number",
    }  # fmt: skip
    assert data.train.inputs["height"].dtype == np.float32
    assert set(data.train.inputs["soil"]) == {"clay", "loam", "sand"} and set(data.train.inputs["wet"]) == {0, 1}
    assert [len(p) for p in splits(data)] == [42, 9, 9] and data.notes == ()


def test_rows_keep_their_inputs_target_and_number(file, table):
    for split in splits(load(f"table:{file}?target=species")):
        for i in range(len(split)):
            row = table.loc[split.names[i]]
            assert split.inputs["height"][i] == np.float32(row.height) and split.inputs["soil"][i] == row.soil
            assert ("birch", "oak")[split.targets[i]] == row.species


def test_files_frames_and_dicts_give_the_same_data(file, table, tmp_path):
    table.to_parquet(tmp_path / "trees.parquet")
    table.to_csv(tmp_path / "trees.csv.gz", index=False)
    table.to_csv(tmp_path / "german.csv", index=False, sep=";", decimal=",")
    table.to_csv(tmp_path / "tabs.tsv", index=False, sep="\t")
    columns = {name: values.tolist() for name, values in table.items()}  # as R sends a data frame
    first = load(table, target="species")
    sources = [f"table:{tmp_path / name}" for name in ("trees.csv.gz", "trees.parquet", "german.csv", "tabs.tsv")]
    for source in (*sources, f"table:{file}", columns):
        data = load(source, target=["species"])
        assert data.columns == first.columns
        np.testing.assert_array_equal(data.test.targets, first.test.targets)
        np.testing.assert_array_equal(data.test.inputs["height"], first.test.inputs["height"])
        np.testing.assert_array_equal(data.test.inputs["soil"], first.test.inputs["soil"])
    x, y = table.drop(columns="species"), table["species"]
    np.testing.assert_array_equal(load((x, y)).test.targets, first.test.targets)
    np.testing.assert_array_equal(load(({c: x[c].tolist() for c in x}, y.tolist())).test.names, first.test.names)


@pytest.mark.parametrize(
    ("target", "task", "classes", "outputs", "shape"),
    [
        ("species", "classification", ("birch", "oak"), (), ()),
        ("wet", "classification", ("False", "True"), (), ()),
        ("code", "classification", ("1", "2", "7"), (), ()),
        ("biomass", "regression", (), ("biomass",), (1,)),
        (("biomass", "height"), "regression", (), ("biomass", "height"), (2,)),
    ],
)
def test_the_task_follows_from_the_target(table, target, task, classes, outputs, shape):
    data = load(table, target=target)
    assert (data.task, data.classes, data.outputs, data.train.targets.shape[1:]) == (task, classes, outputs, shape)
    assert not {target} & set(data.columns)


def test_a_note_states_whether_whole_numbers_are_classes(table):
    assert (
        "the target has 3 distinct whole numbers: read as classes; set `task` to change that"
        in load(table, target="code").notes
    )
    assert load(table, target="code", task="regression").outputs == ("code",)
    counts = table.assign(birds=np.arange(N) % 30)
    assert load(counts, target="birds").task == "regression"
    with pytest.raises(ValueError, match="must be whole numbers or names for classes, got"):
        load(table, target="biomass", task="classification")
    with pytest.raises(ValueError, match="the target must be numbers for regression, got 'birch'|'oak'"):
        load(table, target="species", task="regression")


def test_columns_of_0_and_1_are_several_labels(table):
    labels = (np.random.default_rng(1).random((N, 3)) < 0.4).astype(int)
    labels[0] = 1
    data = load(table.assign(owl=labels[:, 0], jay=labels[:, 1], tit=labels[:, 2]), target=("owl", "jay", "tit"))
    assert (data.task, data.classes) == ("multilabel", ("owl", "jay", "tit"))
    assert data.train.targets.dtype == np.uint8 and data.train.targets.shape == (len(data.train), 3)


def test_codes_become_categories(table):
    table.loc[3, "code"] = np.nan
    data = load(table, target="species", categorical="code", missing="impute")
    assert data.columns["code"] == "category"
    assert set(np.concatenate([p.inputs["code"] for p in splits(data)])) == {"1", "2", "7", ""}


def test_gaps_are_an_error_unless_missing_is_set(table):
    table.loc[[0, 1], "height"] = np.nan
    table.loc[2, "soil"] = None
    with pytest.raises(ValueError, match=r"the table has gaps in `height` \(2\), `soil` \(1\); missing='drop'"):
        load(table, target="species")
    dropped = load(table, target="species", missing="drop")
    assert sum(map(len, splits(dropped))) == N - 3 and "left out 3 of 60 rows with gaps" in dropped.notes
    assert not any(np.isnan(p.inputs["height"]).any() for p in splits(dropped))
    imputed = load(table, target="species", missing="impute")
    assert sum(map(len, splits(imputed))) == N and imputed.missing == "impute"
    assert sum(np.isnan(p.inputs["height"]).sum() for p in splits(imputed)) == 2
    assert sum((p.inputs["soil"] == "").sum() for p in splits(imputed)) == 1
    assert "gaps to impute: `height` (2), `soil` (1)" in imputed.notes


def test_gaps_in_dropped_columns_do_not_matter(table):
    table.loc[0, "height"] = np.nan
    assert load(table, target="species", drop_columns="height").notes == ()


@pytest.mark.parametrize("target", ["species", "biomass"])
def test_a_target_is_never_imputed(table, target):
    table[target] = table[target].where(np.arange(N) > 3)
    with pytest.raises(ValueError, match=r"gaps in the target \(4\)"):
        load(table, target=target)
    data = load(table, target=target, missing="impute")
    assert sum(map(len, splits(data))) == N - 4 and "left out 4 of 60 rows without a target" in data.notes


def test_rs_missing_whole_number_is_a_gap(table):
    columns = {c: v.tolist() for c, v in table.items()}
    columns["code"][5] = -(2**31)
    with pytest.raises(ValueError, match=r"gaps in `code` \(1\)"):
        load(columns, target="species")


def test_groups_and_blocks_stay_whole(table):
    data = load(table, target="biomass", group="site", validation=0.2, test=0.2)
    assert "site" not in data.columns and "left out `site`: it names the groups" in data.notes
    sites = [set(table.site[p.names]) for p in splits(data)]
    assert all(sites) and not (sites[0] & sites[1] or sites[0] & sites[2] or sites[1] & sites[2])
    assert "12 groups of site kept whole" in data.split_description
    for block in (("x", "y", 25), ["x", "y", 25.0]):
        data = load(table, target="biomass", block=block)
        blocks = [set(zip(p.inputs["x"] // 25, p.inputs["y"] // 25, strict=True)) for p in splits(data)]
        assert all(blocks) and not (blocks[0] & blocks[1] or blocks[0] & blocks[2] or blocks[1] & blocks[2])
    assert "`x` is an input too; `drop_columns` leaves it out" in data.notes


def test_identical_rows_are_in_one_split(table):
    double = pd.concat([table, table.assign(biomass=0)], ignore_index=True)
    for split in splits(load(double, target="biomass")):
        assert set(split.names % N) == set(split.names[split.names < N])


def test_columns_without_information_are_left_out_with_a_warning(table):
    table = table.assign(
        plot=[f"plot {i}" for i in range(N)], row=np.arange(5, N + 5), country="IT", void=np.nan,
        day=pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N) % 9, unit="D"),
    )  # fmt: skip
    with pytest.warns(UserWarning) as warned:
        data = load(table, target="species")
    assert not {"plot", "row", "country", "void", "day"} & set(data.columns)
    notes = "\n".join(data.notes)
    assert len(warned) == 5
    for text in (
        "`plot`: it is text with a distinct value in almost every row", "`row`: it numbers the rows",
        "`country`: it has the same value in every row", "`void`: it has no values", "`day`: a date is no number",
    ):  # fmt: skip
        assert text in notes
    assert set(load(table, target="species", columns=("plot", "height")).columns) == {"plot", "height"}


def test_names_become_plain():
    assert plain_names(["bill length (mm)", "température", "2020", "a.b", "a_b", "%"]) == {
        "bill length (mm)": "bill_length_mm", "température": "temperature", "2020": "x2020", "a.b": "a_b",
        "a_b": "a_b_2", "%": "column",
    }  # fmt: skip


def test_renamed_columns_are_noted(table):
    data = load(table.rename(columns={"height": "height (m)"}), target="species")
    assert "columns renamed: 'height (m)' is `height_m`" in data.notes and "height_m" in data.columns


def test_splits_may_be_given(table):
    x, y = table.drop(columns=["species", "site"]), table["species"]
    data = load(((x[:40], y[:40]), (x[40:], y[40:])), validation=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 0, 20)
    np.testing.assert_array_equal(data.test.inputs["height"], x.height[40:].to_numpy("float32"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`target` must name a column of the table: height, soil"),
        ({"target": "specie"}, r"`target` must name columns of the table, got 'specie'. Did you mean `species`\?"),
        (
            {"target": "species", "drop_columns": "hight"},
            r"`drop_columns` must name .* 'hight'. Did you mean `height`\?",
        ),
        ({"target": "species", "group": "sit"}, r"`group` must name .* Did you mean `site`\?"),
        ({"target": "species", "block": ("x", "soil", 1)}, "`block` must name two columns of numbers without gaps"),
        ({"target": "species", "block": ("x", "y", 0)}, r"`block`.* must be a number above 0, got 0"),
        ({"target": "species", "columns": "species"}, "must have an input column beside the target"),
        ({"target": "species", "tile": 8}, "read_table: unknown argument `tile`.*It takes source, target, task"),
        ({"target": "species", "missing": "fill"}, "`missing` must be one of 'error', 'drop', 'impute', got 'fill'"),
        ({"target": "species", "mising": "drop"}, "unknown argument `mising`. Did you mean `missing`"),
    ],
)
def test_unsuitable_options_are_errors(table, options, message):
    with pytest.raises(ValueError, match=message):
        load(table, **options)


def test_unsuitable_files_are_errors(tmp_path, file):
    with pytest.raises(ValueError, match=r"there is no file .*tres.csv. Did you mean `trees.csv`\?"):
        load(f"table:{tmp_path / 'tres.csv'}?target=species")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="empty.csv is empty: a table must have a line with the names"):
        load(f"table:{tmp_path / 'empty.csv'}?target=a")
    (tmp_path / "no.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="no.parquet cannot be read as a table"):
        load(f"table:{tmp_path / 'no.parquet'}?target=a")
    (tmp_path / "inf.csv").write_text("a,b\n1,x\ninf,y\n1,x\n2,y\n")
    with pytest.raises(ValueError, match="`a` must have finite numbers .*, the first is inf in row 2"):
        load(f"table:{tmp_path / 'inf.csv'}?target=b")


def test_a_source_string_has_options(file):
    data = load(
        f"table:{file}?target=biomass&target=height&drop_columns=site&drop_columns=x&block=x,y,20&validation=0.2&seed=3"
    )
    assert data.outputs == ("biomass", "height") and not {"x", "site"} & set(data.columns)
    assert (
        "seed 3" in data.split_description
        and "square blocks of side 20 in x and y kept whole" in data.split_description
    )
    with pytest.raises(ValueError, match=r"unknown option `tagret` in .*. Did you mean `target`\?"):
        load(f"table:{file}?tagret=species")
    with pytest.raises(ValueError, match="`seed` must be a number, got 'one'"):
        load(f"table:{file}?target=species&seed=one")
    with pytest.raises(ValueError, match="`seed` must be a whole number of at least 0, got 1.5"):
        load(f"table:{file}?target=species&seed=1.5")


def test_unbalanced_classes_are_checked(table):
    table.loc[0, "species"] = "elm"
    with pytest.raises(ValueError, match="got a single one of 'elm'; merge or remove it"):
        load(table, target="species")
    table["species"] = "oak"
    with pytest.raises(ValueError, match="must have two classes or more, got only 'oak'"):
        load(table, target="species")
