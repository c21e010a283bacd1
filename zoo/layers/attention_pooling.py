"""Attention pooling over time, for labels that hold somewhere in a sequence."""

import keras
from keras import layers, ops

from zoo.arguments import Count, convert


@keras.saving.register_keras_serializable("zoo")
class AttentionPooling(layers.Layer):
    """Averages the steps of a sequence with weights that it learns: steps that show the class weigh more.

    (B, T, F) float  ->  (B, F). The weights of the steps sum to 1.

    Args:
        units: number of units of the hidden layer.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Ilse et al. 2018, https://arxiv.org/abs/1802.04712, equation 8.
    Differs: none
    """

    def __init__(self, units=128, **kwargs):
        super().__init__(**kwargs)
        self.units = convert(units, Count, "AttentionPooling: `units`")
        self.hidden = layers.Dense(self.units, activation="tanh", use_bias=False, name="hidden")
        self.score = layers.Dense(1, use_bias=False, name="score")

    def build(self, input_shape):
        self.hidden.build(input_shape)
        self.score.build((*input_shape[:-1], self.units))
        self.built = True

    def weights_of_steps(self, x):
        """Returns (B, T) the weight of each step."""
        return ops.softmax(ops.cast(self.score(self.hidden(x)), "float32")[..., 0], axis=1)

    def call(self, x):
        return ops.sum(x * ops.cast(self.weights_of_steps(x)[..., None], x.dtype), axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[-1]

    def get_config(self):
        return {**super().get_config(), "units": self.units}
