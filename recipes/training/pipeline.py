"""Input pipelines: from examples to batches of preprocessed inputs, and the shape of one input."""

import numpy as np

from recipes.data import Examples
from recipes.data.augment import echo_batches
from recipes.data.augment.first_epoch import first_epoch, skip_orders
from recipes.data.images.image_files import ImageFiles
from recipes.data.preprocessing import only_scale, preprocessing, without_resizing
from recipes.training.batch_reader import BatchReader
from recipes.training.example_store import MEMORY
from zoo.backbones.input_range import backbone_input_layer, verify_range
from zoo.registry import entry

CACHE_LIMIT = 2 * 2**30  # bytes of preprocessed examples of arrays and tables that a pipeline keeps in memory
CHUNK = 64 * 2**20  # bytes of examples, in float32, that are preprocessed in one call
MIN_STEPS = 8  # per epoch, that the default batch size gives
SHUFFLE_BUFFER = 10_000  # examples
BATCHES_READ = 2  # at a time
KERAS_ITERATORS = 2  # that Keras makes per epoch of known length; it reads one of them, but each draws an order


def batches(task, examples, training, preprocess, classes):
    """Returns a tf.data.Dataset of (inputs, targets) or (inputs, targets, weights) batches; as `Task.pipeline` has it.

    Examples are preprocessed once and stay in memory where they fit, then shuffled and augmented. Where they do not
    fit, their indices are shuffled, and each batch is read, resized and preprocessed when it is needed.
    """
    import tensorflow as tf

    data = examples.dataset() if isinstance(examples, Examples) else examples
    count = len(examples) if isinstance(examples, Examples) else int(data.cardinality())
    if getattr(examples, "weights", None) is not None:
        data = tf.data.Dataset.zip(data, tf.data.Dataset.from_tensor_slices(examples.weights))
        data = data.map(lambda example, weight: (*example, weight))
    single = data.map(lambda x, y, *w: (preprocessed(preprocess, x), task.prepare_target(y, classes), *w))
    spec = tf.nest.flatten(single.element_spec)
    example_bytes = sum(np.prod(s.shape) * s.dtype.size if s.shape.is_fully_defined() else np.inf for s in spec)
    is_on_demand = isinstance(examples, Examples) and hasattr(examples.inputs, "read")
    fits = 0 < count * example_bytes <= (MEMORY if is_on_demand else CACHE_LIMIT)
    fits = fits and not (training and is_on_demand and getattr(examples.inputs, "is_random", False))
    batch_size = task.examples_per_step(count)
    drop_remainder = training and count >= batch_size
    augmentation = task.augmentation(preprocess, classes) if training else None
    echo = augmentation and task.echo_epochs > 1 and drop_remainder
    if training and not fits and can_be_indexed(examples) and np.isfinite(example_bytes):
        is_image_file = isinstance(examples.inputs, ImageFiles)
        flips = augmentation if is_image_file and augmentation and augmentation.only_flips else None
        data = read_in_any_order(task, examples, preprocess, classes, batch_size, drop_remainder, flips)
        augmentation = None if flips else augmentation
    else:
        data = preprocess_examples(data, preprocess)
        data = data.map(lambda x, y, *w: (x, task.prepare_target(y, classes), *w), tf.data.AUTOTUNE)
        data = data.cache() if fits else data
        if echo and 4 * count * example_bytes <= CACHE_LIMIT:
            data = echo_batches(augmentation, data, count, batch_size, task.echo_epochs, task.seed)
            augmentation = None
        else:
            data = shuffled(data, count, example_bytes, task.seed) if training else data
            data = data.batch(batch_size, drop_remainder=drop_remainder)
    data = augmentation.over(data) if augmentation else data
    if count > 0:  # Keras counts the steps by it
        steps = count // batch_size if drop_remainder else -(-count // batch_size)
        data = data.apply(tf.data.experimental.assert_cardinality(steps))
    return without_autotuning(data.prefetch(tf.data.AUTOTUNE))


def can_be_indexed(examples):
    """Whether the inputs of a split can be read in any order: arrays, a table, or a sequence read on demand."""
    return isinstance(examples, Examples) and (
        isinstance(examples.inputs, np.ndarray | dict) or hasattr(examples.inputs, "read")
    )


def preprocessed(preprocess, x):
    """Returns one preprocessed example, or `x` without preprocessing."""
    import tensorflow as tf

    if preprocess is None:
        return x
    outputs = preprocess(tf.nest.map_structure(lambda leaf: leaf[None], x), training=False)
    return tf.nest.map_structure(lambda leaf: leaf[0], outputs)


def preprocess_examples(data, preprocess):
    """Returns a tf.data.Dataset of preprocessed examples; those of one shape are preprocessed many at a time."""
    import tensorflow as tf

    if preprocess is None:
        return data
    specs = tf.nest.flatten(data.element_spec[0])
    if not all(spec.shape.is_fully_defined() for spec in specs):
        return data.map(lambda x, *rest: (preprocessed(preprocess, x), *rest), tf.data.AUTOTUNE)
    size = sum(np.prod(spec.shape.as_list()) * 4 for spec in specs)
    chunk = int(np.clip(CHUNK // max(size, 1), 1, 256))
    return data.batch(chunk).map(lambda x, *rest: (preprocess(x, training=False), *rest), tf.data.AUTOTUNE).unbatch()


def shuffled(data, count, example_bytes, seed):
    """Returns the examples in another random order in each epoch: of all of them, or of a window of bounded memory."""
    window = min(count if count > 0 else SHUFFLE_BUFFER, SHUFFLE_BUFFER)
    if np.isfinite(example_bytes) and count * example_bytes > CACHE_LIMIT:
        window = min(window, MEMORY // max(int(example_bytes), 1))
    orders_per_epoch = KERAS_ITERATORS if count > 0 else 1
    return skip_orders(data.shuffle(max(1, window), seed=seed), orders_per_epoch * first_epoch())


def read_in_any_order(task, examples, preprocess, classes, batch_size, drop_remainder, flips=None):
    """Returns preprocessed batches in a random order of all examples, with memory for a few batches at a time.

    Args:
        task, examples, preprocess, classes: as `batches` has them.
        batch_size, drop_remainder: as `tf.data.Dataset.batch` has them.
        flips: `Augmentation` that flips image files as they are read, or None.
    """
    import tensorflow as tf

    targets = examples.targets
    reader, preprocess = reader_of(examples.inputs, preprocess)
    order = random_order(len(examples), task.seed)
    if isinstance(targets, np.ndarray):
        targets = tf.constant(targets)
        weights = () if examples.weights is None else (tf.constant(examples.weights),)
        order = order.map(lambda i: (i, task.prepare_target(tf.gather(targets, i), classes), *(w[i] for w in weights)))
    else:
        spec = targets.dataset().element_spec

        def with_target(i):
            y = tf.ensure_shape(tf.numpy_function(lambda i: targets.read(int(i)), [i], spec.dtype), spec.shape)
            return i, task.prepare_target(y, classes)

        order = order.map(with_target, tf.data.AUTOTUNE, deterministic=True)
    if getattr(examples.inputs, "is_random", False):
        numbered = tf.data.Dataset.zip(order, epoch_numbers(len(examples)))
        order = numbered.map(lambda element, epoch: (tf.stack([element[0], epoch]), *element[1:]))

    def read(indices, *rest):
        return reader.read_tensors(indices), *rest

    def read_flipped(seed, indices, *rest):
        return reader.read_tensors(indices, flips.flips(seed, tf.size(indices))), *rest

    data = order.batch(batch_size, drop_remainder=drop_remainder)
    data = flips.over(data, read_flipped) if flips else data.map(read, BATCHES_READ, deterministic=True)
    if preprocess is None:
        return data

    return data.map(lambda x, *rest: (preprocess(x, training=False), *rest), tf.data.AUTOTUNE, deterministic=True)


def reader_of(inputs, preprocess):
    """Returns (`BatchReader`, what remains of the preprocessing): 8-bit image files are resized as they are read.

    Args:
        inputs: arrays, a table, or a sequence that is read on demand.
        preprocess: model from raw inputs to the model's inputs, or None.
    """
    size = scale = None
    if isinstance(inputs, ImageFiles) and preprocess is not None and inputs.dtype == "uint8":
        size, scale = tuple(preprocess.output_shape[1:3]), only_scale(preprocess)
        preprocess = without_resizing(preprocess) if scale is None else None
    return BatchReader(inputs, size, scale), preprocess


def endless_passes(count, seed, batch_size, steps):
    """Returns a tf.data.Dataset of `steps` batches of indices, (batch_size,) int64, whose epochs continue each other.

    The indices are those of passes over all examples, each in another random order. A pass may end within a batch, so
    that a batch may be larger than the number of examples.

    Args:
        count: number of examples.
        seed: of the orders.
        batch_size: indices per batch.
        steps: batches per epoch.
    """
    import tensorflow as tf

    with tf.device("CPU"):
        epochs = tf.Variable(first_epoch(), dtype="int64")

    def indices(step):
        position = step * batch_size + tf.range(batch_size, dtype="int64")
        number, index = position // count, position % count
        keys = tf.stack([tf.fill([batch_size], tf.constant(seed, "int64")), number, tf.zeros_like(number)], axis=1)
        # tf.random.experimental.index_shuffle takes a seed per index, but pads it to another shape than its kernel's
        return tf.raw_ops.RandomIndexShuffle(
            index=index, seed=keys, max_index=tf.constant(count - 1, "int64"), rounds=4
        )

    def one_epoch(_):
        first = (epochs.assign_add(1) - 1) * steps
        return tf.data.Dataset.range(first, first + steps).map(indices)

    return tf.data.Dataset.range(1).flat_map(one_epoch).apply(tf.data.experimental.assert_cardinality(steps))


def random_order(count, seed):
    """Returns a tf.data.Dataset of the numbers from 0 to `count` - 1: another random order of all in each epoch."""
    import tensorflow as tf

    if count <= SHUFFLE_BUFFER:
        indices = tf.data.Dataset.range(count)
        return skip_orders(indices.shuffle(count, seed=seed), KERAS_ITERATORS * first_epoch())
    with tf.device("CPU"):
        epochs = tf.Variable(first_epoch(), dtype="int64")

    def one_epoch(_):
        key = tf.cast(tf.stack([tf.constant(seed, "int64"), epochs.assign_add(1)]), "int32")
        return tf.data.Dataset.range(count).map(
            lambda i: tf.random.experimental.index_shuffle(i, key, tf.constant(count - 1, "int64"))
        )

    return tf.data.Dataset.range(1).flat_map(one_epoch)


def epoch_numbers(count):
    """Returns a tf.data.Dataset of `count` times the number of the epoch, int64, which grows with each iterator."""
    import tensorflow as tf

    with tf.device("CPU"):
        epochs = tf.Variable(first_epoch(), dtype="int64")

    def one_epoch(_):
        return tf.data.Dataset.from_tensors(epochs.assign_add(1) - 1).repeat(count)

    return tf.data.Dataset.range(1).flat_map(one_epoch)


def default_batch_size(count, largest=32):
    """Returns the largest power of two from 4 to `largest` with which an epoch has at least 8 steps, or 4.

    Args:
        count: number of training examples; below 1 where it is unknown, for which `largest` is returned.
        largest: a power of two.
    """
    if count < 1:
        return largest
    return int(min(largest, max(4, 2 ** int(np.log2(max(count / MIN_STEPS, 1))))))


def without_autotuning(data):
    """Returns the dataset with tf.data's parallelism autotuning off.

    Autotuning runs in a thread that wakes after 10, 20, 40 ms and so on. In TensorFlow 2.21 an iterator that ends may
    wait until that thread wakes again, up to as long as the epoch took (benchmarks/epoch_speed.py). Without it, a `map`
    runs as many calls in parallel as there are cores, and the order of examples is the same.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def input_shape(name, data):
    """Returns the shape of one preprocessed input for the architecture `name`.

    Arrays keep their shape, and a table has that of its preprocessing. Photos are resized to the image size of the
    architecture's paper and keep their number of bands.

    Args:
        name: registered name.
        data: `Data`.
    """
    example = entry(name).example.get("input_shape", ())
    takes_images = entry(name).task in ("classify", "segment") and len(example) == 3
    if takes_images and data.kind in ("vector", "table"):
        raise ValueError(
            f"{name}: `data` must be images, an array of shape (N, H, W, C), got rows of a {data.kind}. Where each row "
            "is an image, x.reshape(N, H, W, C), in R array_reshape(x, c(N, H, W, C)), makes them."
        )
    if not data.shape or data.missing == "impute":  # a table; and imputation adds indicator channels
        return preprocessing(data).output_shape[1:]
    if isinstance(data.train.inputs, np.ndarray) or data.kind != "image":
        return data.shape
    if len(example) != 3:
        raise ValueError(f"{name}: `input_shape` must be given for the photos of {data.name}, as in (64, 64, 3).")
    return (*example[:2], data.shape[-1])


def preprocessing_for(data, model):
    """Returns the preprocessing of the data for the model.

    A model that records its own input range, as `zoo.transfer` and `zoo.adapt_bands` make them, gets images in their
    raw values. Where these lie outside that range, a ValueError says so.
    """
    has_own = backbone_input_layer(model) is not None
    preprocess = preprocessing(data, model.input_shape[1:], raw=has_own)
    if has_own:
        images = data.train.head(64)
        verify_range(model, np.concatenate([preprocess(image[None], training=False) for image in images]))
    return preprocess
