"""Values that R reads back, and inputs of R that would silently be misread; tested without R."""

import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.data import load
from recipes.data.series.times import parse_times
from zoo import r_interop, r_setup
from zoo.arguments import Count, checked, convert


@pytest.fixture
def called_from_r(monkeypatch):
    monkeypatch.setitem(r_interop.sys.modules, "rpytools", types.ModuleType("rpytools"))


def test_large_integers_become_floats_and_paths_strings(called_from_r):
    @checked
    def results(n: Count = 1):
        return {"macs": 2**40, "few": n, "sizes": (2**31, 2**31 - 1), "yes": True, "path": Path("a") / "b"}

    values = results()
    assert values == {"macs": 2.0**40, "few": 1, "sizes": (2.0**31, 2**31 - 1), "yes": True, "path": "a/b"}
    assert type(values["macs"]) is float and type(values["few"]) is int and values["yes"] is True
    assert type(values["sizes"][0]) is float and type(values["sizes"][1]) is int


def test_values_are_unchanged_when_called_from_python():
    @checked
    def results():
        return Path("a"), 2**40

    assert results() == (Path("a"), 2**40)


def test_errors_use_the_indices_and_notation_of_r(called_from_r):
    with pytest.raises(ValueError, match=r"^units\[2\] must be a whole number of at least 1, got 2.5"):
        convert([1.0, 2.5], tuple[Count, ...], "units")
    with pytest.raises(ValueError, match=r"got c\(1, NULL, FALSE, 'a'\)"):
        convert([1.0, None, False, "a"], Count, "units")
    with pytest.raises(ValueError, match=r"got TRUE \(or NA, which arrives as TRUE\)"):
        convert(True, Count, "units")
    with pytest.raises(ValueError, match=r"got list\(a = 1\)"):
        convert({"a": 1.0}, Count, "units")


def test_a_missing_attribute_suggests_the_closest_name():
    with pytest.raises(AttributeError, match=r"zoo has no 'resnet51'. Did you mean `resnet56`\?"):
        _ = zoo.resnet51
    assert not hasattr(zoo, "__no_such__")


def factor(levels, n=24):
    rng = np.random.default_rng(0)
    kind = pd.Categorical([("b", "a")[i % 2] for i in range(n)], categories=levels)
    return pd.DataFrame({"size": rng.normal(size=n) + 9 * (kind == "a"), "kind": kind})


def test_factor_levels_are_the_classes_in_their_order():
    data = load(factor(["b", "a"]), target="kind")
    assert data.classes == ("b", "a")
    assert [data.classes[i] for i in data.train.targets] == ["a" if v > 4.5 else "b" for v in data.train.inputs["size"]]
    data = load(factor(["z", "b", "a"]), target="kind")
    assert data.classes == ("b", "a")
    assert "levels without an example: 'z'" in data.notes
    assert load(factor(["b", "a"]).astype({"kind": str}), target="kind").classes == ("a", "b")


@pytest.fixture(scope="module")
def run():
    return recipes.Classification(epochs=1).fit("dnn", load(factor(["b", "a"]), target="kind"), verbose=False, units=2)


def test_missing_values_and_empty_tables_are_refused(run):
    with pytest.raises(ValueError, match="`size` must have no gaps.*got 1 of 2 rows with a gap, the first in row 2"):
        run.predict({"size": [1.0, np.nan]}, labels=True)
    with pytest.raises(ValueError, match="the table has no rows"):
        run.predict({"size": []})


def test_missing_values_are_imputed_where_training_imputed_them():
    frame = factor(["b", "a"])
    frame.loc[3, "size"] = np.nan
    data = load(frame, target="kind", missing="impute")
    run = recipes.Classification(epochs=1).fit("dnn", data, verbose=False, units=2)
    assert np.isfinite(run.predict({"size": [1.0, np.nan]})).all()


def test_missing_values_in_arrays_are_refused():
    x, y = np.random.default_rng(0).normal(size=(24, 3)), [0, 1] * 12
    run = recipes.Classification(epochs=1).fit("dnn", (x, y), verbose=False, units=2)
    x[2, 1] = np.nan
    with pytest.raises(ValueError, match="got 1 of 24 examples with NaN or NA"):
        run.predict(x)


def test_the_repr_of_a_run_is_one_line(run):
    assert repr(run).startswith("<Run: Classification of dnn on <table: classification of table 1 columns, 2 classes;")


def test_a_tilde_in_paths_is_the_home_folder(monkeypatch, tmp_path):
    data = load(factor(["b", "a"]).assign(age=[i % 7 for i in range(24)]), target="kind")
    run = recipes.Classification(epochs=1).fit("dnn", data, verbose=False, units=2)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run.report("~/page.html") == tmp_path / "page.html"
    run.save("~/run")
    assert recipes.load_run("~/run").classes == ("b", "a")
    zoo.explain.show(np.zeros((1, 3)), np.ones((1, 3)), path="~/why.png")
    assert {"page.html", "run", "why.png"} == {p.name for p in tmp_path.iterdir()}


def test_integer64_is_refused():
    bits = np.arange(1, 25).view("float64")
    with pytest.raises(ValueError, match=r"the column 'n' must have doubles, got R's integer64.*as.numeric\(x\)"):
        load(factor(["b", "a"]).assign(n=bits), target="kind")
    with pytest.raises(ValueError, match="x must have doubles, got R's integer64"):
        load([bits.reshape(12, 2), [0, 1] * 6])
    with pytest.warns(UserWarning, match="left out `n`: it has no values"):
        load(factor(["b", "a"]).assign(n=np.nan), target="kind", missing="impute")
    assert load([np.zeros((12, 2)) + np.arange(12)[:, None], [0, 1] * 6]).kind == "vector"


def test_named_lists_of_arrays_are_inputs_and_targets():
    x, y = np.random.default_rng(0).normal(size=(24, 3)), [0, 1] * 12
    one = load({"x": x, "y": y})
    np.testing.assert_array_equal(one.train.inputs, load((x, y)).train.inputs)
    both = load({"train": {"x": x[:16], "y": y[:16]}, "test": {"x": x[16:], "y": y[16:]}}, validation=0)
    assert (len(both.train), len(both.test)) == (16, 8)
    table = load({"x": x[:, 0], "y": ["a", "b"] * 12}, target="y")
    assert list(table.columns) == ["x"]


def test_ambiguous_dates_are_refused():
    def times(*words):
        return parse_times(pd.DataFrame({"day": words}), "day")

    assert times("13.01.2020", "01.02.2020")[1] == pd.Timestamp("2020-02-01")
    assert times("01/13/2020", "01/02/2020")[1] == pd.Timestamp("2020-01-02")
    assert times("2020-02-01")[0] == pd.Timestamp("2020-02-01")
    with pytest.raises(ValueError, match="got '01.02.2020' in the column 'day', where day and month are ambiguous"):
        times("01.02.2020", "01.03.2020")


def test_the_server_refuses_an_r_function(tmp_path):
    def note(sentence):
        raise AssertionError

    note.__module__ = "rpytools.call"
    with pytest.raises(ValueError, match="Server: `note` must not be an R function"):
        zoo.serving.Server(str(tmp_path), note=note)


def test_an_environment_of_another_python_is_reported(called_from_r, monkeypatch, tmp_path):
    monkeypatch.setenv("RETICULATE_PYTHON", "here")
    monkeypatch.setattr(r_setup.sys, "prefix", str(tmp_path))
    assert not list(r_setup._r_problems((1, 28)))
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.1\n")
    ((problem, solution),) = r_setup._r_problems((1, 28))
    assert "with the modules of Python 3.9.1" in problem and "make r-env R_PYTHON=" in solution
