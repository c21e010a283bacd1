"""An affine coupling of Real NVP."""

from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class Coupling(layers.Layer):
    """Half of the numbers stay, and say how the other half is stretched and shifted; in float32 whatever the policy.

    Forwards, `layer(x)`: (B, H, W, C)  ->  (B, H, W, C) and the logarithm of the Jacobian's determinant, (B,).
    Backwards, `layer(y, inverse=True)`: (B, H, W, C)  ->  (B, H, W, C).

    What stays goes through 3 x 3 convolutions with residual blocks. At first every coupling changes nothing, as the
    last convolution starts at zero.

    Args:
        mask: what stays: every second pixel, as on a checkerboard, or half of the bands.
        second: whether the other half stays.
        filters: width of the convolutions.
        blocks: residual blocks.
        **kwargs: as `keras.layers.Layer` has them.
    Raises:
        ValueError: if there is no such mask, or a count is below 1.

    Source: Dinh et al. 2016, https://arxiv.org/abs/1605.08803, sections 3.2 to 3.4.
    Differs: no batch or weight normalisation, so that the density of an image does not depend on its batch; the second
        convolution of every block starts at zero, which keeps deep ones in range without.
    """

    def __init__(self, mask, second, filters, blocks, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.mask = convert(mask, Literal["checkerboard", "channel"], "Coupling: `mask`")
        self.second = convert(second, bool, "Coupling: `second`")
        self.filters = convert(filters, Count, "Coupling: `filters`")
        self.blocks = convert(blocks, Count, "Coupling: `blocks`")

    def build(self, input_shape):
        _, height, width, bands = input_shape
        if self.mask == "checkerboard":
            stays = np.add.outer(np.arange(height), np.arange(width))[..., None] % 2 == 0
        else:
            stays = np.arange(bands)[None, None] < bands // 2
        self.stays = (stays != self.second).astype("float32")

        def conv(filters, given, name, initializer="he_normal"):
            layer = layers.Conv2D(
                filters, 3, padding="same", kernel_initializer=initializer, dtype="float32", name=name
            )
            layer.build((None, height, width, given))
            return layer

        self.stem = conv(self.filters, bands, "stem")
        self.inner = [conv(self.filters, self.filters, f"block{i}_conv0") for i in range(self.blocks)]
        self.outer = [conv(self.filters, self.filters, f"block{i}_conv1", "zeros") for i in range(self.blocks)]
        self.end = conv(2 * bands, self.filters, "end", "zeros")
        self.scale = self.add_weight(shape=(bands,), initializer="ones", name="scale")

    def call(self, x, inverse=False):
        h = self.stem(x * self.stays)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = h + outer(ops.relu(inner(ops.relu(h))))
        stretch, shift = ops.split(self.end(ops.relu(h)), 2, axis=-1)
        stretch = self.scale * ops.tanh(stretch) * (1 - self.stays)
        shift = shift * (1 - self.stays)
        if inverse:
            return (x - shift) * ops.exp(-stretch)
        return x * ops.exp(stretch) + shift, ops.sum(stretch, axis=(1, 2, 3))

    def macs(self, shape):
        """Multiply-accumulates of one input."""
        _, h, w, bands = shape
        return 9 * h * w * self.filters * (3 * bands + 2 * self.blocks * self.filters)

    def get_config(self):
        own = {"mask": self.mask, "second": self.second, "filters": self.filters, "blocks": self.blocks}
        return {**super().get_config(), **own}
