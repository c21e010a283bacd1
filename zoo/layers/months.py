"""Months as they should be: 0 is January."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Months(layers.Layer):
    """Lets whole numbers from 0, January, to 11 through, and nothing else: a calendar's 12 would be January.

    Any shape of whole numbers  ->  the same.

    Within a graph, as `predict` and a served model are, only TensorFlow can look at values: there the error is
    TensorFlow's InvalidArgumentError with the same words.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a month is below 0 or above 11.
    """

    def call(self, months):
        if isinstance(months, keras.KerasTensor):
            return months
        said = "`month` must lie in 0 (January) to 11; from a calendar's numbers subtract 1"
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if not tf.executing_eagerly():
                wrong = tf.reduce_any((months < 0) | (months > 11))
                with tf.control_dependencies([tf.debugging.Assert(~wrong, [said, months])]):
                    return tf.identity(months)
            found = np.asarray(months)
            if ((found < 0) | (found > 11)).any():
                raise ValueError(f"{said}, got {found.min()} to {found.max()}.")
        return ops.convert_to_tensor(months)

    def compute_output_shape(self, input_shape):
        return input_shape
