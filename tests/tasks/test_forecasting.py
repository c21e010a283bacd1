"""Forecasts: what they are measured against, in which units, and that they come back and export."""

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.tasks.forecasting import PinballLoss
from tests.tolerance import assert_close


def wave(days=400, drift=0.0, seed=0):
    """A noisy wave of 20 days around 100, which drifts."""
    rng = np.random.default_rng(seed)
    t = np.arange(days)
    flow = 100 + drift * t + 10 * np.sin(2 * np.pi * t / 20) + rng.normal(size=days)
    return pd.DataFrame({"day": pd.date_range("2020-01-01", periods=days), "flow": flow})


def data(frame=None, **options):
    given = {"time": "day", "target": "flow", "window": 20, "horizon": (1, 5), **options}
    return recipes.load(wave() if frame is None else frame, **given)


def quick(**changes):
    return recipes.Forecasting(**{"epochs": 12, "batch_size": 32, "learning_rate": 0.01, **changes})


@pytest.fixture(scope="module")
def run():
    return quick(quantiles=(0.1, 0.5, 0.9)).fit("gru", data(), verbose=False, units=(12,))


def test_beats_what_needs_no_model_and_says_by_how_much(run):
    found = run.evaluate()
    assert found["skill"] > 0.3
    assert found["skill"] == pytest.approx(1 - found["mae"] / found["baseline"]["mae"])
    assert found["baseline"]["mae"] == min(r["mae"] for r in found["baselines"].values())
    targets, said = run.data.test.targets, run.data.baselines["test"]["persistence"]
    assert found["baselines"]["persistence"]["mae"] == pytest.approx(np.abs(targets - said).mean(), rel=1e-5)
    assert set(found["by_lead"]) == {"flow +1", "flow +5"}
    middle = run.predict_split()[:, 1::3]
    assert found["by_lead"]["flow +5"]["mae"] == pytest.approx(np.abs(targets - middle)[:, 1].mean(), rel=1e-5)


def test_intervals_are_covered_about_as_often_as_they_say(run):
    answers = run.predict_split()
    assert answers.shape == (len(run.data.test), 6)
    inside = (run.data.test.targets > answers[:, ::3]) & (run.data.test.targets < answers[:, 2::3])
    assert run.evaluate()["coverage_0.1_0.9"] == pytest.approx(inside.mean(), abs=0.01)
    assert 0.5 < inside.mean() < 0.98


def test_comes_back_exports_and_reports(run, tmp_path):
    run.export(tmp_path / "saved")
    run.save(tmp_path / "run")
    page = run.report(tmp_path / "report.html").read_text()
    assert "How the error grows with the lead" in page and "persistence" in page
    saved = recipes.load_run(tmp_path / "run")
    raw = run.data.test.head(3)
    again = np.asarray(saved.model(saved.preprocessing(raw)))
    assert_close(again, run.predict(raw))
    assert recipes.Forecasting(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in saved.info["hyperparameters"].items()}
    )


def test_a_relative_network_that_answers_0_is_persistence():
    drifting = data(wave(drift=1.0))
    recipe = quick(relative=True, standardize=False)
    model = recipe.wrap_model(recipe.build_model("lstm", drifting, units=(3,)), drifting)
    head = model.get_layer("lstm").get_layer("head")
    head.set_weights([np.zeros_like(w) for w in head.get_weights()])
    from recipes.data.preprocessing import preprocessing

    answers = model.predict(preprocessing(drifting)(drifting.test.inputs), verbose=0)
    assert_close(answers, drifting.baselines["test"]["persistence"])


def test_relative_answers_follow_a_drift_that_training_never_saw():
    drifting = data(wave(drift=1.0))
    plain, relative = (
        quick(relative=r, epochs=6).fit("gru", drifting, verbose=False, units=(8,)).evaluate()["mae"]
        for r in (False, True)
    )
    assert relative < plain / 2


def test_the_pinball_loss_has_its_minimum_at_the_quantile():
    y = np.arange(101, dtype="float32")[:, None]
    loss = PinballLoss((0.1, 0.5, 0.9), [1.0])
    best = [
        min(range(101), key=lambda c: float(loss(y, np.eye(3, dtype="float32")[i] * c + np.zeros((101, 3), "float32"))))
        for i in range(3)
    ]
    assert best == pytest.approx([10, 50, 90], abs=1)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(y, np.zeros((101, 3)))) == float(loss(y, np.zeros((101, 3))))


def test_backtesting_trains_anew_at_each_origin():
    rows = recipes.backtest(
        quick(epochs=2), "gru", wave(), folds=2, time="day", target="flow", window=20, horizon=2, arguments={"units": 4}
    )
    assert rows["fold"].tolist() == [1, 2] and rows["training"][1] > rows["training"][0] + 50
    assert (rows["skill"] == 1 - rows["mae"] / rows["best_mae"]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quick(quantiles=(0.1, 0.9)), "0.5 among them"),
        (lambda: quick(quantiles=(0.9, 0.5)), "must rise"),
        (
            lambda: quick(relative=True).fit("gru", data(wave().assign(level=1.0), keep="level"), verbose=False),
            "relative",
        ),
        (lambda: recipes.Regression().fit("gru", data(), verbose=False), "the recipe for that is `forecasting`"),
        (lambda: quick().fit("gru", ([[1.0]], [1.0]), verbose=False), "forecasting"),
    ],
)
def test_what_cannot_be_meant_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
