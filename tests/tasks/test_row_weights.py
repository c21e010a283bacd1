"""Weights of a table's rows: in the loss, in the baselines, and not among the inputs."""

import numpy as np
import pandas as pd
import pytest

import recipes
from tests.tolerance import assert_close


def contradicting_rows(count=240):
    """Returns a table whose rows of weight 0 say the opposite of the others."""
    rng = np.random.default_rng(0)
    x, effort = rng.uniform(-1, 1, count), np.tile([0.0, 4.0], count // 2)
    sign = np.where(effort > 0, 1, -1)
    return pd.DataFrame({"x": x, "effort": effort, "y": 3 * sign * x, "label": np.where(sign * x > 0, "high", "low")})


def test_rows_of_weight_0_change_nothing_in_a_regression():
    table = contradicting_rows()
    task = recipes.Regression(epochs=25, learning_rate=0.02, patience=None, baselines=False)
    data = recipes.read_table(table[["x", "effort", "y"]], target="y", weight="effort")
    run = task.fit("dnn", data, units=(16,))
    assert list(run.data.columns) == ["x"]
    assert np.corrcoef(run.predict(table[["x"]]).ravel(), table["x"])[0, 1] > 0.95


def test_the_baselines_are_fitted_with_the_weights():
    table = contradicting_rows()
    task = recipes.Regression(epochs=1)
    data = recipes.read_table(table[["x", "effort", "y"]], target="y", weight="effort")
    test, methods = data.test, task.fit("dnn", data, units=(2,)).record["baselines"]["methods"]
    # Rows of weight 0 are off by 6 |x|, the others hardly
    expected = np.mean(np.where(test.weights[:, None] > 0, 0, 6 * np.abs(test.inputs["x"])[:, None]))
    for name, method in methods.items():
        np.testing.assert_allclose(method["metrics"]["mae"], expected, rtol=0.1, err_msg=name)


def test_rows_of_weight_0_change_nothing_in_a_classification():
    table = contradicting_rows()
    source = recipes.read_table(table[["x", "effort", "label"]], target="label", weight="effort")
    run = recipes.Classification(epochs=25, learning_rate=0.02, patience=None, baselines=False).fit(
        "dnn", source, units=(16,)
    )
    high = run.predict(table[["x"]])[:, list(run.classes).index("high")]
    assert np.mean((high > 0.5) == (table["x"] > 0)) > 0.9


def test_the_loss_is_that_of_rows_repeated_as_often_as_their_weight():
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "n": [1, 3, 0, 2], "y": [1.0, 5.0, 7.0, 2.0]})
    data = recipes.read_table(table, target="y", weight="n", task="regression", validation=0, test=0)
    repeated = table.loc[table.index.repeat(table["n"]), ["x", "y"]]
    task = recipes.Regression(batch_size=4)
    model = task.build_model("dnn", data, units=(4,))
    task.compile(model, data=data)
    weighted = next(iter(task.pipeline(data.train, False)))
    order = np.argsort(data.train.inputs["x"])
    np.testing.assert_allclose(data.train.weights[order], table["n"] / table["n"].mean(), rtol=1e-6)
    x, y, weights = (np.asarray(part["x"] if isinstance(part, dict) else part) for part in weighted)
    losses = np.square(y.ravel() - x.ravel())
    expected = np.square(repeated["y"] - repeated["x"]).mean()
    assert_close(np.mean(losses * weights), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "values, message",
    [
        ([1, 2, -1, 1], "at least 0 in every row, got -1 in 'n' of row 2"),
        ([1, 2, np.nan, 1], "at least 0 in every row, got nan"),
        ([0, 0, 0, 0], "above 0 in some row"),
        (["a", "b", "a", "b"], "column of numbers"),
    ],
)
def test_weights_that_are_none_are_refused(values, message):
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "n": values, "y": [1.0, 5.0, 7.0, 2.0]})
    with pytest.raises(ValueError, match=message):
        recipes.read_table(table, target="y", weight="n")


def test_weights_of_rows_and_of_classes_are_not_mixed():
    data = recipes.read_table(contradicting_rows().drop(columns="y"), target="label", weight="effort")
    with pytest.raises(ValueError, match="`class_weight` must be None"):
        recipes.Classification(epochs=1, class_weight="balanced").fit("dnn", data)


def test_a_misspelled_column_of_weights_has_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean `effort`"):
        recipes.read_table(contradicting_rows().drop(columns="label"), target="y", weight="efort")


def test_maxent_s_loss_takes_no_weights():
    table = contradicting_rows()[["x", "effort"]].assign(seen=[0, 1] * 120)
    data = recipes.read_table(table, target="seen", weight="effort")
    with pytest.raises(ValueError, match="`weight` must be unset for the loss maxent"):
        recipes.SpeciesDistribution(epochs=1).fit("dnn", data)
