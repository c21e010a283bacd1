"""The largest scores of a row, of all where there are fewer."""

from keras import ops


def top_k(scores, count):
    """Returns (values, indices) of the `count` largest scores along the last axis, descending, or of all.

    Args:
        scores: (..., K); K may be unknown in a graph.
        count: whole number.
    """
    size = ops.shape(scores)[-1]
    return ops.top_k(scores, min(count, size) if isinstance(size, int) else ops.minimum(count, size))
