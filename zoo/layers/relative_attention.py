"""Self-attention over a map, with a learned bias for each offset between two places."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class RelativeAttention(layers.Layer):
    """Multi-head self-attention of a map's places; the offset of two places adds a learned number to their score.

    (B, H, W, C) float  ->  (B, H, W, width) float; H and W must be given, as each offset owns a number for each head.

    Args:
        heads: attention heads; they divide `width`.
        width: channels of the answer.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `heads` does not divide `width`, or H or W is not given.

    Source: Dai et al. 2021, https://arxiv.org/abs/2106.04803, eq. 3 (the bias inside the softmax) and appendix A.1.
    """

    def __init__(self, heads, width, **kwargs):
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(f"RelativeAttention: `heads` must divide `width` = {width}, got {heads}.")
        self.heads, self.width = heads, width
        self.qkv = layers.Dense(3 * width, dtype=self.dtype_policy, name="qkv")
        self.out = layers.Dense(width, dtype=self.dtype_policy, name="out")

    def build(self, input_shape):
        _, h, w, c = input_shape
        if h is None or w is None:
            raise ValueError(f"RelativeAttention: height and width must be given, got {tuple(input_shape)}.")
        self.qkv.build((None, h * w, c))
        self.out.build((None, h * w, self.width))
        start = keras.initializers.TruncatedNormal(stddev=0.02)
        self.table = self.add_weight(shape=(2 * h - 1, 2 * w - 1, self.heads), initializer=start, name="table")
        y, x = (place.ravel() for place in np.indices((h, w)))
        row, column = (n[:, None] - n[None, :] + side - 1 for n, side in ((y, h), (x, w)))
        self.place = row * (2 * w - 1) + column  # (HW, HW): where the table has the offset from j to i

    def bias(self):
        """(heads, HW, HW): what the offset of the places i and j adds to the score that i gives j."""
        table = ops.reshape(self.table, (-1, self.heads))
        return ops.transpose(ops.take(table, self.place, axis=0), (2, 0, 1))

    def call(self, x):
        h, w, c = x.shape[1:]
        size = self.width // self.heads
        qkv = ops.reshape(self.qkv(ops.reshape(x, (-1, h * w, c))), (-1, h * w, 3, self.heads, size))
        query, key, value = ops.unstack(qkv, 3, axis=2)
        scores = ops.einsum("bind,bjnd->bnij", query * size**-0.5, key) + ops.cast(self.bias(), query.dtype)
        # Keras warns of a softmax over one place, which is what a map of 1 x 1 has: there it is written out.
        shares = ops.softmax(scores) if h * w > 1 else ops.exp(ops.log_softmax(scores))
        answer = ops.einsum("bnij,bjnd->bind", shares, value)
        return ops.reshape(self.out(ops.reshape(answer, (-1, h * w, self.width))), (-1, h, w, self.width))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.width)

    def get_config(self):
        return {**super().get_config(), "heads": self.heads, "width": self.width}
