"""A table that differs from the training table gives the same predictions by every path, or the same refusal."""

import json

import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.runs.predict_files import evaluate_run, predict_files
from tests.tolerance import assert_close
from zoo.serving import Server

RNG = np.random.default_rng(5)
ROWS = 48


def table(rows=ROWS):
    x, island = RNG.normal(40, 5, rows), RNG.choice(["north", "south"], rows)
    species = np.where(x + 4 * (island == "north") > 42, "Adelie", "Gentoo")
    return pd.DataFrame({"bill (mm)": x, "island": island, "code": RNG.choice([1, 2], rows), "species": species})


TRAINING = table()
NEW = table(6)


@pytest.fixture(scope="module", params=["error", "impute"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    frame = TRAINING.copy()
    if request.param == "impute":
        frame.loc[::7, "bill (mm)"] = np.nan
        frame.loc[::9, "island"] = None
    data = recipes.load(frame, target="species", categorical="code", missing=request.param)
    run = recipes.Classification(epochs=2, batch_size=8, learning_rate=0.01).fit(
        "dnn", data, units=(4,), out=folder, verbose=False
    )
    run.export(folder / "saved_model")
    return run, folder


@pytest.fixture(scope="module")
def paths(trained):
    """Function of a data frame and a folder: path -> function of no arguments to (N, classes) probabilities."""
    run, run_folder = trained
    loaded = recipes.load_run(run_folder)
    predictors = zoo.predictor(run_folder, "tensorflow"), zoo.predictor(run_folder / "saved_model")

    def of(frame, folder):
        file = folder / "new.csv"
        frame.to_csv(file, index=False)

        def by_rows(**options):
            frames = predict_files(loaded, [file], **options)
            return np.concatenate([frame[list(run.classes)].to_numpy() for frame in frames])

        return {
            "run.predict": lambda: run.predict(frame),
            "run.predict of a dict": lambda: run.predict({c: frame[c].to_numpy() for c in frame}),
            "run.predict of a file": lambda: run.predict(str(file)),
            "load_run": lambda: loaded.predict(frame),
            "zoo predict": by_rows,
            "zoo predict --engine": lambda: by_rows(engine="tensorflow", export=run_folder),
            "zoo.predictor of a run": lambda: predictors[0].predict(frame)["probabilities"],
            "zoo.predictor": lambda: predictors[1].predict(frame)["probabilities"],
        }

    return of


CHANGES = {
    "same": lambda f: f,
    "reordered": lambda f: f[["code", "island", "bill (mm)"]],
    "with the target": lambda f: f.assign(species="Adelie"),
    "another column": lambda f: f.assign(age=range(len(f))),
    "names of the inputs": lambda f: f.rename(columns={"bill (mm)": "bill_mm"}),
    "blanks in names": lambda f: f.rename(columns={"island": " island "}),
    "blanks in levels": lambda f: f.assign(island=f["island"] + " "),
    "codes as floats": lambda f: f.assign(code=f["code"].astype(float)),
    "codes as text": lambda f: f.assign(code=f["code"].astype(str)),
    "one row": lambda f: f.head(1),
    "numbers without fractions": lambda f: f.assign(**{"bill (mm)": f["bill (mm)"].round().astype(int)}),
    "an unseen level": lambda f: f.assign(island="East"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", CHANGES)
def test_every_path_predicts_the_same(trained, paths, change, tmp_path):
    frame = CHANGES[change](NEW.drop(columns="species"))
    expected = trained[0].predict(frame)
    reference = NEW.head(len(frame)).copy()
    if change == "numbers without fractions":
        reference["bill (mm)"] = reference["bill (mm)"].round()
    if change != "an unseen level":
        assert_close(expected, trained[0].predict(reference))
    for path, predict in paths(frame, tmp_path).items():
        assert_close(np.asarray(predict()), expected, rtol=1e-5, err_msg=path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("column", "gap"), [("bill (mm)", None), ("island", None), ("island", "NA"), ("island", " nan")]
)
def test_every_path_fills_a_gap_or_refuses_it(trained, paths, column, gap, tmp_path):
    frame = NEW.drop(columns="species").astype({"island": object})
    frame.loc[2, column] = gap
    fills = trained[0].schema.accepts_gaps
    expected = trained[0].predict(frame) if fills else None
    for path, predict in paths(frame, tmp_path).items():
        if fills:
            assert_close(np.asarray(predict()), expected, rtol=1e-5, err_msg=path)
            continue
        with pytest.raises(ValueError, match=r"must have no gaps.*the first in row 3"):
            predict()


REFUSED = {
    "an absent column": lambda f: f.drop(columns="island"),
    "a misspelt column": lambda f: f.rename(columns={"island": "islands"}),
    "text among numbers": lambda f: f.astype({"bill (mm)": object}).replace({"bill (mm)": {f["bill (mm)"][1]: "long"}}),
    "no rows": lambda f: f.head(0),
    "an infinite number": lambda f: f.assign(**{"bill (mm)": np.inf}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", REFUSED)
def test_every_path_refuses_what_does_not_fit(paths, change, tmp_path):
    frame = REFUSED[change](NEW.drop(columns="species"))
    for path, predict in paths(frame, tmp_path).items():
        with pytest.raises(ValueError, match=r"island|bill|no rows"):
            print(path, predict())


@pytest.mark.filterwarnings("ignore")
def test_a_prediction_for_an_unseen_level_does_not_depend_on_the_seed_of_its_weights(trained):
    run, _ = trained
    levels = {column.name: len(column.levels) for column in run.schema.columns}
    unseen = {**run.data.test.head(1), "island": np.array(["East"], object)}
    inputs = np.asarray(run.preprocessing(unseen))[0]
    first = inputs.size - levels["code"] - levels["island"]
    assert inputs[first : first + levels["island"]].tolist() == [0] * levels["island"]
    assert inputs[first + levels["island"] :].sum() == 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        lambda f: f.assign(age=range(len(f)))[["age", "code", "species", "island", "bill (mm)"]],
        lambda f: f.assign(constant=1, id=[f"id{i}" for i in range(len(f))]),
    ],
    ids=["same", "another column first", "a constant and an identifier"],
)
def test_evaluation_matches_columns_by_name(trained, change, tmp_path):
    run, folder = trained
    frame = TRAINING.dropna()
    expected = np.mean(run.predict(frame, labels=True) == frame["species"].to_numpy())
    file = tmp_path / "new.csv"
    change(frame).to_csv(file, index=False)
    for source in (f"table:{file}?target=species", f"table:{file}", str(file)):
        assert evaluate_run(folder, source)["accuracy"] == pytest.approx(expected, abs=1e-6)
    assert evaluate_run(folder, change(frame))["accuracy"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_new_data_may_lack_a_class_and_may_not_have_another(trained, tmp_path):
    _, folder = trained
    file = tmp_path / "new.csv"
    TRAINING[TRAINING["species"] == "Adelie"].to_csv(file, index=False)
    assert evaluate_run(folder, str(file))["examples"] == (TRAINING["species"] == "Adelie").sum()
    TRAINING.replace({"species": {"Adelie": "Adeli"}}).to_csv(file, index=False)
    with pytest.raises(ValueError, match=r"must have the classes of the model.*got 'Adeli'. Did you mean `Adelie`\?"):
        evaluate_run(folder, str(file))


def test_a_served_model_refuses_a_gap_or_fills_it(trained):
    run, folder = trained
    row = {"bill_mm": np.array([40.0]), "island": np.array(["north"]), "code": np.array(["1"])}
    gap = {**row, "bill_mm": np.array([np.nan])}
    with Server(folder / "saved_model", rest_port=0, grpc_port=0) as server:
        for address in (server.rest_address, server.grpc_address):
            with zoo.serving.Client(address, "saved_model") as client:
                assert_close(client.predict(row)["probabilities"], run.predict(row), rtol=1e-5)
                if run.schema.accepts_gaps:
                    assert_close(client.predict(gap)["probabilities"], run.predict(gap), rtol=1e-5)
                    continue
                with pytest.raises(zoo.serving.ServingError, match="bill_mm has a gap"):
                    client.predict(gap)


def assert_equal_metrics(metrics, expected):
    """The compiled model of the training and the loaded one may differ in the last digit."""
    assert metrics.keys() == expected.keys()
    numbers = [name for name, value in expected.items() if isinstance(value, float)]
    assert_close([metrics[n] for n in numbers], [expected[n] for n in numbers], rtol=1e-5)


def test_a_loaded_run_evaluates_plots_and_exports_without_the_data_being_passed(tmp_path):
    file = tmp_path / "t.csv"
    TRAINING.to_csv(file, index=False)
    run = recipes.Classification(epochs=1, batch_size=8).fit(
        "dnn", f"table:{file}?target=species", units=(4,), out=tmp_path / "run", verbose=False
    )
    loaded = recipes.load_run(tmp_path / "run")
    assert loaded.schema == run.schema and loaded.task == run.task and loaded.classes == run.classes
    assert_equal_metrics(loaded.evaluate("test"), run.evaluate("test"))
    assert loaded.data_frame("history").equals(run.data_frame("history"))
    assert_close(loaded.predict(loaded.data.test), run.predict(run.data.test))
    assert loaded.export(tmp_path / "served").difference < 1e-5
    schema = json.loads((tmp_path / "served" / "1" / "assets.extra" / "input_schema.json").read_text())
    assert schema == run.schema.to_json() == json.loads((tmp_path / "run" / "run.json").read_text())["input_schema"]
    assert loaded.plots(tmp_path / "plots")


def test_data_that_changed_since_the_training_are_noted(tmp_path):
    file = tmp_path / "t.csv"
    TRAINING.to_csv(file, index=False)
    task = recipes.Classification(epochs=1, batch_size=8)
    task.fit("dnn", f"table:{file}?target=species", units=(4,), out=tmp_path / "run", verbose=False)
    recipes.load_run(tmp_path / "run").evaluate("test")  # warnings are errors
    TRAINING.iloc[:-3].to_csv(file, index=False)
    with pytest.warns(UserWarning, match="t.csv.* has changed since the training: its splits are drawn anew"):
        recipes.load_run(tmp_path / "run").evaluate("test")


def test_notes_on_several_tables_name_each(trained, tmp_path):
    run, _ = trained
    for level in ("east", "west"):
        NEW.assign(island=level).to_csv(tmp_path / f"{level}.csv", index=False)
    with pytest.warns(UserWarning) as caught:
        list(predict_files(run, [tmp_path / "east.csv", tmp_path / "west.csv"]))
    notes = [str(warning.message) for warning in caught]
    for level in ("east", "west"):
        assert any(f"{level}.csv" in note and f"'{level}'" in note for note in notes), notes


def test_a_run_on_arrays_predicts_and_says_that_it_has_no_data(tmp_path):
    x = RNG.normal(size=(40, 3)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    run = recipes.Classification(epochs=1, batch_size=8).fit("dnn", (x, y), units=(4,), out=tmp_path, verbose=False)
    loaded = recipes.load_run(tmp_path)
    assert_close(loaded.predict(x[:3]), run.predict(x[:3]))
    with pytest.raises(ValueError, match=r"was trained on arrays, which a run does not save; pass them: load_run"):
        loaded.evaluate("test")
    assert_equal_metrics(recipes.load_run(tmp_path, (x, y)).evaluate("test"), run.evaluate("test"))
