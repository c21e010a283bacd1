"""Three parts that share nothing: stratified, identical examples on one side, groups and squares of land whole.

scikit-learn's splitters stratify or keep groups whole, or both for folds of equal size; none of them gives three parts
of any size, several labels at once, or classes of two examples. So the parts are filled here, one unit at a time: a
unit is what must stay together, most often a single example.
"""

import hashlib

import numpy as np

BINS = 10  # quantiles that numbers are stratified by
FATAL = 1e6  # what a draw costs in which a part, or a class for training, is missing


def content_keys(inputs):
    """A 64-bit hash of the content of every example: equal where the examples are identical.

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
    """The square of land that each place lies in.

    Args:
        x, y: (N,) coordinates, in one unit.
        size: side of a square, in that unit; take more than the distance over which neighbours resemble each other.
    Returns:
        (N,) whole numbers, the same for places in the same square.
    """
    squares = np.stack([np.floor(np.asarray(c, dtype=np.float64) / size) for c in (x, y)], axis=1)
    return np.unique(squares, axis=0, return_inverse=True)[1].reshape(-1)


def split(targets, keys, fractions, seed=0, groups=None, blocks=None):
    """Shares examples out to training, validation and test.

    Every class (or tenth, for numbers) has the same share in each part as far as whole units allow; a class of two
    examples is in training and in test. What must stay together does: examples of one key, of one group, of one block,
    and whatever these link.

    Args:
        targets: (N,) whole numbers for classes, (N, classes) whole numbers for several labels, or (N, outputs) floats.
        keys: (N,) content hashes, as `content_keys` makes them, or None.
        fractions: (validation, test), shares of the examples; either may be 0.
        seed: equal seeds give equal parts.
        groups: (N,) labels of groups that stay whole, or None.
        blocks: (N,) labels of blocks that stay whole, or None.
    Returns:
        (training, validation, test): places of the examples, in an order drawn by the seed.
    Raises:
        ValueError: if the fractions leave nothing to train on, or too few units a part or, for training, a class.
    """
    targets = np.asarray(targets)
    shares = np.array([1 - sum(fractions), *fractions])
    if shares[0] <= 1e-9 or min(fractions) < 0:
        raise ValueError(f"split: `validation` + `test` must be below 1, got {fractions[0]:g} + {fractions[1]:g}.")
    rng = np.random.default_rng(seed)
    labels = _strata(targets)
    units = _together(len(targets), [k for k in (keys, groups, blocks) if k is not None])
    members = np.bincount(units)
    single = members[units] == 1 if labels.ndim == 1 else np.zeros(len(units), bool)
    bound = [] if single.all() else _members(units, ~single)
    totals = labels.sum(0, dtype=np.float64) if labels.ndim == 2 else np.bincount(labels).astype(np.float64)
    wanted = shares[:, None] * totals
    tries = int(np.clip(2000 // len(bound), 1, 20)) if bound else 1
    best, lowest = None, np.inf
    for _ in range(tries):
        part, have = _share_units(labels, bound, shares, wanted, rng)
        _share_singles(part, have, labels, np.flatnonzero(single), shares, wanted, rng)
        unfairness = float((((have - wanted) ** 2).sum(0) / np.maximum(totals, 1)).sum())
        lacking = sum(share > 0 and p not in part for p, share in enumerate(shares))
        if targets.ndim == 1:  # a label or a tenth that training lacks is a pity, a class is an error
            lacking += ((have[0] == 0) & (totals > 0)).sum()
        unfairness += FATAL * lacking
        if unfairness < lowest:
            best, lowest = part, unfairness
    if lowest >= FATAL:
        raise ValueError(
            "split: what stays together (groups, blocks, identical examples) must leave examples for every part, and "
            f"of every class for training, got {len(np.unique(units)):,} units for {len(targets):,} examples; lower "
            "`validation` and `test`, or take smaller groups or blocks."
        )
    order = rng.permutation(len(targets))
    return tuple(order[best[order] == p] for p in range(3))


def _strata(targets):
    """(N,) whole numbers that the split is stratified by; several labels stay as they are, (N, classes)."""
    if targets.dtype.kind != "f":
        return targets
    from scipy.stats import rankdata

    rank = np.mean([rankdata(column) for column in targets.reshape(len(targets), -1).T], axis=0)
    bins = max(1, min(BINS, len(targets) // BINS))
    return np.minimum(np.argsort(np.argsort(rank, kind="stable")) * bins // len(targets), bins - 1)


def _together(n, labelings):
    """(N,) units: examples that share a label of any labeling, and what these link, have one number."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    units = np.arange(n)
    for labeling in labelings:
        own = np.unique(np.asarray(labeling), return_inverse=True)[1].reshape(-1)
        nodes = n + own.max() + 1
        graph = coo_matrix((np.ones(n, np.int8), (units, n + own)), shape=(nodes, nodes))
        units = np.unique(connected_components(graph, directed=False)[1][units], return_inverse=True)[1]
    return units


def _members(units, chosen):
    places = np.flatnonzero(chosen)
    places = places[np.argsort(units[places], kind="stable")]
    return np.split(places, np.flatnonzero(np.diff(units[places])) + 1)


def _share_units(labels, bound, shares, wanted, rng):
    """Gives every unit of several examples to the part that lacks its classes most; -1 for those still to be given."""
    part, have = np.full(len(labels), -1), np.zeros(wanted.shape)
    totals = np.maximum(wanted.sum(0), 1)
    for i in rng.permutation(len(bound)):
        own = labels[bound[i]]
        count = own.sum(0) if own.ndim == 2 else np.bincount(own, minlength=wanted.shape[1])
        lack = ((wanted - have) * count / totals).sum(1)
        if not count.any():  # no label at all: by size alone
            lack = shares * len(labels) - np.bincount(part[part >= 0], minlength=3)
        chosen = int(np.argmax(np.where(shares > 0, lack, -np.inf)))
        part[bound[i]] = chosen
        have[chosen] += count
    return part, have


def _share_singles(part, have, labels, places, shares, wanted, rng):
    """Gives the single examples out, class by class; what rounding leaves over passes on to the next class."""
    rest = np.zeros(3)
    for k in rng.permutation(np.unique(labels[places])):
        mine = rng.permutation(places[labels[places] == k])
        need = np.maximum(wanted[:, k] - have[:, k], 0)
        need = (need if need.any() else shares) * len(mine) / (need.sum() or 1)
        number = _rounded(np.maximum(need + rest, 0) * (shares > 0), len(mine))
        for p in (0, 2, 1):  # in training first, then in test, then in validation
            largest = int(np.argmax(number))
            lacks = shares[p] > 0 and have[p, k] + number[p] == 0
            if lacks and (number[largest] > 1 or p == 0):
                number[largest] -= 1
                number[p] += 1
        rest += need - number
        have[:, k] += number
        part[mine] = np.repeat(np.arange(3), number)


def _rounded(need, total):
    """Whole numbers close to `need` that sum to `total`."""
    need = need * total / need.sum()
    number = np.floor(need + 1e-9).astype(int)
    number[np.argsort(number - need, kind="stable")[: total - number.sum()]] += 1
    return number
