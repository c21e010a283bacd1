"""How a model's output ends: softmax, sigmoid or linear; its logits; and probabilities of any of them."""

import contextlib

import keras
import numpy as np
from keras import layers

from zoo.layers.any_size import CutToSize

# Layers after which the answer is still the answer.
_PASSING = (layers.Dropout, layers.Flatten, layers.Reshape, layers.Identity, CutToSize)


def activation_operation(model):
    """The operation that makes probabilities of logits at the end of `model`, or None where its answer is not squashed.

    It is a layer with the activation softmax or sigmoid, a Softmax layer, or a bare `keras.ops` call; looked for from
    the end, through nested models and layers that change nothing.
    """
    for operation in reversed(layer_operations(model)):
        if isinstance(operation, keras.Model):
            return activation_operation(operation)
        if activation_name(operation) in ("softmax", "sigmoid"):
            return operation
        unchanged = isinstance(operation, layers.Activation) and activation_name(operation) == "linear"
        if not unchanged and not isinstance(operation, _PASSING):
            return None
    return None


def layer_operations(model):
    """The operations of a functional or Sequential model, inputs first; none of a subclass, whose `call` is its own."""
    return model.layers if isinstance(model, keras.Sequential) else getattr(model, "operations", [])


def activation_name(operation):
    """What an operation does last: the name of its activation, else its own, in small letters."""
    activation = getattr(operation, "activation", operation)
    return getattr(activation, "__name__", type(activation).__name__).lower()


@contextlib.contextmanager
def replaced_attribute(thing, attribute, value):
    """While it lasts, `attribute` of the layer `thing` is `value`, past Keras' own bookkeeping of attributes."""
    own = vars(thing)
    before = {attribute: own[attribute]} if attribute in own else {}
    own[attribute] = value
    try:
        yield
    finally:
        del own[attribute]
        own.update(before)


@contextlib.contextmanager
def as_logits(model):
    """While it lasts, `model` answers logits."""
    end = activation_operation(model)
    if end is None:
        yield
    elif hasattr(end, "activation"):
        with replaced_attribute(end, "activation", keras.activations.linear):
            yield
    else:
        with replaced_attribute(end, "call", lambda x, *args, **kwargs: x):
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
