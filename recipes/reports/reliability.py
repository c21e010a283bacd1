"""The reliability diagram: whether predictions of a probability of 80 % are right in 80 % of the examples."""

import numpy as np

from recipes.reports.report import new_figure

EXAMPLES_PER_POINT = 20
MAX_POINTS = 10
CAPTION = (
    "Each point has the same number of examples: the probability of the predicted class, on average, and how often it "
    "is right, with its 95 % interval. Below the gray line predictions are surer than they are right."
)


def reliability_figures(targets, probabilities):
    """Returns the diagram as `Task.figures` does; none for too few examples for two points.

    Args:
        targets: (N,) index of the class.
        probabilities: (N, classes).
    """
    from scipy.stats import binomtest

    count = min(MAX_POINTS, len(targets) // EXAMPLES_PER_POINT)
    if count < 2:
        return []
    confidence, correct = probabilities.max(-1), probabilities.argmax(-1) == targets
    figure = new_figure(4, 3.6)
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color="gray", linewidth=1)
    for part in np.array_split(np.argsort(confidence, kind="stable"), count):
        test = binomtest(int(correct[part].sum()), len(part))
        interval, right = test.proportion_ci(method="wilson"), test.statistic
        errors = [[max(0.0, right - interval.low)], [max(0.0, interval.high - right)]]
        ax.errorbar(confidence[part].mean(), right, yerr=errors, fmt="o", color="C0", capsize=2)
    lowest = min(float(confidence.min()), float(correct[np.argsort(confidence)[: len(targets) // count]].mean()), 0.9)
    ax.set(xlabel="probability of the predicted class", ylabel="fraction that is right")
    ax.set(xlim=(lowest - 0.05, 1.02), ylim=(min(lowest - 0.05, ax.get_ylim()[0]), 1.02))
    ax.grid(alpha=0.3)
    return [("Reliability", CAPTION, figure)]
