"""tf.data: read once for the targets and for what is identical, kept in memory where it fits."""

import hashlib

import numpy as np

from recipes.data.assemble import Pool

HOLD = 2**30  # bytes of inputs that are kept as arrays
LOOK = 64  # examples that a stream is read twice for


def read_stream(dataset, part=None):
    """Reads a tf.data.Dataset of (x, y), single examples or batches, once.

    Inputs of one size that fit in memory become arrays; others stay a stream that is read anew each time.

    Args:
        dataset: finite; of (input, target), where an input is one tensor or a dict of columns.
        part: train, validation or test, or None where it is to be split.
    Returns:
        `Pool`.
    Raises:
        ValueError: if it is no such dataset, is empty or endless, or a stream gives other examples at each reading.
    """
    import tensorflow as tf

    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(f"load: the tf.data.Dataset must give (input, target), got {spec}.")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("load: the tf.data.Dataset must end, got an endless one; leave out `repeat()`.")
    if _batched(spec):
        dataset = dataset.unbatch()
    specs = tf.nest.flatten(dataset.element_spec[0])
    if len(specs) == 1 and specs[0].shape.rank == 2 and specs[0].dtype == tf.uint8:
        dataset = dataset.map(lambda x, y: (x[..., None], y))  # grey images without a band axis
    fixed = all(s.shape.is_fully_defined() for s in specs)
    batches = dataset.batch(256) if fixed else dataset.batch(1)
    held, targets, digests, size = [], [], [], 0
    for x, y in batches.as_numpy_iterator():
        targets.append(y)
        digests += _digests(x, len(y))
        size += sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(x))
        if fixed and held is not None:
            held = [*held, x] if size <= HOLD else None
    if not targets:
        raise ValueError("load: the tf.data.Dataset must have examples, got an empty one.")
    keys = np.frombuffer(b"".join(digests), dtype=np.uint64)
    if fixed and held is not None:
        inputs = tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *held)
    else:
        _verify_repeats(dataset, keys)
        inputs = dataset.map(lambda x, y: x)
    return Pool(inputs, np.concatenate(targets), part, keys=keys)


def _batched(spec):
    """Whether the elements are batches: input and target begin with the same size, and that can be no shape of one."""
    import tensorflow as tf

    first = tf.nest.flatten(spec[0])[0].shape
    target = spec[1].shape
    if not target.rank or not first.rank or first[0] != target[0]:
        return False
    return first[0] is None or isinstance(spec[0], dict) or first.rank > 1


def _digests(x, n):
    leaves = list(x.values()) if isinstance(x, dict) else [x]
    found = []
    for i in range(n):
        digest = hashlib.blake2b(digest_size=8)
        for leaf in leaves:
            one = leaf[i]
            digest.update(one + b"\0" if isinstance(one, bytes) else np.ascontiguousarray(one))
        found.append(digest.digest())
    return found


def _verify_repeats(dataset, keys):
    """A ValueError where a second reading gives other examples: parts taken from such a stream would leak."""
    again = [d for x, _ in dataset.take(LOOK).batch(1).as_numpy_iterator() for d in _digests(x, 1)]
    if not np.array_equal(np.frombuffer(b"".join(again), dtype=np.uint64), keys[: len(again)]):
        raise ValueError(
            "load: the tf.data.Dataset must give the same examples in the same order at each reading, got others the "
            "second time; leave shuffling and augmentation to the recipe."
        )
