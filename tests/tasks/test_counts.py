"""Counts with a dispersion and with added zeros: likelihoods, fits, layers, and runs that are saved and exported."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import recipes
import zoo
from recipes.tasks import counts
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
Y = np.array([[0.0], [1.0], [4.0], [60.0]])
RATES = np.array([[0.3], [2.0], [3.5], [40.0]])


def parameters(dispersion=0.0, zeros=0.0):
    return np.stack([RATES, np.full_like(RATES, dispersion), np.full_like(RATES, zeros)], axis=-1)


def scipy_probabilities(loss, dispersion, zeros):
    if counts.is_dispersed(loss):
        shape = 1 / dispersion
        plain = stats.nbinom.pmf(Y, shape, shape / (shape + RATES))
    else:
        plain = stats.poisson.pmf(Y, RATES)
    return zeros * (Y == 0) + (1 - zeros) * plain


@pytest.mark.parametrize(
    ("loss", "dispersion", "zeros"),
    [
        ("negative_binomial", 0.7, 0.0),
        ("negative_binomial", 1e-4, 0.0),  # almost Poisson, where float32 would round all away
        ("negative_binomial", 50.0, 0.0),
        ("zero_inflated_poisson", 0.0, 0.3),
        ("zero_inflated_negative_binomial", 0.7, 0.3),
    ],
)
def test_likelihoods_are_scipys(loss, dispersion, zeros):
    expected = np.log(scipy_probabilities(loss, dispersion, zeros))
    assert_close(counts.log_likelihood(loss, Y, parameters(dispersion, zeros)), expected, rtol=1e-8)
    of_keras = counts.CountLikelihood(loss)(Y.astype("float32"), parameters(dispersion, zeros).astype("float32"))
    assert_close(float(of_keras), -expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("loss", counts.COUNT_LOSSES)
def test_gradients_of_a_likelihood_are_finite(loss):
    import tensorflow as tf

    layer = counts.CountParameters(loss, [2.0], [0.5], [0.2])
    x = tf.constant([[-50.0, 50.0], [50.0, -50.0], [0.0, 0.0]])[:, : 1 + counts.is_inflated(loss)]
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = counts.CountLikelihood(loss)(np.array([[3.0], [0.0], [0.0]], "float32"), layer(x))
    gradients = tape.gradient(value, [x, *layer.trainable_variables])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_dispersion_of_a_sample_is_that_it_was_drawn_with():
    shape = 1 / 0.5
    means = RNG.uniform(1, 20, (4000, 1))
    y = RNG.negative_binomial(shape, shape / (shape + means))
    assert counts.fit_dispersion(y, means, np.zeros_like(means), "negative_binomial")[0] == pytest.approx(0.5, rel=0.1)
    zero = RNG.random((4000, 1)) < 0.25
    dispersion, zeros = counts.fit_to_means("zero_inflated_negative_binomial", np.where(zero, 0, y), 0.75 * means)
    assert dispersion[0] == pytest.approx(0.5, rel=0.15) and zeros[0] == pytest.approx(0.25, abs=0.04)


def test_explained_deviance_is_1_for_the_counts_and_0_for_their_mean():
    y = RNG.poisson(3, (50, 1)).astype(float)
    at_mean = counts.with_means("negative_binomial", np.full_like(y, y.mean()), 0.5, 0.0)
    assert counts.explained_deviance(y, at_mean) == pytest.approx(0, abs=1e-9)
    exact = counts.with_means("negative_binomial", y, 0.5, 0.0)
    assert counts.explained_deviance(y, exact) == pytest.approx(1, abs=1e-4)


def table(rows=300):
    frame = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.normal(size=rows)})
    mean = np.exp(1 + 0.8 * frame["x"])
    frame["birds"] = RNG.negative_binomial(2, 2 / (2 + mean))
    return frame.assign(frogs=np.where(RNG.random(rows) < 1 / (1 + np.exp(-3 * frame["z"])), 0, frame["birds"]))


FRAME = table()


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("zero_inflated_negative_binomial", ("birds", "frogs")),
        pytest.param("negative_binomial", ("birds",), marks=pytest.mark.slow),
        pytest.param("zero_inflated_poisson", ("frogs",), marks=pytest.mark.slow),
    ],
)
def test_counts_are_learnt_saved_written_and_exported(loss, targets, tmp_path):
    data = recipes.load(FRAME[["x", "z", *targets]], target=targets, task="regression")
    run = recipes.Regression(loss=loss, epochs=30, learning_rate=1e-2).fit(
        "dnn", data, units=(8,), out=tmp_path / "run", verbose=False
    )
    metrics, rows = run.evaluate(), FRAME[["x", "z"]].head(4)
    assert metrics["verdict"]["metric"] == "log score"
    assert metrics["baseline"]["log_score"] == pytest.approx(metrics["verdict"]["baseline"])
    assert metrics["log_score"] < metrics["baseline"]["log_score"]
    assert run.history["loss"][-1] < run.task.baseline_loss(data) == pytest.approx(run.history["loss"][0], rel=0.2)
    zeros = run.predict_distribution(rows)["zero_probability"]
    assert zeros.shape == run.predict(rows).shape == (4, len(targets)) and 0 < zeros.min() < zeros.max() < 1
    assert abs(metrics["zeros_observed"] - metrics["zeros_predicted"]) < 0.15
    baselines = run.record["baselines"]["methods"]
    assert set(baselines) == {"Poisson regression", "the random forest", "gradient boosting"}
    scores = [baseline["metrics"]["log_score"] for baseline in baselines.values()]
    assert np.isfinite(scores).all() and min(scores) < 1.2 * metrics["baseline"]["log_score"]
    assert run.predict_interval(rows).min() >= 0
    loaded = recipes.load_run(tmp_path / "run")
    assert_close(loaded.predict_distribution(rows)["zero_probability"], zeros)
    run.export(tmp_path / "served")
    outputs = zoo.predictor(str(tmp_path / "served")).predict(rows)
    assert_close(outputs["zero_probability"], zeros)
    assert_close(outputs["values"], run.predict(rows))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    run.predict_files(tmp_path / "rows.csv", tmp_path / "out.csv", uncertainty=True)
    written = pd.read_csv(tmp_path / "out.csv")
    assert_close(written[[f"{name}_zero_probability" for name in targets]].to_numpy("float32"), zeros)


def test_a_dispersion_is_fitted_to_the_validation_split():
    data = recipes.load(FRAME[["x", "birds"]], target="birds", task="regression")
    run = recipes.Regression(loss="negative_binomial", epochs=1, baselines=False).fit(
        "dnn", data, units=(4,), verbose=False
    )
    rates, dispersions, zeros = np.moveaxis(run.predict_split("validation"), -1, 0)
    expected = counts.fit_dispersion(data.validation.targets, rates, zeros, "negative_binomial")
    assert_close(dispersions[0].astype(float), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([-1, 2, 3], "must have targets that are whole numbers of 0 or more, got -1 in `y`"),
        ([0.5, 2, 3], "must have targets that are whole numbers of 0 or more, got 0.5 in `y`"),
        ([0, 0, 0], "must have a training target above 0, got only zeros in `y`"),
    ],
)
def test_targets_that_are_no_counts_are_refused(values, message):
    frame = pd.DataFrame({"x": RNG.normal(size=60), "y": np.resize(values, 60).astype(float)})
    data = recipes.load(frame, target="y", task="regression")
    with pytest.raises(ValueError, match=message):
        recipes.Regression(loss="negative_binomial", epochs=1).fit("dnn", data, verbose=False)


def test_what_has_no_distribution_is_refused():
    data = recipes.load(FRAME[["x", "birds"]], target="birds", task="regression")
    run = recipes.Regression(epochs=1, baselines=False).fit("dnn", data, units=(2,), verbose=False)
    with pytest.raises(ValueError, match="the run must have a distribution, .* got Regression with mse"):
        run.predict_distribution(data.test.head(1))
    with pytest.raises(ValueError, match="`loss` must be mse, mae or huber for forecasts, got negative_binomial"):
        recipes.Forecasting(loss="negative_binomial")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="must predict 2 numbers .birds and 2 parameters of each"):
        recipes.Regression(loss="zero_inflated_poisson", epochs=1).fit(model, data, verbose=False)
