"""The learned token in place of masked ones."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class MaskToken(layers.Layer):
    """Replaces every masked token by a learned vector, which is initialized with zeros.

    [(B, N, D) float, (B, N) bool, False for masked tokens]  ->  (B, N, D) float.

    Args:
        **kwargs: passed to `keras.layers.Layer`.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377, section 3.
    """

    def build(self, input_shape):
        self.token = self.add_weight(shape=(input_shape[0][-1],), initializer="zeros", name="token")

    def call(self, inputs):
        x, keep = inputs
        return ops.where(ops.cast(keep, "bool")[..., None], x, ops.cast(self.token, x.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape[0]
