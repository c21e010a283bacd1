"""A moving average of a model's weights, kept beside them."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class WeightAverage(layers.Layer):
    """Copies of weights that follow them slowly: average <- d * average + (1 - d) * weight after each step.

    d is min(decay, (1 + n) / (10 + n)) at step n = 0, 1, ...: at first the average looks back over about a tenth of the
    steps that were made, so that a short run has a usable one too. The copies start as the weights are, are not
    trainable, are saved with the model that owns this layer, and stay in float32 whatever the policy.

    Args:
        weights: the weights to follow, built.
        **kwargs: as `keras.layers.Layer` has them.

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
        self.restart(weights)

    def restart(self, weights):
        """Begins anew from these weights."""
        self.count.assign(0)
        for copy, weight in zip(self.copies, weights, strict=True):
            copy.assign(ops.cast(weight.value, "float32"))

    def follow(self, weights, decay):
        """One step towards these weights."""
        n = ops.cast(self.count.value, "float32")
        rest = 1.0 - ops.minimum(ops.cast(decay, "float32"), (1.0 + n) / (10.0 + n))
        for copy, weight in zip(self.copies, weights, strict=True):
            copy.assign_add(rest * (ops.cast(weight.value, "float32") - copy.value))
        self.count.assign_add(1)

    def call(self, x):
        return x
