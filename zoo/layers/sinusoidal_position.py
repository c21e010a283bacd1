"""Sinusoidal position encoding."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Positive, convert


@keras.saving.register_keras_serializable("zoo")
class SinusoidalPosition(layers.Layer):
    """Multiplies the tokens by `scale` and adds the sinusoids of their positions. It has no weights.

    (B, N, D) float  ->  (B, N, D) float. D is even, N may be None.

    Args:
        scale: factor on the tokens; None for sqrt(D), as in the Transformer.
        base: the longest wavelength is almost 2 pi * base steps.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if D is odd, or `scale` or `base` is not positive.

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
        positions = sinusoids(ops.shape(x)[1], width, self.base)
        return x * (self.scale or width**0.5) + ops.cast(positions, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "base": self.base}


def sinusoids(length, width, base):
    """Returns the sinusoids (length, width) float32 of positions 0, 1, ...

    Column 2i at position p is sin(p / base ** (2i / width)), and column 2i + 1 the cosine of the same angle.

    Args:
        length: number of positions, which may be a tensor.
        width: number of columns, even.
        base: the wavelength, divided by 2 pi, that the next pair of columns would have.
    """
    rates = (base ** (np.arange(0, width, 2) / -width)).astype("float32")
    angles = ops.arange(length, dtype="float32")[:, None] * rates
    return ops.reshape(ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1), (-1, width))
