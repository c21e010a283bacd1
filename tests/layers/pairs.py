"""Comparison of a layer with the Keras layer that it replaces."""

import numpy as np

from tests.tolerance import assert_close


def assert_same(pair, x):
    """Checks that both layers have the same outputs for the array `x`, and the same gradients."""
    import tensorflow as tf

    inputs, results = tf.constant(x), []
    for layer in pair:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            loss = tf.reduce_sum(outputs * np.random.default_rng(2).normal(size=outputs.shape).astype("float32"))
        results.append([outputs, *tape.gradient(loss, [inputs, *(w.value for w in layer.trainable_weights)])])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs, rtol=1e-4)
