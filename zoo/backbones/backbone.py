"""A backbone from wherever it comes: a copy of it that takes raw inputs and answers one vector of features."""

import os
from pathlib import Path

import keras
from keras import layers

from zoo.backbones.input_range import INPUT_RANGES, input_range_of, recorded_range
from zoo.introspect.head import head_layer, is_head
from zoo.layers.backbone_input import BackboneInput
from zoo.registry import entries, entry
from zoo.weights import BUNDLED, load

RANGE = {"low": 0.0, "high": 255.0}
POOLS = {
    "average": {4: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling1D},
    "max": {4: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling1D},
}


def open_backbone(
    caller, backbone, *, weights="bundled", input_shape=None, input_range=None, pool="average", disable_dropout=False
):
    """A copy of a backbone without its head, from raw inputs to (B, F) features; the backbone itself stays as it is.

    Args:
        caller: what errors call the function.
        backbone: a model of ours or of another, a registered name, or what `HubLayer` takes as a handle.
        weights: as `zoo.load` takes them, for a name.
        input_shape: for a name or a handle; None for the paper's row.
        input_range: one of `WAYS` or as_is, where the backbone does not record it; None for what it records.
        pool: average or max over a map or over tokens, or first, the first token.
        disable_dropout: whether dropout and the like are switched off in the copy.
    Returns:
        `keras.Model`; flat, with the backbone's own layer names, but for those that a head has.
    """
    model, known = load_backbone(caller, backbone, weights, input_shape)
    front = preprocessed(caller, model, known, input_range)
    cut = keras.Model(structure(model), _features(caller, model))
    return pool_features(caller, rebuild(cut, front=front, disable_dropout=disable_dropout, headless=True), pool)


def load_backbone(caller, backbone, weights="bundled", input_shape=None):
    """(model, what its images were): the model itself where it is one."""
    if isinstance(backbone, keras.Model):
        if input_shape is not None:
            raise ValueError(f"{caller}: `input_shape` is for a name or a handle; {backbone.name} has its own.")
        return _verified(caller, backbone), None
    if isinstance(backbone, keras.Layer):
        return _around(caller, backbone, input_shape), None
    if not isinstance(backbone, str | os.PathLike):
        raise ValueError(f"{caller}: `backbone` must be a model, a name or a handle, got {type(backbone).__name__}.")
    backbone = os.fspath(backbone)
    if backbone in entries or not ("/" in backbone or os.sep in backbone or Path(backbone).exists()):
        row = entry(backbone).example  # which offers the nearest name where there is none
        size = {} if input_shape is None else {"input_shape": tuple(input_shape)}
        if "input_shape" not in row:
            raise ValueError(f"{caller}: `backbone` must take images, a table or a series, and {backbone} does not.")
        with_head = weights != "bundled" and weights is not None
        model = load(backbone, weights, head=with_head, **size)
        bundle = BUNDLED.get(backbone) if weights == "bundled" else None
        return model, bundle and {"mean": (bundle.mean,), "deviation": (bundle.deviation,), **RANGE}
    from zoo.backbones.hub import HubLayer

    return _around(caller, HubLayer(backbone, name="hub"), input_shape), None


def _verified(caller, model):
    if not model.built or not hasattr(model, "inputs") or not model.inputs:
        wrapped = "x = keras.Input(...); keras.Model(x, backbone(x))"
        raise ValueError(
            f"{caller}: `backbone` must be a built functional or Sequential model; wrap {model.name}: {wrapped}."
        )
    return model


def _around(caller, layer, input_shape):
    """A layer, such as one around a TF Hub module, as a model."""
    if input_shape is None:
        raise ValueError(f"{caller}: `input_shape` must be given for a TF Hub module or a layer, as in (224, 224, 3).")
    dtype = getattr(layer, "input_type", "float32")
    inputs = layers.Input(tuple(input_shape), dtype=dtype, name="text" if dtype == "string" else "inputs")
    return keras.Model(inputs, layer(inputs), name=layer.name)


def preprocessed(caller, model, known, input_range):
    """The layer that stands before the copy, or None where the model has one or nothing is known."""
    own = recorded_range(model)
    if input_range is not None and input_range != "as_is" and input_range not in INPUT_RANGES:
        raise ValueError(
            f"{caller}: `input_range` must be one of {', '.join(INPUT_RANGES)} or as_is, got {input_range!r}."
        )
    if own is not None or known is not None:
        if input_range is not None:
            raise ValueError(f"{caller}: `input_range` is for backbones that record nothing; {model.name} does.")
        return None if own is not None else BackboneInput(**known, name="backbone_input")
    way = input_range_of(model) if input_range is None else input_range
    image = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4 and model.inputs[0].shape[-1] == 3
    if way in (None, "as_is") or (input_range is None and not image):
        return None
    if not image:
        raise ValueError(
            f"{caller}: `input_range` is for images of 3 bands, {model.name} takes {model.inputs[0].shape}."
        )
    return BackboneInput(**INPUT_RANGES[way], **RANGE, bands=("red", "green", "blue"), name="backbone_input")


def structure(model):
    """A model's inputs: a tensor where it has one, else as they were given."""
    several = len(model.inputs) > 1 or isinstance(getattr(model, "input", None), dict)
    return model.input if several else model.inputs[0]


def _features(caller, model):
    """What goes into the answer's layer, without the dropout before it; the answer itself where it is no head's."""
    answer = model.outputs[0] if len(model.outputs) == 1 else model.output
    if isinstance(answer, dict):
        if "pooled_output" not in answer:
            raise ValueError(
                f"{caller}: `backbone` must answer one tensor or a `pooled_output`, {model.name} has {[*answer]}."
            )
        return answer["pooled_output"]
    if isinstance(answer, list | tuple):
        raise ValueError(f"{caller}: `backbone` must have one answer, {model.name} has {len(answer)}.")
    layer = head_layer(answer)
    if layer is None:
        return answer
    tensor = layer.input
    while isinstance(layer := tensor._keras_history.operation, layers.Dropout) or (
        isinstance(layer, layers.Reshape) and layer.input.shape[-1:] == tensor.shape[-1:]
    ):
        tensor = layer.input
    return tensor


def pool_features(caller, model, pool):
    """The model with its map or its tokens made one vector, by a layer called `pool`."""
    tensor = model.output
    rank = len(tensor.shape)
    if rank == 2:
        return model
    if pool == "first" and rank == 3:
        vector = tensor[:, 0]
    elif rank in POOLS.get(pool, {}):
        vector = POOLS[pool][rank](name="pool")(tensor)
    else:
        raise ValueError(f"{caller}: `pool` must suit the backbone's answer {tensor.shape}, got {pool!r}.")
    return keras.Model(structure(model), vector, name=model.name)


def rebuild(model, *, front=None, bands=None, skipped=(), kernels=None, disable_dropout=False, headless=False):
    """A copy of a functional model, weights and all.

    Args:
        model: functional.
        front: a layer that the copy's only input goes through first, or None.
        bands: how many bands the copy's only input has, or None for as many.
        skipped: names of layers that the copy lacks; what goes in comes out.
        kernels: {name of a layer: its kernel in the copy}.
        disable_dropout: whether random layers are switched off.
        headless: whether the names that a new head will have are kept free for it.
    """
    kernels = kernels or {}

    def renamed(layer):
        own = layer.name
        taken = own in ("activation", "pool", "backbone_input") or is_head(layer)
        ends = own == "pool" and model.output._keras_history.operation is layer and len(model.output.shape) == 2
        return f"backbone_{own}" if headless and taken and not ends and type(layer) is not BackboneInput else own

    def copy(layer):
        config = {**layer.get_config(), "name": renamed(layer)}
        if disable_dropout and "seed" in config:
            config.update({key: 0.0 for key in ("rate", "stddev") if key in config})
        return layer.__class__.from_config(config)

    def fresh(tensor):
        shape = (*tensor.shape[:-1], bands) if bands else tensor.shape
        unnamed = tensor.name.startswith(("input_layer", "keras_tensor"))
        label = ("image" if len(shape) == 4 else "inputs") if unnamed and len(model.inputs) == 1 else tensor.name
        return layers.Input(batch_shape=shape, dtype=tensor.dtype, name=label)

    raw = keras.tree.map_structure(fresh, structure(model))
    first = raw if front is None else front(raw)

    def call(layer, *args, **kwargs):
        if front is not None:
            args, kwargs = keras.tree.map_structure(lambda t: first if t is raw else t, (args, kwargs))
        return args[0] if layer.name in skipped else layer(*args, **kwargs)

    clone = keras.models.clone_model(model, input_tensors=raw, clone_function=copy, call_function=call)
    clone = keras.Model(raw, clone.output, name=model.name)
    fill = {layer.name: layer for layer in clone.layers}
    for layer in model.layers:
        twin = fill.get(renamed(layer))
        if twin is None or twin is front or not layer.weights:
            continue
        values = layer.get_weights()
        if layer.name in kernels:
            values[0] = kernels[layer.name]
        twin.set_weights(values)
    clone.trainable = True
    return clone
