"""Adam's update as TensorFlow's one operation a weight, where Keras has a dozen: training begins much sooner."""

import functools

import keras

MANY = 40  # weights; a network of fewer begins within a second or two as it is


def fused(optimizer, fewest=MANY):
    """The same optimizer, which from now on updates each weight by TensorFlow's `ResourceApplyAdam`.

    The arithmetic is that of Keras, to the rounding; the first step of a network of many weights, in which its graph is
    built and optimised, comes sooner (benchmarks/adam_speed.py). Files name Keras' own class, and load without the zoo.

    Args:
        optimizer: any Keras optimizer. Others than Adam and AdamW, `amsgrad`, sparse gradients, networks of fewer than
            `fewest` weights, weights under a `tf.distribute` strategy and other backends than TensorFlow stay with
            Keras' own update.
        fewest: weights that a network must have.
    Returns:
        `optimizer`.

    Source: Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, the form just before section 2.1.
    """
    kinds = keras.optimizers.Adam, keras.optimizers.AdamW
    if keras.backend.backend() == "tensorflow" and type(optimizer) in kinds and not optimizer.amsgrad:
        optimizer.update_step = functools.partial(_update_step, optimizer, fewest)
    return optimizer


def _update_step(optimizer, fewest, gradient, variable, learning_rate):
    """What `optimizer.update_step` does, in one operation."""
    import tensorflow as tf

    few = len(optimizer._momentums) < fewest
    if few or isinstance(gradient, tf.IndexedSlices) or tf.distribute.has_strategy():
        return type(optimizer).update_step(optimizer, gradient, variable, learning_rate)
    i = optimizer._get_variable_index(variable)
    mean, square = optimizer._momentums[i].value, optimizer._velocities[i].value
    weight = variable.value if isinstance(variable, keras.Variable) else variable
    kind = weight.dtype
    beta1, beta2 = (tf.cast(beta, kind) for beta in (optimizer.beta_1, optimizer.beta_2))
    step = tf.cast(optimizer.iterations + 1, kind)
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=mean.handle,
        v=square.handle,
        beta1_power=beta1**step,
        beta2_power=beta2**step,
        lr=tf.cast(learning_rate, kind),
        beta1=beta1,
        beta2=beta2,
        epsilon=tf.cast(optimizer.epsilon, kind),
        grad=tf.cast(gradient, kind),
    )
