"""`zoo.describe` and the table that it ships with."""

import numpy as np
import pytest

import zoo
from zoo.introspect import describe
from zoo.registry import entries


def test_every_name_has_a_row():
    frame = zoo.describe()
    assert list(frame["name"]) == zoo.names()
    assert list(frame.columns) == list(describe.COLUMNS)
    # R gets doubles and strings
    assert all(frame[column].dtype == np.float64 for column in describe.NUMBERS)
    assert all(isinstance(v, str) for column in set(describe.COLUMNS) - set(describe.NUMBERS) for v in frame[column])
    assert (frame["parameters"] >= frame["trainable"]).all() and (frame["trainable"] > 0).all()
    assert (frame["summary"].str.len() > 10).all()
    assert [n for n, parent in zip(frame["name"], frame["parent"], strict=True) if parent] == sorted(
        n for n, e in entries.items() if e.parent
    )


def test_one_name_is_measured_anew(monkeypatch):
    monkeypatch.setattr(describe, "_shipped", None)
    (row,) = zoo.describe("lenet5_1998").to_dict("records")
    assert (row["parameters"], row["trainable"], row["macs"], row["receptive_field"]) == (60840, 60000, 328096, 16)
    assert (row["input"], row["task"], row["parent"]) == ("32 x 32 x 1", "classify", "")
    assert np.isnan(zoo.describe("dnn")["receptive_field"][0])
    with pytest.raises(ValueError, match=r"Did you mean `lenet5`\?"):
        zoo.describe("lenet_5")


def test_what_the_table_has_is_not_measured(monkeypatch):
    key = ("lenet5", describe.example("lenet5"))
    assert key in describe._shipped()
    measured = []
    monkeypatch.setattr(describe, "names", lambda: ["cnn", "lenet5"])
    monkeypatch.setattr(describe, "_shipped", lambda: {key: {**dict.fromkeys(describe.NUMBERS, 7), "input": "seven"}})
    monkeypatch.setattr(describe, "measure", lambda name: measured.append(name) or dict.fromkeys(describe.NUMBERS, 8))
    assert list(zoo.describe()["parameters"]) == [8, 7]
    assert measured == ["cnn"]


def test_a_changed_example_is_measured_anew(monkeypatch):
    changed = {"input_shape": (32, 32, 3), "classes": 10, "padding": "valid"}
    monkeypatch.setitem(entries, "lenet5", entries["lenet5"]._replace(example=changed))
    monkeypatch.setattr(describe, "names", lambda: ["lenet5"])
    (row,) = zoo.describe().to_dict("records")
    assert (row["parameters"], row["input"]) == (62006, "32 x 32 x 3")


# Variants share their parent's code: all parents, and a few variants drawn anew with each that is added; the others
# are slow
PARENTS = [n for n in zoo.names() if entries[n].parent is None]
VARIANTS = [n for n in zoo.names() if entries[n].parent is not None]
DRAWN = np.random.default_rng(len(VARIANTS)).permutation(VARIANTS).tolist()
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in DRAWN[4:]]


@pytest.mark.parametrize("name", PARENTS + DRAWN[:4] + OTHERS)
def test_the_table_is_up_to_date(name):
    shipped = describe._shipped()
    assert (name, describe.example(name)) in shipped, "run python -m recipes.reference.readme_tables"
    assert shipped[name, describe.example(name)] == describe.measure(name), (
        "run python -m recipes.reference.readme_tables"
    )


def test_the_table_holds_what_is_registered_and_nothing_else():
    assert sorted(describe._shipped()) == [(n, describe.example(n)) for n in zoo.names()]
