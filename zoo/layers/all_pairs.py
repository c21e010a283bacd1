"""The all-pairs cost volume of RAFT, as a pyramid."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class AllPairs(layers.Layer):
    """How well every place of a map fits every place of another, and every square of 2, 4, ... places of it.

    Two (B, H, W, C) float  ->  `levels` maps: (B, H * W, H // 2 ** i, W // 2 ** i) float32; the call is
    `AllPairs(4)([first, second])`.

    A correlation is the dot product over C, divided by sqrt(C). Level i is the mean over squares of 2 ** i places of
    the second map; what is left over at the end of a side is left out.

    Args:
        levels: maps in the pyramid.
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
        _, height, width, maps = ops.shape(first)
        first, second = (ops.reshape(x, (-1, height * width, maps)) for x in (first, second))
        costs = ops.matmul(first, ops.transpose(second, (0, 2, 1))) / maps**0.5
        level = ops.reshape(costs, (-1, height, width, 1))
        pyramid = []
        for i in range(self.levels):
            if i:
                level = ops.average_pool(level, 2, 2, "valid")
            pyramid.append(ops.reshape(level, (-1, height * width, height // 2**i, width // 2**i)))
        return pyramid

    def compute_output_shape(self, input_shape):
        b, h, w, _ = input_shape[0]
        places = None if None in (h, w) else h * w
        return [(b, places, h and h // 2**i, w and w // 2**i) for i in range(self.levels)]

    def macs(self, shapes):
        """Multiply-accumulates of one input: a product of C numbers for each pair of places."""
        _, h, w, c = shapes[0]
        return (h * w) ** 2 * c

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}
