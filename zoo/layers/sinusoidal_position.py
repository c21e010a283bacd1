"""Sinusoidal positions: sines and cosines of wavelengths that rise geometrically."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Positive, convert


@keras.saving.register_keras_serializable("zoo")
class SinusoidalPosition(layers.Layer):
    """Multiplies the tokens by `scale` and adds to each the sinusoids of its place; nothing is learned.

    (B, N, D) float  ->  (B, N, D) float; D is even, N any length.

    Args:
        scale: what the tokens are multiplied with; None for sqrt(D), as the Transformer has it.
        base: the longest wavelength is nearly 2 pi * base steps.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if D is odd, or a number is not above 0.

    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, sections 3.4 and 3.5.
    """

    def __init__(self, scale=None, base=10000.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = convert(scale, Positive | None, "SinusoidalPosition: `scale`")
        self.base = convert(base, Positive, "SinusoidalPosition: `base`")
        self.supports_masking = True

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ValueError(f"SinusoidalPosition: the width of a token must be even, got {input_shape[-1]}.")

    def call(self, x):
        width = x.shape[-1]
        places = sinusoids(ops.shape(x)[1], width, self.base)
        return x * (self.scale or width**0.5) + ops.cast(places, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "base": self.base}


def sinusoids(length, width, base):
    """(length, width) float32: at place p, column 2i is sin(p / base ** (2i / width)), and 2i + 1 is its cosine.

    Args:
        length: number of places, which may be a tensor.
        width: number of columns, even.
        base: longest wavelength over 2 pi, if there were one more column.
    """
    rates = (base ** (np.arange(0, width, 2) / -width)).astype("float32")
    angles = ops.arange(length, dtype="float32")[:, None] * rates
    return ops.reshape(ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1), (-1, width))
