"""Forecasting: skill against the baselines, intervals, relative models, backtests, saving and export."""

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.cli.explain import explain_files
from recipes.cli.main import main
from recipes.data.preprocessing import preprocessing
from recipes.data.series.forecast_window import forecast_frame
from recipes.runs.predict_files import evaluate_run
from recipes.tasks.quantiles import PinballLoss
from tests.tolerance import assert_close


def wave(days=400, drift=0.0, seed=0):
    """Returns daily values: a noisy wave of 20 days around 100, with a linear drift."""
    rng = np.random.default_rng(seed)
    t = np.arange(days)
    flow = 100 + drift * t + 10 * np.sin(2 * np.pi * t / 20) + rng.normal(size=days)
    return pd.DataFrame({"day": pd.date_range("2020-01-01", periods=days), "flow": flow})


def load_wave(frame=None, **options):
    """Returns the `Data` of a wave, with leads of one and five days."""
    options = {"time": "day", "target": "flow", "window": 20, "horizon": (1, 5), **options}
    return recipes.load(wave() if frame is None else frame, **options)


def quick(**changes):
    """Returns a forecasting task of few epochs."""
    return recipes.Forecasting(**{"epochs": 12, "batch_size": 32, "learning_rate": 0.01, **changes})


@pytest.fixture(scope="module")
def run():
    return quick(quantiles=(0.1, 0.5, 0.9)).fit("gru", load_wave(), verbose=False, units=(12,))


def test_the_skill_score_is_against_the_best_baseline(run):
    metrics = run.evaluate()
    assert metrics["skill"] > 0.3
    assert metrics["skill"] == pytest.approx(1 - metrics["mae"] / metrics["baseline"]["mae"])
    assert metrics["baseline"]["mae"] == min(baseline["mae"] for baseline in metrics["baselines"].values())
    targets, persistence = run.data.test.targets, run.data.baselines["test"]["persistence"]
    assert metrics["baselines"]["persistence"]["mae"] == pytest.approx(np.abs(targets - persistence).mean(), rel=1e-5)
    assert set(metrics["by_lead"]) == {"flow +1", "flow +5"}
    medians = run.predict_split()[:, 1::3]
    assert metrics["by_lead"]["flow +5"]["mae"] == pytest.approx(np.abs(targets - medians)[:, 1].mean(), rel=1e-5)


def test_coverage_is_the_fraction_of_targets_inside_the_prediction_interval(run):
    predictions = run.predict_split()
    assert predictions.shape == (len(run.data.test), 6)
    inside = (run.data.test.targets > predictions[:, ::3]) & (run.data.test.targets < predictions[:, 2::3])
    assert run.evaluate()["coverage_0.1_0.9"] == pytest.approx(inside.mean(), abs=0.01)
    assert 0.5 < inside.mean() < 0.98


def test_the_future_is_forecast_with_intervals_from_a_table(run):
    frame = wave().iloc[::-1, ::-1]
    table = forecast_frame(run.predict, frame, run.data.series_options, run.data.outputs, run.task.quantiles)
    assert table["time"].tolist() == [pd.Timestamp("2021-02-04"), pd.Timestamp("2021-02-08")]
    expected = run.predict(wave()["flow"].to_numpy("float32")[None, -20:, None])[0]
    for name, values in (("flow_lower", expected[::3]), ("flow", expected[1::3]), ("flow_upper", expected[2::3])):
        assert_close(table[name].to_numpy(), values)


def test_a_run_is_exported_reported_saved_and_loaded(run, tmp_path):
    run.export(tmp_path / "saved")
    run.save(tmp_path / "run")
    page = run.report(tmp_path / "report.html").read_text()
    assert "Error by lead" in page and "persistence" in page
    saved = recipes.load_run(tmp_path / "run")
    raw = run.data.test.head(3)
    assert_close(np.asarray(saved.model(saved.preprocessing(raw))), run.predict(raw))
    assert saved.task == run.task


def test_a_saved_run_predicts_and_evaluates_another_file(run, tmp_path, capsys):
    run.save(tmp_path / "run")
    file = tmp_path / "new.csv"
    wave(seed=1).assign(note="text")[["note", "flow", "day"]].to_csv(file, index=False)
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(tmp_path / "run"), str(file)])
    assert not stop.value.code
    assert capsys.readouterr().out.splitlines()[0] == "time\tflow\tflow_lower\tflow_upper"
    metrics = evaluate_run(tmp_path / "run", str(file))
    assert metrics["examples"] > 300 and metrics["skill"] > 0.2
    wave().iloc[::2].to_csv(file, index=False)
    with pytest.raises(ValueError, match="must have steps of 1D, as in training, got 2D"):
        evaluate_run(tmp_path / "run", str(file))


def test_several_tables_of_series_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match="must be one table of series, got 2 files"):
        run.predict([tmp_path / "a.csv", tmp_path / "b.csv"])


@pytest.mark.parametrize("name", [None, "out.csv"])
def test_the_command_line_forecasts_the_steps_after_a_table(run, tmp_path, capsys, name):
    run.save(tmp_path / "run")
    wave().to_csv(tmp_path / "new.csv", index=False)
    out = ["--out", str(tmp_path / name)] if name else []
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), *out])
    assert not stop.value.code
    text = (tmp_path / name).read_text() if name else capsys.readouterr().out
    assert "2021-02-04" in text and "2021-02-08" in text


def test_a_mark_of_a_missing_value_in_a_new_series_is_noted(run):
    frame = wave()
    frame["flow"] = frame["flow"].where(frame.index != 395, -9999.0)
    with (
        pytest.warns(UserWarning, match=r"`flow` has -9999 in 1 rows, .* leave these cells empty"),
        pytest.warns(UserWarning, match=r"`flow`: 1 of 20 values are far outside of the training range"),
    ):
        run.predict(frame)


def test_an_evaluation_of_a_table_has_the_times_and_windows_of_the_training(run, tmp_path):
    run.save(tmp_path / "run")
    wave(days=80).to_csv(tmp_path / "new.csv", index=False)
    metrics = [evaluate_run(tmp_path / "run", f"{reader}{tmp_path / 'new.csv'}") for reader in ("table:", "series:")]
    assert metrics[0]["examples"] == metrics[1]["examples"] > 50
    assert metrics[0]["mae"] == pytest.approx(metrics[1]["mae"])


def test_a_relative_network_that_predicts_0_is_persistence():
    drifting = load_wave(wave(drift=1.0))
    task = quick(relative=True, standardize=False)
    model = task.wrap_model(task.build_model("lstm", drifting, units=(3,)), drifting)
    head = model.get_layer("lstm").get_layer("head")
    head.set_weights([np.zeros_like(w) for w in head.get_weights()])
    predictions = model.predict(preprocessing(drifting)(drifting.test.inputs), verbose=0)
    assert_close(predictions, drifting.baselines["test"]["persistence"])


@pytest.mark.slow
def test_relative_forecasts_follow_a_drift_beyond_the_training_range():
    drifting = load_wave(wave(drift=1.0))
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
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(copy(y, np.zeros((101, 3)))) == float(loss(y, np.zeros((101, 3))))


@pytest.mark.slow
def test_backtest_trains_a_model_at_each_origin():
    rows = recipes.backtest(
        quick(epochs=2), "gru", wave(), folds=2, time="day", target="flow", window=20, horizon=2, arguments={"units": 4}
    )
    assert rows["fold"].tolist() == [1, 2] and rows["training"][1] > rows["training"][0] + 50
    assert (rows["skill"] == 1 - rows["mae"] / rows["best_mae"]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quick(quantiles=(0.1, 0.9)), "must rise and include 0.5"),
        (lambda: quick(quantiles=(0.9, 0.5)), "must rise and include 0.5"),
        (
            lambda: quick(relative=True).fit(
                "gru", load_wave(wave().assign(level=1.0), columns="level"), verbose=False
            ),
            "`relative` needs the target's past",
        ),
        (lambda: recipes.Regression().fit("gru", load_wave(), verbose=False), "train it with Forecasting"),
        (lambda: quick().fit("gru", ([[1.0]], [1.0]), verbose=False), "forecasting"),
    ],
)
def test_arguments_and_data_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_explain_says_what_to_do_with_a_forecast(tmp_path):
    wave(80).to_csv(tmp_path / "wave.csv", index=False)
    source = f"table:{tmp_path / 'wave.csv'}?time=day&target=flow&window=5&horizon=1"
    run = recipes.Forecasting(epochs=1).fit("rnn", source, units=(2,), out=tmp_path / "run", verbose=False)
    with pytest.raises(ValueError, match="sound or questions, got Forecasting of series data. In Python, "):
        explain_files(tmp_path / "run", [tmp_path / "wave.csv"], tmp_path / "why.png")
    inputs = run.preprocessing(run.data.test.head(5))  # as the message advises
    assert zoo.explain.integrated_gradients(run.model, np.asarray(inputs), target=0, tolerance=1).shape == (5, 5)
