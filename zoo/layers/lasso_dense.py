"""A dense layer with an L1 penalty for each of its inputs."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class LassoDense(layers.Layer):
    """Linear layer that adds the sum of |weight| x penalty of its input to the loss.

    (B, F) float  ->  (B, units) float. The penalties are weights that are not trained, 0 at first; so are the others.

    Args:
        units: number of outputs.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Tibshirani 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x; a penalty for each feature by
        Phillips, Dudik 2008, https://doi.org/10.1111/j.0906-7590.2008.5203.x, equation 1.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = int(units)

    def build(self, input_shape):
        size = input_shape[-1]
        self.kernel = self.add_weight(shape=(size, self.units), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.penalty = self.add_weight(shape=(size,), initializer="zeros", trainable=False, name="penalty")

    def call(self, x):
        self.add_loss(ops.sum(ops.expand_dims(self.penalty, -1) * ops.abs(self.kernel)))
        return ops.matmul(x, ops.cast(self.kernel, x.dtype)) + ops.cast(self.bias, x.dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
