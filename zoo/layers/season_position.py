"""Encodings of the month and of the position in the series."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, convert
from zoo.layers.sinusoidal_position import sinusoids


@keras.saving.register_keras_serializable("zoo")
class SeasonPosition(layers.Layer):
    """Returns for each step the sine and cosine of its month, and the sinusoids of its position in the series.

    (B, T) months from 0 (January) to 11  ->  [(B, T, width) season, (B, T, position_width) position]; T up to `steps`.

    The two tables are non-trainable weights, as in the released model.

    Args:
        steps: largest length of a series.
        width: number of columns of the season, even: the first half repeat the sine, the second half the cosine.
        position_width: number of columns of the position, even.
        base: base of the position's wavelengths.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a width is odd, or the series is longer than `steps`.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 3.1, and its code.
    """

    def __init__(self, steps, width, position_width, base=1000.0, **kwargs):
        super().__init__(**kwargs)
        self.steps = convert(steps, Count, "SeasonPosition: `steps`")
        self.width = convert(width, Count, "SeasonPosition: `width`")
        self.position_width = convert(position_width, Count, "SeasonPosition: `position_width`")
        self.base = float(base)
        if self.width % 2 or self.position_width % 2:
            widths = f"{self.width} and {self.position_width}"
            raise ValueError(f"SeasonPosition: `width` and `position_width` must be even, got {widths}.")

    def build(self, input_shape):
        if input_shape[1] is not None and input_shape[1] > self.steps:
            raise ValueError(f"SeasonPosition: the series must have at most {self.steps} steps, got {input_shape[1]}.")
        self.season = self.add_weight(
            shape=(12, self.width), initializer=self._season_table, trainable=False, name="season"
        )
        self.position = self.add_weight(
            shape=(self.steps, self.position_width), initializer=self._position_table, trainable=False, name="position"
        )

    def _season_table(self, shape, dtype=None):
        angles = np.arange(12)[:, None] * (2 * np.pi / 12)
        return ops.convert_to_tensor(np.repeat(np.hstack([np.sin(angles), np.cos(angles)]), self.width // 2, 1), dtype)

    def _position_table(self, shape, dtype=None):
        return ops.cast(sinusoids(self.steps, self.position_width, self.base), dtype or "float32")

    def call(self, months):
        season = ops.cast(ops.take(self.season, months, axis=0), self.compute_dtype)
        position = ops.cast(self.position[: ops.shape(months)[1]], self.compute_dtype)
        return [season, ops.broadcast_to(position, (*ops.shape(season)[:2], self.position_width))]

    def compute_output_shape(self, input_shape):
        return [(*input_shape, self.width), (*input_shape, self.position_width)]

    def macs(self, months):
        """Table lookups are not counted."""
        return 0

    def get_config(self):
        return {
            **super().get_config(),
            "steps": self.steps,
            "width": self.width,
            "position_width": self.position_width,
            "base": self.base,
        }
