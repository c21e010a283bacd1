"""The last spatial feature map of a model, which explanations and receptive fields refer to."""

import typing

import keras

from zoo.arguments import checked
from zoo.introspect.graph import flatten_calls, trace_calls


class Spatial(typing.NamedTuple):
    """A layer and the symbolic feature map that it outputs."""

    layer: keras.Layer
    tensor: keras.KerasTensor


class LastMap(typing.NamedTuple):
    """The last feature map among a model's calls."""

    layer: keras.Operation
    symbolic_tensor: keras.KerasTensor  # in the graph of the model that the layer belongs to
    tensor: keras.KerasTensor  # for one example, as `trace_calls` has it
    pooled: bool  # false if the model has a layer `pool` whose input is not a map


@checked
def last_spatial(model: keras.Model) -> Spatial:
    """Returns the last layer that outputs a spatial feature map, and that map.

    A map is (B, H, W, C), or (B, T, C) for models of time series, with more than one cell. If a layer is called `pool`,
    the map is its input, or the last map before it, as in a ViT, where `pool` takes tokens. Otherwise it is the last
    map of the model. Nested models are searched, too. Layer and tensor belong to the outermost model that contains the
    map, so `keras.Model(model.inputs, tensor)` works unless the map is used only inside a nested model.

    Args:
        model: a built Keras model.
    Returns:
        `Spatial(layer, tensor)`.
    Raises:
        ValueError: if there is no such map, or the model is not built.
    """
    last = last_map(trace_calls(model))
    if last is None:
        raise ValueError(f"last_spatial: no layer of `{model.name}` outputs a map, (B, H, W, C) with H or W above 1.")
    return Spatial(last.layer, last.symbolic_tensor)


def last_map(calls) -> LastMap | None:
    """Returns the last map among the calls of a model, or None."""
    if not calls:
        return None
    rank = 3 if any(len(t.shape) == 3 for t in calls[0].input_tensors) else 4
    ordered = list(flatten_calls(calls))
    pools = [n for n, call in enumerate(ordered) if call.operation.name == "pool"]
    pool_inputs = ordered[pools[-1]].input_tensors if pools else []
    pooled = not pools or any(len(t.shape) == rank for t in pool_inputs)
    maps = [
        LastMap(call.operation, symbolic_tensor, tensor, pooled)
        for call in (ordered[: pools[-1]] if pools else ordered)
        for symbolic_tensor, tensor in zip(call.symbolic_outputs, call.outputs, strict=True)
        if len(tensor.shape) == rank and any(side != 1 for side in tensor.shape[1:-1])
    ]
    pool_maps = [last for last in maps if any(last.tensor is t for t in pool_inputs)]
    return (pool_maps or maps or [None])[-1]
