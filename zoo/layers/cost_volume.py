"""The cost volume of PWC-Net: how well each place fits its neighbors in another map."""

import keras
from keras import layers, ops

from zoo.arguments import Whole, convert


@keras.saving.register_keras_serializable("zoo")
class CostVolume(layers.Layer):
    """For every place of a map, its correlation with the places of another map up to `search_radius` away.

    Two (B, H, W, C) float  ->  (B, H, W, (2 * reach + 1) ** 2) float; the call is `CostVolume(4)([first, second])`.

    A correlation is the mean over C of the products; outside the map it is zero. Answer n belongs to the displacement
    (u, v) = (n % side - reach, n // side - reach) with side = 2 * reach + 1, so the middle one to none.

    Args:
        search_radius: largest displacement along each axis [places].
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `search_radius` is not an integer of at least 0.

    Source: Sun et al. 2017, https://arxiv.org/abs/1709.02371, eq. 2.
    """

    def __init__(self, search_radius=4, **kwargs):
        super().__init__(**kwargs)
        self.search_radius = convert(search_radius, Whole, "CostVolume: `search_radius`")

    def call(self, inputs):
        first, second = (ops.cast(x, "float32") for x in inputs)  # long sums of products
        _, height, width, _ = ops.shape(first)
        margin = (self.search_radius, self.search_radius)
        second = ops.pad(second, ((0, 0), margin, margin, (0, 0)))
        side = range(2 * self.search_radius + 1)
        costs = [ops.mean(first * second[:, y : y + height, x : x + width], axis=-1) for y in side for x in side]
        return ops.cast(ops.stack(costs, axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], (2 * self.search_radius + 1) ** 2)

    def macs(self, shapes):
        """Multiply-accumulates of one input: a product of C numbers for each place and displacement."""
        _, h, w, c = shapes[0]
        return h * w * c * (2 * self.search_radius + 1) ** 2

    def get_config(self):
        return {**super().get_config(), "reach": self.search_radius}
