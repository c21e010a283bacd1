"""Sines and cosines of coordinates."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class LocationEncoding(layers.Layer):
    """Sine and cosine of pi times each coordinate.

    (B, F) float  ->  (B, 2 F) float: all sines, then all cosines. Coordinates from -1 to 1, such as longitude / 180 and
    latitude / 90, are one whole turn, so that the first and the last degree of longitude are neighbors. `adapt` maps
    the range of other coordinates to half a turn, -1/2 to 1/2, whose ends are not neighbors.

    Source: Cole et al. 2023, https://arxiv.org/abs/2306.02564, section 3.2, after Mac Aodha et al. 2019,
        https://arxiv.org/abs/1906.05272.
    """

    def build(self, input_shape):
        options = {"shape": (input_shape[-1],), "trainable": False}
        self.center = self.add_weight(initializer="zeros", name="center", **options)
        self.scale = self.add_weight(initializer="ones", name="scale", **options)

    def adapt(self, data):
        """Maps the range of (N, F) coordinates, of the training split only, to half a turn."""
        low, high = np.min(data, axis=0), np.max(data, axis=0)
        self.center.assign((low + high) / 2)
        self.scale.assign(1 / np.where(high > low, high - low, 1.0))

    def call(self, x):
        angle = np.pi * (x - ops.cast(self.center, x.dtype)) * ops.cast(self.scale, x.dtype)
        return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])
