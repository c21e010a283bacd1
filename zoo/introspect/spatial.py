"""The last spatial map of a model: what explanations look at and what a receptive field is measured on."""

import typing

import keras

from zoo.arguments import checked
from zoo.introspect.graph import steps


class Spatial(typing.NamedTuple):
    """A layer and the symbolic map that it answers."""

    layer: keras.Layer
    tensor: keras.KerasTensor


class Last(typing.NamedTuple):
    """The last map as the steps have it."""

    layer: keras.Operation
    own: keras.KerasTensor  # the map in the model that the layer belongs to
    tensor: keras.KerasTensor  # the map for one example
    pooled: bool  # whether `pool`, where there is one, gets a map


@checked
def last_spatial(model: keras.Model) -> Spatial:
    """The last layer whose answer is a spatial map, and that map.

    A map is (B, H, W, C), or (B, T, C) where the model takes series, with more than one cell. Where a layer is called
    `pool`, the map is what goes into it (or the last before it, as in a ViT, whose `pool` gets tokens); otherwise it is
    the last map of all. Models within the model are searched too. Layer and tensor belong to the outermost model that
    has the map, so `keras.Model(model.inputs, tensor)` works unless the map never leaves an inner model.

    Args:
        model: a built Keras model.
    Returns:
        `Spatial(layer, tensor)`.
    Raises:
        ValueError: if there is no such map, or the model is not built.
    """
    last = last_map(steps(model))
    if last is None:
        raise ValueError(f"last_spatial: no layer of `{model.name}` answers a map, (B, H, W, C) with H or W above 1.")
    return Spatial(last.layer, last.own)


def last_map(found) -> Last | None:
    """The last map among these steps of a model."""
    if not found:
        return None
    rank = 3 if any(len(t.shape) == 3 for t in found[0].tensors) else 4
    ordered = list(_flat(found))
    pools = [n for n, step in enumerate(ordered) if step.operation.name == "pool"]
    fed = ordered[pools[-1]].tensors if pools else []
    pooled = not pools or any(len(t.shape) == rank for t in fed)
    maps = [
        Last(step.operation, own, tensor, pooled)
        for step in (ordered[: pools[-1]] if pools else ordered)
        for own, tensor in zip(step.own, step.outputs, strict=True)
        if len(tensor.shape) == rank and any(side != 1 for side in tensor.shape[1:-1])
    ]
    direct = [last for last in maps if any(last.tensor is t for t in fed)]
    return (direct or maps or [None])[-1]


def _flat(found):
    """Steps in order; those within a model come before the model's own."""
    for step in found:
        if isinstance(step.operation, keras.Model | keras.Function) and step.inside:
            yield from _flat(step.inside)
        yield step
