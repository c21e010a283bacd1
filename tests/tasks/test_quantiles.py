"""Quantiles of numbers: order, loss, calibrated intervals, and runs that are saved and exported."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss

import recipes
import zoo
from recipes.tasks import quantiles
from tests.tolerance import assert_close
from zoo.conformal import Conformal

RNG = np.random.default_rng(0)
LEVELS = (0.1, 0.5, 0.9)


def test_the_pinball_loss_is_scikit_learns():
    y, predictions = RNG.normal(size=(40, 2)), RNG.normal(size=(40, 2, 3))
    expected = np.mean([mean_pinball_loss(y, predictions[..., i], alpha=level) for i, level in enumerate(LEVELS)])
    assert_close(quantiles.pinball(y, predictions, LEVELS).mean(), expected)
    loss = quantiles.PinballLoss(LEVELS, [1.0, 1.0])
    assert_close(float(loss(y.astype("float32"), predictions.astype("float32"))), expected, rtol=1e-5)


def test_quantiles_never_cross_and_have_the_units_of_the_targets():
    layer = quantiles.OrderedQuantiles(1, 4, [2.0, 10.0], [5.0, -1.0])
    outputs = np.asarray(layer(10 * RNG.normal(size=(100, 8)).astype("float32")))
    assert outputs.shape == (100, 2, 4) and (np.diff(outputs, axis=-1) >= 0).all()
    x = np.zeros((1, 8), "float32")
    step = np.log(2)
    expected = np.array([-step, 0, step, 2 * step])[None] * np.array([[2.0], [10.0]]) + np.array([[5.0], [-1.0]])
    assert_close(np.asarray(layer(x))[0], expected.astype("float32"), rtol=1e-5)


def test_intervals_around_quantiles_by_hand():
    bands = np.array([[[0.0, 1.0, 2.0]]] * 4, "float32")
    targets = np.array([[1.0], [2.5], [-1.0], [1.9]])  # outside by -1, 0.5, 1 and -0.1
    conformal = Conformal.from_quantiles(targets, bands, 0.6)  # the third smallest
    assert conformal.of_quantiles and conformal.thresholds == pytest.approx((0.5,))
    assert_close(conformal(bands[:1]), np.array([[[-0.5, 2.5]]], "float32"))
    narrow = Conformal.from_quantiles(np.array([[1.0]] * 9), np.array([[[0.0, 1.0, 10.0]]] * 9), 0.9)
    assert narrow.thresholds == (-1.0,)
    assert_close(narrow(np.array([[[0.0, 0.4, 1.0]]])), np.array([[[0.5, 0.5]]]))  # the ends do not cross
    assert Conformal.from_json(narrow.to_json()) == narrow


def table(rows=400):
    frame = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.uniform(0, 2, rows)})
    return frame.assign(height=10 * frame["x"] + 5 * frame["z"] * RNG.normal(size=rows))


def test_intervals_are_wider_where_the_target_varies_more(tmp_path):
    data = recipes.load(table(), target="height")
    run = recipes.Regression(loss="quantile", coverage=0.8, epochs=40, learning_rate=1e-2).fit(
        "dnn", data, units=(16,), out=tmp_path / "run", verbose=False
    )
    metrics, rows = run.evaluate(), pd.DataFrame({"x": [0.0, 0.0], "z": [0.1, 1.9]})
    assert run.task.levels == LEVELS and metrics["verdict"]["metric"] == "pinball loss"
    assert metrics["pinball_loss"] < 0.8 * metrics["baseline"]["pinball_loss"]
    assert metrics["nominal_coverage"] == 0.8 and 0.6 < metrics["interval_coverage"] < 0.95
    assert set(run.record["baselines"]["methods"]) == {"linear quantile regression", "gradient boosting"}
    levels = run.predict_distribution(rows)["quantiles"]
    assert levels.shape == (2, 1, 3) and (np.diff(levels) > 0).all()
    assert_close(levels[..., 1], run.predict(rows))
    intervals = run.predict_interval(rows)
    assert np.diff(intervals[1]) > 1.5 * np.diff(intervals[0])
    loaded = recipes.load_run(tmp_path / "run", data)
    assert_close(loaded.predict_interval(rows), intervals)
    run.export(tmp_path / "served")
    outputs = zoo.predictor(str(tmp_path / "served")).predict(rows)
    assert_close(outputs["interval"], intervals)
    assert_close(outputs["quantiles"], levels)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    run.predict_files(tmp_path / "rows.csv", tmp_path / "out.csv", uncertainty=True)
    written = pd.read_csv(tmp_path / "out.csv")[["height_low", "height_high"]]
    assert_close(written.to_numpy("float32"), intervals[:, 0])
    assert "Pinball loss" in run.report(tmp_path / "report.html").read_text()


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.5, 0.1), (0.0, 0.5), (0.5, 1.0), (0.5, 0.5)])
def test_levels_that_do_not_rise_between_0_and_1_are_refused(levels):
    with pytest.raises(ValueError, match="`quantiles`.* must"):
        recipes.Regression(loss="quantile", quantiles=levels)


def test_levels_without_their_loss_are_refused():
    with pytest.raises(ValueError, match="`quantiles` must be unset for the loss mse"):
        recipes.Regression(quantiles=LEVELS)
