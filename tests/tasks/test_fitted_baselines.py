"""Baselines without a network: what they are fitted to, what is said of them, and where there are none."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.cli.main import main
from recipes.cli.output import print_baselines
from recipes.reports.baseline_text import describe_baselines
from recipes.reports.card import card
from recipes.tasks import fitted_baselines
from recipes.tasks.fitted_baselines import compare_with_baselines

TREES = {"the random forest", "gradient boosting"}


def table(rows=200, gaps=False):
    """Returns a data frame whose class and number follow from a number and a category, but not linearly."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, rows)
    site = rng.choice(["bog", "fen", "wood"], rows)
    inside = (np.abs(x) < 1.5) ^ (site == "bog")
    frame = pd.DataFrame({"x": x, "site": site, "noise": rng.normal(size=rows)})
    if gaps:
        frame.loc[::9, "noise"] = np.nan
    return frame.assign(species=np.where(inside, "a", "b"), mass=np.where(inside, 10.0, 1.0) + x / 10)


def train(data, kind=recipes.Classification, **changes):
    return recipes.fit(kind(epochs=1, accelerate="off", **changes), "dnn", data, verbose=False, units=(4,))


def classes(frame, **options):
    return recipes.load(frame.drop(columns="mass"), target="species", validation=0.2, test=0.3, **options)


@pytest.fixture(scope="module")
def trained():
    return train(classes(table(300, gaps=True), missing="impute"), report_examples=0)


@pytest.mark.slow
def test_a_network_that_learned_little_loses_to_the_trees(trained):
    record = trained.record["baselines"]
    assert set(record["methods"]) == TREES | {"logistic regression"}
    assert record["strongest"] in TREES and record["chosen_on"] == "validation" and record["split"] == "test"
    best = record["methods"][record["strongest"]]
    assert best["metrics"]["accuracy"] > 0.9 and best["verdict"]["result"] == "worse"
    assert record["sentence"].startswith(f"Loses to {record['strongest']}: accuracy 0.")
    assert best["verdict"]["value"] == trained.evaluate("test")["accuracy"]
    assert best["verdict"]["baseline"] == best["metrics"]["accuracy"]
    assert record["sampled_examples"] == record["training_examples"] == len(trained.data.train)


def test_report_card_and_saved_run_have_the_comparison(trained, tmp_path):
    record = trained.record["baselines"]
    trained.save(tmp_path)
    page, markdown = trained.report(tmp_path / "report.html").read_text(), card(tmp_path)
    for text in (page, markdown):
        assert record["sentence"] in text and "All 3 were fitted to the same 150 training examples" in text
        assert "100 trees" in text and "100 iterations" in text
    assert recipes.load_run(tmp_path).record["baselines"] == record


def test_the_test_split_chooses_nothing(trained):
    data = trained.data
    swapped = dataclasses.replace(data.test, targets=1 - data.test.targets)
    other = compare_with_baselines(trained.replace(data=dataclasses.replace(data, test=swapped)))
    record = trained.record["baselines"]
    assert other["strongest"] == record["strongest"]
    for name, method in other["methods"].items():
        assert method["settings"] == record["methods"][name]["settings"]
        assert method["metrics"]["accuracy"] == pytest.approx(1 - record["methods"][name]["metrics"]["accuracy"])


def test_without_a_validation_split_the_strongest_is_that_of_the_test_split_and_the_note_says_so(trained):
    data = trained.data
    without = dataclasses.replace(data, validation=data.validation.take(slice(0, 0)))
    record = compare_with_baselines(trained.replace(data=without))
    assert record["chosen_on"] == "test"
    assert "on the test split itself" in describe_baselines(record)["note"]


def test_large_tables_are_sampled_and_the_note_says_so(trained, monkeypatch):
    monkeypatch.setattr(fitted_baselines, "MAX_ROWS", 60)
    monkeypatch.setattr(fitted_baselines, "FOREST_WORK", 40)
    monkeypatch.setattr(fitted_baselines, "PREDICT_ROWS", 16)
    record = compare_with_baselines(trained)
    assert record["sampled_examples"] == 60
    assert "a random 60 of the 150 training examples" in describe_baselines(record)["note"]
    assert "each on 20 rows" in record["methods"]["the random forest"]["settings"]


def test_many_classes_have_no_boosting_of_a_few_iterations(trained, monkeypatch):
    monkeypatch.setattr(fitted_baselines, "MAX_BOOSTED_TREES", 9)
    assert set(compare_with_baselines(trained)["methods"]) == {"logistic regression", "the random forest"}


def test_a_training_split_of_one_class_has_no_baselines(trained):
    one = trained.data.train.take(np.flatnonzero(trained.data.train.targets == 0))
    assert compare_with_baselines(trained.replace(data=dataclasses.replace(trained.data, train=one))) is None


def test_a_level_that_training_lacks_is_a_gap_for_boosting(trained):
    train_split = trained.data.train
    without_fen = train_split.take(np.flatnonzero(train_split.inputs["site"] != "fen"))
    record = compare_with_baselines(trained.replace(data=dataclasses.replace(trained.data, train=without_fen)))
    assert record["methods"]["gradient boosting"]["metrics"]["accuracy"] > 0.6


def test_numbers_are_compared_by_r2():
    data = recipes.load(table().drop(columns="species"), target="mass")
    methods = train(data, recipes.Regression).record["baselines"]["methods"]
    assert set(methods) == TREES | {"ridge regression"}
    assert methods["gradient boosting"]["metrics"]["r2"] > 0.8 > methods["ridge regression"]["metrics"]["r2"]
    assert methods["gradient boosting"]["verdict"]["result"] == "worse"


def test_several_numbers_are_predicted_together():
    frame = table().drop(columns="species").assign(height=lambda f: -2 * f["mass"])
    methods = train(recipes.load(frame, target=("mass", "height")), recipes.Regression).record["baselines"]["methods"]
    assert methods["gradient boosting"]["metrics"]["r2"] > 0.8 and len(methods) == 3


def test_several_labels_are_compared_by_the_hamming_loss():
    frame = table()
    frame = frame.assign(a=(frame["species"] == "a") * 1, b=(frame["x"] > 0) * 1).drop(columns=["species", "mass"])
    data = recipes.load(frame, target=("a", "b"), task="multilabel")
    none = np.zeros_like(data.train.targets[:, :1])
    data = dataclasses.replace(
        data, train=dataclasses.replace(data.train, targets=np.hstack([data.train.targets[:, :1], none]))
    )
    record = train(data, report_examples=0).record["baselines"]
    best = record["methods"]["gradient boosting"]
    assert best["verdict"]["metric"] == "Hamming loss" and len(record["methods"]) == 3
    assert record["strongest"] in TREES
    # the label that no training example has is never predicted
    assert best["metrics"]["hamming_loss"] == pytest.approx(data.test.targets[:, 1].mean() / 2, abs=0.1)


def test_weights_of_the_classes_apply_to_the_baselines(trained):
    rng, rows = np.random.default_rng(2), np.arange(len(trained.data.train))
    rare = dataclasses.replace(trained.data.train, targets=(rows % 10 == 0).astype(np.int32))
    noise = {"inputs": {**rare.inputs, "x": rng.normal(size=len(rare)).astype("float32")}}
    run = trained.replace(data=dataclasses.replace(trained.data, train=dataclasses.replace(rare, **noise)))
    plain = compare_with_baselines(run)["methods"]["logistic regression"]["metrics"]
    weighted = run.replace(task=run.task.replace(class_weight="balanced"))
    balanced = compare_with_baselines(weighted)["methods"]["logistic regression"]["metrics"]
    assert plain["sensitivity"] == 0 < balanced["sensitivity"]


def test_series_are_flattened():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    x = (rng.normal(size=(90, 6, 2)) + y[:, None, None]).astype("float32")
    task = recipes.SeriesClassification(epochs=1, accelerate="off", report_examples=0)
    run = recipes.fit(task, "lstm", recipes.load((x, y)), verbose=False, units=(2,))
    assert all(method["metrics"]["accuracy"] > 0.8 for method in run.record["baselines"]["methods"].values())


@pytest.mark.parametrize("weights", [None, [1.0, 1.0, 0.0]])
def test_a_feature_without_a_value_is_constant(weights):
    calls = []

    def fit(x, y, w):
        calls.append(x)
        return lambda x: x

    x = np.array([[1, np.nan], [np.nan, np.nan], [2, np.nan if weights is None else 5]], np.float32)
    predict = fitted_baselines.with_empty_columns(fit)(x, None, None if weights is None else np.array(weights))
    np.testing.assert_array_equal(calls[0], [[1, 0], [np.nan, 0], [2, 0]])
    np.testing.assert_array_equal(predict(np.float32([[np.nan, 7]])), [[np.nan, 0]])


def test_images_have_none():
    x, y = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 1), dtype=np.uint8), np.arange(40) % 2
    assert "baselines" not in train((x, y), report_examples=0).record


def test_one_switch_turns_them_off(trained, tmp_path):
    run = train(classes(table()), report_examples=0, baselines=False)
    assert "baselines" not in run.record
    assert "Baselines without a network" not in run.report(tmp_path / "report.html").read_text()


def test_the_shell_prints_who_wins(trained, capsys):
    print_baselines(trained.record)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("baselines\tLoses to ") and len(lines) == 4
    assert lines[3].startswith("gradient boosting\taccuracy 0.9") and "difference -0." in lines[3]
    print_baselines({})
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_shell_has_the_switch(tmp_path, capsys):
    table().to_csv(tmp_path / "plots.csv", index=False)
    arguments = ["train", "regression", "--model", "dnn", "--data", f"table:{tmp_path}/plots.csv?target=mass"]
    for switch, expected in (((), True), (("--no-baselines",), False)):
        with pytest.raises(SystemExit) as error:
            main([*arguments, "--epochs", "1", "--out", str(tmp_path / "run"), "--overwrite", *switch])
        assert not error.value.code
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith("baselines\t") for line in lines) == expected
