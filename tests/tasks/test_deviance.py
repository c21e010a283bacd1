"""Regression of counts and of proportions: link, loss, score and baselines."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance

import recipes
import zoo
from recipes.runs.matched_data import run_with_data
from recipes.tasks import deviance
from recipes.tasks.standardized_loss import StandardizedLoss
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


def counts_and_proportions(rows=300):
    frame = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.normal(size=rows)})
    rate = np.exp(1 + 0.8 * frame["x"])
    frame["count"] = RNG.poisson(rate)
    frame["cover"] = RNG.binomial(20, 1 / (1 + np.exp(-frame["x"]))) / 20
    return frame


FRAME = counts_and_proportions()


def test_explained_deviance_is_scikit_learns():
    y, predictions = RNG.poisson(3, (50, 1)).astype(float), RNG.uniform(1, 6, (50, 1))
    weights = RNG.integers(0, 3, (4, 50)).astype(float)
    assert_close(deviance.deviance("poisson", y, predictions).mean(), mean_poisson_deviance(y, predictions))
    expected = [d2_tweedie_score(y[:, 0], predictions[:, 0], sample_weight=w, power=1) for w in weights]
    assert_close(deviance.explained_deviance("poisson", weights, y, predictions), np.array(expected))


def test_explained_deviance_of_proportions():
    y, predictions = np.array([[0.0], [1.0], [0.5], [0.25]]), np.array([[0.1], [0.9], [0.5], [0.3]])
    ones = np.ones((1, 4))
    mean = np.full_like(y, y.mean())
    ratio = deviance.deviance("binary_crossentropy", y, predictions).sum() / deviance.deviance(
        "binary_crossentropy", y, mean
    ).sum()  # fmt: skip
    assert_close(deviance.explained_deviance("binary_crossentropy", ones, y, predictions), np.array([1 - ratio]))
    assert_close(deviance.explained_deviance("binary_crossentropy", ones, y, mean), np.zeros(1), scale=1)
    assert_close(deviance.explained_deviance("binary_crossentropy", ones, y, y), np.ones(1), rtol=1e-4)


@pytest.mark.parametrize(
    ("target", "loss"),
    [("count", "poisson"), pytest.param("cover", "binary_crossentropy", marks=pytest.mark.slow)],
)
def test_counts_and_proportions_are_learnt_in_their_range_and_exported(target, loss, tmp_path):
    data = recipes.load(FRAME[["x", "z", target]], target=target, task="regression")
    task = recipes.Regression(epochs=40, learning_rate=1e-2, loss=loss)
    run = task.fit("dnn", data, units=(8,), out=tmp_path / "run", verbose=False)
    metrics = run.evaluate()
    assert metrics["verdict"]["metric"] == "D²" and metrics["d2"] > 0.25 > metrics["baseline"]["d2"]
    predictions = run.predict(pd.DataFrame({"x": [-5.0, 0.0, 5.0], "z": [0.0, 0.0, 0.0]}))
    assert np.isfinite(predictions).all() and (predictions >= 0).all()
    assert loss == "poisson" or (predictions <= 1).all()
    assert run.history["loss"][-1] < task.baseline_loss(data)
    intervals = run.predict_interval(data.test.head(20))
    assert intervals.min() == 0 and (loss == "poisson" or intervals.max() <= 1)
    linear = {"poisson": "Poisson regression", "binary_crossentropy": "ridge regression"}[loss]
    assert run.record["baselines"]["methods"][linear]["metrics"]["d2"] > 0.25
    loaded = recipes.load_run(tmp_path / "run")
    assert_close(loaded.predict(data.test.head(5)), run.predict(data.test.head(5)))
    run.export(tmp_path / "served")
    outputs = zoo.predictor(str(tmp_path / "served")).predict(data.test.head(5))
    assert_close(outputs["values"], run.predict(data.test.head(5)))


def test_training_on_zeros_only_is_refused():
    data = recipes.load(FRAME[["x"]].assign(y=0.0), target="y", task="regression")
    with pytest.raises(ValueError, match="must have a training target above 0, got only zeros in `y`"):
        recipes.Regression(epochs=1, loss="poisson").fit("dnn", data, verbose=False)


def test_negative_counts_are_refused_in_an_evaluation(tmp_path):
    data = recipes.load(FRAME[["x", "count"]], target="count", task="regression")
    run = recipes.Regression(epochs=1, loss="poisson", baselines=False).fit(
        "dnn", data, units=(4,), out=tmp_path / "run", verbose=False
    )
    table = tmp_path / "negative.csv"
    FRAME[["x", "count"]].assign(count=[-1.0, *FRAME["count"][1:]]).to_csv(table, index=False)
    with pytest.raises(ValueError, match="must have targets that are counts of 0 or more, got -"):
        run_with_data(run, f"table:{table}?target=count").evaluate("train")


def test_forecasts_have_no_such_loss():
    with pytest.raises(ValueError, match="`loss` must be mse, mae or huber for forecasts, got poisson"):
        recipes.Forecasting(loss="poisson")


def test_the_loss_of_counts_is_that_of_keras_up_to_its_scale():
    targets, predictions = RNG.poisson(3, (20, 1)).astype("float32"), RNG.uniform(1, 6, (20, 1)).astype("float32")
    loss = StandardizedLoss("poisson", [2.0])
    expected = keras.losses.poisson(targets / 2, predictions / 2)
    assert_close(float(loss(targets, predictions)), float(np.mean(expected)), rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "values", "message"),
    [
        ("poisson", [-1.0, 2.0, 3.0], "must have targets that are counts of 0 or more, got -1 in `y`"),
        ("binary_crossentropy", [0.5, 2.0, 0.1], "must have targets that are proportions from 0 to 1, got 2 in `y`"),
    ],
)
def test_targets_that_a_loss_cannot_take_are_refused(loss, values, message):
    with pytest.raises(ValueError, match=message):
        deviance.verify_targets(loss, np.array(values)[:, None], ("y",))
