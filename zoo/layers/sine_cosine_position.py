"""Fixed sine-cosine positions of image patches."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, convert

BASE = 10000.0  # wavelengths are from 2 pi to almost 2 pi * BASE patches


@keras.saving.register_keras_serializable("zoo")
class SineCosinePosition(layers.Layer):
    """Adds to each token of an image patch a fixed code of its column and row. It has no weights.

    (B, rows * columns, D) float, row by row  ->  the same shape. D is divisible by 4.

    Args:
        rows: number of patches from top to bottom.
        columns: number of patches from left to right.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if D is not divisible by 4, or the tokens are not one per patch.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377, appendix A.1.
    """

    def __init__(self, rows, columns, **kwargs):
        super().__init__(**kwargs)
        self.rows = convert(rows, Count, "SineCosinePosition: `rows`")
        self.columns = convert(columns, Count, "SineCosinePosition: `columns`")

    def build(self, input_shape):
        if input_shape[-1] % 4:
            raise ValueError(f"SineCosinePosition: the width of a token must be divisible by 4, got {input_shape[-1]}.")
        if input_shape[1] != self.rows * self.columns:
            raise ValueError(
                f"SineCosinePosition: the inputs must have {self.rows} x {self.columns} tokens, got {input_shape[1]}."
            )

    def call(self, x):
        return x + ops.cast(sine_cosine_positions(self.rows, self.columns, x.shape[-1]), x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rows": self.rows, "columns": self.columns}


def sine_cosine_positions(rows, columns, width):
    """Returns the codes of all patches, row by row, (rows * columns, width) float32.

    The first half of a code is that of the column, the second that of the row. Each half has the sines of the position
    times D / 4 frequencies, and then the cosines.

    Args:
        rows, columns: number of patches along each side.
        width: length of a code, divisible by 4.
    """
    row, column = np.divmod(np.arange(rows * columns), columns)
    rates = BASE ** (-np.arange(width // 4) / (width // 4))
    angles = [position[:, None] * rates for position in (column, row)]
    return np.concatenate([f(a) for a in angles for f in (np.sin, np.cos)], axis=1).astype("float32")
