"""Data echoing: several epochs reuse one augmented copy of the data, where augmentation costs more than training."""

import queue
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from recipes.data.augment.first_epoch import first_epoch


def echo_batches(augment, data, count, batch_size, echo_epochs, seed):
    """Returns shuffled batches of an augmented copy of the training split that `echo_epochs` epochs reuse.

    Each epoch is one pass over the dataset. A small model's training step takes less time than augmenting its batch.
    With `echo_epochs` of 6 the cost of augmentation falls to a sixth, and a run of 60 epochs has ten versions of each
    image. A pass is prepared while the model trains on the one before it, outside of the dataset's own graph: tf.data
    sets its functions up again for each pass, which took longer than the augmentation.

    Args:
        augment: an `Augmentation`.
        data: tf.data.Dataset of single prepared (image, target), small enough to fit in memory four times.
        count: number of examples.
        batch_size: examples per step; a smaller last batch is left out.
        echo_epochs: epochs that reuse one augmented copy.
        seed: of the augmentation and the order.
    Returns:
        tf.data.Dataset of (images, targets) batches.

    Source: Choi et al. 2019, Faster neural network training with data echoing, https://arxiv.org/abs/1907.05550.
    """
    with tf.device("CPU"):
        images, targets = next(iter(data.batch(count)))
        passes = _passes(augment, images, targets, batch_size, echo_epochs, seed, first_epoch())
        spec = tf.nest.map_structure(tf.TensorSpec.from_tensor, next(passes))
    worker = ThreadPoolExecutor(1, thread_name_prefix="augmentation")
    next_passes = queue.Queue()
    next_passes.put(worker.submit(next, passes))

    def advance():
        future = next_passes.get()
        next_passes.put(worker.submit(next, passes))
        return future.result()

    def one_pass(_):
        batches = tf.py_function(advance, [], [s.dtype for s in spec])
        return tuple(tf.ensure_shape(b, s.shape) for b, s in zip(batches, spec, strict=True))

    return tf.data.Dataset.from_tensors(0).map(one_pass).unbatch()


def _passes(augment, images, targets, batch_size, echo_epochs, seed, epoch):
    """Yields passes over the examples without end, each (images, targets) of (steps, batch, ...); the first twice.

    The first is for its shape; it takes no further augmentation, as it is the copy that the first epochs reuse. `epoch`
    is the number of the first epoch.
    """
    count = len(images) // batch_size * batch_size

    @tf.function(autograph=False)
    def augmented(epoch):
        return augment.change(tf.stack([seed, epoch]), images, targets)

    @tf.function(autograph=False)
    def shuffled(copy, epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(len(images)), seed=tf.stack([seed + 1, epoch]))
        order = tf.reshape(order[:count], [-1, batch_size])
        return [tf.gather(values, order) for values in copy]

    copy_epoch = epoch - epoch % echo_epochs
    copy = augmented(tf.constant(copy_epoch))
    yield shuffled(copy, tf.constant(epoch))
    while True:
        with tf.device("CPU"):
            if epoch - copy_epoch == echo_epochs:
                copy_epoch = epoch
                copy = augmented(tf.constant(epoch))
            batches = shuffled(copy, tf.constant(epoch))
        yield batches
        epoch += 1
