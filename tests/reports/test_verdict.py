"""The verdict against the baseline: metrics of resamples equal scikit-learn's, and intervals give the right words."""

import numpy as np
import pytest
from sklearn import metrics

from recipes.reports import verdict as verdicts
from recipes.reports.verdict import verdict, verdict_without_interval


def of_accuracy(correct, baseline, split="test", **options):
    """Returns the verdict of two series of correct predictions."""

    def scores(weights):
        return verdicts.mean_score(weights, correct), verdicts.mean_score(weights, baseline)

    return verdict("accuracy", scores, len(correct), split, **options)


def test_a_better_model_beats_the_baseline_with_an_interval():
    correct, baseline = np.arange(69) > 0, np.arange(69) % 5 < 2
    result = of_accuracy(correct, baseline)
    assert result["result"] == "better" and result["examples"] == 69
    low, high = result["interval"]
    assert 0 < low < result["difference"] < high < 1
    assert result["sentence"].startswith(
        "Beats the baseline: accuracy 0.99 against 0.41 (difference +0.58, 95 % interval "
    )
    assert result["sentence"].endswith("69 test examples).")
    assert of_accuracy(correct, baseline) == result  # seeded


def test_the_interval_is_that_of_paired_differences():
    rng = np.random.default_rng(0)
    correct = rng.random(400) < 0.8
    baseline = correct ^ (rng.random(400) < 0.02)  # differs in few examples, so the interval is narrow
    low, high = of_accuracy(correct, baseline)["interval"]
    deviation = (correct.astype(float) - baseline).std() / 20
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.2)


@pytest.mark.parametrize(
    ("correct", "baseline", "result", "words"),
    [
        (np.arange(40) % 2 == 0, np.arange(40) % 10 > 0, "worse", "Does not beat the baseline"),
        (np.arange(40) % 2 == 0, np.arange(40) % 2 == 0, "worse", "Does not beat the baseline"),
        (np.arange(40) % 2 == 0, np.arange(40) % 2 == 1, "unclear", "No clear difference from the baseline"),
        (np.ones(5), np.zeros(5), "unclear", "5 test examples, too few to tell"),
        (np.ones(1), np.zeros(1), "unclear", "1 test examples, too few to tell"),
    ],
)
def test_what_is_no_better_is_not_said_to_be(correct, baseline, result, words):
    entry = of_accuracy(correct, baseline)
    assert entry["result"] == result and words in entry["sentence"]


def test_a_fitted_baseline_is_named_and_a_tie_with_it_is_no_loss():
    correct = np.arange(40) % 4 > 0
    name = {"baseline_name": "the random forest"}
    assert of_accuracy(correct, correct, **name)["result"] == "unclear"
    assert of_accuracy(correct, np.ones(40), **name)["sentence"].startswith("Loses to the random forest: accuracy 0.75")
    assert of_accuracy(np.ones(40), correct, **name)["sentence"].startswith("Beats the random forest: accuracy 1.00")


def test_a_lower_loss_is_better_where_the_metric_says_so():
    wrong, constant = np.full(30, 0.1), np.linspace(0.2, 0.4, 30)
    assert of_accuracy(wrong, constant, higher_is_better=False)["result"] == "better"
    assert of_accuracy(wrong, constant)["result"] == "worse"


def test_other_data_are_not_called_training_examples():
    assert of_accuracy(np.ones(20), np.zeros(20), "train")["sentence"].endswith("20 examples).")


def test_a_metric_without_scores_of_examples_has_no_interval():
    values = {"skill": 0.4, "examples": 12, "baseline": {"skill": 0.0}}
    assert verdict_without_interval("skill", values, "test")["sentence"] == (
        "Beats the baseline: skill score 0.40 against 0.00 (difference +0.40, no interval, 12 test examples)."
    )
    assert verdict_without_interval("skill", {"examples": 3, "baseline": {}}, "test") is None


WEIGHTS = np.random.default_rng(3).integers(0, 3, (4, 60)).astype(float)


@pytest.mark.parametrize("ties", [False, True])
def test_roc_auc_of_resamples(ties):
    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.3
    scores = positive + rng.normal(size=60)
    scores = np.round(scores) if ties else scores
    expected = [metrics.roc_auc_score(positive, scores, sample_weight=w) for w in WEIGHTS]
    assert verdicts.roc_auc(WEIGHTS, positive, scores) == pytest.approx(expected)
    assert verdicts.roc_auc(WEIGHTS, np.ones(60, bool), scores) == pytest.approx(0.5)


def test_balanced_accuracy_of_resamples():
    rng = np.random.default_rng(1)
    targets, predicted = rng.integers(0, 3, (2, 60))
    expected = [metrics.balanced_accuracy_score(targets, predicted, sample_weight=w) for w in WEIGHTS]
    assert verdicts.balanced_accuracy(WEIGHTS, targets, predicted, 3) == pytest.approx(expected)


def test_r2_of_resamples():
    rng = np.random.default_rng(2)
    targets = 1e4 + rng.normal(size=(60, 2))
    predictions = targets + rng.normal(size=(60, 2))
    expected = [metrics.r2_score(targets, predictions, sample_weight=w) for w in WEIGHTS]
    assert verdicts.r2_score(WEIGHTS, targets, predictions) == pytest.approx(expected)
    constant = np.ones((60, 1))
    assert verdicts.r2_score(WEIGHTS, constant, constant).tolist() == [1.0] * 4
    assert verdicts.r2_score(WEIGHTS, constant, 2 * constant).tolist() == [0.0] * 4


@pytest.mark.parametrize("classes", [2, 3])
def test_intersection_over_union_of_resamples(classes):
    from recipes.metrics import confusion_matrix, overlap

    rng = np.random.default_rng(4)
    truth, predicted = rng.integers(0, classes, (2, 60, 4, 4))
    matrices = np.stack([confusion_matrix(t, p, classes) for t, p in zip(truth, predicted, strict=True)])
    expected = [overlap(np.tensordot(w, matrices, 1))["iou"] for w in WEIGHTS]
    assert verdicts.intersection_over_union(WEIGHTS, matrices) == pytest.approx(expected)


def test_blocks_of_a_series_widen_the_interval_and_too_few_are_not_enough():
    rng = np.random.default_rng(0)
    persistent = np.repeat(rng.normal(0.2, 1, 60), 10)  # errors that stay for ten windows
    losses, baseline = 1 - 0.1 * persistent, np.ones(600)
    single, in_blocks = (verdicts.skill_verdict(losses, baseline, "test", unit="windows", block=b) for b in (1, 10))
    widths = [np.ptp(v["interval"]) for v in (single, in_blocks)]
    assert widths[1] == pytest.approx(np.sqrt(10) * widths[0], rel=0.25)
    assert single["value"] == in_blocks["value"] == pytest.approx(1 - losses.mean()) and in_blocks["blocks"] == 60
    assert in_blocks["sentence"].endswith("600 test windows in blocks of 10).")
    few = verdicts.skill_verdict(losses[:40] / 2, baseline[:40], "test", unit="windows", block=10)
    assert few["result"] == "unclear" and "too few to tell" in few["sentence"]


@pytest.mark.parametrize(("count", "overlap", "block"), [(1, 1, 1), (43, 3, 4), (43, 7, 7), (1000, 1, 10)])
def test_blocks_are_as_long_as_forecasts_overlap(count, overlap, block):
    assert verdicts.series_block(count, overlap) == block
