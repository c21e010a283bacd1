"""Checks the inputs that are given to a model and converts them to its dtypes."""

import keras
import numpy as np


def check_inputs(caller, model, inputs):
    """Returns the inputs as arrays of the model's dtypes, in the structure that the model takes.

    Args:
        caller: name of the explanation in error messages.
        model: a built Keras model.
        inputs: an array; for a model with several inputs a dict or a list of arrays.
    Raises:
        ValueError: if the inputs are not numbers of the model's shapes, or there are no examples.
    """
    if not isinstance(model, keras.Model) or not model.built:
        got = f"`{model.name}`, not built" if isinstance(model, keras.Model) else type(model).__name__
        raise ValueError(f"{caller}: `model` must be a built keras.Model, got {got}.")
    tensors = list(getattr(model, "inputs", None) or [])
    if not tensors:
        return np.asarray(inputs)  # a subclassed model, whose input shapes are unknown
    structure = getattr(model, "_inputs_struct", None)
    names = sorted(structure) if isinstance(structure, dict) else [tensor.name for tensor in tensors]
    if isinstance(inputs, dict):
        if set(inputs) != set(names):
            raise ValueError(f"{caller}: `inputs` must have {', '.join(names)}, got {', '.join(sorted(inputs))}.")
        values = [inputs[name] for name in names]
    else:
        values = [inputs] if len(tensors) == 1 else list(inputs)
    if len(values) != len(tensors):
        raise ValueError(f"{caller}: `inputs` must be {len(tensors)} arrays: {', '.join(names)}; got {len(values)}.")
    arrays = [
        check_array(caller, f"the input `{name}`", value, tensor)
        for name, value, tensor in zip(names, values, tensors, strict=True)
    ]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"{caller}: `inputs` must have equal lengths, got {[len(array) for array in arrays]}.")
    if len(arrays) == 1 and not isinstance(structure, dict):
        return arrays[0]
    return keras.tree.pack_sequence_as(structure, arrays)


def check_array(caller, label, values, tensor):
    """Returns `values` as an array of the dtype of a model's input.

    Args:
        caller: name of the explanation in error messages.
        label: name of the values in error messages.
        values: (N, ...) numbers.
        tensor: the model's symbolic input.
    Raises:
        ValueError: if the values are not numbers of the input's shape, or there are no examples.
    """
    values, shape = np.asarray(values), tuple(tensor.shape)
    fits = values.ndim == len(shape) and all(s in (None, v) for s, v in zip(shape, values.shape, strict=True))
    if values.dtype.kind not in "fiub" or not fits or not len(values):
        hint = " One example needs a batch axis: inputs[None]." if values.ndim == len(shape) - 1 else ""
        raise ValueError(
            f"{caller}: {label} must be numbers of shape {shape}, got {values.dtype} {values.shape}.{hint}"
        )
    return values.astype(tensor.dtype)
