"""RAFT's look into the cost volume, around where the flow points."""

import keras
from keras import layers, ops

from zoo.arguments import Whole, convert
from zoo.layers.warp import places, sample


@keras.saving.register_keras_serializable("zoo")
class CorrelationLookup(layers.Layer):
    """The costs of the places around where a flow points, at every level of `AllPairs`' pyramid.

    L maps (B, H * W, h, w) and (B, H, W, 2) float  ->  (B, H, W, L * (2 * reach + 1) ** 2) float32; the call is
    `CorrelationLookup(3)([*pyramid, flow])`.

    The flow is (u, v) [places]. At level i the center is where the flow points, divided by 2 ** i, and the window is
    `search_radius` places of that level to every side, read bilinearly; outside the map costs are zero. Answer n of a level
    belongs to the offset (n // side - reach, n % side - reach) in (x, y), with side = 2 * reach + 1.

    Args:
        search_radius: how far the window extends [places].
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `search_radius` is not an integer of at least 0.

    Source: Teed and Deng 2020, https://arxiv.org/abs/2003.12039, section 3.2, "Correlation CorrelationLookup"; the order of the
        offsets is that of the authors' code.
    """

    def __init__(self, search_radius=4, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.search_radius = convert(search_radius, Whole, "CorrelationLookup: `search_radius`")

    def call(self, inputs):
        *pyramid, flow = inputs
        _, height, width, _ = ops.shape(flow)
        x, y = places(flow)
        offset = ops.arange(-self.search_radius, self.search_radius + 1, dtype="float32")
        side = 2 * self.search_radius + 1
        found = []
        for i, level in enumerate(pyramid):
            # every place of the first map has an image of costs of its own
            image = ops.reshape(level, (-1, *ops.shape(level)[2:], 1))
            column = ops.reshape((x + flow[..., 0]) / 2**i, (-1, 1, 1)) + offset[:, None]
            row = ops.reshape((y + flow[..., 1]) / 2**i, (-1, 1, 1)) + offset[None, :]
            costs = sample(image, *(ops.broadcast_to(p, (ops.shape(image)[0], side, side)) for p in (column, row)))
            found.append(ops.reshape(costs, (-1, height, width, side**2)))
        return ops.concatenate(found, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[-1][:-1], (len(input_shape) - 1) * (2 * self.search_radius + 1) ** 2)

    def macs(self, shapes):
        """Interpolation counts nothing."""
        return 0

    def get_config(self):
        return {**super().get_config(), "reach": self.search_radius}
