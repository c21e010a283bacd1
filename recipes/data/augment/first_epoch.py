"""The epoch with which training pipelines begin: 0, or a later one where a training resumes."""

import contextlib
import contextvars

_FIRST_EPOCH = contextvars.ContextVar("first_epoch", default=0)


def first_epoch():
    """Returns the number of epochs before the first one of a pipeline that is built now."""
    return _FIRST_EPOCH.get()


@contextlib.contextmanager
def begin_at_epoch(epoch):
    """Sets `first_epoch` for the block under `with`, so that order and augmentation are those of that epoch.

    Args:
        epoch: number of epochs that were trained before.
    """
    token = _FIRST_EPOCH.set(epoch)
    try:
        yield
    finally:
        _FIRST_EPOCH.reset(token)


def skip_orders(shuffled, count):
    """Advances a shuffled tf.data.Dataset as if `count` iterators of it had been made, without reading it.

    Its orders follow from the seed and the number of iterators made before.

    Args:
        shuffled: what `tf.data.Dataset.shuffle` returned, before any further method.
        count: number of orders to skip.
    Returns:
        `shuffled`.
    """
    for _ in range(count):
        iter(shuffled)
    return shuffled
