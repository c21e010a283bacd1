"""Augmentation that is drawn anew only every few epochs, where drawing it costs more than the training step."""

import queue
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf


def echo_batches(changes, data, count, batch_size, echo_epochs, seed):
    """Shuffled batches whose changes are drawn for the whole part at once and kept for `echo_epochs` epochs.

    Each epoch is one pass over the dataset. A small model's step takes less time than changing its images does; with
    `echo_epochs` of 6 the cost falls to a sixth, and an image is still seen in as many forms as there are sixths of the run.
    A pass is prepared while the one before it is trained on, outside of the dataset's own graph: tf.data sets its
    functions up again for each pass, which for these took longer than a draw.

    Args:
        changes: an `Augmentation`.
        data: tf.data.Dataset of single prepared (image, target), small enough to be kept in memory four times.
        count: how many examples there are.
        batch_size: examples per step; a smaller last batch is left out.
        echo_epochs: epochs that share one draw.
        seed: of the draws and the order.
    Returns:
        tf.data.Dataset of (images, targets) batches.

    Source: Choi et al. 2019, Faster neural network training with data echoing, https://arxiv.org/abs/1907.05550.
    """
    with tf.device("CPU"):
        images, targets = next(iter(data.batch(count)))
        passes = _passes(changes, images, targets, batch_size, echo_epochs, seed)
        spec = tf.nest.map_structure(tf.TensorSpec.from_tensor, next(passes))
    worker = ThreadPoolExecutor(1, thread_name_prefix="augmentation")
    ahead = queue.Queue()
    ahead.put(worker.submit(next, passes))

    def advance():
        ready = ahead.get()
        ahead.put(worker.submit(next, passes))
        return ready.result()

    def one_pass(_):
        batches = tf.py_function(advance, [], [s.dtype for s in spec])
        return tuple(tf.ensure_shape(b, s.shape) for b, s in zip(batches, spec, strict=True))

    return tf.data.Dataset.from_tensors(0).map(one_pass).unbatch()


def _passes(changes, images, targets, batch_size, echo_epochs, seed):
    """Endless passes over the examples, each (images, targets) of (steps, batch, ...); the first one twice.

    The first is there for its shape; it costs no draw more, as it is the one that the first epochs share.
    """
    count = len(images) // batch_size * batch_size

    @tf.function(autograph=False)
    def draw(now):
        return changes.change(tf.stack([seed, now]), images, targets)

    @tf.function(autograph=False)
    def shuffled(drawn, now):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=tf.stack([seed + 1, now]))
        order = tf.reshape(order[:count], [-1, batch_size])
        return [tf.gather(kept, order) for kept in drawn]

    drawn = draw(tf.constant(0))
    yield shuffled(drawn, tf.constant(0))
    now = 0
    while True:
        with tf.device("CPU"):
            if now % echo_epochs == 0 and now:
                drawn = draw(tf.constant(now))
            ready = shuffled(drawn, tf.constant(now))
        yield ready
        now += 1
