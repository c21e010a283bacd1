"""Bicubic upsampling by an integer factor."""

import keras
from keras import layers

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class Bicubic(layers.Layer):
    """Upsamples images by bicubic interpolation, as Pillow and Matlab do.

    (B, H, W, C) float  ->  (B, factor * H, factor * W, C) float32.

    Args:
        factor: factor along each side.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `factor` is not an integer of at least 1.

    Source: Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711, a = -1/2.
    Differs: only the TensorFlow backend is supported, since Keras' resizing cannot be exported for unknown sizes.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = convert(factor, Count, "Bicubic: `factor`")

    def call(self, x):
        import tensorflow as tf

        size = tf.shape(x)[1:3] * self.factor
        return tf.image.resize(tf.cast(x, "float32"), size, "bicubic")

    def compute_output_spec(self, x):
        b, h, w, c = x.shape
        return keras.KerasTensor((b, h and h * self.factor, w and w * self.factor, c), dtype="float32")

    def macs(self, shapes):
        """Interpolation is not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
