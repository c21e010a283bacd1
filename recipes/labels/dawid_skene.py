"""The model of Dawid and Skene: true classes of examples, and how often each annotator mistakes one for another."""

import typing

import numpy as np

ITERATIONS = 1_000  # at most
TOLERANCE = 1e-9  # change of the log likelihood per vote that ends them
SMALLEST = 1e-10  # probability, whose logarithm is finite


class DawidSkene(typing.NamedTuple):
    """The fitted model."""

    probabilities: np.ndarray  # (I, K) of the true class of each example
    priors: np.ndarray  # (K,) fraction of each class
    confusion: np.ndarray  # (A, K, K) probability that an annotator names a class, of examples of a true class


def fit_dawid_skene(votes):
    """Fits the model by expectation maximization, which begins with the fractions of the votes.

    Args:
        votes: `Votes`.
    Returns:
        `DawidSkene`.

    Source: Dawid and Skene 1979, Applied Statistics 28, 20-28, equations 2.3 to 2.5, https://doi.org/10.2307/2346806.
    """
    counts = votes.counts()
    probabilities = counts / counts.sum(1, keepdims=True)
    previous = -np.inf
    for _ in range(ITERATIONS):
        priors, confusion = _maximize(votes, probabilities)
        probabilities, likelihood = _expect(votes, priors, confusion)
        if likelihood - previous < TOLERANCE * len(votes.item):
            break
        previous = likelihood
    return DawidSkene(probabilities, priors, confusion)


def _maximize(votes, probabilities):
    """Returns the fractions of the classes, (K,), and the confusion of each annotator, (A, K, K)."""
    annotators, classes = len(votes.annotators), len(votes.classes)
    cells = votes.annotator * classes + votes.label
    named = np.stack(
        [np.bincount(cells, probabilities[votes.item, k], annotators * classes) for k in range(classes)]
    ).reshape(classes, annotators, classes)
    confusion = named.transpose(1, 0, 2)
    totals = confusion.sum(-1, keepdims=True)
    return probabilities.mean(0), np.divide(confusion, totals, out=np.zeros_like(confusion), where=totals > 0)


def _expect(votes, priors, confusion):
    """Returns the probabilities of the true classes, (I, K), and the log likelihood of the votes."""
    log_confusion = np.log(np.maximum(confusion, SMALLEST))
    log_joint = np.stack(
        [
            np.bincount(votes.item, log_confusion[votes.annotator, k, votes.label], len(votes.items))
            for k in range(len(priors))
        ],
        axis=1,
    ) + np.log(np.maximum(priors, SMALLEST))
    largest = log_joint.max(1, keepdims=True)
    joint = np.exp(log_joint - largest)
    total = joint.sum(1, keepdims=True)
    return joint / total, float((largest + np.log(total)).sum())
