"""Cross-validation: folds are disjoint and keep units whole; metrics of network and baselines with their spread."""

import json

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.tasks.cross_validation import CrossValidation, fold_splits, joined

RNG = np.random.default_rng(0)
X, GROUP = RNG.normal(size=(120, 2)), np.repeat(np.arange(30), 4)
TABLE = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "site": GROUP, "kind": np.where(X[:, 0] > 0, "up", "down")})


def grouped():
    return recipes.read_table(TABLE, "kind", group="site", validation=0.2, test=0.2)


def test_every_example_is_tested_once_and_units_stay_whole():
    data = grouped()
    folds = [fold for fold, _ in fold_splits(data, 4, 0)]
    tested = np.concatenate([fold.test.names for fold in folds])
    assert sorted(tested) == list(range(120))
    for fold in folds:
        units = [set(split.units) for split in (fold.train, fold.validation, fold.test)]
        assert units[0] and units[1] and units[2]
        assert not units[0] & units[1] and not units[0] & units[2] and not units[1] & units[2]
        assert len(fold.train) + len(fold.validation) + len(fold.test) == 120
        assert 0.3 < fold.test.targets.mean() < 0.7
        sites = GROUP[fold.test.names]
        assert not set(sites) & set(GROUP[fold.train.names])


def test_targets_that_are_numbers_have_folds_too():
    data = recipes.read_arrays((X.astype("float32"), X[:, :1] * 2))
    folds = [fold for fold, _ in fold_splits(data, 3, 0)]
    assert [len(fold.test) for fold in folds] == [40, 40, 40]
    assert len(joined(data)) == 120


def test_network_and_baselines_are_measured_on_each_fold(tmp_path):
    task = recipes.Classification(epochs=2, report_examples=0)
    result = recipes.cross_validate(task, "dnn", grouped(), folds=2, out=tmp_path, verbose=False, units=(4,))
    summary = result.summary()
    assert list(summary) == ["network", "logistic regression", "the random forest", "gradient boosting"]
    accuracy = [row["accuracy"] for row in result.folds if row["method"] == "network"]
    assert summary["network"]["accuracy"] == pytest.approx((np.mean(accuracy), np.std(accuracy, ddof=1)))
    written = json.loads((tmp_path / "cross_validation.json").read_text())
    assert written["summary"]["network"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))
    assert len(pd.read_csv(tmp_path / "cross_validation.csv")) == 8
    assert "2 folds of 120 examples" in result.description and "30 units" in result.description
    assert recipes.load_run(tmp_path / "fold1").predict(TABLE[["b", "a"]]).shape == (120, 2)


def test_a_metric_that_a_fold_lacks_is_left_out():
    rows = [
        {"fold": 1, "method": "network", "examples": 4, "roc_auc": 0.8},
        {"fold": 2, "method": "network", "examples": 4},
    ]
    assert CrossValidation(rows, "roc_auc", "", []).summary() == {"network": {"roc_auc": (0.8, 0.0)}}


@pytest.mark.parametrize(("folds", "message"), [(1, "from 2 to the 30 units"), (31, "from 2 to the 30 units")])
def test_folds_that_cannot_be_made_are_refused(folds, message):
    with pytest.raises(ValueError, match=message):
        list(fold_splits(grouped(), folds, 0))


def test_series_are_refused():
    with pytest.raises(ValueError, match="must be a table, vectors or images .* got italy-power of kind series"):
        list(fold_splits(recipes.load("bundled:italy-power"), 3, 0))


def test_folds_of_images_test_each_one_once():
    data = recipes.load((np.arange(480, dtype="uint8").reshape(30, 4, 4, 1), np.arange(30) % 3))
    folds = list(fold_splits(data, 3, 0))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(30))
    for fold, test in folds:
        np.testing.assert_array_equal(fold.test.inputs, joined(data).inputs[test])
