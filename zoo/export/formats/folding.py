"""Graphs with constant weights, where batch normalization is folded into the layer before it."""

import contextlib

import keras
import numpy as np
from keras import layers

from zoo.introspect.output_activation import replaced_attribute

# Name of the kernel, and its axis of output channels; None: the last two axes together.
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


def foldable_pairs(models):
    """Returns the pairs (layer, BatchNormalization) of `models` that can be computed as one affine map.

    The layer is linear, and nothing but the BatchNormalization reads its output.

    Args:
        models: functional or Sequential; nested models are searched too.
    Returns:
        List of pairs.
    """
    all_layers = {id(layer): layer for model in models for layer in model._flatten_layers()}
    outputs = {
        id(t) for m in all_layers.values() if isinstance(m, keras.Model) for t in getattr(m, "outputs", None) or []
    }
    pairs = []
    for bn in all_layers.values():
        if type(bn) is not layers.BatchNormalization or len(bn._inbound_nodes) != 1:
            continue
        (tensor,) = bn._inbound_nodes[0].input_tensors
        layer = tensor._keras_history.operation
        linear = getattr(layer, "activation", None) in (None, keras.activations.linear)
        on_last_axis = bn.axis in (-1, len(tensor.shape) - 1)
        only_reader = len(getattr(layer, "_inbound_nodes", [])) == 1 and len(layer._outbound_nodes) == 1
        if type(layer) in _KERNELS and linear and on_last_axis and only_reader and id(tensor) not in outputs:
            kernel = getattr(layer, _KERNELS[type(layer)][0])
            if isinstance(kernel, keras.Variable) and getattr(layer, "data_format", None) != "channels_first":
                pairs.append((layer, bn))
    return pairs


@contextlib.contextmanager
def constant_weights(models, *, weights="float32"):
    """Context in which graphs traced through `models` hold the weights as constants, batch normalization folded.

    Args:
        models: built Keras models.
        weights: float32; or bfloat16, where matrices and kernels are stored in half the space and used in float32.
    Yields:
        A function from a graph to the same graph with constants, to be traced within the context.
    """
    import tensorflow as tf

    values = {id(v): (v, np.asarray(v)) for model in models for v in model.variables}
    with contextlib.ExitStack() as stack:
        for layer, bn in foldable_pairs(models):
            scale, offset = _affine_map(layer, bn)
            name, axis = _KERNELS[type(layer)]
            kernel = getattr(layer, name)
            values[id(kernel)] = (kernel, _scale_kernel(np.asarray(kernel), scale, axis))
            stack.enter_context(replaced_attribute(bn, "call", _add_offset(offset)))

        def constant(value):
            if weights == "bfloat16" and value.dtype == "float32" and value.ndim > 1:
                return tf.cast(tf.constant(value, "bfloat16"), "float32")
            return tf.constant(value)

        def with_constants(call):
            def call_with_constants(*arguments):
                state = [(variable, constant(value)) for variable, value in values.values()]
                with keras.StatelessScope(state_mapping=state):
                    return call(*arguments)

            return call_with_constants

        yield with_constants


def _affine_map(layer, bn):
    """(scale, offset), float64: batch normalization of the layer's output is scale * (output without bias) + offset."""
    mean, variance = (np.asarray(v, "float64") for v in (bn.moving_mean, bn.moving_variance))
    gamma = np.asarray(bn.gamma, "float64") if bn.scale else 1.0
    beta = np.asarray(bn.beta, "float64") if bn.center else 0.0
    bias = np.asarray(layer.bias, "float64") if layer.use_bias else 0.0
    scale = gamma / np.sqrt(variance + bn.epsilon)
    # The layer still adds its own bias after the kernel was scaled.
    return scale, scale * (bias - mean) + beta - bias


def _scale_kernel(kernel, scale, axis):
    if axis is None:
        scale = scale.reshape(kernel.shape[-2:])
    elif axis == -2:
        scale = scale[:, None]
    return (kernel.astype("float64") * scale).astype(kernel.dtype)


def _add_offset(offset):
    import tensorflow as tf

    def call(x, *args, **kwargs):
        return tf.nn.bias_add(x, tf.constant(offset, x.dtype))

    return call
