"""SpecAugment: masks bands of frequency and steps of time of spectrograms in training."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Rate, convert


@keras.saving.register_keras_serializable("zoo")
class SpecAugment(layers.Layer):
    """Replaces random runs of rows and of columns of a spectrogram by its mean, in training only.

    (B, bands, steps, C) float  ->  the same. It is the identity at inference and at fraction 0.

    Args:
        fraction: largest width of a mask, as a fraction of the rows or columns, 0 to 1; each is drawn evenly from 0.
        masks: number of masks along each axis.
        seed: seed of the random numbers, or None.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `fraction` is not from 0 to 1.

    Source: Park et al. 2019, https://arxiv.org/abs/1904.08779, section 2.
    Differs: there is no time warping, whose gain is the smallest in the paper's section 5.
    """

    def __init__(self, fraction=0.15, masks=1, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.fraction = convert(fraction, Rate, "SpecAugment: `fraction`")
        self.masks, self.seed = convert(masks, Count, "SpecAugment: `masks`"), seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if not training or not self.fraction:
            return x
        keep = ops.ones_like(x[..., :1], dtype="bool")
        for axis in (1, 2):
            for _ in range(self.masks):
                keep = ops.logical_and(keep, ops.logical_not(self._mask(x, axis)))
        return ops.where(keep, x, ops.mean(x, axis=(1, 2, 3), keepdims=True))

    def _mask(self, x, axis):
        """Returns a mask that is true in a random run along an axis."""
        batch, size = ops.shape(x)[0], x.shape[axis]
        width, start = (
            keras.random.uniform((batch, 1, 1, 1), seed=self.seed_generator, dtype="float32") for _ in range(2)
        )
        width = width * self.fraction * size
        start = start * (size - width)
        place = ops.reshape(ops.arange(size, dtype="float32"), [size if i == axis else 1 for i in range(4)])
        return ops.logical_and(place >= start, place < start + width)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "fraction": self.fraction, "masks": self.masks, "seed": self.seed}
