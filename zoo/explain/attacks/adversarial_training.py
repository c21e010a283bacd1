"""Adversarial training: a model that learns from attacked inputs, made anew at every step."""

import contextlib

import keras

from zoo.arguments import Count, Fraction, Positive, Whole, checked
from zoo.introspect.output_activation import replaced_attribute


@contextlib.contextmanager
@checked
def adversarial_training(
    model: keras.Model,
    *,
    epsilon: Positive,
    steps: Count = 1,
    fraction: Fraction = 0.5,
    low: float | None = None,
    high: float | None = None,
    seed: Whole = 0,
):
    """While it lasts, `model.fit` trains on inputs attacked with the model's own compiled loss.

    >>> with zoo.explain.adversarial_training(model, epsilon=0.1):
    ...     model.fit(data)

    With one step the attack is FGSM; with more it is PGD of steps 2.5 epsilon / steps from a random start. It is made
    in the training step itself, compiled with it and wherever the model runs; dropout and the statistics of batch
    normalisation rest meanwhile. The metrics of training are over all inputs that it saw. Evaluation
    and prediction are as ever, and so is the saved model.

    Args:
        model: a compiled Keras model; of several inputs those of real numbers are attacked.
        epsilon: the largest change of a number, in the inputs' unit.
        steps: gradients of each attack; each costs about as much as a step of plain training.
        fraction: weight of the attacked inputs in the loss, the others being the same inputs as they are; 1 for attacked
            inputs only.
        low: smallest value that an input may have; None for no limit.
        high: the largest.
        seed: of the random starts.
    Returns:
        A context manager; in it, the model.
    Raises:
        ValueError: if the model is not compiled, or the limits are not in order.

    Source: Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572, section 6, with its share of 0.5; Madry
        et al. 2018, https://arxiv.org/abs/1706.06083, with several steps and a share of 1.
    Differs: none
    """
    if not isinstance(model, keras.Model) or not model.compiled:
        raise ValueError("adversarial_training: `model` must be a compiled Keras model: call `model.compile` first.")
    if low is not None and high is not None and low >= high:
        raise ValueError(f"adversarial_training: `low` must be below `high`, got {low} and {high}.")
    if keras.backend.backend() != "tensorflow":
        backend = keras.backend.backend()
        raise ValueError(f"adversarial_training: it runs on Keras' TensorFlow backend, this is {backend}.")
    train, seeds = model.train_step, keras.random.SeedGenerator(seed)

    def step(data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        attacked = _attack(model, x, y, weight, epsilon, steps, low, high, seeds)
        if fraction == 1:
            return train((attacked, y, weight))
        return train(_both(x, attacked, y, weight, fraction))

    # Keras keeps the function that it compiled from a training step; it must be made anew for another one, and after.
    model.train_function = None
    try:
        with replaced_attribute(model, "train_step", step):
            yield model
    finally:
        model.train_function = None


def _attack(model, x, y, weight, epsilon, steps, low, high, seeds):
    """x at the end of the climb."""
    import tensorflow as tf

    parts = [tf.convert_to_tensor(part) for part in keras.tree.flatten(x)]
    moving = [i for i, part in enumerate(parts) if part.dtype.is_floating]
    first = {i: parts[i] for i in moving}
    if steps > 1:
        for i in moving:
            noise = keras.random.uniform(tf.shape(parts[i]), -epsilon, epsilon, seed=seeds)
            parts[i] = _within(parts[i] + tf.cast(noise, parts[i].dtype), low, high)
    rate = epsilon if steps == 1 else 2.5 * epsilon / steps
    for _ in range(steps):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([parts[i] for i in moving])
            given = keras.tree.pack_sequence_as(x, parts)
            answer = model(given, training=False)
            loss = model.compute_loss(x=given, y=y, y_pred=answer, sample_weight=weight, training=False)
        gradients = tape.gradient(loss, [parts[i] for i in moving])
        for i, gradient in zip(moving, gradients, strict=True):
            if gradient is not None:
                change = parts[i] + tf.cast(rate * tf.sign(gradient), parts[i].dtype) - first[i]
                parts[i] = _within(first[i] + tf.clip_by_value(change, -epsilon, epsilon), low, high)
    return keras.tree.map_structure(tf.stop_gradient, keras.tree.pack_sequence_as(x, parts))


def _within(x, low, high):
    """x inside its limits."""
    import tensorflow as tf

    if low is not None:
        x = tf.maximum(x, tf.cast(low, x.dtype))
    return x if high is None else tf.minimum(x, tf.cast(high, x.dtype))


def _both(x, attacked, y, weight, fraction):
    """One batch of the inputs as they are and attacked, weighted so that the mean loss is the sum of both shares."""
    import tensorflow as tf

    def twice(part):
        return tf.concat([part, part], axis=0)

    rows = tf.shape(keras.tree.flatten(x)[0])[0]
    shares = tf.repeat(tf.constant([2 * (1 - fraction), 2 * fraction], keras.config.floatx()), rows)
    if weight is None:
        weight = shares
    else:
        weight = keras.tree.map_structure(
            lambda w: twice(w) * tf.reshape(tf.cast(shares, w.dtype), [-1] + [1] * (len(w.shape) - 1)), weight
        )
    doubled = keras.tree.map_structure(lambda *parts: tf.concat(parts, axis=0), x, attacked)
    return doubled, None if y is None else keras.tree.map_structure(twice, y), weight
