"""A check that months are numbers from 0 to 11."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Months(layers.Layer):
    """Returns its input and raises an error for months outside 0 (January) to 11 (December).

    Integers of any shape  ->  the same. A 12 of the calendar would otherwise be taken for January.

    In a graph, as in `predict` and in a served model, only the TensorFlow backend can check values. The error is then
    TensorFlow's InvalidArgumentError with the same message.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a month is below 0 or above 11.
    """

    def call(self, months):
        if isinstance(months, keras.KerasTensor):
            return months
        message = "`month` must be from 0 (January) to 11 (December): subtract 1 from calendar months"
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if not tf.executing_eagerly():
                is_invalid = tf.reduce_any((months < 0) | (months > 11))
                with tf.control_dependencies([tf.debugging.Assert(~is_invalid, [message, months])]):
                    return tf.identity(months)
            values = np.asarray(months)
            if ((values < 0) | (values > 11)).any():
                raise ValueError(f"{message}, got {values.min()} to {values.max()}.")
        return ops.convert_to_tensor(months)

    def compute_output_shape(self, input_shape):
        return input_shape
