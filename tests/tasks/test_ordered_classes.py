"""Classes with an order: their indices, scores and loss, and a run that is saved and evaluated on other rows."""

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.losses import CumulativeCrossEntropy
from recipes.runs.matched_data import run_with_data
from recipes.tasks.ordered_classes import ordered_data, ranked_probability_scores
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
ORDER = ("low", "medium", "high")


def table(rows=240):
    frame = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.normal(size=rows)})
    return frame.assign(cover=pd.cut(frame["x"] + RNG.normal(size=rows) / 2, [-9, -1, 1, 9], labels=ORDER).astype(str))


FRAME = table()


def data():
    return recipes.load(FRAME, target="cover")


def test_ranked_probability_scores_by_hand():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    expected = [(0.5**2 + 0.2**2) / 2, 1.0, 0.0]  # a class at the other end is all wrong
    assert_close(ranked_probability_scores(np.array([0, 0, 1]), probabilities), np.array(expected), scale=1)


def test_the_loss_is_the_sum_of_binary_cross_entropies():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], "float32")
    events, at_most = np.array([[0.0, 1.0], [0.0, 0.0]]), np.cumsum(probabilities, axis=1)[:, :2]
    expected = 2 * keras.losses.binary_crossentropy(events, at_most)
    loss = CumulativeCrossEntropy()
    assert_close(float(loss(np.array([1, 2]), probabilities)), float(np.mean(expected)), rtol=1e-5)
    far, near = (float(loss(np.array([0]), np.array([p], "float32"))) for p in ([0.2, 0.1, 0.7], [0.2, 0.7, 0.1]))
    assert far > near


def test_classes_have_the_order_of_the_task():
    by_name = data()
    ordered = ordered_data(by_name, ORDER)
    assert by_name.classes == ("high", "low", "medium") and ordered.classes == ORDER
    assert ordered_data(ordered, ORDER) is ordered
    names = np.array(by_name.classes)[by_name.test.targets]
    assert (np.array(ORDER)[ordered.test.targets] == names).all()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (("low", "high"), "must name each class once .high, low, medium., got no 'medium'"),
        (("low", "medium", "hihg", "high"), "got the unknown class 'hihg'.*high"),
        (("low", "medium", "high", "high"), "got one twice"),
    ],
)
def test_an_order_that_is_not_that_of_the_classes_is_refused(order, message):
    with pytest.raises(ValueError, match=message):
        recipes.Classification(epochs=1, order=order).fit("dnn", data(), verbose=False)


def test_an_order_is_for_one_class_per_example_and_its_loss_needs_one():
    frame = FRAME[["x"]].assign(a=(FRAME["x"] > 0) * 1, b=(FRAME["z"] > 0) * 1)
    labels = recipes.load(frame, target=("a", "b"), task="multilabel")
    with pytest.raises(ValueError, match="`order` must be unset for multilabel"):
        recipes.Classification(epochs=1, order=("a", "b")).fit("dnn", labels, verbose=False)
    with pytest.raises(
        ValueError, match="`order` must name the classes for the loss cumulative_cross_entropy, got none"
    ):
        recipes.Classification(epochs=1, loss="cumulative_cross_entropy").fit("dnn", data(), verbose=False)


def test_ordered_classes_are_learnt_saved_and_evaluated_on_other_rows(tmp_path):
    FRAME.to_csv(tmp_path / "plots.csv", index=False)
    source = f"table:{tmp_path / 'plots.csv'}?target=cover"
    task = recipes.Classification(
        epochs=30, learning_rate=1e-2, order=ORDER, loss="cumulative_cross_entropy", report_examples=0
    )
    run = task.fit("dnn", source, units=(8,), out=tmp_path / "run", verbose=False)
    metrics = run.evaluate()
    assert run.classes == ORDER and metrics["verdict"]["metric"] == "ranked probability score"
    assert metrics["ranked_probability_score"] < 0.7 * metrics["baseline"]["ranked_probability_score"]
    assert metrics["class_error"] < metrics["baseline"]["class_error"]
    assert run.history["loss"][-1] < task.baseline_loss(run.data)
    logistic = run.record["baselines"]["methods"]["logistic regression"]
    assert logistic["metrics"]["ranked_probability_score"] == pytest.approx(logistic["verdict"]["baseline"])
    loaded = recipes.load_run(tmp_path / "run")
    assert loaded.data.classes == ORDER and loaded.evaluate()["confusion"] == metrics["confusion"]
    other = run_with_data(loaded, source).evaluate("train")
    assert other["accuracy"] == pytest.approx(np.mean(loaded.predict(FRAME, labels=True) == FRAME["cover"]))
    assert any("ranked probability score" in sentence for sentence in task.summarize(metrics, "test"))
