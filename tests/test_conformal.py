"""Conformal intervals and sets contain the truth as often as they say, whatever the model."""

import numpy as np
import pytest

from tests.tolerance import assert_close
from zoo.conformal import Conformal, smallest_calibration

RNG = np.random.default_rng(0)


def test_intervals_of_known_errors():
    targets = np.array([[0.0, 10], [0, 20], [0, 30], [0, 40]])
    predictions = targets + np.array([[1, 4], [-2, 3], [3, -2], [-4, 1]])
    conformal = Conformal.of_numbers(targets, predictions, 0.6)  # the third smallest of four, as 0.6 * 5 = 3
    assert (conformal.thresholds, conformal.examples) == ((3.0, 3.0), 4)
    intervals = conformal(np.array([[1, 2]], "float32"))
    assert intervals.dtype == "float32"
    assert_close(intervals, np.array([[[-2, 4], [-1, 5]]], "float32"))


def test_sets_of_known_probabilities():
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.1, 0.6], [0.5, 0.3, 0.2]], "float32")
    conformal = Conformal.of_classes([0, 1, 2, 0], probabilities, 0.6)  # the third largest of 0.9, 0.8, 0.6, 0.5
    assert conformal.thresholds[0] == pytest.approx(0.6, abs=1e-5)
    sets = conformal(np.array([[0.61, 0.39, 0], [0.34, 0.33, 0.33]], "float32"))
    assert sets.tolist() == [[True, False, False], [True, False, False]]  # the most probable class is in every set


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_coverage_is_nominal_on_average_over_calibrations(coverage):
    n, inside_intervals, inside_sets, accuracy = 59, [], [], []
    for _ in range(400):
        predictions, noise = RNG.normal(size=(2 * n, 1)), RNG.standard_t(3, size=(2 * n, 1))
        targets = predictions + noise  # a model that is wrong on the spread does not matter
        intervals = Conformal.of_numbers(targets[:n], predictions[:n], coverage)(predictions[n:])
        inside_intervals.append(((targets[n:] >= intervals[..., 0]) & (targets[n:] <= intervals[..., 1])).mean())
        probabilities = RNG.dirichlet(np.ones(4), size=2 * n)
        classes = np.array([RNG.choice(4, p=p) for p in probabilities**2 / (probabilities**2).sum(1, keepdims=True)])
        sets = Conformal.of_classes(classes[:n], probabilities[:n], coverage)(probabilities[n:])
        accuracy.append((probabilities[n:].argmax(-1) == classes[n:]).mean())
        inside_sets.append(sets[np.arange(n), classes[n:]].mean())
    error = 3 * np.sqrt(coverage * (1 - coverage) * 2 / n / 400)  # of the mean, with both splits' noise
    assert abs(np.mean(inside_intervals) - coverage) < error + 1 / n
    # every set has the most probable class, so that they cover at least the accuracy
    assert coverage - error < np.mean(inside_sets) < max(coverage, np.mean(accuracy)) + error + 1 / n


def test_too_few_examples_are_refused_with_the_number_that_is_needed():
    assert [smallest_calibration(c) for c in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    numbers = RNG.normal(size=(9, 1))
    assert len(Conformal.of_numbers(numbers, numbers, 0.9).thresholds) == 1
    with pytest.raises(ValueError, match="`coverage` of 0.9 must be calibrated on 9 examples or more, got 8"):
        Conformal.of_numbers(numbers[:8], numbers[:8], 0.9)


def test_a_description_is_read_back():
    conformal = Conformal("interval", 0.9, (1.5, 2.5), 30)
    assert Conformal.from_json(conformal.to_json()) == conformal
