"""Exponential moving average of a model's weights."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class WeightAverage(layers.Layer):
    """Exponential moving average of weights: average <- d * average + (1 - d) * weight after each training step.

    d is min(decay, (1 + n) / (10 + n)) at step n = 0, 1, .... At first the average therefore covers about the last
    tenth of the steps, so that it is also usable after a short run. The averages are initialized with the weights, are
    not trainable, are saved with the model that owns this layer, and are float32 under every dtype policy.

    Args:
        weights: list of built variables to average.
        **kwargs: arguments of `keras.layers.Layer`.

    Source: the warm-up is that of TensorFlow's ExponentialMovingAverage with `num_updates`,
        https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage.
    """

    def __init__(self, weights, **kwargs):
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="count")
        self.copies = [
            self.add_weight(shape=w.shape, initializer="zeros", trainable=False, name=w.path.replace("/", "."))
            for w in weights
        ]
        self.built = True
        for copy, weight in zip(self.copies, weights, strict=True):
            copy.assign(ops.cast(weight.value, "float32"))

    def update(self, weights, decay):
        """Updates the averages with the current values of `weights`; `decay` is the largest d, 0 to 1."""
        n = ops.cast(self.count.value, "float32")
        step_size = 1.0 - ops.minimum(ops.cast(decay, "float32"), (1.0 + n) / (10.0 + n))
        for copy, weight in zip(self.copies, weights, strict=True):
            copy.assign_add(step_size * (ops.cast(weight.value, "float32") - copy.value))
        self.count.assign_add(1)

    def call(self, x):
        return x
