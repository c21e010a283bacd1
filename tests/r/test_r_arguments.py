"""Values as R sends them, tested without R: public functions convert their arguments, and accept their own defaults."""

import datetime
import inspect
import types
import typing

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.data import load, sources
from recipes.data.targets import gaps
from recipes.training.callbacks import Progress
from tests.test_contract import as_r_sends
from tests.tolerance import assert_close
from zoo import r_setup
from zoo.arguments import convert
from zoo.inputs.frames import frame_of
from zoo.registry import entries

# Public calls without `checked`, and the reason
UNCHECKED = {
    "HubLayer": "converts its arguments itself",
    "build": "calls a builder, which is checked",
    "train": "calls a recipe, which is checked",
    "backtest": "calls `load`, which is checked",
    "register": "takes a Python function",
    "variant": "takes a Python function",
    "verify_range": "takes arrays",
    "sources": "has no arguments",
    "reference_recipes": "has no arguments",
    "Data": "made by `load`",
    "Examples": "made by `load`",
    "Run": "made by `fit`",
}
NA_INTEGER = -(2**31)


def public_callables():
    """{name: function or class} of the public packages, without the architectures."""
    callables = {}
    for module in (zoo, zoo.explain, zoo.serving, zoo.quality):
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value) and name not in entries:
                callables[f"{module.__name__}.{name}"] = value
    for name in recipes.__all__:
        value = getattr(recipes, name)
        if callable(value):
            callables[f"recipes.{name}"] = value
    return callables


def entry_point(value):
    """The function that takes the arguments: a function itself, or the constructor of a class."""
    return value.__init__ if inspect.isclass(value) else value


def names(checked):
    return sorted(
        name
        for name, value in public_callables().items()
        if hasattr(entry_point(value), "__wrapped__") is checked and not _is_data_type(value)
    )


def _is_data_type(value):
    plain = inspect.isclass(value) and (issubclass(value, Exception | tuple) or value.__module__.startswith("keras"))
    return plain or isinstance(value, types.ModuleType | dict)


@pytest.mark.parametrize("name", names(checked=False))
def test_unchecked_functions_have_no_numbers_or_tuples_as_defaults(name):
    parameters = list(inspect.signature(entry_point(public_callables()[name])).parameters.values())
    numeric = [p.name for p in parameters if isinstance(p.default, bool | int | float | tuple) and p.default != ()]
    assert name.rpartition(".")[2] in UNCHECKED or not numeric, f"{name} has {numeric} unchecked"


@pytest.mark.parametrize("name", sorted([*entries, *names(checked=True)]))
def test_every_default_is_accepted_as_r_sends_it(name):
    function = entries[name].build if name in entries else entry_point(public_callables()[name])
    undecorated = inspect.unwrap(function)
    annotations = {n: a for n, a in function.__annotations__.items() if n != "return"}
    hints = typing.get_type_hints(
        types.SimpleNamespace(__annotations__=annotations), undecorated.__globals__, include_extras=True
    )
    for argument, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not parameter.empty and argument in hints:
            expected = convert(parameter.default, hints[argument], argument)
            assert convert(as_r_sends(parameter.default), hints[argument], argument) == expected, argument


def test_a_named_list_of_class_weights_is_keyed_by_class_name():
    data = load(flowers(), target="kind")
    weights = recipes.Classification(class_weight={"b": 50.0, "a": 1.0}).class_weights(data)
    assert weights == {0: 1.0, 1: 50.0}
    assert recipes.Classification(class_weight={"0": 2.0, "1": 1.0}).class_weights(data) == {0: 2.0, 1: 1.0}
    with pytest.raises(ValueError, match=r"`class_weight` must be a dict, in R a named list such as list\(a = 1\)"):
        recipes.Classification(class_weight=[1.0, 50.0])


def flowers(n=24):
    rng = np.random.default_rng(0)
    size = rng.normal(size=n) + 3 * (np.arange(n) % 2)
    return {"size (cm)": size.tolist(), "site": ["x", "y", "z"] * (n // 3), "kind": ["a", "b"] * (n // 2)}


def test_a_run_predicts_data_frames_and_lists_of_r(tmp_path):
    run = recipes.Classification(epochs=2.0, learning_rate=0.05, seed=1.0).fit(
        "dnn", load(flowers(), target=["kind"]), verbose=False, units=4.0, l2=0.0
    )
    whole = run.predict(pd.DataFrame(flowers()))
    assert_close(whole, run.predict(flowers()))
    one = {"size (cm)": 3.5, "site": "x", "kind": "a"}
    assert run.predict(one).shape == (1, 2)
    labels = run.predict(flowers(), labels=True)
    assert labels.tolist() == [("a", "b")[i] for i in whole.argmax(-1)]
    with pytest.raises(ValueError, match="the columns that the model was trained on, got none called 'site'"):
        run.predict({"size (cm)": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"must have numbers, as in training, got 'tall' in row 1"):
        run.predict({"size (cm)": ["tall"], "site": ["x"]})
    with pytest.raises(ValueError, match="must be a data frame or a dict of columns for a model of a table"):
        run.predict(np.zeros((2, 2)))
    history = run.data_frame()
    assert history["epoch"].tolist() == [1.0, 2.0]
    assert history["loss"].tolist() == run.history["loss"]
    metrics = run.data_frame("metrics").set_index(["split", "metric"])
    assert metrics.loc[("test", "accuracy"), "value"] == run.evaluate("test")["accuracy"]
    examples = run.data_frame("examples")
    assert (examples["target"] == examples["prediction"]).mean() == run.evaluate("test")["accuracy"]
    assert_close(examples[["a", "b"]].sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="`split` must be one of 'train', 'validation', 'test', got 'tets'"):
        run.data_frame("examples", split="tets")
    paths = run.plots(str(tmp_path / "plots"))
    assert set(paths) >= {"learning_curves", "confusion_matrix"}
    for path in paths.values():
        with open(path, "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def images(n=16):
    """Column-major, read-only and double, as R's arrays are; the label is brighter than 100."""
    y = np.arange(n) % 2
    x = np.asfortranarray(np.random.default_rng(0).integers(0, 100, (n, 6, 4, 1)) + 100.0 * y[:, None, None, None])
    x.flags.writeable = False
    return x, y.astype(float).tolist()


def test_column_major_arrays_are_read_by_index():
    x, y = images()
    data = load([x, y], validation=0, test=0)
    np.testing.assert_array_equal(data.train.inputs, x.astype("float32"))
    assert data.train.inputs.flags.c_contiguous
    assert data.train.targets.tolist() == y
    model = keras.Sequential([keras.layers.Input((6, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    run = recipes.Classification(epochs=1).fit(model, data, verbose=False)
    predictions = run.predict(x)
    assert_close(run.predict(np.ascontiguousarray(x[..., 0], "float32")), predictions)
    assert_close(run.predict(x[0, :, :, 0]), predictions[:1])  # one image is a batch of one
    with pytest.raises(ValueError, match=r"shape \(N, 6, 4, 1\).*drop = FALSE"):
        run.predict(x[0, :, 0, 0])
    with pytest.raises(ValueError, match=r"lenet5: `data` must be images.*array_reshape\(x, c\(N, H, W, C\)\)"):
        recipes.Classification(epochs=1).fit("lenet5", [x.reshape(16, -1), y], verbose=False)


def test_gray_levels_are_not_taken_for_fractions():
    x, y = images()
    model = keras.Sequential([keras.layers.Input((6, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    run = recipes.Classification(epochs=1).fit(model, [x.astype("uint8"), y], verbose=False)
    assert_close(run.predict(x), run.predict(x.astype("uint8")))
    for values in (x / 255, (x + 200).astype("int32")):
        with pytest.raises(ValueError, match="must be whole numbers from 0 to 255, as in training, got"):
            run.predict(values)


def test_missing_values_of_r_are_missing_values(monkeypatch):
    columns = {"a": [1, NA_INTEGER], "d": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], "t": ["x", "NA"]}
    frame = frame_of(columns)
    assert np.isnan(frame["a"][1])
    assert frame["d"].dt.year.tolist() == [2020, 2020]
    assert frame["t"].tolist() == ["x", "NA"]  # Python's own text
    assert not gaps(["x", "NA"]).any()
    monkeypatch.setitem(r_setup.sys.modules, "rpytools", types.ModuleType("rpytools"))
    assert frame_of(columns)["t"].isna().tolist() == [False, True]
    assert gaps(["x", "NA"]).tolist() == [False, True]
    with pytest.raises(ValueError, match="a target is never imputed, got 1 in 16 rows"):
        load([images()[0], ["a", "b"] * 7 + ["a", "NA"]])
    whole = np.arange(16, dtype="int32").reshape(8, 2)
    whole[3, 1] = NA_INTEGER
    with pytest.raises(ValueError, match="x has NaN or infinite numbers in 1 of 8 examples"):
        load([whole, ["a", "b"] * 4])


def test_arrays_of_factors_are_refused_when_loaded():
    with pytest.raises(ValueError, match="Text and factors are columns of a data frame"):
        load([[["u", "v"]] * 8, ["a", "b"] * 4])
    with pytest.raises(ValueError, match=r"got 3 repeated labels in 24 rows .*are columns of a data frame"):
        load([["u", "v", "w"] * 8, ["a", "b"] * 12])


def test_vectors_of_text_are_refused_in_training():
    data = load([[f"{a}{b}" for a in "uvwx" for b in "uvwxyz"], ["a", "b"] * 12])  # each level once: else one side
    with pytest.raises(ValueError, match="`data` must be numbers, got the texts"):
        recipes.Classification(epochs=1).fit("dnn", data, verbose=False)


def test_labels_that_count_from_one_are_refused_with_class_names():
    x, y = images()
    with pytest.raises(ValueError, match="They look 1-based, as R has them: send the factor itself"):
        load([x, (np.array(y) + 1).tolist()], classes=["u", "v"])
    assert load([x, (np.array(y) + 1).tolist()]).classes == ("1", "2")


@pytest.mark.parametrize("date_type", ["date", "text", "POSIXct"])
def test_a_time_series_accepts_the_dates_of_r(date_type):
    days = pd.date_range("2020-01-01", periods=40)
    times = {"date": [d.date() for d in days], "text": [str(d.date()) for d in days], "POSIXct": days.to_numpy()}
    table = {"when": times[date_type], "flow": np.sin(np.arange(40)).tolist(), "count": [1, 2, 3, 4] * 10}
    data = load(table, time="when", target="flow", window=3.0, horizon=[1.0, 2.0], gap=0.0, seed=0.0)
    assert data.shape == (3, 2)
    assert data.outputs == ("flow +1", "flow +2")
    table["count"][5] = NA_INTEGER
    with pytest.raises(ValueError, match=r"the table has gaps \(1\), the first in the column 'count', row 6"):
        load(table, time="when", target="flow", window=3.0)


def test_a_date_column_of_a_table_is_left_out():
    table = flowers() | {"seen": [datetime.date(2020, 1, 1 + i) for i in range(24)]}
    with pytest.warns(UserWarning, match="left out `seen`: a date is no number"):
        data = load(table, target="kind")
    assert list(data.columns) == ["size_cm", "site"]


def test_progress_has_no_live_bar_in_r(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes stderr for a terminal
    progress = Progress()
    progress.set_params({"epochs": 2})
    progress.on_train_begin()
    assert progress.live
    progress.on_train_end()
    monkeypatch.setitem(r_setup.sys.modules, "rpytools", types.ModuleType("rpytools"))
    progress.on_train_begin()
    assert not progress.live
    progress.on_epoch_end(0, {"loss": 0.5})
    assert "epoch 1/2" in capsys.readouterr().err


def test_an_outdated_reticulate_is_reported_with_its_packages():
    versions = {"numpy": "2.4.6", "pandas": "3.0.1", "pyarrow": "26.0.1"}.get
    problems = list(r_setup._version_problems((1, 28), versions))
    assert [p.split(":")[0] for p, _ in problems] == [
        "numpy 2.4.6 and reticulate 1.28",
        "pyarrow 26.0.1 and reticulate 1.28",
        "pandas 3.0.1 and reticulate 1.28",
    ]
    assert 'pip install "numpy<2"' in problems[0][1]
    assert "make r-env" in problems[0][1]
    assert [p for p, _ in r_setup._version_problems((1, 41, 0, 1), versions)] == [
        problems[2][0].replace("1.28", "1.41.0.1")
    ]
    assert not list(r_setup._version_problems((1, 28), {"numpy": "1.26.4", "pandas": "2.3.3"}.get))
    assert not list(r_setup._version_problems((1, 45), versions))


def test_r_check_prints_problems_and_their_solution(monkeypatch, capsys):
    monkeypatch.setattr(r_setup, "reticulate_version", lambda: ())
    assert not zoo.r_check()
    assert "Solution: install R" in capsys.readouterr().out
    monkeypatch.setattr(r_setup, "reticulate_version", lambda: (99,))
    monkeypatch.setattr(
        r_setup, "_missing_packages", lambda installed_version: iter([("these packages are not installed: a.", "pip")])
    )
    assert not zoo.r_check()
    assert "- these packages are not installed: a.\n  Solution: pip" in capsys.readouterr().out


def test_sources_is_a_list_of_rows():
    assert {"name", "task", "examples", "classes", "license", "source"} == set(sources()[0])
