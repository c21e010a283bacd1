"""Self-attention over a map, with relative position biases."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class RelativeAttention(layers.Layer):
    """Applies multi-head self-attention to the cells of a map, with a learned bias for each offset between two cells.

    (B, H, W, C) float  ->  (B, H, W, width) float. H and W must not be None, since each offset has a bias per head.

    Args:
        heads: number of attention heads; must divide `width`.
        width: number of output channels.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `heads` does not divide `width`, or H or W is None.

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
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.table = self.add_weight(shape=(2 * h - 1, 2 * w - 1, self.heads), initializer=initializer, name="table")
        y, x = (index.ravel() for index in np.indices((h, w)))
        row, column = (n[:, None] - n[None, :] + side - 1 for n, side in ((y, h), (x, w)))
        # (HW, HW): index in the table of the offset from j to i
        self.offset_index = row * (2 * w - 1) + column

    def bias(self):
        """Returns the biases (heads, HW, HW) of the attention scores of cell i (query) and cell j (key)."""
        table = ops.reshape(self.table, (-1, self.heads))
        return ops.transpose(ops.take(table, self.offset_index, axis=0), (2, 0, 1))

    def call(self, x):
        h, w, c = x.shape[1:]
        size = self.width // self.heads
        qkv = ops.reshape(self.qkv(ops.reshape(x, (-1, h * w, c))), (-1, h * w, 3, self.heads, size))
        query, key, value = ops.unstack(qkv, 3, axis=2)
        scores = ops.einsum("bind,bjnd->bnij", query * size**-0.5, key) + ops.cast(self.bias(), query.dtype)
        # Keras warns about a softmax over one element, which a 1 x 1 map has. The second form avoids the warning.
        weights = ops.softmax(scores) if h * w > 1 else ops.exp(ops.log_softmax(scores))
        y = ops.einsum("bnij,bjnd->bind", weights, value)
        return ops.reshape(self.out(ops.reshape(y, (-1, h * w, self.width))), (-1, h, w, self.width))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.width)

    def get_config(self):
        return {**super().get_config(), "heads": self.heads, "width": self.width}
