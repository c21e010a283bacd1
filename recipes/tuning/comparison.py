"""The winner of a search beside the defaults, with several seeds on the test split, which the search did not see."""

import numpy as np

CONFIDENCE = 0.95


def compare_scores(scores, metric, higher_is_better, examples):
    """Compares the winner's scores with those of the defaults, seed by seed.

    Args:
        scores: (seed, default's score, winner's score) of each seed.
        metric: name of the metric.
        higher_is_better: whether a higher metric is better.
        examples: number of test examples.
    Returns:
        Dict: `metric`, `higher_is_better`, `examples`, `scores`, `default`, `winner` (means), `default_deviation`,
        `winner_deviation` (standard deviations over the seeds), `difference` (winner - default), `interval` (95 %, of
        the mean difference, by Student's t over the seeds), `result` (better, worse or unclear) and `sentence`; without
        deviations and interval for one seed.
    """
    from scipy import stats

    default, winner = np.array([row[1] for row in scores]), np.array([row[2] for row in scores])
    differences, count = winner - default, len(scores)
    deviations, interval, result = (None, None), None, "unclear"
    if count > 1:
        deviations = tuple(float(values.std(ddof=1)) for values in (default, winner))
        half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * differences.std(ddof=1) / count**0.5
        interval = [float(differences.mean() - half), float(differences.mean() + half)]
        low, high = interval if higher_is_better else (-interval[1], -interval[0])
        result = "better" if low > 0 else "worse" if high < 0 else "unclear"
    entry = {
        "metric": metric,
        "higher_is_better": higher_is_better,
        "examples": examples,
        "scores": [list(row) for row in scores],
        "default": float(default.mean()),
        "winner": float(winner.mean()),
        "default_deviation": deviations[0],
        "winner_deviation": deviations[1],
        "difference": float(differences.mean()),
        "interval": interval,
        "result": result,
    }
    return {**entry, "sentence": _sentence(entry)}


def _sentence(entry):
    start = {
        "better": "The winner beats the defaults by more than the seeds vary",
        "worse": "The winner is worse than the defaults",
        "unclear": "The winner does not beat the defaults by more than the seeds vary",
    }[entry["result"]]
    numbers = f"test {entry['metric']} {entry['winner']:.4g} against {entry['default']:.4g}"
    if entry["interval"] is None:
        return f"One seed cannot tell a gain from noise: {numbers}."
    low, high = entry["interval"]
    return (
        f"{start}: {numbers} (means of {len(entry['scores'])} seeds; difference {entry['difference']:+.4g}, 95 % "
        f"interval {low:+.4g} to {high:+.4g}; standard deviation over seeds {entry['default_deviation']:.4g} and "
        f"{entry['winner_deviation']:.4g}; {entry['examples']:,} test examples)."
    )
