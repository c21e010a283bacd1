"""From examples to what a model is fed: the shape of an input, and batches."""

import contextlib

import numpy as np

from recipes.data import Examples
from recipes.data.augment import echo_batches
from recipes.data.preprocessing import preprocessing
from zoo.backbones.input_range import recorded_range, verify_range
from zoo.registry import entry

CACHE_LIMIT = 2 * 2**30  # bytes of prepared examples that a pipeline keeps in memory
TOGETHER = 64 * 2**20  # bytes of examples, in float32, that are prepared at once


def batches(recipe, examples, training, prepare, classes):
    """What `Recipe.pipeline` answers; arguments as it has them.

    Prepared once and kept in memory where they fit, then shuffled and augmented.
    """
    import tensorflow as tf

    parallel = tf.data.AUTOTUNE
    data = examples.dataset() if isinstance(examples, Examples) else examples
    count = len(examples) if isinstance(examples, Examples) else int(data.cardinality())
    if prepare is not None:
        shapes = [s.shape.is_fully_defined() for s in tf.nest.flatten(data.element_spec[0])]
        if all(shapes):
            size = sum(np.prod(s.shape.as_list()) * 4 for s in tf.nest.flatten(data.element_spec[0]))
            together = int(np.clip(TOGETHER // max(size, 1), 1, 256))
            data = data.batch(together).map(lambda x, y: (prepare(x, training=False), y), parallel).unbatch()
        else:
            data = data.map(lambda x, y: (prepare(x[None], training=False)[0], y), parallel)
    data = data.map(lambda x, y: (x, recipe.target(y, classes)), parallel)
    prepared = sum(
        np.prod(s.shape.as_list()) * s.dtype.size if s.shape.is_fully_defined() else np.inf
        for s in tf.nest.flatten(data.element_spec)
    )
    if count > 0 and count * prepared <= CACHE_LIMIT:
        data = data.cache()
    whole = training and count >= recipe.batch_size
    changes = recipe.changes(prepare, classes) if training else None
    if changes and recipe.echo_epochs > 1 and whole and 4 * count * prepared <= CACHE_LIMIT:
        data = echo_batches(changes, data, count, recipe.batch_size, recipe.echo_epochs, recipe.seed)
    else:
        if training:
            data = data.shuffle(max(1, min(count if count > 0 else 10_000, 10_000)), seed=recipe.seed)
        data = data.batch(recipe.batch_size, drop_remainder=whole)
        data = changes.over(data) if changes else data
    if count > 0:  # Keras counts the steps by it
        steps = count // recipe.batch_size if whole else -(-count // recipe.batch_size)
        data = data.apply(tf.data.experimental.assert_cardinality(steps))
    return at_ease(data.prefetch(parallel))


def at_ease(data):
    """The dataset without tf.data's search for how much to do at once, which each epoch then waits for.

    The search is a thread that wakes after 10, 20, 40 ms and so on. In TensorFlow 2.21 an iterator that ends may wait
    until it wakes again: up to as long as the epoch took (benchmarks/epoch_speed.py). Without it as many calls of a
    `map` run at once as there are cores, and the order is the same.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def input_shape(name, data):
    """The shape of one prepared input of the architecture `name`.

    Arrays are taken as they are and a table as its preprocessing makes it; photos are brought to the size of the
    architecture's paper, with the bands that they have.
    """
    images = entry(name).task in ("classify", "segment") and len(entry(name).example.get("input_shape", ())) == 3
    if images and data.kind in ("vector", "table"):
        raise ValueError(
            f"{name}: `data` must be images, an array of shape (N, H, W, C), got rows of a {data.kind}; where each row "
            "is an image, x.reshape(N, H, W, C), in R array_reshape(x, c(N, H, W, C)), makes them."
        )
    if not data.shape or data.missing == "impute":  # of a table; and gaps add channels that show them
        return preprocessing(data).output_shape[1:]
    if isinstance(data.train.inputs, np.ndarray) or data.kind != "image":
        return data.shape
    own = entry(name).example.get("input_shape", ())
    if len(own) != 3:
        raise ValueError(f"{name}: `input_shape` must be given for the photos of {data.name}, as in (64, 64, 3).")
    return (*own[:2], data.shape[-1])


def preparation(data, model):
    """The preprocessing of the data for the model.

    A model that records its own, as `zoo.transfer` and `zoo.adapt_bands` make them, gets images in their own numbers; a
    ValueError where those are not in the range that it records.
    """
    raw = recorded_range(model) is not None
    made = preprocessing(data, model.input_shape[1:], raw=raw)
    if raw:
        seen = data.train.head(64)
        verify_range(model, np.concatenate([made(image[None], training=False) for image in seen]))
    return made


def attacked(model, epsilon):
    """A context in which `model.fit` also learns from attacked inputs, where `epsilon` is not 0."""
    from zoo.explain.attacks.adversarial_training import adversarial_training

    return adversarial_training(model, epsilon=epsilon) if epsilon else contextlib.nullcontext()
