"""The learning-rate range test."""

import numpy as np
import pytest

import recipes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype("float32")
DATA = recipes.read_arrays((X, X.sum(1, keepdims=True)), task="regression")


def test_the_loss_falls_and_then_diverges(tmp_path):
    task = recipes.Regression(batch_size=16, optimizer="sgd", schedule="cosine")
    result = recipes.find_learning_rate(
        task, "dnn", DATA, low=1e-4, high=100.0, steps=80, units=(16,), out=tmp_path / "rate.png"
    )
    assert len(result.learning_rates) == len(result.losses) < 80  # ended early
    np.testing.assert_allclose(np.diff(np.log(result.learning_rates)), np.log(1e6) / 79, rtol=1e-3)
    assert 1e-3 < result.steepest < 3
    assert result.losses.min() < 0.5 * result.losses[0]
    assert result.default == task.learning_rate
    assert (tmp_path / "rate.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "options, message", [({"low": 1.0, "high": 0.1}, "below `high`"), ({"steps": 3}, "20 or more")]
)
def test_bounds_and_steps_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        recipes.find_learning_rate(recipes.Regression(), "dnn", DATA, **options)
