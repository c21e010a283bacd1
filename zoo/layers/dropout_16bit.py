"""Dropout with 16-bit random numbers."""

import keras
from keras import layers, ops

LEVELS = 1 << 16  # number of values of a 16-bit random number


@keras.saving.register_keras_serializable("zoo")
class Dropout16Bit(layers.Dropout):
    """Applies dropout to the input with 16-bit random numbers instead of 32-bit ones.

    For large feature maps the random number generation dominates the cost of dropout.

    (B, ...) float  ->  (B, ...) float.

    The dropped fraction is `rate` rounded to a multiple of 1 / 65536. The remaining values are scaled by the matching
    factor, so that the expected value is unchanged. On backends other than TensorFlow, and with `noise_shape`, the
    layer is Keras' own dropout.

    Args:
        rate: fraction of the inputs to drop in training, 0 to 1.
        **kwargs: arguments of `keras.layers.Dropout`.

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    as_keras = True  # `zoo.introspect` treats the layer as Keras' own

    def call(self, inputs, training=False):
        threshold = round(self.rate * LEVELS)
        use_keras = keras.backend.backend() != "tensorflow" or self.noise_shape is not None or threshold == LEVELS
        if use_keras or not training or not threshold:
            return super().call(inputs, training=training)
        import tensorflow as tf

        count = tf.size(inputs)
        seed = ops.cast(self.seed_generator.next(), "int32")
        int32 = tf.random.stateless_uniform([(count + 1) // 2], seed, minval=None, maxval=None, dtype="int32")
        int16 = tf.reshape(tf.bitcast(int32, "int16"), [-1])[:count]
        mask = tf.reshape(int16, tf.shape(inputs)) >= tf.constant(threshold - LEVELS // 2, "int16")
        return inputs * (tf.cast(mask, inputs.dtype) * (LEVELS / (LEVELS - threshold)))
