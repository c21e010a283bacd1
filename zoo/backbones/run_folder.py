"""A trained run as a backbone: its model, and its preprocessing as a record of the input range."""

import json
import os
from pathlib import Path

import keras
import numpy as np
from keras import layers

from zoo.backbones.input_range import backbone_input_layer
from zoo.convert.stated_sizes import check_keras_file

FILES = ("model.keras", "preprocessing.keras")
BYTES = (0.0, 255.0)


def is_run_folder(path):
    """Whether a path is that of a run's folder, with its model and its preprocessing."""
    return isinstance(path, str | os.PathLike) and all(Path(path, name).is_file() for name in FILES)


def load_run_backbone(caller, folder, name=None, input_shape=None):
    """Returns the model of a run and the `BackboneInput` arguments of its preprocessing, None where it has that layer.

    Args:
        caller: function name for error messages.
        folder: of the run.
        name: of the architecture that the run must be of, or None for any.
        input_shape: size that the run must have, or None for any.
    Raises:
        ValueError: if a file is broken or has code, the run is of another architecture or size, or its preprocessing
            does more than to scale and resize images.
    """
    models = []
    for file in FILES:
        try:
            check_keras_file(Path(folder, file))
            models.append(keras.models.load_model(Path(folder, file), compile=False))
        except (ValueError, TypeError, OSError, KeyError) as error:
            raise ValueError(f"{caller}: {Path(folder, file)} cannot be loaded: {error}") from error
    model, preprocessing = models
    trained = _trained_name(folder)
    if name is not None and trained not in (None, name):
        raise ValueError(
            f"{caller}: `weights` must be the folder of a run of {name}, got {folder}, which is a run of {trained}; "
            f"give the backbone {trained}."
        )
    shape = tuple(model.inputs[0].shape[1:])
    if input_shape is not None and any(
        None not in (a, b) and a != b for a, b in zip(shape, tuple(input_shape), strict=False)
    ):
        raise ValueError(
            f"{caller}: `input_shape` must be {shape}, on which the run in {folder} was trained, got "
            f"{tuple(input_shape)}; leave it out, as images are resized."
        )
    if backbone_input_layer(model) is not None:
        return model, None
    return model, _input_arguments(caller, folder, preprocessing)


def _trained_name(folder):
    """Returns the name of the architecture that a run trained, or None where it has no record of it."""
    path = Path(folder, "run.json")
    return json.loads(path.read_text()).get("record", {}).get("model") if path.is_file() else None


def _input_arguments(caller, folder, preprocessing):
    """Returns the `BackboneInput` arguments that scale as a preprocessing does; resizing is left to the new model."""
    arguments = {}
    for layer in preprocessing.layers:
        if isinstance(layer, layers.Rescaling):
            scale, offset = np.broadcast_arrays(np.ravel(layer.scale), np.ravel(layer.offset))
            arguments = {"mean": tuple(-offset / scale), "deviation": tuple(1 / scale)}
        elif isinstance(layer, layers.Normalization):
            config = layer.get_config()
            arguments = {
                "mean": tuple(np.ravel(config["mean"])),
                "deviation": tuple(np.ravel(config["variance"]) ** 0.5),
            }
        elif not isinstance(layer, layers.InputLayer | layers.Resizing):
            raise ValueError(
                f"{caller}: the backbone must be of a run whose images are only scaled and resized, got {folder}, "
                f"whose preprocessing has the layer {layer.name}."
            )
    if preprocessing.inputs[0].dtype == "uint8":
        arguments |= dict(zip(("low", "high"), BYTES, strict=True))
    return arguments
