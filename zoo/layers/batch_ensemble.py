"""Dense layers of several members that share one kernel, and the head that averages the members."""

import math
from typing import Literal, get_args

import keras
from keras import layers, ops

Scaling = Literal["ones", "signs", "normal"]


def uniform(fan_in):
    """Returns PyTorch's default initializer of dense layers: uniform between -1 and 1 over the root of the fan-in."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


@keras.saving.register_keras_serializable("zoo")
class BatchEnsembleDense(layers.Layer):
    """A dense layer for each of several members, which share a kernel and have input scales, output scales and biases.

    (B, F) or (B, members, F) float  ->  (B, members, units) float. Inputs without an axis of members are the same for
    all. Member i computes s_i * (kernel (r_i * x)) + b_i.

    Args:
        units: number of units.
        members: number of members.
        scaling: initial input scales r: ones, signs (-1 or 1 with equal probability) or normal. Output scales are ones.
        chunks: sizes of consecutive groups of inputs whose scale is the same at the start; () for groups of one.
        **kwargs: passed to `keras.layers.Layer`.
    Raises:
        ValueError: if `scaling` is unknown, or the chunks do not add up to the number of inputs.

    Source: Wen, Tran, Ba 2020, https://arxiv.org/abs/2002.06715, equation 5; initialization by Gorishniy et al. 2025,
        https://arxiv.org/abs/2410.24210, section 3.3.
    """

    def __init__(self, units, members, scaling="ones", chunks=(), **kwargs):
        super().__init__(**kwargs)
        self.units, self.members, self.scaling, self.chunks = int(units), int(members), scaling, tuple(chunks)
        if scaling not in get_args(Scaling):
            raise ValueError(
                f"BatchEnsembleDense: `scaling` must be one of {', '.join(get_args(Scaling))}, got {scaling!r}."
            )

    def build(self, input_shape):
        size = input_shape[-1]
        if self.chunks and sum(self.chunks) != size:
            raise ValueError(f"BatchEnsembleDense: `chunks` must add up to {size}, got {sum(self.chunks)}.")
        initializer = uniform(size)
        self.kernel = self.add_weight(shape=(size, self.units), initializer=initializer, name="kernel")
        self.input_scale = self.add_weight(
            shape=(self.members, size), initializer=self._draw_scales, name="input_scale"
        )
        self.output_scale = self.add_weight(shape=(self.members, self.units), initializer="ones", name="output_scale")
        self.bias = self.add_weight(
            shape=(self.members, self.units),
            initializer=lambda shape, dtype: ops.tile(initializer((1, shape[1]), dtype), (shape[0], 1)),
            name="bias",
        )

    def _draw_scales(self, shape, dtype):
        """Returns initial scales, one for each member and chunk, repeated over the chunk."""
        members, size = shape
        chunks = self.chunks or (1,) * size
        if self.scaling == "ones":
            return ops.ones(shape, dtype)
        values = keras.initializers.RandomNormal(stddev=1.0)((members, len(chunks)), dtype)
        values = ops.where(values < 0, -1.0, 1.0) if self.scaling == "signs" else values
        index = [i for i, chunk in enumerate(chunks) for _ in range(chunk)]
        return ops.cast(ops.take(values, index, axis=1), dtype)

    def call(self, x):
        x = ops.expand_dims(x, 1) if len(x.shape) == 2 else x
        x = ops.reshape(x * self.input_scale, (-1, x.shape[-1]))
        x = ops.reshape(ops.matmul(x, self.kernel), (-1, self.members, self.units))
        return x * self.output_scale + self.bias

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.members, self.units)

    def get_config(self):
        config = {"units": self.units, "members": self.members, "scaling": self.scaling, "chunks": self.chunks}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("zoo")
class EnsembleHead(layers.Layer):
    """A dense layer for each member, and the logits of the mean of the members' predictions.

    (B, members, F) float  ->  (B, units) float: logits whose softmax or sigmoid is the mean of the members'
    probabilities, or the mean of their numbers.

    In training, the output is the mean of the members' logits, and the layer adds a loss to the model: the amount by
    which the mean of the members' losses exceeds the loss of that output. It does not depend on the targets, so the
    total is the mean of the members' losses for the cross-entropy and the squared error; for other losses, and with
    class weights, it is an approximation.

    Args:
        units: number of outputs.
        activation: softmax, sigmoid or linear: what follows this layer.
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, units, activation="linear", **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation_after = int(units), activation

    def build(self, input_shape):
        _, members, size = input_shape
        self.kernel = self.add_weight(shape=(members, size, self.units), initializer=uniform(size), name="kernel")
        self.bias = self.add_weight(shape=(members, self.units), initializer=uniform(size), name="bias")

    def call(self, x, training=False):
        logits = ops.einsum("bkf,kfu->bku", x, self.kernel) + self.bias
        mean = ops.mean(logits, axis=1)
        if training:
            self.add_loss(ops.mean(self._loss_difference(logits, mean)))
            return mean
        if self.activation_after == "softmax":
            return _log_mean_exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
        if self.activation_after == "sigmoid":
            return _log_mean_exp(ops.log_sigmoid(logits)) - _log_mean_exp(ops.log_sigmoid(-logits))
        return mean

    def _loss_difference(self, logits, mean):
        """Returns the mean of the members' losses minus the loss of their mean logits, (B,) or (B, units)."""
        if self.activation_after == "softmax":
            return ops.mean(ops.logsumexp(logits, axis=-1), axis=1) - ops.logsumexp(mean, axis=-1)
        if self.activation_after == "sigmoid":
            return ops.mean(ops.softplus(logits), axis=1) - ops.softplus(mean)
        return ops.mean(ops.square(logits - ops.expand_dims(mean, 1)), axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "activation": self.activation_after}


def _log_mean_exp(x):
    """Returns the logarithm of the mean over members of exp(x): (B, members, C)  ->  (B, C)."""
    return ops.logsumexp(x, axis=1) - math.log(x.shape[1])
