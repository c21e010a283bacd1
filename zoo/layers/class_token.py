"""The class token of a vision transformer."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class ClassToken(layers.Layer):
    """Prepends a learned vector, the same for every image, to the tokens. It is initialized with zeros.

    (B, N, D) float  ->  (B, 1 + N, D) float.

    Args:
        **kwargs: passed to `keras.layers.Layer`.

    Source: Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, eq. 1.
    """

    def build(self, input_shape):
        self.token = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="token")

    def call(self, x):
        token = ops.broadcast_to(ops.cast(self.token, x.dtype), (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)

    def compute_output_shape(self, input_shape):
        b, n, d = input_shape
        return (b, n and n + 1, d)
