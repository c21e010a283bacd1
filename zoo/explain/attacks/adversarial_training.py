"""Adversarial training: `model.fit` on inputs that are attacked at every step."""

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
    """Makes `model.fit` train on inputs attacked with the model's own compiled loss inside the `with` block.

    >>> with zoo.explain.adversarial_training(model, epsilon=0.1):
    ...     model.fit(data)

    With one step the attack is FGSM. With more it is PGD with step size 2.5 epsilon / steps and a random start. The
    attack is part of the compiled training step. During the attack, dropout and batch normalization run in inference
    mode. The training metrics are over all inputs of the step, attacked or not. Evaluation, prediction and the saved
    model do not change.

    Args:
        model: a compiled Keras model; if it has several inputs, the floating-point ones are attacked.
        epsilon: largest change of a number, in the inputs' unit.
        steps: gradient steps of each attack; each costs about as much as a normal training step.
        fraction: weight of the attacked inputs in the loss; the rest is the same inputs without attack. With 1 only
            attacked inputs are used.
        low: lower limit of the inputs; None for no limit.
        high: upper limit of the inputs; None for no limit.
        seed: seed of the random starts.
    Returns:
        A context manager; it yields the model.
    Raises:
        ValueError: if the model is not compiled, or `low` is not below `high`.

    Source: Goodfellow, Shlens, Szegedy 2015, https://arxiv.org/abs/1412.6572, section 6, with its fraction of 0.5;
        Madry et al. 2018, https://arxiv.org/abs/1706.06083, with several steps and a fraction of 1.
    Differs: none
    """
    if not isinstance(model, keras.Model) or not model.compiled:
        raise ValueError("adversarial_training: `model` must be a compiled Keras model: call `model.compile` first.")
    if low is not None and high is not None and low >= high:
        raise ValueError(f"adversarial_training: `low` must be below `high`, got {low} and {high}.")
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"adversarial_training: Keras' backend must be TensorFlow, got {keras.backend.backend()}.")
    train_step, seed_generator = model.train_step, keras.random.SeedGenerator(seed)

    def adversarial_step(data):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        attacked = _attack(model, x, y, weight, epsilon, steps, low, high, seed_generator)
        if fraction == 1:
            return train_step((attacked, y, weight))
        return train_step(_concatenate(x, attacked, y, weight, fraction))

    # Keras keeps the function that it compiled from a training step; it must be compiled again before and after.
    model.train_function = None
    try:
        with replaced_attribute(model, "train_step", adversarial_step):
            yield model
    finally:
        model.train_function = None


def _attack(model, x, y, weight, epsilon, steps, low, high, seed_generator):
    """Returns the attacked inputs."""
    import tensorflow as tf

    arrays = [tf.convert_to_tensor(array) for array in keras.tree.flatten(x)]
    floating = [i for i, array in enumerate(arrays) if array.dtype.is_floating]
    originals = {i: arrays[i] for i in floating}
    if steps > 1:
        for i in floating:
            noise = keras.random.uniform(tf.shape(arrays[i]), -epsilon, epsilon, seed=seed_generator)
            arrays[i] = _clip(arrays[i] + tf.cast(noise, arrays[i].dtype), low, high)
    step_size = epsilon if steps == 1 else 2.5 * epsilon / steps
    for _ in range(steps):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([arrays[i] for i in floating])
            inputs = keras.tree.pack_sequence_as(x, arrays)
            y_pred = model(inputs, training=False)
            loss = model.compute_loss(x=inputs, y=y, y_pred=y_pred, sample_weight=weight, training=False)
        gradients = tape.gradient(loss, [arrays[i] for i in floating])
        for i, gradient in zip(floating, gradients, strict=True):
            if gradient is not None:
                change = arrays[i] + tf.cast(step_size * tf.sign(gradient), arrays[i].dtype) - originals[i]
                arrays[i] = _clip(originals[i] + tf.clip_by_value(change, -epsilon, epsilon), low, high)
    return keras.tree.map_structure(tf.stop_gradient, keras.tree.pack_sequence_as(x, arrays))


def _clip(x, low, high):
    """Clips x to limits of which each may be None."""
    import tensorflow as tf

    if low is not None:
        x = tf.maximum(x, tf.cast(low, x.dtype))
    return x if high is None else tf.minimum(x, tf.cast(high, x.dtype))


def _concatenate(x, attacked, y, weight, fraction):
    """Returns one batch of original and attacked inputs, weighted so that `fraction` of the loss is of the attacked."""
    import tensorflow as tf

    def twice(array):
        return tf.concat([array, array], axis=0)

    rows = tf.shape(keras.tree.flatten(x)[0])[0]
    weights = tf.repeat(tf.constant([2 * (1 - fraction), 2 * fraction], keras.config.floatx()), rows)
    if weight is None:
        weight = weights
    else:
        weight = keras.tree.map_structure(
            lambda w: twice(w) * tf.reshape(tf.cast(weights, w.dtype), [-1] + [1] * (len(w.shape) - 1)), weight
        )
    inputs = keras.tree.map_structure(lambda *arrays: tf.concat(arrays, axis=0), x, attacked)
    return inputs, None if y is None else keras.tree.map_structure(twice, y), weight
