"""Augmentation that is drawn anew only every few epochs, where drawing it costs more than the training step."""

import tensorflow as tf


def renewed(changes, data, count, batch, every, seed):
    """Shuffled batches whose changes are drawn for the whole part at once and kept for `every` epochs.

    Each epoch is one pass over the dataset. A small model's step takes less time than changing its images does; with
    `every` of 6 the cost falls to a sixth, and an image is still seen in as many forms as there are sixths of the run.

    Args:
        changes: an `Augmentation`.
        data: tf.data.Dataset of single prepared (image, target), small enough to be kept in memory three times.
        count: how many examples there are.
        batch: examples per step; a smaller last batch is left out.
        every: epochs that share one draw.
        seed: of the draws and the order.
    Returns:
        tf.data.Dataset of (images, targets) batches.

    Source: Choi et al. 2019, Faster neural network training with data echoing, https://arxiv.org/abs/1907.05550.
    """
    images, targets = next(iter(data.batch(count)))
    with tf.device("CPU"):
        drawn = [tf.Variable(v, trainable=False) for v in changes.change(tf.constant([seed, 0]), images, targets)]
        passes = tf.Variable(-1, dtype=tf.int32, trainable=False)

    def refresh(_):
        now = passes.assign_add(1)

        def draw():
            for kept, new in zip(drawn, changes.change(tf.stack([seed, now]), images, targets), strict=True):
                kept.assign(new)
            return now

        return tf.cond(now % every == 0, draw, lambda: now)

    def one_pass(now):
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=tf.stack([seed + 1, now]))
        order = tf.reshape(order[: count // batch * batch], [-1, batch])
        # One gather a pass: each reads its whole variable
        return tf.data.Dataset.from_tensor_slices(tuple(tf.gather(kept, order) for kept in drawn))

    return tf.data.Dataset.from_tensors(0).map(refresh).flat_map(one_pass)
