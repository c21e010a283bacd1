"""The cost volume of PWC-Net: local correlations of two maps."""

import keras
from keras import layers, ops

from zoo.arguments import Whole, convert


@keras.saving.register_keras_serializable("zoo")
class CostVolume(layers.Layer):
    """Correlates every cell of a map with the cells of another map up to `search_radius` away.

    Two (B, H, W, C) float  ->  (B, H, W, side ** 2) float, with side = 2 * search_radius + 1. Call:
    `CostVolume(4)([first, second])`.

    A correlation is the mean over C of the products. It is zero outside the map. Channel n of the output belongs to the
    displacement (u, v) = (n % side - search_radius, n // side - search_radius). The middle channel has none.

    Args:
        search_radius: largest displacement along each axis [cells].
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `search_radius` is not an integer of at least 0.

    Source: Sun et al. 2017, https://arxiv.org/abs/1709.02371, eq. 2.
    """

    def __init__(self, search_radius=4, **kwargs):
        super().__init__(**kwargs)
        self.search_radius = convert(search_radius, Whole, "CostVolume: `search_radius`")

    def call(self, inputs):
        first, second = (ops.cast(x, "float32") for x in inputs)  # for the precision of long sums
        _, height, width, _ = ops.shape(first)
        margin = (self.search_radius, self.search_radius)
        second = ops.pad(second, ((0, 0), margin, margin, (0, 0)))
        side = range(2 * self.search_radius + 1)
        costs = [ops.mean(first * second[:, y : y + height, x : x + width], axis=-1) for y in side for x in side]
        return ops.cast(ops.stack(costs, axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], (2 * self.search_radius + 1) ** 2)

    def macs(self, shapes):
        """Multiply-accumulates of one input: C for each cell and displacement."""
        _, h, w, c = shapes[0]
        return h * w * c * (2 * self.search_radius + 1) ** 2

    def get_config(self):
        return {**super().get_config(), "search_radius": self.search_radius}
