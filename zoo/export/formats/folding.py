"""A model's weights as constants of its graph, with batch normalisation folded into the layer before it."""

import contextlib

import keras
import numpy as np
from keras import layers

from zoo.introspect.output_activation import replaced_attribute

# The axis of the kernel that counts what the layer answers; None: its last two together.
_KERNELS = {
    layers.Dense: ("kernel", -1),
    layers.Conv1D: ("kernel", -1),
    layers.Conv2D: ("kernel", -1),
    layers.Conv3D: ("kernel", -1),
    layers.Conv1DTranspose: ("kernel", -2),
    layers.Conv2DTranspose: ("kernel", -2),
    layers.Conv3DTranspose: ("kernel", -2),
    layers.DepthwiseConv1D: ("kernel", None),
    layers.DepthwiseConv2D: ("kernel", None),
    layers.SeparableConv1D: ("pointwise_kernel", -1),
    layers.SeparableConv2D: ("pointwise_kernel", -1),
}


def pairs(models):
    """The (layer, BatchNormalization) of these models where the second is all that reads the first.

    Args:
        models: functional or Sequential; models within them are searched too.
    Returns:
        List of pairs whose affine maps can be made one.
    """
    every = {id(layer): layer for model in models for layer in model._flatten_layers()}
    answers = {id(t) for m in every.values() if isinstance(m, keras.Model) for t in getattr(m, "outputs", None) or []}
    found = []
    for bn in every.values():
        if type(bn) is not layers.BatchNormalization or len(bn._inbound_nodes) != 1:
            continue
        (source,) = bn._inbound_nodes[0].input_tensors
        layer = source._keras_history.operation
        linear = getattr(layer, "activation", None) in (None, keras.activations.linear)
        last = bn.axis in (-1, len(source.shape) - 1)
        alone = len(getattr(layer, "_inbound_nodes", [])) == 1 and len(layer._outbound_nodes) == 1
        if type(layer) in _KERNELS and linear and last and alone and id(source) not in answers:
            kernel = getattr(layer, _KERNELS[type(layer)][0])
            if isinstance(kernel, keras.Variable) and getattr(layer, "data_format", None) != "channels_first":
                found.append((layer, bn))
    return found


@contextlib.contextmanager
def frozen(models, *, weights="float32"):
    """While it lasts, graphs that are traced through these models hold their weights as constants.

    Args:
        models: built Keras models.
        weights: float32, or bfloat16: large weights are stored in half the space, and computed with in float32.
    Yields:
        A function from a graph to the same graph with constants, to be traced within.
    """
    import tensorflow as tf

    values = {id(v): (v, np.asarray(v)) for model in models for v in model.variables}
    with contextlib.ExitStack() as stack:
        for layer, bn in pairs(models):
            scale, offset = _affine(layer, bn)
            name, axis = _KERNELS[type(layer)]
            kernel = getattr(layer, name)
            values[id(kernel)] = (kernel, _scaled(np.asarray(kernel), scale, axis))
            stack.enter_context(replaced_attribute(bn, "call", _shift(offset)))

        def constant(value):
            if weights == "bfloat16" and value.dtype == "float32" and value.ndim > 1:
                return tf.cast(tf.constant(value, "bfloat16"), "float32")
            return tf.constant(value)

        def trace(call):
            def traced(*arguments):
                given = [(v, constant(a)) for v, a in values.values()]
                with keras.StatelessScope(state_mapping=given):
                    return call(*arguments)

            return traced

        yield trace


def _affine(layer, bn):
    """(scale, offset), float64: batch normalisation after the layer is scale * the layer without bias + offset."""
    mean, variance = (np.asarray(v, "float64") for v in (bn.moving_mean, bn.moving_variance))
    gamma = np.asarray(bn.gamma, "float64") if bn.scale else 1.0
    beta = np.asarray(bn.beta, "float64") if bn.center else 0.0
    bias = np.asarray(layer.bias, "float64") if layer.use_bias else 0.0
    scale = gamma / np.sqrt(variance + bn.epsilon)
    # The layer goes on adding its own bias after the kernel was scaled.
    return scale, scale * (bias - mean) + beta - bias


def _scaled(kernel, scale, axis):
    if axis is None:
        scale = scale.reshape(kernel.shape[-2:])
    elif axis == -2:
        scale = scale[:, None]
    return (kernel.astype("float64") * scale).astype(kernel.dtype)


def _shift(offset):
    import tensorflow as tf

    def call(x, *args, **kwargs):
        return tf.nn.bias_add(x, tf.constant(offset, x.dtype))

    return call
