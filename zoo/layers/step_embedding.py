"""Sinusoidal embedding of a diffusion timestep."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class StepEmbedding(layers.Layer):
    """Embeds a timestep t as sin(t f) and cos(t f) of width / 2 frequencies f, from 1 down to 1 / 10000.

    (B,) int  ->  (B, width) float, sines first. The layer has no weights. Angles are computed in float32 under every
    dtype policy, because bfloat16 cannot represent timesteps 998 and 999 as different numbers.

    Args:
        width: number of outputs, even and at least 4.
        **kwargs: arguments of `keras.layers.Layer`.
    Raises:
        ValueError: if `width` is odd or below 4.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239, appendix B, after Vaswani et al. 2017, section 3.5; the
        order and the lowest frequency are those of the authors' code, https://github.com/hojonathanho/diffusion.
    """

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = convert(width, Count, "StepEmbedding: `width`")
        if self.width % 2 or self.width < 4:
            raise ValueError(f"StepEmbedding: `width` must be even and at least 4, got {self.width}.")

    def call(self, step):
        half = self.width // 2
        frequencies = np.exp(-np.log(10000.0) * np.arange(half) / (half - 1)).astype("float32")
        angles = ops.cast(step, "float32")[:, None] * frequencies
        return ops.cast(ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.width)

    def compute_output_spec(self, step):
        return keras.KerasTensor(self.compute_output_shape(step.shape), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "width": self.width}
