"""A layer beside the one that it stands for."""

import numpy as np

from tests.tolerance import assert_close


def assert_same(pair, x):
    """Both layers give the same answer to the array `x`, and the same gradients for it and for their weights."""
    import tensorflow as tf

    seen, found = tf.constant(x), []
    for layer in pair:
        with tf.GradientTape() as tape:
            tape.watch(seen)
            answer = layer(seen)
            loss = tf.reduce_sum(answer * np.random.default_rng(2).normal(size=answer.shape).astype("float32"))
        found.append([answer, *tape.gradient(loss, [seen, *(w.value for w in layer.trainable_weights)])])
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs, rtol=1e-4)
