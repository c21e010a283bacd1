"""Dropout that draws half as many random bits."""

import keras
from keras import layers, ops

LEVELS = 1 << 16  # what 16 bits tell apart


@keras.saving.register_keras_serializable("zoo")
class Dropout16Bit(layers.Dropout):
    """Keras' dropout, whose random numbers have 16 bits: of whole maps, drawing them is most of a dropout's time.

    (B, ...) float  ->  (B, ...) float.

    The share that is dropped is the multiple of 1 / 65536 next to `rate`, and what is kept grows by exactly as much, so
    that means stay. Backends other than TensorFlow, and a `noise_shape`, stay with Keras' own.

    Args:
        rate: share of the numbers that is dropped in training, 0 to 1.
        **kwargs: as `keras.layers.Dropout` has them.

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    as_keras = True  # `zoo.introspect` takes it for Keras' own

    def call(self, inputs, training=False):
        level = round(self.rate * LEVELS)
        plain = keras.backend.backend() != "tensorflow" or self.noise_shape is not None or level == LEVELS
        if plain or not training or not level:
            return super().call(inputs, training=training)
        import tensorflow as tf

        count = tf.size(inputs)
        seed = ops.cast(self.seed_generator.next(), "int32")
        pairs = tf.random.stateless_uniform([(count + 1) // 2], seed, minval=None, maxval=None, dtype="int32")
        drawn = tf.reshape(tf.bitcast(pairs, "int16"), [-1])[:count]
        kept = tf.reshape(drawn, tf.shape(inputs)) >= tf.constant(level - LEVELS // 2, "int16")
        return inputs * (tf.cast(kept, inputs.dtype) * (LEVELS / (LEVELS - level)))
