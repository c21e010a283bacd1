"""Nested cross-validation: inner folds never see the test examples, and what they choose is what is trained."""

import json

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.tuning import nested
from recipes.tuning.trials import Score

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
TABLE = pd.DataFrame(
    {"a": X[:, 0], "b": X[:, 1], "site": np.repeat(np.arange(30), 4), "y": 3 * X[:, 0] + RNG.normal(size=120) / 2}
)
SPACE = {"learning_rate": "1e-7,1e-1"}


def table():
    return recipes.read_table(TABLE, "y", group="site", validation=0.2, test=0.2)


def test_inner_folds_have_no_test_example_of_their_fold(monkeypatch):
    calls = []

    class Subject(nested.Subject):
        def train(self, values, **options):
            calls.append((self.data, values))
            return values

    def score_of(run, split):
        assert split == "test"
        return Score("R²", 1.0 if run.get("learning_rate") == 0.1 else 0.0, True)

    monkeypatch.setattr(nested, "Subject", Subject)
    monkeypatch.setattr(nested, "score_of", score_of)
    task = recipes.Regression(epochs=2, baselines=False)
    result = recipes.nested_cross_validate(
        task, "dnn", table(), space=SPACE, trials=3, sampler="random", folds=2, inner_folds=2, verbose=False, units=(4,)
    )
    assert len(calls) == 2 * (3 + 1) * 2  # folds x (trials and the defaults) x inner folds
    for number, run in enumerate(result.runs):
        tested = set(run.data.test.names)
        for inner, _ in calls[8 * number : 8 * number + 8]:
            parts = [set(getattr(inner, split).names) for split in ("train", "validation", "test")]
            assert not tested & set.union(*parts) and tested | set.union(*parts) == set(range(120))
            assert not set(inner.train.units) & set(inner.test.units)
    assert all(values == {"learning_rate": 0.1} for values in result.values)
    assert all(run.task.learning_rate == 0.1 for run in result.runs)


@pytest.mark.slow
def test_the_chosen_settings_beat_defaults_that_do_not_learn(tmp_path):
    task = recipes.Regression(epochs=20, learning_rate=1e-6)
    result = recipes.nested_cross_validate(
        task, "dnn", table(), space=SPACE, trials=2, sampler="grid", folds=2, inner_folds=2, out=tmp_path,
        verbose=False, units=(8,), dropout=0.0,
    )  # fmt: skip
    summary = result.summary()
    assert list(summary)[:3] == ["network", "network, defaults", "ridge regression"]
    assert summary["network"]["r2"][0] > 0.5 > summary["network, defaults"]["r2"][0]
    written = json.loads((tmp_path / "cross_validation.json").read_text())
    assert written["values"] == [{"learning_rate": 0.1}] * 2 and written["description"].startswith("nested 2 folds")


def test_what_does_not_fit_is_refused():
    task = recipes.Regression(epochs=1)
    with pytest.raises(ValueError, match="`space` must name hyperparameters .* got 'learning_rte'"):
        recipes.nested_cross_validate(task, "dnn", table(), space={"learning_rte": "1,2"})
    with pytest.raises(ValueError, match="dropout must be searched or set, got both"):
        recipes.nested_cross_validate(task, "dnn", table(), space={"dropout": "0.1,0.2"}, dropout=0.0)
    with pytest.raises(ValueError, match="`folds` must be from 2 to the 30 units"):
        recipes.nested_cross_validate(task, "dnn", table(), folds=31)
