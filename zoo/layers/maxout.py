"""Maxout layer."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Maxout(layers.Layer):
    """Dense layer whose output unit is the maximum of `maxout_pieces` affine functions of the input.

    (..., F) float  ->  (..., units) float.

    Args:
        units: number of outputs.
        maxout_pieces: number of affine functions per unit.
        kernel_initializer, kernel_regularizer, kernel_constraint: as in `keras.layers.Dense`; the constraint acts on
            each column of the (F, units * maxout_pieces) kernel.
        **kwargs: arguments of `keras.layers.Layer`.

    Source: Goodfellow et al. 2013, https://arxiv.org/abs/1302.4389, section 3.
    """

    def __init__(
        self,
        units,
        maxout_pieces=2,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.maxout_pieces = units, maxout_pieces
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units * self.maxout_pieces),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.units * self.maxout_pieces,), initializer="zeros", name="bias")

    def call(self, x):
        z = ops.matmul(x, self.kernel) + self.bias
        return ops.max(ops.reshape(z, (*ops.shape(z)[:-1], self.units, self.maxout_pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def macs(self, input_shape):
        """Multiply-accumulate operations per example."""
        return math.prod(input_shape[1:]) * self.units * self.maxout_pieces

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "maxout_pieces": self.maxout_pieces,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }
