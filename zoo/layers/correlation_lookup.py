"""The lookup of RAFT in its correlation pyramid, around the target of the flow."""

import keras
from keras import layers, ops

from zoo.arguments import Whole, convert
from zoo.layers.warp import pixel_coordinates, sample


@keras.saving.register_keras_serializable("zoo")
class CorrelationLookup(layers.Layer):
    """Returns the correlations around the target of a flow, at every level of the pyramid of `AllPairs`.

    L maps (B, H * W, h, w) and (B, H, W, 2) float  ->  (B, H, W, L * side ** 2) float32, with
    side = 2 * search_radius + 1. Call: `CorrelationLookup(3)([*pyramid, flow])`.

    The flow is (u, v) [cells]. The window at level i is centered at the target of the flow, divided by 2 ** i, and
    extends `search_radius` cells of that level to every side. It is sampled bilinearly, with zeros outside the map.
    Channel n of a level belongs to the offset (n // side - search_radius, n % side - search_radius) in (x, y).

    Args:
        search_radius: radius of the window [cells].
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `search_radius` is not an integer of at least 0.

    Source: Teed and Deng 2020, https://arxiv.org/abs/2003.12039, section 3.2, "Correlation Lookup". The order of the
        offsets is that of the authors' code.
    """

    def __init__(self, search_radius=4, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.search_radius = convert(search_radius, Whole, "CorrelationLookup: `search_radius`")

    def call(self, inputs):
        *pyramid, flow = inputs
        _, height, width, _ = ops.shape(flow)
        x, y = pixel_coordinates(flow)
        offset = ops.arange(-self.search_radius, self.search_radius + 1, dtype="float32")
        side = 2 * self.search_radius + 1
        windows = []
        for i, level in enumerate(pyramid):
            # an image of correlations for each cell of the first map
            image = ops.reshape(level, (-1, *ops.shape(level)[2:], 1))
            column = ops.reshape((x + flow[..., 0]) / 2**i, (-1, 1, 1)) + offset[:, None]
            row = ops.reshape((y + flow[..., 1]) / 2**i, (-1, 1, 1)) + offset[None, :]
            window = sample(image, *(ops.broadcast_to(p, (ops.shape(image)[0], side, side)) for p in (column, row)))
            windows.append(ops.reshape(window, (-1, height, width, side**2)))
        return ops.concatenate(windows, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[-1][:-1], (len(input_shape) - 1) * (2 * self.search_radius + 1) ** 2)

    def macs(self, shapes):
        """Interpolation is not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "search_radius": self.search_radius}
