"""Metrics, verdict and summary of classification, computed from predictions without training."""

import types

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import recipes
from recipes.cli.output import print_metrics
from recipes.tasks.calibration import best_threshold
from tests.tolerance import assert_close


def evaluated(targets, predictions, *, train=None, record=None, validation=()):
    """Returns the metrics of predictions for a test split with these targets."""
    classes = predictions.shape[-1]
    splits = {"train": targets if train is None else train, "validation": validation, "test": targets}
    splits = {name: Targets(np.asarray(values, int)) for name, values in splits.items()}
    data = types.SimpleNamespace(task="classification", classes=tuple("abcdefgh"[:classes]), **splits)
    arguments = {"data": data, "record": record or {}, "conformal": None}
    run = types.SimpleNamespace(**arguments, predict_split=lambda split: predictions)
    task = recipes.Classification(baselines=False)
    return task, task.evaluate(run, "test"), run


class Targets(types.SimpleNamespace):
    """A split that has only targets."""

    def __init__(self, targets):
        super().__init__(targets=targets)

    def __len__(self):
        return len(self.targets)


def two_classes(count=200, rare=0.1, signal=2.0, seed=0):
    """Returns targets of which a fraction is of the second class, and probabilities of both."""
    rng = np.random.default_rng(seed)
    targets = (np.arange(count) < rare * count).astype(int)
    probability = 1 / (1 + np.exp(-(signal * targets + rng.normal(size=count) - 3)))
    return targets, np.stack([1 - probability, probability], 1)


def test_unbalanced_classes_are_judged_by_roc_auc_and_tss():
    targets, predictions = two_classes()
    task, metrics, _ = evaluated(targets, predictions)
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(targets, predictions[:, 1]))
    assert metrics["tss"] == pytest.approx(metrics["sensitivity"] + metrics["specificity"] - 1)
    assert metrics["threshold"] == 0.5 and metrics["baseline"]["roc_auc"] == 0.5 and metrics["baseline"]["tss"] == 0
    assert metrics["verdict"]["metric"] == "ROC AUC" and metrics["verdict"]["result"] == "better"
    headline, unbalanced, tss, accuracy = task.summarize(metrics, "test")
    assert headline.startswith(f"ROC AUC {metrics['roc_auc']:.3f} and TSS") and "10.0 %" in unbalanced
    assert "0.5 (the default)" in tss and accuracy.startswith("Accuracy")


def test_an_accurate_model_without_skill_does_not_beat_the_baseline():
    targets, predictions = two_classes(signal=0.0)
    _, metrics, _ = evaluated(targets, predictions)
    assert metrics["accuracy"] >= 0.88
    assert metrics["verdict"]["result"] != "better" and abs(metrics["tss"]) < 0.1


@pytest.mark.parametrize(("rare", "metric"), [(0.19, "ROC AUC"), (0.21, "accuracy"), (0.5, "accuracy")])
def test_two_classes_are_unbalanced_below_a_fifth(rare, metric):
    task, metrics, _ = evaluated(*two_classes(rare=rare))
    assert metrics["verdict"]["metric"] == metric
    assert ("smallest_class_fraction" in metrics) == (metric == "ROC AUC")
    assert any("true skill statistic" in sentence for sentence in task.summarize(metrics, "test"))


@pytest.mark.parametrize(
    ("sizes", "metric"), [((60, 60, 60), "accuracy"), ((150, 40, 10), "balanced accuracy"), ((90, 80, 70), "accuracy")]
)
def test_more_unbalanced_classes_are_judged_by_balanced_accuracy(sizes, metric):
    targets = np.repeat([0, 1, 2], sizes)
    predictions = np.eye(3)[targets] * 0.8 + 0.2 / 3
    task, metrics, _ = evaluated(targets, predictions)
    assert metrics["verdict"]["metric"] == metric and metrics["verdict"]["result"] == "better"
    assert metrics["balanced_accuracy"] == 1 and "roc_auc" not in metrics
    if metric != "accuracy":
        assert task.summarize(metrics, "test")[0].startswith("Balanced accuracy 100.0 %, macro F1 1.000")


def test_the_threshold_is_chosen_on_the_validation_split_only():
    targets, predictions = two_classes()
    task, _, run = evaluated(targets, predictions, validation=targets)
    task.finish_run(run)
    threshold = run.record["tss_threshold"]
    assert 0 < threshold < 0.5
    on_test = task.evaluate(run, "test")
    assert on_test["threshold"] == threshold and on_test["threshold_source"] == "validation"
    assert "chosen on the validation split" in task.summarize(on_test, "test")[2]
    assert task.evaluate(run, "validation")["threshold"] == 0.5
    few = two_classes(20, rare=0.1)
    task, _, run = evaluated(*few, validation=few[0])
    assert "tss_threshold" not in task.finish_run(run).record  # two examples of a class are too few


def test_the_best_threshold_has_the_highest_tss():
    positive, probabilities = np.array([0, 0, 1, 0, 1, 1], bool), np.array([0.1, 0.2, 0.3, 0.35, 0.6, 0.9])

    def tss(threshold):
        return (probabilities[positive] >= threshold).mean() - (probabilities[~positive] >= threshold).mean()

    assert_close(tss(best_threshold(positive, probabilities)), max(tss(p) for p in probabilities))
    assert best_threshold(positive[[0, 5]], probabilities[[0, 5]]) == pytest.approx(0.5)  # halfway


def test_a_test_split_of_one_class_has_no_roc_auc():
    _, metrics, _ = evaluated(np.zeros(10, int), np.tile([0.7, 0.3], (10, 1)), train=[0, 1] * 10)
    assert "roc_auc" not in metrics and "tss" not in metrics and metrics["verdict"]["result"] == "worse"


def test_a_class_without_examples_does_not_lower_the_balanced_accuracy():
    predictions = np.eye(3)[[0, 0, 1, 1, 2, 1]] * 0.7 + 0.1
    _, metrics, _ = evaluated(np.array([0, 0, 1, 1, 1, 1]), predictions, train=[0, 1, 2] * 4)
    assert_close(metrics["balanced_accuracy"], (1 + 3 / 4) / 2)
    assert metrics["baseline"]["balanced_accuracy"] == 1 / 2
    one = evaluated(np.zeros(1, int), np.array([[0.8, 0.1, 0.1]]), train=[0, 1, 2])[1]
    assert one["balanced_accuracy"] == one["f1_macro"] == one["baseline"]["balanced_accuracy"] == 1


def test_the_shell_prints_the_verdict_first(capsys):
    _, metrics, _ = evaluated(*two_classes())
    print_metrics(metrics, metrics["baseline"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("verdict\tBeats the baseline: ROC AUC")
    assert any(line.startswith("tss\t") and line.endswith("\t0") for line in lines)
    print_metrics({"accuracy": 0.5})  # a record of an older run
    assert capsys.readouterr().out == "accuracy\t0.5\n"
