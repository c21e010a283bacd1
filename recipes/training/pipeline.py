"""Input pipelines: from examples to batches of preprocessed inputs, and the shape of one input."""

import numpy as np

from recipes.data import Examples
from recipes.data.augment import echo_batches
from recipes.data.augment.first_epoch import first_epoch, skip_orders
from recipes.data.preprocessing import preprocessing
from zoo.backbones.input_range import backbone_input_layer, verify_range
from zoo.registry import entry

CACHE_LIMIT = 2 * 2**30  # bytes of preprocessed examples that a pipeline keeps in memory
CHUNK = 64 * 2**20  # bytes of examples, in float32, that are preprocessed in one call
MIN_STEPS = 8  # per epoch, that the default batch size gives
SHUFFLE_BUFFER = 10_000  # examples
KERAS_ITERATORS = 2  # that Keras makes per epoch of known length; it reads one of them, but each draws an order


def batches(task, examples, training, preprocess, classes):
    """Returns a tf.data.Dataset of (inputs, targets) batches; arguments as `Task.pipeline` has them.

    Examples are preprocessed once and kept in memory where they fit, then shuffled and augmented.
    """
    import tensorflow as tf

    parallel = tf.data.AUTOTUNE
    data = examples.dataset() if isinstance(examples, Examples) else examples
    count = len(examples) if isinstance(examples, Examples) else int(data.cardinality())
    if preprocess is not None:
        specs = tf.nest.flatten(data.element_spec[0])
        if all(spec.shape.is_fully_defined() for spec in specs):
            size = sum(np.prod(spec.shape.as_list()) * 4 for spec in specs)
            chunk = int(np.clip(CHUNK // max(size, 1), 1, 256))
            data = data.batch(chunk).map(lambda x, y: (preprocess(x, training=False), y), parallel).unbatch()
        else:
            data = data.map(lambda x, y: (preprocess(x[None], training=False)[0], y), parallel)
    data = data.map(lambda x, y: (x, task.prepare_target(y, classes)), parallel)
    example_bytes = sum(
        np.prod(spec.shape.as_list()) * spec.dtype.size if spec.shape.is_fully_defined() else np.inf
        for spec in tf.nest.flatten(data.element_spec)
    )
    if count > 0 and count * example_bytes <= CACHE_LIMIT:
        data = data.cache()
    batch_size = task.examples_per_step(count)
    drop_remainder = training and count >= batch_size
    augmentation = task.augmentation(preprocess, classes) if training else None
    echo = augmentation and task.echo_epochs > 1 and drop_remainder
    if echo and 4 * count * example_bytes <= CACHE_LIMIT:
        data = echo_batches(augmentation, data, count, batch_size, task.echo_epochs, task.seed)
    else:
        if training:
            buffer = max(1, min(count if count > 0 else SHUFFLE_BUFFER, SHUFFLE_BUFFER))
            orders_per_epoch = KERAS_ITERATORS if count > 0 else 1
            data = skip_orders(data.shuffle(buffer, seed=task.seed), orders_per_epoch * first_epoch())
        data = data.batch(batch_size, drop_remainder=drop_remainder)
        data = augmentation.over(data) if augmentation else data
    if count > 0:  # Keras counts the steps by it
        steps = count // batch_size if drop_remainder else -(-count // batch_size)
        data = data.apply(tf.data.experimental.assert_cardinality(steps))
    return without_autotuning(data.prefetch(parallel))


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
