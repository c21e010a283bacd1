"""Group normalisation of maps, computed on maps as they are."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class GroupNorm(layers.GroupNormalization):
    """Keras' group normalisation for images, whose step on a processor takes less time.

    (B, H, W, C)  ->  (B, H, W, C). Weights, arguments and answers are those of `keras.layers.GroupNormalization`, up to
    the rounding. That one computes on (B, H, W, groups, C / groups), where TensorFlow's arithmetic along so short a
    last axis is slow; here only the (B, C) means are sorted into groups (benchmarks/ddpm_speed.py). Float16 and
    bfloat16 are normalised in float32.

    Args:
        groups: of neighbouring channels, each normalised over H, W and its channels; -1 for one a channel (Ulyanov et
            al. 2016, https://arxiv.org/abs/1607.08022).
        **kwargs: as `keras.layers.GroupNormalization` has them, but for `axis`, which is the last.
    Raises:
        ValueError: if C is not a multiple of `groups`, or the input is no (B, H, W, C).

    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494.
    """

    def __init__(self, groups=32, **kwargs):
        axis = kwargs.pop("axis", -1)
        if axis != -1:
            raise ValueError(f"GroupNorm: `axis` must be the last, -1, got {axis}.")
        super().__init__(groups, **kwargs)

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(f"{self.name}: the input must be (B, H, W, C), got {tuple(input_shape)}.")
        super().build(input_shape)

    def call(self, x):
        maps = ops.cast(x, "float32")
        away = maps - self._over_groups(maps)
        scale = ops.rsqrt(self._over_groups(ops.square(away)) + self.epsilon)
        answer = away * (scale if self.gamma is None else scale * self.gamma)
        return ops.cast(answer if self.beta is None else answer + self.beta, self.compute_dtype)

    def macs(self, input_shape):
        """None: as of other normalisations, they are not counted."""
        return 0

    def _over_groups(self, maps):
        """(B, H, W, C)  ->  (B, 1, 1, C), the mean of each channel's group."""
        means, channels = ops.mean(maps, axis=(1, 2)), maps.shape[-1]
        if self.groups < channels:
            means = ops.mean(ops.reshape(means, (-1, self.groups, channels // self.groups)), axis=-1)
            means = ops.repeat(means, channels // self.groups, axis=-1)
        return ops.reshape(means, (-1, 1, 1, channels))
