"""The token that stands where one was taken away."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class MaskToken(layers.Layer):
    """Puts one learned vector in the place of every token that was not kept; it starts as zeros.

    [(B, N, D) float, (B, N) bool: whether a token was kept]  ->  (B, N, D) float.

    Args:
        **kwargs: passed to `keras.layers.Layer`.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377, section 3.
    """

    def build(self, input_shape):
        self.token = self.add_weight(shape=(input_shape[0][-1],), initializer="zeros", name="token")

    def call(self, inputs):
        x, kept = inputs
        return ops.where(ops.cast(kept, "bool")[..., None], x, ops.cast(self.token, x.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape[0]
