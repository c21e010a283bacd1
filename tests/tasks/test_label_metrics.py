"""Several labels per example: metrics of each label, the metric of rare ones, and their figure in the report."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import recipes
from recipes.tasks.label_metrics import label_figure, label_metrics, mean_area
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


def test_metrics_of_each_label():
    targets, probabilities = RNG.integers(0, 2, (50, 3)), RNG.random((50, 3))
    targets[:, 2] = 0
    metrics = label_metrics(("fox", "owl", "elk"), targets, probabilities)
    areas = [roc_auc_score(targets[:, i], probabilities[:, i]) for i in range(2)]
    assert [metrics["by_label"][name]["roc_auc"] for name in ("fox", "owl")] == areas
    assert metrics["roc_auc"] == pytest.approx(np.mean(areas))
    assert set(metrics["by_label"]["elk"]) == {"fraction", "specificity"}  # no example has it
    assert_close(mean_area(targets)(np.ones((2, 50)), probabilities), np.full(2, np.mean(areas)))
    ((_, caption, figure),) = label_figure(metrics["by_label"])
    assert [t.get_text().split(" ")[0] for t in figure.axes[0].get_yticklabels()] == sorted(
        ("fox", "owl"), key=lambda name: -metrics["by_label"][name]["roc_auc"]
    )
    assert "lowest" not in caption and label_figure({"elk": metrics["by_label"]["elk"]}) == []


def test_rare_species_are_judged_by_their_mean_area(tmp_path):
    rows = 300
    frame = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.normal(size=rows)})
    for name, column in (("fox", "x"), ("owl", "z")):
        frame[name] = (RNG.random(rows) < 1 / (1 + np.exp(3 - 2 * frame[column]))) * 1
    data = recipes.load(frame, target=("fox", "owl"), task="multilabel")
    run = recipes.Classification(epochs=20, learning_rate=1e-2, report_examples=0).fit(
        "dnn", data, units=(8,), verbose=False
    )
    metrics = run.evaluate()
    assert metrics["verdict"]["metric"] == "mean ROC AUC" and metrics["verdict"]["baseline"] == 0.5
    assert metrics["verdict"]["value"] == pytest.approx(metrics["roc_auc"]) and metrics["roc_auc"] > 0.6
    baselines = run.record["baselines"]["methods"]
    assert baselines["logistic regression"]["metrics"]["roc_auc"] > 0.6
    assert "Area under the ROC curve of each label" in run.report(tmp_path / "report.html").read_text()
