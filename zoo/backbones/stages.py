"""The stages of a backbone, bottom first, and which of them train."""

import re
import typing

import keras
from keras import layers

from zoo.arguments import Whole, checked
from zoo.introspect.graph import weightless
from zoo.introspect.head import is_head
from zoo.introspect.layers import leaf_layers

PROBE = 224  # pixels [px] that a map of any size is measured with


class Stage(typing.NamedTuple):
    """Layers with weights that train together."""

    name: str  # of its first layer
    layers: tuple


@checked
def stages(model: keras.Model) -> list[Stage]:
    """The stages of a model's backbone, bottom first; layers called head, or head_ and more, are in none of them.

    A new stage begins where a convolutional map has at most 0.6 of the stage's side; among tokens, steps of time and
    vectors, where the number in the layers' names changes: a block of a transformer is a stage. A TF Hub module is one.
    Where a model joins several backbones, their topmost stages are one stage, and so on down.

    Args:
        model: functional or Sequential, ours or another's; models in it are opened.
    Returns:
        List of `Stage(name, layers)`.
    Raises:
        ValueError: if the model is not built, or a subclass.
    """
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(f"stages: `model` must be built, and functional or Sequential, got {model.name}.")
    inner = [x for x in model.layers if isinstance(x, keras.Model) and hasattr(x, "operations")]
    if len(inner) > 1:
        return _joined([stages(x) for x in inner])
    found, side, label = [], None, None
    sides = _sides(model)
    for layer in _leaves(model):
        if not layer.weights or is_head(layer) or isinstance(layer, layers.Normalization):
            continue
        now = sides.get(id(layer))
        numbered = re.match(r".*?\d+", layer.name)
        own = numbered[0] if numbered else label
        if not found:
            new = True
        elif now is not None:
            new = own != label if side is None else now <= 0.6 * side
        else:
            new = own != label
        if new:
            found.append([])
        if new or side is None:
            side = now if now is not None else side
        label = own
        found[-1].append(layer)
    return [Stage(group[0].name, tuple(group)) for group in found]


def _leaves(model):
    """The leaf layers; nested Sequential and subclassed models count as one layer each."""
    return leaf_layers(model, functional_only=True).values()


def _joined(chains):
    """The stages of several backbones as one chain: their topmost are one stage, and so on down."""
    depth = max(map(len, chains))
    groups = [[c[len(c) - i] for c in chains if len(c) >= i] for i in range(depth, 0, -1)]
    return [Stage(" ".join(s.name for s in group), tuple(x for s in group for x in s.layers)) for group in groups]


def _sides(model):
    """{id of a layer: the side of the map that it answers}, for those that answer one."""
    measured = _leaves(model)
    if any(None in t.shape[1:-1] and len(t.shape) == 4 for t in model.inputs):
        with weightless():
            twin = keras.models.clone_model(
                keras.Model(model.inputs, model.outputs), input_tensors=[_probe(t) for t in model.inputs]
            )
        shapes = [_shape(x) for x in _leaves(twin)]
    else:
        shapes = [_shape(x) for x in measured]
    maps = [(id(x), max(s[:2])) for x, s in zip(measured, shapes, strict=True) if s and len(s) == 3 and None not in s]
    found, after = {}, 1
    for key, side in reversed(maps):
        # One pixel before larger maps is a squeeze, which belongs to the map that it weighs.
        after = max(after, side) if side == 1 else side
        found[key] = after
    return found


def _probe(tensor):
    shape = tensor.shape
    if len(shape) == 4:
        shape = (shape[0], *[side or PROBE for side in shape[1:-1]], shape[-1])
    return keras.Input(batch_shape=shape, dtype=tensor.dtype, name=tensor.name)


def _shape(layer):
    try:
        shapes = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):  # never called, or called several times
        return None
    return tuple(shapes[0].shape)[1:] if shapes else None


@checked
def thaw(model: keras.Model, stages: Whole | None = 0, *, batch_norm: bool = False) -> keras.Model:
    """Sets what trains: the head, and the backbone's topmost stages.

    Batch normalisation stays frozen, statistics and all, unless asked: a small batch of new images would spoil it. It
    then computes as in inference, in training too. What trains is saved with the model. Compile the model anew.

    Args:
        model: as `zoo.transfer` or `zoo.fusion` gave it, or another functional or Sequential model.
        stages: how many of `zoo.stages(model)` train, from the top; 0 for the head alone, None for all.
        batch_norm: whether the batch normalisations of the stages that train do so too.
    Returns:
        The same model.
    Raises:
        ValueError: if the model has fewer stages.
    """
    every = stages_of(model)
    count = len(every) if stages is None else stages
    if count > len(every):
        raise ValueError(f"thaw: `stages` must be a whole number from 0 to {len(every)}, got {stages}.")
    model.trainable = True
    for i, stage in enumerate(every):
        for layer in stage.layers:
            layer.trainable = i >= len(every) - count
            for part in layer._flatten_layers():
                if isinstance(part, layers.BatchNormalization):
                    part.trainable = layer.trainable and batch_norm
    return model


stages_of = stages  # the argument of `thaw` has the same name
