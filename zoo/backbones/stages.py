"""The stages of a backbone, from bottom to top, and which of them are trainable."""

import re
import typing

import keras
from keras import layers

from zoo.arguments import Whole, checked
from zoo.introspect.graph import weightless
from zoo.introspect.head import is_head
from zoo.introspect.layers import leaf_layers

PROBE_SIDE = 224  # side of the input that shapes are computed for where the model takes any size [pixels]


class Stage(typing.NamedTuple):
    """Layers with weights that are frozen and trained together."""

    name: str  # of its first layer
    layers: tuple


@checked
def stages(model: keras.Model) -> list[Stage]:
    """Returns the stages of a model's backbone, from bottom to top, without the layers of its head.

    Layers called `head`, or with names that begin with `head_`, belong to the head. Among convolutional maps, a new
    stage begins where the side of the map falls to 0.6 of the stage's side or less. Among tokens, time steps and
    vectors, it begins where the number in the layers' names changes, so a transformer block is a stage. A TF Hub module
    is one stage. In a model of several backbones, their topmost stages form one stage, and so on down.

    Args:
        model: functional or Sequential; nested functional models are included.
    Returns:
        List of `Stage(name, layers)`.
    Raises:
        ValueError: if the model is not built, or subclassed.
    """
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(f"stages: `model` must be built, and functional or Sequential, got {model.name}.")
    nested = [x for x in model.layers if isinstance(x, keras.Model) and hasattr(x, "operations")]
    if len(nested) > 1:
        return _merge([stages(x) for x in nested])
    groups, side, label = [], None, None
    sides = _map_sides(model)
    for layer in _leaves(model):
        if not layer.weights or is_head(layer) or isinstance(layer, layers.Normalization):
            continue
        layer_side = sides.get(id(layer))
        numbered = re.match(r".*?\d+", layer.name)
        layer_label = numbered[0] if numbered else label
        if not groups:
            begins = True
        elif layer_side is None or side is None:
            begins = layer_label != label
        else:
            begins = layer_side <= 0.6 * side
        if begins:
            groups.append([])
        if begins or side is None:
            side = layer_side if layer_side is not None else side
        label = layer_label
        groups[-1].append(layer)
    return [Stage(group[0].name, tuple(group)) for group in groups]


def _leaves(model):
    """The leaf layers; nested Sequential and subclassed models count as one layer each."""
    return leaf_layers(model, functional_only=True).values()


def _merge(backbones):
    """Returns one list of stages for several backbones, whose stages are merged from the top down."""
    depth = max(map(len, backbones))
    groups = [[b[len(b) - i] for b in backbones if len(b) >= i] for i in range(depth, 0, -1)]
    return [Stage(" ".join(s.name for s in group), tuple(x for s in group for x in s.layers)) for group in groups]


def _map_sides(model):
    """Returns {id of a layer: side of its output map}, for layers that output a map."""
    leaves = _leaves(model)
    if any(None in t.shape[1:-1] and len(t.shape) == 4 for t in model.inputs):
        with weightless():
            clone = keras.models.clone_model(
                keras.Model(model.inputs, model.outputs), input_tensors=[_probe_input(t) for t in model.inputs]
            )
        shapes = [_output_shape(x) for x in _leaves(clone)]
    else:
        shapes = [_output_shape(x) for x in leaves]
    maps = [(id(x), max(s[:2])) for x, s in zip(leaves, shapes, strict=True) if s and len(s) == 3 and None not in s]
    sides, next_side = {}, 1
    for key, side in reversed(maps):
        # A 1 x 1 map before a larger one is a squeeze-and-excitation block, which belongs to the stage of that map.
        next_side = max(next_side, side) if side == 1 else side
        sides[key] = next_side
    return sides


def _probe_input(tensor):
    shape = tensor.shape
    if len(shape) == 4:
        shape = (shape[0], *[side or PROBE_SIDE for side in shape[1:-1]], shape[-1])
    return keras.Input(batch_shape=shape, dtype=tensor.dtype, name=tensor.name)


def _output_shape(layer):
    try:
        outputs = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):  # never called, or called several times
        return None
    return tuple(outputs[0].shape)[1:] if outputs else None


@checked
def thaw(model: keras.Model, stages: Whole | None = 0, *, batch_norm: bool = False) -> keras.Model:
    """Makes the head and the topmost stages of the backbone trainable, and freezes the others.

    Batch normalization stays frozen, statistics included, unless `batch_norm` is true, because small batches of new
    images would spoil its statistics. It then computes as in inference during training, too. `trainable` is saved with
    the model. Compile the model again afterwards.

    Args:
        model: returned by `zoo.transfer` or `zoo.fusion`, or another functional or Sequential model.
        stages: number of trainable stages of `zoo.stages(model)`, from the top; 0 for the head alone, None for all.
        batch_norm: whether batch normalization of the trainable stages is trainable.
    Returns:
        The same model.
    Raises:
        ValueError: if the model has fewer stages.
    """
    all_stages = stages_of(model)
    count = len(all_stages) if stages is None else stages
    if count > len(all_stages):
        raise ValueError(f"thaw: `stages` must be a whole number from 0 to {len(all_stages)}, got {stages}.")
    model.trainable = True
    for i, stage in enumerate(all_stages):
        for layer in stage.layers:
            layer.trainable = i >= len(all_stages) - count
            for sublayer in layer._flatten_layers():
                if isinstance(sublayer, layers.BatchNormalization):
                    sublayer.trainable = layer.trainable and batch_norm
    return model


stages_of = stages  # `thaw` has an argument of the same name
