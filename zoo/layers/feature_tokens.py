"""Tokens of a table's features for a transformer."""

import keras
from keras import layers, ops

from zoo.layers.batch_ensemble import uniform


@keras.saving.register_keras_serializable("zoo")
class FeatureTokens(layers.Layer):
    """Turns each number and each category into a token, after a learned token of the whole row.

    (B, F) float  ->  (B, 1 + numbers + categories, units) float. A number's token is its value times a vector, plus a
    bias; a category's is the vector of its level, plus a bias. A level without a one-hot input has the bias alone.

    Args:
        units: size of a token.
        levels: number of levels of each category, whose one-hot inputs are the last of F.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Gorishniy et al. 2021, https://arxiv.org/abs/2106.11959, section 3.3 and figure 2a.
    """

    def __init__(self, units, levels=(), **kwargs):
        super().__init__(**kwargs)
        self.units, self.levels = int(units), tuple(levels)

    def build(self, input_shape):
        size = input_shape[-1]
        self.numbers = size - sum(self.levels)
        tokens = self.numbers + len(self.levels)
        initializer = uniform(self.units)
        self.row_token = self.add_weight(shape=(1, self.units), initializer=initializer, name="row_token")
        self.kernel = self.add_weight(shape=(size, self.units), initializer=initializer, name="kernel")
        self.bias = self.add_weight(shape=(tokens, self.units), initializer=initializer, name="bias")

    def call(self, x):
        parts, start = [], self.numbers
        if self.numbers:
            parts.append(ops.expand_dims(x[:, : self.numbers], -1) * self.kernel[: self.numbers])
        for count in self.levels:
            vector = ops.matmul(x[:, start : start + count], self.kernel[start : start + count])
            parts.append(ops.expand_dims(vector, 1))
            start += count
        tokens = ops.concatenate(parts, axis=1) + self.bias
        row = ops.broadcast_to(ops.cast(self.row_token, tokens.dtype), (ops.shape(x)[0], 1, self.units))
        return ops.concatenate([row, tokens], axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1 + input_shape[-1] - sum(self.levels) + len(self.levels), self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "levels": self.levels}
