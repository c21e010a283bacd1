"""Raw inputs as their user has them, brought to the names, types and shapes that a model takes."""

import re

import keras
import numpy as np

from zoo.arguments import suggestion


def named(structure):
    """The raw inputs of a model by names that a signature can have.

    Args:
        structure: what `model.input` is: a tensor, or tensors in a list or a dict.
    Raises:
        ValueError: if two get the same name.
    """
    tensors = keras.tree.flatten(structure)
    names = list(structure) if isinstance(structure, dict) else [t.name for t in tensors]
    tensors = list(structure.values()) if isinstance(structure, dict) else tensors
    # Keras numbers what its user has not named, differently in every session.
    unnamed = [re.fullmatch(r"(keras_tensor|input_layer)(_\d+)?", n) for n in names]
    names = [
        ("inputs" if len(names) == 1 else f"inputs_{i}") if un else re.sub(r"\W", "_", n, flags=re.ASCII)
        for i, (n, un) in enumerate(zip(names, unnamed, strict=True))
    ]
    if len(set(names)) < len(names):
        raise ValueError(f"the inputs must have different names of ASCII letters, digits and _, got {names}.")
    return dict(zip(names, tensors, strict=True))


def arranged(structure, taken, inputs):
    """Raw examples as batches by name: the first and all; images that differ in size one by one.

    Args:
        structure: what `model.input` is.
        taken: the same, by name.
        inputs: (N, ...), a dict of columns, a DataFrame, a list of arrays or of images.
    Raises:
        ValueError: if they are not what the model takes.
    """
    if hasattr(inputs, "columns"):
        inputs = {column: inputs[column].to_numpy() for column in inputs.columns}
    if not isinstance(inputs, dict):
        if isinstance(inputs, list | tuple) and len(taken) > 1:
            return _first_and_all(_fitting(taken, inputs))
        if isinstance(inputs, list | tuple) and len({np.shape(image) for image in inputs}) > 1:
            return [_fitting(taken, [np.asarray(image)[None]]) for image in inputs]
        return _first_and_all(_fitting(taken, [inputs]))
    known = dict(zip(structure if isinstance(structure, dict) else taken, taken, strict=True))
    for name in inputs:
        if name not in known:
            raise ValueError(f"`inputs` has {name!r}, which the model does not take.{suggestion(name, known)}")
    for name in known:
        if name not in inputs:
            raise ValueError(f"`inputs` lacks {name!r}; the model takes {', '.join(map(repr, known))}.")
    return _first_and_all(_fitting(taken, [inputs[name] for name in known]))


def _fitting(taken, arrays):
    """Arrays by name, in the types and ranks of the raw inputs."""
    if len(arrays) != len(taken):
        raise ValueError(f"`inputs` must be {len(taken)} arrays, {', '.join(taken)}; got {len(arrays)}.")
    found = {n: _as(n, np.asarray(a), t) for a, (n, t) in zip(arrays, taken.items(), strict=True)}
    counts = {n: len(a) for n, a in found.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"`inputs` must hold the same number of examples each, at least 1; got {counts}.")
    return found


def _as(name, array, raw):
    """`array` as the raw input takes it; nothing but the precision of real numbers may get lost."""
    if raw.dtype == "string":
        array = array if array.dtype.kind == "S" else np.char.encode(array.astype(str), "utf-8")
    elif array.dtype.kind not in "fiub" and array.dtype != object:
        raise ValueError(f"`inputs`: {name} must be {raw.dtype}, got {array.dtype}.")
    elif str(array.dtype) != raw.dtype:
        converted = array.astype(raw.dtype)
        if "float" not in raw.dtype and not np.array_equal(converted, array):
            raise ValueError(f"`inputs`: {name} must be {raw.dtype}, got {array.dtype} with other values.")
        array = converted
    if array.ndim == len(raw.shape) - 1 and raw.shape[-1] == 1:
        array = array[..., None]  # a column
    wanted = tuple(raw.shape)
    if array.ndim != len(wanted) or any(w not in (None, a) for w, a in zip(wanted[1:], array.shape[1:], strict=True)):
        raise ValueError(f"`inputs`: {name} must have the shape {wanted}, got {array.shape}.")
    return array


def _first_and_all(batch):
    first = {name: values[:1] for name, values in batch.items()}
    return [first, batch] if len(next(iter(batch.values()))) > 1 else [first]
