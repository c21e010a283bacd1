"""Robustness and quality of explanations in the report: record, captions, figures, and models without them."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import recipes
import zoo
from recipes.reports import effort, robustness
from tests.tolerance import assert_close


def stripes(count=80, seed=0):
    """Returns 8-bit images (12, 12, 1) of two classes: a bright stripe on the left or on the right."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 60, (count, 12, 12, 1)).astype("uint8"), np.arange(count) % 2
    x[y == 0, :, 2:4] += 100
    x[y == 1, :, 8:10] += 100
    return x, y


@pytest.fixture(scope="module")
def run():
    task = recipes.Classification(epochs=6, batch_size=8, learning_rate=5e-3, report_examples=16)
    return task.fit(zoo.cnn((12, 12, 1), 2, filters=(4,), units=()), stripes(), verbose=False)


@pytest.fixture(scope="module")
def figures(run):
    return robustness.figures(run, "test")


@pytest.fixture(scope="module")
def record(run, figures):
    return run.record["robustness"]


def test_the_record_has_accuracies_under_attack_and_numbers_of_examples(run, record):
    assert json.loads(json.dumps(record)) == record
    assert (record["split"], record["attacked"], record["explained"]) == ("test", 12, 4)
    assert run.metrics["robustness"] is record
    curves = record["attacks"]
    assert curves["unit"] == "gray levels of 255" and curves["epsilon"] == [0, 1, 2, 4, 8, 16, 32, 64]
    assert curves["fgsm"][0] == curves["pgd"][0] == run.evaluate("test")["accuracy"]
    for attack in ("fgsm", "pgd"):
        assert curves[attack] == sorted(curves[attack], reverse=True)
    assert curves["pgd"][-1] < 0.5 < curves["pgd"][0]


def test_explanations_of_a_stripe_are_more_faithful_than_a_random_order(record):
    tests = record["faithfulness"]
    for method in ("integrated_gradients", "gradient_input", "occlusion"):
        assert tests["deletion"]["area"][method] < tests["deletion"]["area"]["random order"], method
        assert tests["insertion"]["area"][method] > tests["insertion"]["area"]["random order"], method
    assert set(tests["deletion"]["area"]) == {*robustness.METHODS, "random order"}


def test_randomization_and_agreement_are_recorded_for_every_method(record):
    assert record["randomization"]["layers"][0] == "original"
    for values in record["randomization"]["spearman"].values():
        assert values[0] == pytest.approx(1, rel=1e-5) and values[-1] < 0.9
    assert set(record["randomization"]["spearman"]) <= set(robustness.RANDOMIZED_METHODS)
    matrix = np.array(record["agreement"]["spearman"], float)
    assert record["agreement"]["methods"] == list(robustness.METHODS)
    assert_close(matrix, matrix.T)


def test_the_report_has_captions_with_the_recorded_numbers_and_measures_once(
    run, figures, record, tmp_path, monkeypatch
):
    monkeypatch.setattr(robustness, "measure_robustness", lambda *_: pytest.fail("measured again"))
    page = run.report(tmp_path / "report.html").read_text()
    assert [title for title, _, _ in figures] == [
        "Robustness to attacks",
        "Faithfulness of explanations",
        "Randomization test of explanations",
        "Agreement of explanations",
    ]
    for title, caption, figure in figures:
        assert title in page and caption.split(".")[0].replace("'", "&#39;") in page
        assert figure.axes[0].get_xlabel() or title.startswith("Agreement")
    captions = [caption for _, caption, _ in figures]
    assert captions[0].startswith("The accuracy on 12 test examples is 100 %.")
    pgd = record["attacks"]["pgd"]
    first_below_half = record["attacks"]["epsilon"][next(i for i, v in enumerate(pgd) if v < 0.5)]
    assert f"PGD reduces the accuracy below 50 % from epsilon {first_below_half:g} on" in captions[0]
    area = record["faithfulness"]["deletion"]["area"]
    assert f"with {min(area.values()):.2f} (random order: {area['random order']:.2f}" in captions[1]
    files = run.plots(str(tmp_path / "plots"))
    assert {"robustness_to_attacks", "agreement_of_explanations"} <= set(files)


def test_zero_report_examples_give_no_figures():
    task = recipes.Classification(epochs=1, batch_size=8, report_examples=0)
    model = zoo.cnn((12, 12, 1), 2, filters=(2,), units=())
    run = task.fit(model, recipes.load(stripes(24)), verbose=False)
    assert robustness.figures(run, "test") == []
    assert "robustness" not in run.record


def test_a_large_model_is_measured_with_less_and_the_report_says_so(run, monkeypatch, tmp_path):
    cost = zoo.introspect.macs(run.model)
    monkeypatch.setattr(effort, "MAC_BUDGET", effort.FULL_PASSES * cost)
    large = run.replace(record={**run.record, "robustness": None})
    titles_and_captions = {title: caption for title, caption, _ in large.task.figures(large, "test")}
    record = large.record["robustness"]
    assert (record["attacked"], record["explained"]) == (4, 1)
    assert record["attacks"]["epsilon"] == [0, 1, 4, 16, 64] and record["attacks"]["steps"] == 5
    assert titles_and_captions["Robustness to attacks"].endswith(record["reduced"])
    assert "approximated by 16 steps" in titles_and_captions["Attributions of correct predictions"]
    monkeypatch.setattr(effort, "MAX_MACS", 1)
    huge = run.replace(record={**run.record, "robustness": None})
    assert [title for title, _, _ in huge.task.figures(huge, "test")] == [
        "Confusion matrix",
        "Coverage of intervals and sets",
        "Robustness and quality of explanations",
    ]
    assert "multiply-accumulates" in huge.record["robustness"]["skipped"]


@pytest.mark.parametrize(("macs", "explained"), [(None, 2), (1, 10**8), (10**8, 2), (4 * 10**8, 1)])
def test_the_number_of_explained_examples_follows_the_cost(macs, explained):
    choice = effort.choose_effort(macs)
    assert min(choice.explained, 10**8) == explained and choice.is_full == (macs != 4 * 10**8)


def trees():
    """Returns a data frame with a numeric and a categorical column and two classes."""
    import pandas as pd

    rng = np.random.default_rng(0)
    kind = rng.choice(["oak", "pine"], 90)
    height = rng.normal(size=90)
    return pd.DataFrame({"height": height, "kind": kind, "tall": np.where(height > 0, "yes", "no")})


@pytest.mark.parametrize("activation", [pytest.param("sigmoid", marks=pytest.mark.slow), None])
def test_tables_and_models_with_a_single_output_are_measured(activation, tmp_path):
    trees().to_csv(tmp_path / "trees.csv", index=False)
    data = recipes.load(f"table:{tmp_path / 'trees.csv'}?target=tall")
    task = recipes.Classification(epochs=10, batch_size=8, learning_rate=0.02, report_examples=8)
    features = task.preprocessing(data, zoo.dnn((3,), 1)).output_shape[-1]
    run = task.fit(zoo.dnn((features,), 1, units=(8,), activation=activation), data, verbose=False)
    ((_, caption, _), *_) = robustness.figures(run, "test")
    record = run.record["robustness"]
    assert record["attacks"]["unit"] == "standard deviations (fractions for a category)"
    assert "gradcam" not in record["faithfulness"]["deletion"]["area"]
    probabilities = record["faithfulness"]["deletion"]["probabilities"]["occlusion"]
    assert all(0 <= value <= 1 for value in probabilities)
    assert "largest epsilon" in caption or "PGD reduces" in caption


@pytest.mark.slow
def test_series_are_hidden_step_by_step():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8, 2)).astype("float32"), np.arange(60) % 2
    x[y == 1, 4:] += 2
    task = recipes.SeriesClassification(epochs=8, batch_size=8, learning_rate=0.02, report_examples=8)
    run = task.fit("rnn", recipes.load((x, y)), verbose=False, units=(6,))
    titles = [title for title, _, _ in run.task.figures(run, "test")]
    assert titles[2] == "Robustness to attacks"
    assert len(run.record["robustness"]["faithfulness"]["deletion"]["fractions"]) == 9


def test_a_model_without_input_gradients_has_a_reason_instead_of_figures():
    inputs = layers.Input((5,), dtype="int32")
    outputs = layers.Dense(2, activation="softmax")(layers.Flatten()(layers.Embedding(9, 2)(inputs)))
    x, y = np.random.default_rng(0).integers(0, 9, (40, 5)).astype("int32"), np.arange(40) % 2
    run = recipes.Classification(epochs=1, batch_size=8).fit("dnn", (x.astype("float32"), y), verbose=False)
    run.model = keras.Model(inputs, outputs)
    ((title, caption, figure),) = robustness.figures(run, "test")
    assert title == "Robustness and quality of explanations"
    assert caption == "Not measured: gradients need floating-point inputs, the model's inputs are int32."
    assert figure is None
