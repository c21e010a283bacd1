"""Loads backbones from several sources, and copies them without their head and with their preprocessing in front."""

import os
from pathlib import Path

import keras
from keras import layers

from zoo.backbones.input_range import INPUT_RANGES, applications_input_range, backbone_input_layer
from zoo.backbones.run_folder import is_run_folder, load_run_backbone
from zoo.introspect.head import head_layer, is_head
from zoo.layers.backbone_input import BackboneInput
from zoo.published_weights import find_published
from zoo.registry import entries, entry
from zoo.weights import BUNDLED, load

BYTE_RANGE = {"low": 0.0, "high": 255.0}
POOLING_LAYERS = {  # pooling, rank of the features
    "average": {4: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling1D},
    "max": {4: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling1D},
}


def load_feature_backbone(
    caller, backbone, *, weights="bundled", input_shape=None, input_range=None, pool="average", disable_dropout=False
):
    """Returns a copy of a backbone that maps raw inputs to features (B, F). The backbone itself is not changed.

    Args:
        caller: function name for error messages.
        backbone: a model, a registered name, a run's folder, or a handle as `HubLayer` takes it.
        weights: for a name, as `zoo.load` takes them, or a run's folder.
        input_shape: for a name or a handle; None for that of the paper.
        input_range: one of `INPUT_RANGES`, or as_is, for a backbone that does not record it; None for the recorded one.
        pool: average or max over a map or over tokens, or first for the first token.
        disable_dropout: whether dropout and other random layers are disabled in the copy.
    Returns:
        `keras.Model`, flat, with the backbone's layer names. Names that a new head will use are changed.
    """
    model, bundled_range = load_backbone(caller, backbone, weights, input_shape)
    preprocessing = preprocessing_layer(caller, model, bundled_range, input_range)
    headless = keras.Model(model_inputs(model), _feature_tensor(caller, model))
    copy = copy_model(headless, preprocessing=preprocessing, disable_dropout=disable_dropout, headless=True)
    return pool_features(caller, copy, pool)


def load_backbone(caller, backbone, weights="bundled", input_shape=None):
    """Returns a backbone as a model, and the `BackboneInput` arguments of its bundled or published weights, or None.

    Of a run's folder, as `backbone` or as `weights`, the arguments are those of its preprocessing.
    """
    if isinstance(backbone, keras.Model):
        if input_shape is not None:
            raise ValueError(f"{caller}: `input_shape` is for a name or a handle; {backbone.name} has its own.")
        return _verify_functional(caller, backbone), None
    if isinstance(backbone, keras.Layer):
        return _wrap_layer(caller, backbone, input_shape), None
    if not isinstance(backbone, str | os.PathLike):
        raise ValueError(f"{caller}: `backbone` must be a model, a name or a handle, got {type(backbone).__name__}.")
    backbone = os.fspath(backbone)
    if is_run_folder(backbone):
        return load_run_backbone(caller, backbone, input_shape=input_shape)
    if backbone in entries and is_run_folder(weights):
        return load_run_backbone(caller, weights, backbone, input_shape)
    if backbone in entries or not ("/" in backbone or os.sep in backbone or Path(backbone).exists()):
        example = entry(backbone).example  # raises an error with the closest name for an unknown one
        size = {} if input_shape is None else {"input_shape": tuple(input_shape)}
        if "input_shape" not in example:
            raise ValueError(f"{caller}: `backbone` must take images, a table or a series, and {backbone} does not.")
        published = find_published(backbone, weights) if weights not in ("bundled", None) else None
        if published is not None:
            model = load(backbone, weights, head=bool(published.classes), **size)
            return model, published.input_arguments() if published.bands else None
        with_head = weights != "bundled" and weights is not None
        model = load(backbone, weights, head=with_head, **size)
        bundle = BUNDLED.get(backbone) if weights == "bundled" else None
        return model, bundle and {"mean": (bundle.mean,), "deviation": (bundle.deviation,), **BYTE_RANGE}
    from zoo.backbones.hub import HubLayer

    return _wrap_layer(caller, HubLayer(backbone, name="hub"), input_shape), None


def _verify_functional(caller, model):
    if not model.built or not hasattr(model, "inputs") or not model.inputs:
        wrapped = "x = keras.Input(...); keras.Model(x, backbone(x))"
        raise ValueError(
            f"{caller}: `backbone` must be a built functional or Sequential model; wrap {model.name}: {wrapped}."
        )
    return model


def _wrap_layer(caller, layer, input_shape):
    """Returns a model of a single layer, such as `HubLayer`."""
    if input_shape is None:
        raise ValueError(f"{caller}: `input_shape` must be given for a TF Hub module or a layer, as in (224, 224, 3).")
    dtype = getattr(layer, "input_type", "float32")
    inputs = layers.Input(tuple(input_shape), dtype=dtype, name="text" if dtype == "string" else "inputs")
    return keras.Model(inputs, layer(inputs), name=layer.name)


def preprocessing_layer(caller, model, bundled_range, input_range):
    """Returns the layer that goes in front of a copy, or None where the model has one or its input range is unknown."""
    recorded = backbone_input_layer(model) is not None
    if input_range is not None and input_range != "as_is" and input_range not in INPUT_RANGES:
        raise ValueError(
            f"{caller}: `input_range` must be one of {', '.join(INPUT_RANGES)} or as_is, got {input_range!r}."
        )
    if recorded or bundled_range is not None:
        if input_range is not None:
            raise ValueError(f"{caller}: `input_range` is for backbones that record nothing; {model.name} does.")
        return None if recorded else BackboneInput(**bundled_range, name="backbone_input")
    is_rgb = len(model.inputs) == 1 and len(model.inputs[0].shape) == 4 and model.inputs[0].shape[-1] == 3
    range_name = input_range
    if input_range is None and is_rgb:
        range_name = applications_input_range(model)
    if range_name in (None, "as_is"):
        return None
    if not is_rgb:
        raise ValueError(
            f"{caller}: `input_range` is for images of 3 bands, {model.name} takes {model.inputs[0].shape}."
        )
    return BackboneInput(
        **INPUT_RANGES[range_name], **BYTE_RANGE, bands=("red", "green", "blue"), name="backbone_input"
    )


def model_inputs(model):
    """Returns the single input tensor of a model, or all inputs in their structure where there are several."""
    several = len(model.inputs) > 1 or isinstance(getattr(model, "input", None), dict)
    return model.input if several else model.inputs[0]


def _feature_tensor(caller, model):
    """Returns the input of the model's head, before the head's dropout; the output of a model without a head."""
    output = model.outputs[0] if len(model.outputs) == 1 else model.output
    if isinstance(output, dict):
        if "pooled_output" not in output:
            raise ValueError(
                f"{caller}: `backbone` must output one tensor or a `pooled_output`, {model.name} has {[*output]}."
            )
        return output["pooled_output"]
    if isinstance(output, list | tuple):
        raise ValueError(f"{caller}: `backbone` must have one output, {model.name} has {len(output)}.")
    head = head_layer(output)
    if head is None:
        return output
    tensor = head.input
    while isinstance(layer := tensor._keras_history.operation, layers.Dropout) or (
        isinstance(layer, layers.Reshape) and layer.input.shape[-1:] == tensor.shape[-1:]
    ):
        tensor = layer.input
    return tensor


def pool_features(caller, model, pool):
    """Returns the model with its map or tokens pooled to one vector by a layer called `pool`."""
    tensor = model.output
    rank = len(tensor.shape)
    if rank == 2:
        return model
    if pool == "first" and rank == 3:
        vector = tensor[:, 0]
    elif rank in POOLING_LAYERS.get(pool, {}):
        vector = POOLING_LAYERS[pool][rank](name="pool")(tensor)
    else:
        raise ValueError(f"{caller}: `pool` must suit the backbone's output {tensor.shape}, got {pool!r}.")
    return keras.Model(model_inputs(model), vector, name=model.name)


def copy_model(
    model, *, preprocessing=None, bands=None, skipped=(), kernels=None, disable_dropout=False, headless=False
):
    """Returns a copy of a functional model with its weights.

    Args:
        model: functional.
        preprocessing: layer applied to the single input of the copy, or None.
        bands: number of bands of the copy's single input, or None for that of the model.
        skipped: names of layers that the copy leaves out.
        kernels: {layer name: its kernel in the copy}.
        disable_dropout: whether random layers are disabled.
        headless: whether layers are renamed that have a name which a new head will use.
    """
    kernels = kernels or {}

    def copy_name(layer):
        reserved = layer.name in ("activation", "pool", "backbone_input") or is_head(layer)
        pools = layer.name == "pool" and model.output._keras_history.operation is layer and len(model.output.shape) == 2
        rename = headless and reserved and not pools and type(layer) is not BackboneInput
        return f"backbone_{layer.name}" if rename else layer.name

    def clone_layer(layer):
        config = {**layer.get_config(), "name": copy_name(layer)}
        if disable_dropout and "seed" in config:
            config.update({key: 0.0 for key in ("rate", "stddev") if key in config})
        return layer.__class__.from_config(config)

    def new_input(tensor):
        shape = (*tensor.shape[:-1], bands) if bands else tensor.shape
        unnamed = tensor.name.startswith(("input_layer", "keras_tensor"))
        name = ("image" if len(shape) == 4 else "inputs") if unnamed and len(model.inputs) == 1 else tensor.name
        return layers.Input(batch_shape=shape, dtype=tensor.dtype, name=name)

    inputs = keras.tree.map_structure(new_input, model_inputs(model))
    preprocessed = inputs if preprocessing is None else preprocessing(inputs)

    def call_layer(layer, *args, **kwargs):
        if preprocessing is not None:
            args, kwargs = keras.tree.map_structure(lambda t: preprocessed if t is inputs else t, (args, kwargs))
        return args[0] if layer.name in skipped else layer(*args, **kwargs)

    clone = keras.models.clone_model(model, input_tensors=inputs, clone_function=clone_layer, call_function=call_layer)
    clone = keras.Model(inputs, clone.output, name=model.name)
    copies = {layer.name: layer for layer in clone.layers}
    for layer in model.layers:
        copy = copies.get(copy_name(layer))
        if copy is None or copy is preprocessing or not layer.weights:
            continue
        values = layer.get_weights()
        if layer.name in kernels:
            values[0] = kernels[layer.name]
        copy.set_weights(values)
    clone.trainable = True
    return clone
