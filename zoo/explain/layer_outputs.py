"""Outputs of a model's layers, at any depth of nested models."""

import contextlib

from zoo.arguments import suggestion
from zoo.introspect.layers import leaf_layers
from zoo.introspect.output_activation import replaced_attribute


def select_layers(caller, model, names):
    """Returns the layers with these names or paths, in this order; all leaf layers for None.

    Args:
        caller: name of the explanation in error messages.
        model: a built Keras model.
        names: strings, or None.
    Returns:
        A dict from paths to layers.
    Raises:
        ValueError: if the model has no such layer; the message suggests the nearest name.
    """
    layers = leaf_layers(model)
    if names is None:
        return layers
    paths = {path.rsplit("/", 1)[-1]: path for path in layers}
    for name in names:
        if name not in layers and name not in paths:
            raise ValueError(f"{caller}: `{model.name}` has no layer {name!r}.{suggestion(name, [*layers, *paths])}")
    return {path: layers[path] for path in (name if name in layers else paths[name] for name in names)}


def record_outputs(model, inputs, layers, wrap_call=lambda compute: compute):
    """Runs a model and records the outputs of its layers.

    Args:
        model: a Keras model.
        inputs: inputs of the model.
        layers: a dict from paths to layers of the model.
        wrap_call: replaces the `call` of each layer before its outputs are recorded.
    Returns:
        (the model's output, a list of (path, output) for each call of a layer, in the order of the calls).
    """
    outputs = []

    def recording(path, compute):
        def call(*args, **kwargs):
            output = compute(*args, **kwargs)
            outputs.append((path, output))
            return output

        return call

    with contextlib.ExitStack() as stack:
        for path, layer in layers.items():
            stack.enter_context(replaced_attribute(layer, "call", recording(path, wrap_call(layer.call))))
        prediction = model(inputs, training=False)
    return prediction, outputs
