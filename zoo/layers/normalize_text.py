"""The same characters for texts that look the same."""

import keras
from keras import layers

from zoo.inputs.texts import INVISIBLE, SPACES


@keras.saving.register_keras_serializable("zoo")
class NormalizeText(layers.Layer):
    """Replaces Unicode's separators, such as no-break spaces, by spaces, and removes invisible characters.

    (B,) strings  ->  (B,) strings. Invisible are soft hyphens, byte order marks, and characters of zero width or of
    the writing direction. `zoo.inputs.texts.normalize_text` does the same in Python.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "string", **kwargs})
        self.supports_jit = False  # XLA does not support strings

    def call(self, texts):
        import tensorflow as tf

        return tf.strings.regex_replace(tf.strings.regex_replace(texts, SPACES, " "), INVISIBLE, "")

    def compute_output_spec(self, texts):
        return keras.KerasTensor(texts.shape, "string")
