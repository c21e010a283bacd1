"""Divides the batches of a dataset among the devices of a strategy, such that each example is used once."""

import tensorflow as tf


def shard_batches(strategy, workers):
    """Makes Keras distribute datasets under the strategy as `ShardedBatches`, and returns the strategy."""

    def distribute(dataset, options=None):
        return ShardedBatches(dataset, strategy, workers)

    strategy.experimental_distribute_dataset = distribute
    return strategy


class ShardedBatches:
    """Batches of which each device gets an equal part; Keras iterates it as it would the dataset.

    TensorFlow's own distributed datasets read ahead in iterators that Keras makes and does not use, which changes the
    order of later epochs.

    Args:
        dataset: tf.data.Dataset of batches, the same on all workers.
        strategy: `tf.distribute.Strategy`.
        workers: number of workers.
    """

    def __init__(self, dataset, strategy, workers):
        self.dataset, self.strategy, self.workers = dataset, strategy, workers
        self.devices = strategy.num_replicas_in_sync
        sizes = {spec.shape[0] for spec in tf.nest.flatten(dataset.element_spec)}
        self.equal_sizes = len(sizes) == 1 and None not in sizes

    def __iter__(self):
        batches = iter(self.dataset)  # now, as each iterator draws an order
        return self._divide(batches if self.equal_sizes else move_examples(batches, self.devices))

    def _divide(self, batches):
        per_worker = self.devices // self.workers
        for batch in batches:
            size = len(tf.nest.flatten(batch)[0])

            def part(context, batch=batch, size=size):
                worker, device = divmod(context.replica_id_in_sync_group, per_worker)
                index = device * self.workers + worker  # the order in which Keras joins predictions
                start, stop = (size * i // self.devices for i in (index, index + 1))
                return tf.nest.map_structure(lambda values: values[start:stop], batch)

            yield self.strategy.experimental_distribute_values_from_function(part)


def move_examples(batches, least):
    """Yields the batches; where the last one has fewer than `least` examples, the batch before it gives it some.

    A device without an example has no mean loss.

    Args:
        batches: iterator of tensors or structures of tensors.
        least: examples that each batch must have.
    """
    previous = None
    for batch in batches:
        if previous is not None:
            if len(tf.nest.flatten(batch)[0]) < least:
                both = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), previous, batch)
                previous, batch = (
                    tf.nest.map_structure(lambda values, s=s: values[s], both)
                    for s in (slice(None, -least), slice(-least, None))
                )
            yield previous
        previous = batch
    if previous is not None:
        yield previous
