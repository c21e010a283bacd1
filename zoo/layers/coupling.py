"""Affine coupling layer of Real NVP."""

from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class Coupling(layers.Layer):
    """Affine coupling: the masked half of the input is unchanged and determines the scale and shift of the other half.

    `layer(x)`: (B, H, W, C)  ->  (B, H, W, C) and the log-determinant of the Jacobian, (B,).
    `layer(y, inverse=True)`: (B, H, W, C)  ->  (B, H, W, C).

    The scale and shift are computed by 3 x 3 convolutions with residual blocks. The last convolution is initialized
    with zeros, so that every coupling is the identity at first. The layer computes in float32 under every dtype policy.

    Args:
        mask: "checkerboard" keeps every second pixel unchanged, "channel" the first half of the bands.
        invert_mask: whether the other half is kept unchanged instead.
        filters: number of channels of the convolutions.
        blocks: number of residual blocks.
        **kwargs: arguments of `keras.layers.Layer`.
    Raises:
        ValueError: if `mask` is unknown, or `filters` or `blocks` is below 1.

    Source: Dinh et al. 2016, https://arxiv.org/abs/1605.08803, sections 3.2 to 3.4, eqs. 7 to 9.
    Differs: no batch or weight normalization, so that the density of an image does not depend on its batch; the second
        convolution of every block is initialized with zeros, which keeps deep networks stable without them.
    """

    def __init__(self, mask, invert_mask, filters, blocks, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.mask = convert(mask, Literal["checkerboard", "channel"], "Coupling: `mask`")
        self.invert_mask = convert(invert_mask, bool, "Coupling: `invert_mask`")
        self.filters = convert(filters, Count, "Coupling: `filters`")
        self.blocks = convert(blocks, Count, "Coupling: `blocks`")

    def build(self, input_shape):
        _, height, width, bands = input_shape
        if self.mask == "checkerboard":
            unchanged = np.add.outer(np.arange(height), np.arange(width))[..., None] % 2 == 0
        else:
            unchanged = np.arange(bands)[None, None] < bands // 2
        self.binary_mask = (unchanged != self.invert_mask).astype("float32")

        def conv(filters, input_channels, name, initializer="he_normal"):
            layer = layers.Conv2D(
                filters, 3, padding="same", kernel_initializer=initializer, dtype="float32", name=name
            )
            layer.build((None, height, width, input_channels))
            return layer

        self.stem = conv(self.filters, bands, "stem")
        self.inner = [conv(self.filters, self.filters, f"block{i}_conv0") for i in range(self.blocks)]
        self.outer = [conv(self.filters, self.filters, f"block{i}_conv1", "zeros") for i in range(self.blocks)]
        self.end = conv(2 * bands, self.filters, "end", "zeros")
        self.scale = self.add_weight(shape=(bands,), initializer="ones", name="scale")

    def call(self, x, inverse=False):
        h = self.stem(x * self.binary_mask)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = h + outer(ops.relu(inner(ops.relu(h))))
        log_scale, shift = ops.split(self.end(ops.relu(h)), 2, axis=-1)
        log_scale = self.scale * ops.tanh(log_scale) * (1 - self.binary_mask)
        shift = shift * (1 - self.binary_mask)
        if inverse:
            return (x - shift) * ops.exp(-log_scale)
        return x * ops.exp(log_scale) + shift, ops.sum(log_scale, axis=(1, 2, 3))

    def macs(self, shape):
        """Multiply-accumulate operations per example."""
        _, h, w, bands = shape
        return 9 * h * w * self.filters * (3 * bands + 2 * self.blocks * self.filters)

    def get_config(self):
        arguments = ("mask", "invert_mask", "filters", "blocks")
        return {**super().get_config(), **{name: getattr(self, name) for name in arguments}}
