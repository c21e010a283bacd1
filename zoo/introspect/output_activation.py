"""The output activation of a model, its logits, and its probabilities."""

import contextlib

import keras
import numpy as np
from keras import layers

from zoo.layers.any_size import CutToSize

# Layers after an output activation that do not change the values.
_KEEP_VALUES = (layers.Dropout, layers.Flatten, layers.Reshape, layers.Identity, CutToSize)


def activation_operation(model):
    """Returns the operation that converts a model's logits to probabilities, or None if the output is linear.

    It is a layer with the activation softmax or sigmoid, a Softmax layer, or a `keras.ops` call. The search starts at
    the output and passes nested models and layers that do not change the values.
    """
    for operation in reversed(layer_operations(model)):
        if isinstance(operation, keras.Model):
            return activation_operation(operation)
        if activation_name(operation) in ("softmax", "sigmoid"):
            return operation
        unchanged = isinstance(operation, layers.Activation) and activation_name(operation) == "linear"
        if not unchanged and not isinstance(operation, _KEEP_VALUES):
            return None
    return None


def layer_operations(model):
    """Returns the operations of a functional or Sequential model, inputs first; [] for a subclassed model."""
    return model.layers if isinstance(model, keras.Sequential) else getattr(model, "operations", [])


def activation_name(operation):
    """Returns the name of an operation's activation, or of the operation itself, in lower case."""
    activation = getattr(operation, "activation", operation)
    return getattr(activation, "__name__", type(activation).__name__).lower()


@contextlib.contextmanager
def replaced_attribute(layer, attribute, value):
    """Sets an attribute of a layer in this scope, without Keras' tracking of attributes."""
    attributes = vars(layer)
    before = {attribute: attributes[attribute]} if attribute in attributes else {}
    attributes[attribute] = value
    try:
        yield
    finally:
        del attributes[attribute]
        attributes.update(before)


@contextlib.contextmanager
def as_logits(model):
    """In this scope, `model` outputs logits."""
    operation = activation_operation(model)
    if operation is None:
        yield
    elif hasattr(operation, "activation"):
        with replaced_attribute(operation, "activation", keras.activations.linear):
            yield
    else:
        with replaced_attribute(operation, "call", lambda x, *args, **kwargs: x):
            yield


def output_activation(model):
    """Returns the activation of a model's output: "softmax", "sigmoid", or "linear" for logits and for numbers.

    Args:
        model: functional or Sequential `keras.Model`, nested or not.
    """
    operation = activation_operation(model)
    return "linear" if operation is None else activation_name(operation)


def to_probabilities(outputs, activation):
    """Converts a classifier's outputs to one probability per class, on any Keras backend or in NumPy.

    (..., C) outputs  ->  (..., C) probabilities; (..., 1) of a single unit  ->  (..., 2).

    Args:
        outputs: tensor or array; logits where `activation` is "linear".
        activation: "softmax", "sigmoid" or "linear", as `output_activation` returns it.
    """
    ops = keras.ops
    convert = np.asarray if isinstance(outputs, np.ndarray) else lambda x: x
    if outputs.shape[-1] == 1:
        positive = ops.sigmoid(outputs) if activation == "linear" else outputs
        return convert(ops.concatenate([1 - positive, positive], axis=-1))
    return convert(ops.softmax(outputs, axis=-1)) if activation == "linear" else outputs
