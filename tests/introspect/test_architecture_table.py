"""`zoo.describe` and the table in the package."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import zoo
from recipes.cli import architecture_list
from zoo.introspect import architecture_table
from zoo.registry import entries


def test_every_name_has_a_row():
    frame = zoo.describe()
    assert list(frame["name"]) == zoo.names()
    assert list(frame.columns) == list(architecture_table.COLUMNS)
    # R gets doubles and strings
    assert all(frame[column].dtype == np.float64 for column in architecture_table.NUMBERS)
    assert all(
        isinstance(v, str)
        for column in set(architecture_table.COLUMNS) - set(architecture_table.NUMBERS)
        for v in frame[column]
    )
    assert (frame["parameters"] >= frame["trainable"]).all() and (frame["trainable"] > 0).all()
    assert (frame["summary"].str.len() > 10).all()
    assert [n for n, parent in zip(frame["name"], frame["parent"], strict=True) if parent] == sorted(
        n for n, e in entries.items() if e.parent
    )


def test_one_name_is_measured_anew(monkeypatch):
    monkeypatch.setattr(architecture_table, "read_table", None)
    (row,) = zoo.describe("lenet5_1998").to_dict("records")
    assert (row["parameters"], row["trainable"], row["macs"], row["receptive_field"]) == (60840, 60000, 328096, 16)
    assert (row["input"], row["task"], row["parent"]) == ("32 x 32 x 1", "classify", "")
    assert np.isnan(zoo.describe("dnn")["receptive_field"][0])
    with pytest.raises(ValueError, match=r"Did you mean `lenet5`\?"):
        zoo.describe("lenet_5")


def test_rows_of_the_table_are_not_measured(monkeypatch):
    key = ("lenet5", architecture_table.example_text("lenet5"))
    assert key in architecture_table.read_table()
    measured = []
    monkeypatch.setattr(architecture_table, "names", lambda: ["cnn", "lenet5"])
    monkeypatch.setattr(
        architecture_table,
        "read_table",
        lambda: {key: {**dict.fromkeys(architecture_table.NUMBERS, 7), "input": "seven"}},
    )
    monkeypatch.setattr(
        architecture_table,
        "measure",
        lambda name: measured.append(name) or dict.fromkeys(architecture_table.NUMBERS, 8),
    )
    assert list(zoo.describe()["parameters"]) == [8, 7]
    assert measured == ["cnn"]


def test_a_changed_example_is_measured_anew(monkeypatch):
    changed = {"input_shape": (32, 32, 3), "classes": 10, "padding": "valid"}
    monkeypatch.setitem(entries, "lenet5", entries["lenet5"]._replace(example=changed))
    monkeypatch.setattr(architecture_table, "names", lambda: ["lenet5"])
    (row,) = zoo.describe().to_dict("records")
    assert (row["parameters"], row["input"]) == (62006, "32 x 32 x 3")


# Variants share their parent's code. All parents are measured, and 4 variants, sampled anew when one is added; the
# other variants are slow.
PARENTS = [n for n in zoo.names() if entries[n].parent is None]
VARIANTS = [n for n in zoo.names() if entries[n].parent is not None]
SAMPLED_VARIANTS = np.random.default_rng(len(VARIANTS)).permutation(VARIANTS).tolist()
SLOW_VARIANTS = [pytest.param(name, marks=pytest.mark.slow) for name in SAMPLED_VARIANTS[4:]]


@pytest.mark.parametrize("name", PARENTS + SAMPLED_VARIANTS[:4] + SLOW_VARIANTS)
def test_the_table_is_up_to_date(name):
    table = architecture_table.read_table()
    assert (name, architecture_table.example_text(name)) in table, "run python -m recipes.reference.document_tables"
    assert table[name, architecture_table.example_text(name)] == architecture_table.measure(name), (
        "run python -m recipes.reference.document_tables"
    )


def test_the_table_has_one_row_per_registered_name():
    assert sorted(architecture_table.read_table()) == [(n, architecture_table.example_text(n)) for n in zoo.names()]


def test_the_shell_has_the_table_and_the_docstrings_without_importing_zoo():
    rows = architecture_list.architectures()
    frame = zoo.describe()
    assert [row["name"] for row in rows] == list(frame["name"])
    for row, expected in zip(rows, frame.to_dict("records"), strict=True):
        assert {k: np.nan if v is None else v for k, v in row.items()} == pytest.approx(expected, nan_ok=True)
        assert architecture_list.docstring(row) == inspect.getdoc(entries[row["name"]].build)


def test_listing_and_describing_import_no_tensorflow():
    script = (
        "import sys\nfrom recipes.cli.main import main\n"
        "for arguments in (['list'], ['list', '--task', 'segment'], ['describe', 'resnet50']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'tensorflow', 'keras', 'zoo', 'pandas'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "unet\tsegment\t" in result.stdout and "Source: He, Zhang, Ren, Sun" in result.stdout
