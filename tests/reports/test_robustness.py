"""What the report says of robustness and of explanations: measured, in the record, true, and left out when asked."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import recipes
import zoo
from recipes.reports import robustness


def stripes(count=80, seed=0):
    """8-bit images (12, 12, 1) of two classes, a bright stripe to the left or to the right."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 60, (count, 12, 12, 1)).astype("uint8"), np.arange(count) % 2
    x[y == 0, :, 2:4] += 100
    x[y == 1, :, 8:10] += 100
    return x, y


@pytest.fixture(scope="module")
def run():
    recipe = recipes.Classification(epochs=6, batch_size=8, learning_rate=5e-3, report_examples=16)
    return recipe.fit(zoo.cnn((12, 12, 1), 2, filters=(4,), units=()), stripes(), verbose=False)


@pytest.fixture(scope="module")
def found(run):
    return robustness.figures(run, "test"), run.record["trust"]


def test_the_record_holds_what_was_measured_and_of_how_many(run, found):
    _, record = found
    assert json.loads(json.dumps(record)) == record
    assert (record["part"], record["attacked"], record["explained"]) == ("test", 12, 4)
    assert run.metrics["trust"] is record
    curves = record["robustness"]
    assert curves["unit"] == "grey levels of 255" and curves["epsilon"] == [0, 1, 2, 4, 8, 16, 32, 64]
    assert curves["fgsm"][0] == curves["pgd"][0] == run.evaluate("test")["accuracy"]
    for attack in ("fgsm", "pgd"):
        assert curves[attack] == sorted(curves[attack], reverse=True)
    assert curves["pgd"][-1] < 0.5 < curves["pgd"][0]


def test_a_stripe_is_found_faster_than_in_a_random_order(found):
    faithful = found[1]["faithfulness"]
    for method in ("integrated_gradients", "gradient_input", "occlusion"):
        assert faithful["deletion"]["area"][method] < faithful["deletion"]["area"]["random order"], method
        assert faithful["insertion"]["area"][method] > faithful["insertion"]["area"]["random order"], method
    assert set(faithful["deletion"]["area"]) == {*robustness.METHODS, "random order"}


def test_shuffled_weights_and_agreement_are_recorded_for_every_method(found):
    record = found[1]
    assert record["randomisation"]["layers"][0] == "original"
    for values in record["randomisation"]["spearman"].values():
        assert values[0] == pytest.approx(1) and values[-1] < 0.9
    assert set(record["randomisation"]["spearman"]) <= set(robustness.SHUFFLED)
    matrix = np.array(record["agreement"]["spearman"], float)
    assert record["agreement"]["methods"] == list(robustness.METHODS)
    np.testing.assert_allclose(matrix, matrix.T)


def test_the_report_shows_it_in_words_and_measures_it_once(run, found, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness, "examine", lambda *_: pytest.fail("measured again"))
    page = run.report(tmp_path / "report.html").read_text()
    shown, record = found
    assert [title for title, _, _ in shown] == [
        "How far an attack must go",
        "Do the explanations point at what counts?",
        "Do the explanations depend on what was learnt?",
        "Do the explanations agree?",
    ]
    for title, told, figure in shown:
        assert title in page and told.split(".")[0].replace("'", "&#39;") in page
        assert figure.axes[0].get_xlabel() or title.endswith("agree?")
    assert shown[0][1].startswith("Of 12 test examples 100 % are answered right as they are.")
    pgd = record["robustness"]["pgd"]
    assert (
        f"from {record['robustness']['epsilon'][next(i for i, v in enumerate(pgd) if v < 0.5)]:g} on PGD" in shown[0][1]
    )
    area = record["faithfulness"]["deletion"]["area"]
    best = min(area.values())
    assert f"with {best:.2f}, where a random order has {area['random order']:.2f}" in shown[1][1]
    files = run.plots(str(tmp_path / "plots"))
    assert {"how_far_an_attack_must_go", "do_the_explanations_agree"} <= set(files)


def test_none_examined_is_nothing_shown():
    recipe = recipes.Classification(epochs=1, batch_size=8, report_examples=0)
    model = zoo.cnn((12, 12, 1), 2, filters=(2,), units=())
    run = recipe.fit(model, recipes.load(stripes(24)), verbose=False)
    assert robustness.figures(run, "test") == []
    assert "trust" not in run.record


def test_a_large_model_is_examined_on_fewer_examples(run, monkeypatch):
    assert robustness.affordable(run, 100) == 4
    assert robustness.affordable(run, 3) == 3
    monkeypatch.setattr(robustness, "BUDGET", 1.0)
    assert robustness.affordable(run, 100) == robustness.FEWEST


def table():
    """A data frame of two columns, one a category."""
    import pandas as pd

    rng = np.random.default_rng(0)
    kind = rng.choice(["oak", "pine"], 90)
    height = rng.normal(size=90)
    return pd.DataFrame({"height": height, "kind": kind, "tall": np.where(height > 0, "yes", "no")})


@pytest.mark.parametrize("activation", [pytest.param("sigmoid", marks=pytest.mark.slow), None])
def test_tables_and_a_single_logit_too(activation, tmp_path):
    table().to_csv(tmp_path / "trees.csv", index=False)
    data = recipes.load(f"table:{tmp_path / 'trees.csv'}?target=tall")
    recipe = recipes.Classification(epochs=10, batch_size=8, learning_rate=0.02, report_examples=8)
    features = recipes.training.task.preparation(data, zoo.dnn((4,), 1)).output_shape[-1]
    run = recipe.fit(zoo.dnn((features,), 1, units=(8,), activation=activation), data, verbose=False)
    shown = robustness.figures(run, "test")
    record = run.record["trust"]
    assert record["robustness"]["unit"] == "standard deviations, or shares of a category"
    assert "gradcam" not in record["faithfulness"]["deletion"]["area"]
    answers = record["faithfulness"]["deletion"]["answers"]["occlusion"]
    assert all(0 <= value <= 1 for value in answers)
    assert "largest change" in shown[0][1] or "on PGD leaves" in shown[0][1]


def test_series_are_hidden_step_by_step():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8, 2)).astype("float32"), np.arange(60) % 2
    x[y == 1, 4:] += 2
    recipe = recipes.SeriesClassification(epochs=8, batch_size=8, learning_rate=0.02, report_examples=8)
    run = recipe.fit("rnn", recipes.load((x, y)), verbose=False, units=(6,))
    titles = [title for title, _, _ in run.recipe.figures(run, "test")]
    assert titles[:3] == ["What it confuses", "The steps that mattered", "How far an attack must go"]
    assert len(run.record["trust"]["faithfulness"]["deletion"]["shares"]) == 9


def test_a_model_without_gradients_is_told_so(tmp_path):
    inputs = layers.Input((5,), dtype="int32")
    answer = layers.Dense(2, activation="softmax")(layers.Flatten()(layers.Embedding(9, 2)(inputs)))
    x, y = np.random.default_rng(0).integers(0, 9, (40, 5)).astype("int32"), np.arange(40) % 2
    run = recipes.Classification(epochs=1, batch_size=8).fit("dnn", (x.astype("float32"), y), verbose=False)
    run.model = keras.Model(inputs, answer)
    ((title, told, figure),) = robustness.figures(run, "test")
    assert title == "Robustness and the quality of explanations"
    assert told == "Not measured: gradients need floating-point inputs, the model's inputs are int32."
    assert figure is None
