"""A loss that becomes NaN or infinite: the step is named, its batch saved, and the last good weights are a run."""

import json

import numpy as np
import pytest

import recipes
from recipes.training.divergence import describe_bad_step

SGD = {"batch_size": 16, "optimizer": "sgd", "accelerate": "off", "baselines": False}
GROWING = recipes.Regression(epochs=10, learning_rate=3.0, schedule="constant", warmup=0.5, **SGD)


def table(count=400):
    x = np.random.default_rng(0).normal(size=(count, 4)).astype("float32")
    return x, x[:, :1] ** 2


def test_the_last_good_weights_are_a_run_and_the_step_is_named(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(ArithmeticError, match="diverged: the loss became .* in epoch") as error:
        recipes.fit(GROWING, "dnn", table(), out=out, verbose=False, units=(8, 8))
    message = str(error.value)
    run = recipes.load_run(out / "diverged", data=table())
    epochs = len(run.history["loss"])
    assert epochs and f"The weights after epoch {epochs} are the run {out / 'diverged'}." in message
    assert f"in epoch {epochs + 1}." in message and "step " in message and "losses of the steps before it" in message
    assert all(np.isfinite(w).all() for w in run.model.get_weights()) and np.isfinite(run.history["loss"]).all()
    assert np.isfinite(run.predict(table()[0][:3])).all()
    with np.load(out / "diverged" / "batch.npz") as batch:
        assert batch["inputs"].shape == (16, 4) and batch["targets"].shape[0] == 16
    assert not (out / "run.json").exists() and not (out / "backup").exists()


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_batch_with_a_huge_number_is_found_in_the_first_epoch(tmp_path):
    x, y = table(64)
    data = recipes.load((x, y), task="regression")
    data.train.targets[::8] = 1e30
    task = recipes.Regression(epochs=2, learning_rate=1e-3, standardize=False, **SGD)
    with pytest.raises(ArithmeticError, match="Its targets go from") as error:
        recipes.fit(task, "dnn", data, out=tmp_path / "run", verbose=False, units=(8,))
    assert "The weights after" not in str(error.value)
    with np.load(tmp_path / "run" / "diverged" / "batch.npz") as batch:
        assert batch["targets"].max() > 1e29


def test_a_new_training_replaces_what_the_diverged_one_left_and_no_other_file(tmp_path):
    out = tmp_path / "run"
    (out / "diverged").mkdir(parents=True)
    (out / "diverged" / "mine.txt").write_text("kept")
    with pytest.raises(ArithmeticError):
        recipes.fit(GROWING, "dnn", table(), out=out, verbose=False, units=(8, 8))
    assert json.loads((out / "diverged" / "run.json").read_text())["record"]["diverged"]
    task = GROWING.replace(learning_rate=0.01, epochs=1)
    recipes.fit(task, "dnn", table(), out=out, verbose=False, units=(8, 8))
    assert [path.name for path in (out / "diverged").iterdir()] == ["mine.txt"] and (out / "run.json").exists()


def test_values_that_the_steps_before_did_not_have_are_named():
    arrays = {"inputs": np.array([[1.0, 1e9]]), "targets": np.array([0.5]), "weights": np.array([np.nan, 1.0])}
    ranges = {"inputs": (-3.0, 3.0), "targets": (0.0, 1.0), "weights": (1.0, 1.0)}
    bad = {"step": 4, "steps": 9, "losses": [0.3, 0.2], "arrays": arrays, "ranges": ranges}
    text = describe_bad_step(bad, "batch.npz")
    assert "step 4 of 9" in text and "0.3, 0.2" in text
    assert "Its inputs go from 1 to 1e+09, those of the steps before it from -3 to 3." in text
    assert "Its weights have 1 values that are NaN or infinite." in text and "targets" not in text


def test_a_marker_of_missing_values_is_no_number_to_normalize(tmp_path):
    x, y = table(64)
    x[::2, 2] = -3.4e38
    with pytest.raises(ValueError, match="a variance that float32 can hold, got .* marker of missing values"):
        recipes.fit(recipes.Regression(epochs=1, **SGD), "dnn", (x, y), verbose=False, units=(4,))
