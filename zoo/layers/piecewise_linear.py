"""Piecewise-linear embeddings of numbers."""

import keras
import numpy as np
from keras import layers, ops

from zoo.layers.batch_ensemble import uniform

UNBOUNDED = 1e30


@keras.saving.register_keras_serializable("zoo")
class PiecewiseLinear(layers.Layer):
    """Embeds each number by a linear function and a piecewise-linear one, which starts at zero.

    (B, F) float  ->  (B, F, units) float. The pieces lie between the quantiles of the data that `adapt` gets. Outside
    of their range the outer pieces continue. Before `adapt` they divide -2 to 2 evenly, for standardized numbers.

    Args:
        units: size of an embedding.
        bins: number of pieces; features with equal quantiles have fewer.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Gorishniy, Rubachev, Babenko 2022, https://arxiv.org/abs/2203.05556, equation 1 and section 3.2.1; linear
        part and initialization (version B) by Gorishniy et al. 2025, https://arxiv.org/abs/2410.24210.
    """

    def __init__(self, units=16, bins=48, **kwargs):
        super().__init__(**kwargs)
        self.units, self.bins = int(units), int(bins)

    def build(self, input_shape):
        size = input_shape[-1]
        self.edges = self.add_weight(
            shape=(size, self.bins + 1),
            initializer=lambda shape, dtype: ops.tile(
                ops.cast(ops.linspace(-2.0, 2.0, shape[1]), dtype)[None], (shape[0], 1)
            ),
            trainable=False,
            name="edges",
        )
        linear = uniform(self.units)
        self.kernel = self.add_weight(shape=(size, self.units), initializer=linear, name="kernel")
        self.bias = self.add_weight(shape=(size, self.units), initializer=linear, name="bias")
        self.pieces = self.add_weight(shape=(size, self.bins, self.units), initializer="zeros", name="pieces")

    def adapt(self, data):
        """Sets the edges of the pieces to the quantiles of (N, F) numbers, of the training split only."""
        data = np.asarray(data, np.float64)
        quantiles = np.quantile(data, np.linspace(0, 1, self.bins + 1), axis=0).T.astype(np.float32)
        edges = np.repeat(quantiles[:, -1:], self.bins + 1, axis=1)
        for row, values in zip(edges, quantiles, strict=True):
            distinct = np.unique(values)
            row[: len(distinct)] = distinct
        self.edges.assign(edges)

    def call(self, x):
        left, right = (ops.cast(e, x.dtype) for e in (self.edges[:, :-1], self.edges[:, 1:]))
        width = right - left
        is_piece = width > 0
        is_first = ops.arange(self.bins) == 0
        is_last = ops.logical_and(is_piece, right >= right[:, -1:])
        position = (ops.expand_dims(x, -1) - left) / ops.where(is_piece, width, 1.0)
        position = ops.maximum(position, ops.where(is_first, -UNBOUNDED, 0.0))
        position = ops.minimum(position, ops.where(is_last, UNBOUNDED, 1.0))
        position = ops.where(is_piece, position, 0.0)
        pieces = ops.einsum("bft,ftu->bfu", position, self.pieces)
        return ops.expand_dims(x, -1) * self.kernel + self.bias + pieces

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "bins": self.bins}
