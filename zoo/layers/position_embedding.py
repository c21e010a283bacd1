"""Learnt position embeddings."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class PositionEmbedding(layers.Layer):
    """Adds a learned vector to each token, one per position, initialized from N(0, 0.02).

    (B, N, D) float  ->  (B, N, D) float. N must not be None, since each position has its own vector.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if N is None.

    Source: Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, eq. 1.
    """

    def build(self, input_shape):
        _, n, d = input_shape
        if n is None:
            raise ValueError("PositionEmbedding: the number of tokens must be given, got None.")
        initializer = keras.initializers.RandomNormal(stddev=0.02)
        self.table = self.add_weight(shape=(n, d), initializer=initializer, name="table")

    def call(self, x):
        return x + ops.cast(self.table, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape
