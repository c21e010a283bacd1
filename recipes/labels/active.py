"""Active learning: which examples to label next, those that a model is least sure of and that differ most."""

import numpy as np

from recipes.tasks.logistic_head import fit_logistic
from zoo.arguments import Count, Whole, checked

PREFILTER = 10  # uncertain candidates for each example that is chosen
CLUSTERED = 20_000  # examples, of a random sample, that clusters are made of at the start


@checked
def choose_to_label(
    features: np.ndarray, indices: np.ndarray, labels: np.ndarray, *, count: Count = 10, seed: Whole = 0
) -> np.ndarray:
    """Chooses examples whose labels would help a classifier most.

    Without labels of two classes, the examples are those nearest to the centers of `count` clusters of the features.
    Later a logistic regression is fitted to the labels. Of the 10 `count` examples whose two most probable classes are
    closest, `count` clusters are made, and of each cluster the example nearest to its center is chosen.

    >>> chosen = recipes.choose_to_label(features, indices, labels, count=20)

    Args:
        features: (N, F) numbers of all examples, such as `zoo.extract_features` returns.
        indices: (L,) whole numbers: the examples that have a label.
        labels: (L,) class of each.
        count: number of examples to choose; fewer where fewer have no label.
        seed: of the clusters.
    Returns:
        (count,) indices, the most uncertain first.
    Raises:
        ValueError: if indices and labels differ in length, or an index is no example.

    Source: Zhdanov 2019, arXiv:1901.05954, with clusters of equal weights; at the start Hacohen et al. 2022,
        arXiv:2202.02794, with the distance to the center in place of the density.
    """
    features, indices = np.asarray(features), np.asarray(indices, int)
    if len(indices) != len(labels) or (len(indices) and not 0 <= indices.min() <= indices.max() < len(features)):
        raise ValueError(
            f"`indices` must be examples from 0 to {len(features) - 1}, one for each of {len(labels)} labels, got "
            f"{len(indices)}: {indices[:5].tolist()}."
        )
    others = np.setdiff1d(np.arange(len(features)), indices)
    probabilities = predict_labels(features[indices], labels, features)[1] if len(set(labels)) > 1 else None
    return choose_among(others, features, probabilities, count, seed)


def choose_among(others, features, probabilities, count, seed):
    """Returns up to `count` of the examples `others`; as `choose_to_label` documents.

    Args:
        others: (M,) indices of the examples to choose from.
        features: (N, F) of all examples.
        probabilities: (N, classes) of all examples, or None before there are labels of two classes.
        count: number of examples.
        seed: of the clusters.
    """
    if len(others) <= count:
        return others
    if probabilities is None:
        sample = np.random.default_rng(seed).permutation(others)[:CLUSTERED]
        return sample[central(features[sample], count, seed)]
    margin = margins(probabilities)
    candidates = others[np.argsort(margin[others], kind="stable")[: PREFILTER * count]]
    indices = candidates[central(features[candidates], count, seed)]
    return indices[np.argsort(margin[indices], kind="stable")]


def predict_labels(features, labels, others, seed=0):
    """Returns (classes, (M, classes) probabilities) of other features, by a logistic regression on labelled ones.

    Args:
        features: (L, F) of the labelled examples.
        labels: (L,) classes, of two or more.
        others: (M, F).
        seed: of the folds that choose its regularization.
    """
    classes, index = np.unique(labels, return_inverse=True)
    fitted = fit_logistic(features, index, len(classes), seed=seed)
    return classes, fitted.probabilities(np.asarray(others, float))


def margins(probabilities):
    """Returns (N,) differences between the two largest probabilities of (N, classes): small where it is unsure."""
    largest = np.sort(probabilities, axis=1)
    return largest[:, -1] - largest[:, -2]


def central(features, count, seed):
    """Returns the indices of the features nearest to the centers of `count` clusters (k-means), each once."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import pairwise_distances_argmin
    from threadpoolctl import threadpool_limits

    features = np.asarray(features, np.float64)
    with threadpool_limits(1):  # the same clusters whatever the number of threads
        clusters = MiniBatchKMeans(count, n_init=3, random_state=seed, batch_size=1024).fit(features)
    nearest_rows = np.unique(pairwise_distances_argmin(clusters.cluster_centers_, features))
    rest = np.setdiff1d(np.arange(len(features)), nearest_rows)  # clusters may share their nearest example
    return np.concatenate([nearest_rows, np.random.default_rng(seed).permutation(rest)[: count - len(nearest_rows)]])
