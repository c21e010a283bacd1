"""Batch normalisation of maps in TensorFlow's one operation, where Keras has a dozen: training takes less time."""

import functools

import keras
from keras import layers


def fused_norms(model):
    """The same model, whose batch normalisations train from now on by TensorFlow's `FusedBatchNormV3`.

    Answers, gradients and moving averages are those of Keras, up to the rounding; a training step of a convolutional
    network on a processor is 1.03 to 1.26 times as fast (benchmarks/norm_speed.py). The layers stay Keras' own, in
    files too; a model that is read back is as Keras has it until this is called, so inference stays with Keras'
    arithmetic: answers after a load are those before it, to the bit.

    Args:
        model: a `keras.Model`. Keras' own step stays where the input is not float32 maps (B, H, W, C), in inference,
            with masks, in layers that are frozen, synchronised or renormalised, on GPUs, under a `tf.distribute`
            strategy, and on other backends than TensorFlow.
    Returns:
        `model`.

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2.
    """
    if keras.backend.backend() == "tensorflow":
        for layer in model._flatten_layers():
            if type(layer) is layers.BatchNormalization and "call" not in vars(layer):
                layer.call = functools.partial(_call, layer)
    return model


def _call(layer, inputs, training=None, mask=None):
    """What `layer.call` does, in one operation where it can be."""
    if not (training and layer.trainable and mask is None and _fits(layer, inputs)):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    channels = inputs.shape[-1]
    answer, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value if layer.scale else tf.ones(channels),
        offset=layer.beta.value if layer.center else tf.zeros(channels),
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    count = tf.cast(tf.size(inputs) // channels, "float32")
    variance *= (count - 1) / count  # it divides by one less than there are, Keras by all
    for moving, seen in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + seen * (1.0 - layer.momentum))
    return answer


def _fits(layer, inputs):
    """Whether this is a step that the operation has, on what it was measured on."""
    import tensorflow as tf

    maps = len(inputs.shape) == 4 and layer.axis in (-1, 3) and inputs.shape[-1] is not None
    plain = not (layer.synchronized or layer.renorm or tf.distribute.has_strategy())
    return maps and plain and inputs.dtype == layer.compute_dtype == "float32" and not gpus()


@functools.cache
def gpus():
    """TensorFlow's GPUs, on which Keras' own operations are left as they are."""
    import tensorflow as tf

    return tf.config.list_logical_devices("GPU")
