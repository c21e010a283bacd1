"""The place of a step in the year and in the series."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, convert
from zoo.layers.sinusoidal_position import sinusoids


@keras.saving.register_keras_serializable("zoo")
class SeasonPosition(layers.Layer):
    """For each step, the sine and the cosine of its month, and the sinusoids of its number in the series.

    (B, T) months from 0, January, to 11  ->  [(B, T, width) season, (B, T, position_width) position]; T up to `steps`.

    Nothing is learned: the two tables are weights that don't train, as in the released model.

    Args:
        steps: the longest series.
        width: columns of the season, even: the first half are the same sine, the second half its cosine.
        position_width: columns of the position, even.
        base: of the position's wavelengths.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if a width is odd or the series too long.

    Source: Tseng et al. 2023, https://arxiv.org/abs/2304.14065, section 3.1, and its code.
    """

    def __init__(self, steps, width, position_width, base=1000.0, **kwargs):
        super().__init__(**kwargs)
        self.steps = convert(steps, Count, "SeasonPosition: `steps`")
        self.width = convert(width, Count, "SeasonPosition: `width`")
        self.position_width = convert(position_width, Count, "SeasonPosition: `position_width`")
        self.base = float(base)
        if self.width % 2 or self.position_width % 2:
            told = f"{self.width} and {self.position_width}"
            raise ValueError(f"SeasonPosition: `width` and `position_width` must be even, got {told}.")

    def build(self, input_shape):
        if input_shape[1] is not None and input_shape[1] > self.steps:
            raise ValueError(f"SeasonPosition: the series must have at most {self.steps} steps, got {input_shape[1]}.")
        self.season = self.add_weight(shape=(12, self.width), initializer=self._season, trainable=False, name="season")
        self.position = self.add_weight(
            shape=(self.steps, self.position_width), initializer=self._position, trainable=False, name="position"
        )

    def _season(self, shape, dtype=None):
        angles = np.arange(12)[:, None] * (2 * np.pi / 12)
        return ops.convert_to_tensor(np.repeat(np.hstack([np.sin(angles), np.cos(angles)]), self.width // 2, 1), dtype)

    def _position(self, shape, dtype=None):
        return ops.cast(sinusoids(self.steps, self.position_width, self.base), dtype or "float32")

    def call(self, months):
        season = ops.cast(ops.take(self.season, months, axis=0), self.compute_dtype)
        position = ops.cast(self.position[: ops.shape(months)[1]], self.compute_dtype)
        return [season, ops.broadcast_to(position, (*ops.shape(season)[:2], self.position_width))]

    def compute_output_shape(self, input_shape):
        return [(*input_shape, self.width), (*input_shape, self.position_width)]

    def macs(self, months):
        """None: it looks up."""
        return 0

    def get_config(self):
        return {
            **super().get_config(),
            "steps": self.steps,
            "width": self.width,
            "position_width": self.position_width,
            "base": self.base,
        }
