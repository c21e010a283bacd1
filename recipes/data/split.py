"""Three disjoint splits: stratified, with identical examples, groups and spatial blocks kept together.

scikit-learn's splitters stratify or keep groups whole, or both for folds of equal size; none of them gives three splits
of any size, several labels at once, or classes of two examples. So the splits are filled here, one unit at a time: a
unit is a set of examples that must stay together, most often a single example.
"""

import dataclasses
import hashlib

import numpy as np

BINS = 10  # quantiles that numeric targets are stratified by
INFEASIBLE = 1e6  # penalty of a draw in which a split, or a class for training, is missing
LACKING = 1e3  # penalty of a draw for each label that a split lacks although enough units have it
EXTRA_DRAWS = 100  # largest number of further draws where the best one lacks a label in a split


@dataclasses.dataclass(frozen=True)
class SplitOptions:
    """Fractions of the examples for validation and test, 0 to 1, and the seed of the split."""

    validation: float = 0.15
    test: float = 0.15
    seed: int = 0

    @property
    def fractions(self):
        """(validation, test)."""
        return self.validation, self.test


def content_keys(inputs):
    """Returns a 64-bit hash of the content of every example: equal where the examples are identical.

    Args:
        inputs: (N, ...) array, or a dict from column to (N,) array.
    Returns:
        (N,) uint64.
    """
    if isinstance(inputs, dict):
        import pandas as pd

        return pd.util.hash_pandas_object(pd.DataFrame(inputs), index=False).to_numpy()
    digests = (hashlib.blake2b(np.ascontiguousarray(x), digest_size=8).digest() for x in inputs)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def square_blocks(x, y, size):
    """Returns the square spatial block that each location lies in.

    Args:
        x, y: (N,) coordinates, in one unit.
        size: side of a block, in that unit; it should exceed the distance over which neighbors are correlated.
    Returns:
        (N,) whole numbers, equal for locations in the same block.
    """
    squares = np.stack([np.floor(np.asarray(c, dtype=np.float64) / size) for c in (x, y)], axis=1)
    return np.unique(squares, axis=0, return_inverse=True)[1].reshape(-1)


def environment_labels(numbers, clusters, seed=0):
    """Returns (N,) whole numbers: the cluster of each example by its numbers, of k-means on standardized columns.

    Args:
        numbers: (N, F); NaN counts as the column's median.
        clusters: number of clusters.
        seed: of k-means.
    Raises:
        ValueError: if there are fewer distinct examples than clusters.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    numbers = np.asarray(numbers, np.float64)
    numbers = np.where(np.isnan(numbers), np.nanmedian(numbers, axis=0), numbers)
    spread = numbers.std(0)
    numbers = (numbers - numbers.mean(0)) / np.where(spread > 0, spread, 1)
    distinct = len(np.unique(numbers, axis=0))
    if distinct < clusters:
        raise ValueError(f"`clusters` must be at most the {distinct:,} distinct rows, got {clusters}.")
    with threadpool_limits(1):  # the same labels whatever the number of threads
        return KMeans(clusters, n_init=4, random_state=seed).fit_predict(numbers)


def split(targets, keys, fractions, seed=0, groups=None, blocks=None):
    """Divides examples into training, validation and test.

    Every class (or decile of a numeric target) has the same fraction in each split as far as whole units allow. A class
    of two examples is in training and in test. Every split has every class and label that enough units have. Examples
    of one key, of one group or of one block stay together, and so do examples that these link.

    Args:
        targets: (N,) whole numbers for classes, (N, classes) whole numbers for several labels, or (N, outputs) floats.
        keys: (N,) content hashes, as `content_keys` returns them, or None.
        fractions: (validation, test), fractions of the examples; either may be 0.
        seed: equal seeds give equal splits.
        groups: (N,) labels of groups that stay whole, or None.
        blocks: (N,) labels of blocks that stay whole, or None.
    Returns:
        (training, validation, test): indices of the examples, in random order.
    Raises:
        ValueError: if the fractions leave nothing to train on, or too few units for a split or a class in training.
    """
    targets = np.asarray(targets)
    fractions = np.array([1 - sum(fractions), *fractions])
    if fractions[0] <= 1e-9 or min(fractions[1:]) < 0:
        raise ValueError(f"`validation` + `test` must be below 1, got {fractions[1]:g} + {fractions[2]:g}.")
    rng = np.random.default_rng(seed)
    labels = strata(targets)
    units = linked_units(len(targets), (keys, groups, blocks))
    sizes = np.bincount(units)
    single = sizes[units] == 1 if labels.ndim == 1 else np.zeros(len(units), bool)
    bound = [] if single.all() else _unit_members(units, ~single)
    totals = labels.sum(0, dtype=np.float64) if labels.ndim == 2 else np.bincount(labels).astype(np.float64)
    desired = fractions[:, None] * totals
    draws = int(np.clip(2000 // len(bound), 1, 20)) if bound else 1
    enough = False if targets.dtype.kind == "f" else _in_enough_units(labels, units, fractions)
    best, lowest = None, np.inf
    extra = int(np.clip(20_000 // len(bound), 1, EXTRA_DRAWS)) if bound else 0
    for draw in range(draws + extra):
        if draw >= draws and lowest < LACKING:
            break
        assignment, counts = _assign_units(labels, bound, fractions, desired, rng, enough if draw >= draws else None)
        _assign_singles(assignment, counts, labels, np.flatnonzero(single), fractions, desired, rng)
        penalty = float((((counts - desired) ** 2).sum(0) / np.maximum(totals, 1)).sum())
        missing = sum(fraction > 0 and i not in assignment for i, fraction in enumerate(fractions))
        if targets.ndim == 1:  # training may lack a label or a decile, but not a class
            missing += ((counts[0] == 0) & (totals > 0)).sum()
        penalty += INFEASIBLE * missing + LACKING * ((counts == 0) & enough).sum()
        if penalty < lowest:
            best, lowest = assignment, penalty
    if lowest >= INFEASIBLE:
        raise ValueError(
            "the units of the split (groups, blocks, identical examples) must leave examples for every split, and of "
            f"every class for training, got {len(np.unique(units)):,} units for {len(targets):,} examples; lower "
            "`validation` and `test`, or use smaller groups or blocks."
        )
    order = rng.permutation(len(targets))
    return tuple(order[best[order] == i] for i in range(3))


def _in_enough_units(labels, units, fractions):
    """Returns (3, labels) bool: whether a split should have a label, because as many units as splits have the label.

    Labels of fewer units should be in training.
    """
    one_hot = labels > 0 if labels.ndim == 2 else np.eye(labels.max() + 1, dtype=bool)[labels]
    number = np.array([len(np.unique(units[column])) for column in one_hot.T])
    at_least_one = np.tile(number >= (fractions > 0).sum(), (3, 1)) & (fractions > 0)[:, None]
    at_least_one[0] = number > 0
    return at_least_one


def pixel_strata(counts):
    """Returns the targets by which `split` stratifies images with a class for every pixel.

    Args:
        counts: (N, classes) number of pixels of each class in each image.
    Returns:
        (N, 1) floats, the fraction of the rarer class, for one or two classes; for more (N, classes) whole numbers, 1
        where an image has the class, without classes that all images have.
    """
    counts = np.asarray(counts)
    if (counts.sum(0) > 0).sum() <= 2:
        rare = 1.0 - counts[:, counts.sum(0).argmax()] / np.maximum(counts.sum(1), 1)
        return rare[:, None].astype(np.float32)
    present = (counts > 0).astype(np.uint8)
    present = present[:, ~present.all(0)]
    return present if present.shape[1] else np.zeros((len(counts), 1), np.float32)


def lacking_classes(counts, names):
    """Returns notes that name the classes that a validation or test split lacks, and that training lacks.

    Args:
        counts: dict of train, validation and test -> (classes,) number of examples or pixels, without empty splits.
        names: of the classes.
    """
    notes = []
    for i, name in enumerate(names):
        lacking = ["training" if split == "train" else split for split, number in counts.items() if not number[i]]
        if lacking:
            notes.append(f"no example of class {name!r} in {' and '.join(lacking)}")
    return notes


def strata(targets):
    """Returns (N,) whole numbers that the split is stratified by; multi-hot labels stay as they are, (N, classes)."""
    if targets.dtype.kind != "f":
        return targets
    from scipy.stats import rankdata

    rank = np.mean([rankdata(column) for column in targets.reshape(len(targets), -1).T], axis=0)
    bins = max(1, min(BINS, len(targets) // BINS))
    return np.minimum(np.argsort(np.argsort(rank, kind="stable")) * bins // len(targets), bins - 1)


def linked_units(n, labelings):
    """Returns (N,) units: examples that share a label of any labeling, or that these link, have one number.

    Args:
        n: number of examples.
        labelings: arrays of (N,) labels; None is left out.
    """
    labelings = [labels for labels in labelings if labels is not None]
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    units = np.arange(n)
    for labeling in labelings:
        labels = np.unique(np.asarray(labeling), return_inverse=True)[1].reshape(-1)
        nodes = n + labels.max() + 1
        graph = coo_matrix((np.ones(n, np.int8), (units, n + labels)), shape=(nodes, nodes))
        units = np.unique(connected_components(graph, directed=False)[1][units], return_inverse=True)[1]
    return units


def _unit_members(units, mask):
    """Returns a list of the indices of each unit, among the examples of the mask."""
    indices = np.flatnonzero(mask)
    indices = indices[np.argsort(units[indices], kind="stable")]
    return np.split(indices, np.flatnonzero(np.diff(units[indices])) + 1)


def _assign_units(labels, bound, fractions, desired, rng, at_least_one=None):
    """Assigns every unit of several examples to the split that lacks its classes most; -1 for the single examples.

    With `at_least_one`, (3, labels) bool, units of the rarest labels come first, and go to splits without a label.
    """
    assignment, counts = np.full(len(labels), -1), np.zeros(desired.shape)
    totals = np.maximum(desired.sum(0), 1)
    order = rng.permutation(len(bound))
    if at_least_one is not None:
        one_hot = labels if labels.ndim == 2 else np.eye(desired.shape[1])[labels]
        rarest = [np.where(one_hot[unit].any(0), totals, np.inf).min() for unit in bound]
        order = order[np.argsort(np.array(rarest)[order], kind="stable")]
    for i in order:
        unit_labels = labels[bound[i]]
        count = unit_labels.sum(0) if unit_labels.ndim == 2 else np.bincount(unit_labels, minlength=desired.shape[1])
        lack = ((desired - counts) * count / totals).sum(1)
        if at_least_one is not None:
            lack = lack + LACKING * ((counts == 0) & (count > 0) & at_least_one).sum(1)
        if not count.any():  # no label at all: by size alone
            lack = fractions * len(labels) - np.bincount(assignment[assignment >= 0], minlength=3)
        neediest = int(np.argmax(np.where(fractions > 0, lack, -np.inf)))
        assignment[bound[i]] = neediest
        counts[neediest] += count
    return assignment, counts


def _assign_singles(assignment, counts, labels, indices, fractions, desired, rng):
    """Assigns the single examples, class by class; remainders of rounding pass on to the next class."""
    rest = np.zeros(3)
    for k in rng.permutation(np.unique(labels[indices])):
        members = rng.permutation(indices[labels[indices] == k])
        need = np.maximum(desired[:, k] - counts[:, k], 0)
        need = (need if need.any() else fractions) * len(members) / (need.sum() or 1)
        number = _rounded(np.maximum(need + rest, 0) * (fractions > 0), len(members))
        for i in (0, 2, 1):  # training first, then test, then validation
            largest = int(np.argmax(number))
            lacks = fractions[i] > 0 and counts[i, k] + number[i] == 0
            if lacks and (number[largest] > 1 or i == 0):
                number[largest] -= 1
                number[i] += 1
        rest += need - number
        counts[:, k] += number
        assignment[members] = np.repeat(np.arange(3), number)


def _rounded(need, total):
    """Returns whole numbers close to `need` that sum to `total`."""
    need = need * total / need.sum()
    number = np.floor(need + 1e-9).astype(int)
    number[np.argsort(number - need, kind="stable")[: total - number.sum()]] += 1
    return number
