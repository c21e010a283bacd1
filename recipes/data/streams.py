"""tf.data.Datasets: read once for the targets and for identical examples, kept in memory where they fit."""

import hashlib

import numpy as np

from recipes.data.assemble import Pool

MAX_BYTES_IN_MEMORY = 2**30  # of inputs that are kept as arrays
REREAD_EXAMPLES = 64  # examples that are read twice to see whether a dataset repeats itself


def read_stream(dataset, split=None):
    """Reads a tf.data.Dataset of (x, y), single examples or batches, once.

    Inputs of one size that fit in memory become arrays; others stay a dataset that is read anew each time.

    Args:
        dataset: finite; of (input, target), where an input is one tensor or a dict of columns.
        split: train, validation or test, or None where it is to be split.
    Returns:
        `Pool`.
    Raises:
        ValueError: if it is no such dataset, is empty or infinite, or has other examples at each reading.
    """
    import tensorflow as tf

    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(f"the tf.data.Dataset must yield (input, target), got {spec}.")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("the tf.data.Dataset must be finite, got an infinite one; leave out `repeat()`.")
    if _is_batched(spec):
        dataset = dataset.unbatch()
    specs = tf.nest.flatten(dataset.element_spec[0])
    if len(specs) == 1 and specs[0].shape.rank == 2 and specs[0].dtype == tf.uint8:
        dataset = dataset.map(lambda x, y: (x[..., None], y))  # grayscale images without a band axis
    fixed_size = all(s.shape.is_fully_defined() for s in specs)
    batches = dataset.batch(256) if fixed_size else dataset.batch(1)
    arrays, targets, digests, size = [], [], [], 0
    for x, y in batches.as_numpy_iterator():
        targets.append(y)
        digests += _digests(x, len(y))
        size += sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(x))
        if fixed_size and arrays is not None:
            arrays = [*arrays, x] if size <= MAX_BYTES_IN_MEMORY else None
    if not targets:
        raise ValueError("the tf.data.Dataset must have examples, got an empty one.")
    keys = np.frombuffer(b"".join(digests), dtype=np.uint64)
    if fixed_size and arrays is not None:
        inputs = tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *arrays)
    else:
        _verify_repeatable(dataset, keys)
        inputs = dataset.map(lambda x, y: x)
    return Pool(inputs, np.concatenate(targets), split, keys=keys)


def _is_batched(spec):
    """Whether the elements are batches: input and target begin with one size that is not the shape of one example."""
    import tensorflow as tf

    first = tf.nest.flatten(spec[0])[0].shape
    target = spec[1].shape
    if not target.rank or not first.rank or first[0] != target[0]:
        return False
    return first[0] is None or isinstance(spec[0], dict) or first.rank > 1


def _digests(x, n):
    leaves = list(x.values()) if isinstance(x, dict) else [x]
    digests = []
    for i in range(n):
        digest = hashlib.blake2b(digest_size=8)
        for leaf in leaves:
            value = leaf[i]
            digest.update(value + b"\0" if isinstance(value, bytes) else np.ascontiguousarray(value))
        digests.append(digest.digest())
    return digests


def _verify_repeatable(dataset, keys):
    """Raises a ValueError where a second reading has other examples: splits of such a dataset would overlap."""
    again = [d for x, _ in dataset.take(REREAD_EXAMPLES).batch(1).as_numpy_iterator() for d in _digests(x, 1)]
    if not np.array_equal(np.frombuffer(b"".join(again), dtype=np.uint64), keys[: len(again)]):
        raise ValueError(
            "the tf.data.Dataset must have the same examples in the same order at each reading, got others the second "
            "time; leave shuffling and augmentation to the recipe."
        )
