"""The all-pairs correlation pyramid of RAFT."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class AllPairs(layers.Layer):
    """Correlates every cell of a map with every cell of another map, and with averages of 2 x 2, 4 x 4, ... cells.

    Two (B, H, W, C) float  ->  `levels` maps: (B, H * W, H // 2 ** i, W // 2 ** i) float32. Call:
    `AllPairs(4)([first, second])`.

    A correlation is the dot product over C, divided by sqrt(C). Level i is the mean over squares of 2 ** i cells of
    the second map. Cells that do not fill a square at the end of a side are dropped.

    Args:
        levels: number of levels of the pyramid.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `levels` is not an integer of at least 1.

    Source: Teed and Deng 2020, https://arxiv.org/abs/2003.12039, section 3.2 and eq. 1.
    """

    def __init__(self, levels=4, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.levels = convert(levels, Count, "AllPairs: `levels`")

    def call(self, inputs):
        first, second = inputs
        _, height, width, channels = ops.shape(first)
        first, second = (ops.reshape(x, (-1, height * width, channels)) for x in (first, second))
        correlations = ops.matmul(first, ops.transpose(second, (0, 2, 1))) / channels**0.5
        level = ops.reshape(correlations, (-1, height, width, 1))
        pyramid = []
        for i in range(self.levels):
            if i:
                level = ops.average_pool(level, 2, 2, "valid")
            pyramid.append(ops.reshape(level, (-1, height * width, height // 2**i, width // 2**i)))
        return pyramid

    def compute_output_shape(self, input_shape):
        b, h, w, _ = input_shape[0]
        cells = None if None in (h, w) else h * w
        return [(b, cells, h and h // 2**i, w and w // 2**i) for i in range(self.levels)]

    def macs(self, shapes):
        """Multiply-accumulates of one input: C for each pair of cells."""
        _, h, w, c = shapes[0]
        return (h * w) ** 2 * c

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}
