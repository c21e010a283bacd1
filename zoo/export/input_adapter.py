"""Converts a user's inputs (array, dict, DataFrame) to arrays with the names, types and shapes that a model takes."""

import contextlib
import re
from pathlib import Path

import keras
import numpy as np

from zoo.arguments import suggestion


def signature_name(name):
    """Returns `name` with every character but ASCII letters, digits and _ replaced by _, as a signature needs it."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def named_inputs(structure):
    """Returns a model's raw inputs by the names that the exported signature gives them.

    Args:
        structure: `model.input`: a tensor, or tensors in a list or a dict.
    Returns:
        Dict of signature name -> KerasTensor, in the model's order.
    Raises:
        ValueError: if two inputs get the same name.
    """
    tensors = keras.tree.flatten(structure)
    names = list(structure) if isinstance(structure, dict) else [t.name for t in tensors]
    tensors = list(structure.values()) if isinstance(structure, dict) else tensors
    # Keras numbers the inputs that have no name, differently in every session.
    unnamed = [re.fullmatch(r"(keras_tensor|input_layer)(_\d+)?", n) for n in names]
    names = [
        ("inputs" if len(names) == 1 else f"inputs_{i}") if no_name else signature_name(n)
        for i, (n, no_name) in enumerate(zip(names, unnamed, strict=True))
    ]
    if len(set(names)) < len(names):
        raise ValueError(f"the inputs must have different names of ASCII letters, digits and _, got {names}.")
    return dict(zip(names, tensors, strict=True))


def signature_names(structure, specs):
    """Returns the model's own input names -> signature names.

    Args:
        structure: `model.input`.
        specs: the same inputs by signature name, as `named_inputs` returns them.
    """
    return dict(zip(structure if isinstance(structure, dict) else specs, specs, strict=True))


def to_named_arrays(inputs, specs, names=None, prefix=""):
    """Converts inputs to arrays by signature name, in the types of the specs.

    A vector of N numbers becomes a column (N, 1) where the spec ends in 1. Text becomes an object array of UTF-8 bytes.

    Args:
        inputs: a dict of arrays by name, a DataFrame, or one array where there is one spec.
        specs: dict of signature name -> object with `dtype` (str) and `shape` (tuple with the batch; None if unknown).
        names: dict of accepted name -> signature name; None for the signature names, with or without the characters
            that `signature_name` replaces.
        prefix: start of the error messages, such as "predict: ".
    Returns:
        Dict of arrays, in the order of `specs`.
    Raises:
        ValueError: if a name is unknown or missing, or a conversion would change values beyond the precision of floats.
    """
    if hasattr(inputs, "columns"):
        inputs = {str(column): inputs[column].to_numpy() for column in inputs.columns}
    if not isinstance(inputs, dict):
        if len(specs) != 1:
            raise ValueError(
                f"{prefix}`inputs` must be named arrays {', '.join(sorted(specs))}, got one without a name."
            )
        inputs = {next(iter(names or specs)): inputs}
    if names is None:
        names = {name: name for name in specs}
        inputs = {name if name in specs else signature_name(name): array for name, array in inputs.items()}
    for name in inputs:
        if name not in names:
            raise ValueError(f"{prefix}`inputs` has {name!r}, which the model does not take.{suggestion(name, names)}")
    for name in names:
        if name not in inputs:
            expected = ", ".join(map(repr, sorted(names)))
            raise ValueError(f"{prefix}`inputs` lacks {name!r}; the model takes {expected}.")
    try:
        arrays = {names[n]: _convert(names[n], _to_array(names[n], a), specs[names[n]]) for n, a in inputs.items()}
    except ValueError as error:
        raise ValueError(f"{prefix}`inputs`: {error}") from None
    return {name: arrays[name] for name in specs}


def make_batches(structure, specs, inputs):
    """Arranges raw examples in batches by name: the first example and all examples; images that differ in size singly.

    Args:
        structure: `model.input`.
        specs: the same inputs by signature name, as `named_inputs` returns them.
        inputs: (N, ...), a dict of columns, a DataFrame, a list of one array per input, or a list of images.
    Returns:
        List of dicts of arrays; text as bytes of NumPy's type "S".
    Raises:
        ValueError: if the names, types or shapes are not the model's, or there is no example.
    """
    names = signature_names(structure, specs)
    if isinstance(inputs, list | tuple):
        if len(specs) > 1:
            if len(inputs) != len(specs):
                raise ValueError(f"`inputs` must be {len(specs)} arrays, {', '.join(specs)}; got {len(inputs)}.")
            inputs = dict(zip(names, inputs, strict=True))
        elif len({np.shape(image) for image in inputs}) > 1:
            return [_make_batch(np.asarray(image)[None], specs, names) for image in inputs]
    if isinstance(inputs, dict) and any(_differ_in_size(values) for values in inputs.values()):
        count = len(next(iter(inputs.values())))
        return [_make_batch({n: np.asarray(v[i])[None] for n, v in inputs.items()}, specs, names) for i in range(count)]
    batch = _make_batch(inputs, specs, names)
    first = {name: array[:1] for name, array in batch.items()}
    return [first, batch] if len(next(iter(batch.values()))) > 1 else [first]


def _differ_in_size(values):
    """Whether values are a list of arrays of different shapes."""
    return isinstance(values, list) and len({np.shape(value) for value in values}) > 1


def _make_batch(inputs, specs, names):
    """Arrays by name, in the types and shapes of the specs, with equally many examples."""
    batch = to_named_arrays(inputs, specs, names)
    lengths = {name: len(array) for name, array in batch.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"`inputs` must hold the same number of examples each, at least 1; got {lengths}.")
    # Without pickle, .npz files hold text only as "S".
    return {name: array.astype("S") if array.dtype == object else array for name, array in batch.items()}


def _to_array(name, values):
    """The values as an array; a ValueError if they are examples of several shapes, or paths."""
    first = values[0] if isinstance(values, list | tuple) and values else values
    if isinstance(first, Path):
        raise ValueError(
            f"{name} must be an array, got the path {str(first)!r}; read the file, or call the `predict` of the run, "
            "which takes paths."
        )
    try:
        return np.asarray(values)
    except ValueError:
        shapes = {}
        with contextlib.suppress(ValueError):
            shapes = dict.fromkeys(np.shape(value) for value in values)
        if len(shapes) < 2:
            raise
        listed = " and ".join(map(str, list(shapes)[:2]))
        raise ValueError(
            f"{name} must be examples of one shape, got {listed}; give the examples of each shape in a call of their "
            "own, or resize them to one."
        ) from None


def _convert_objects(name, array, dtype):
    """An array of Python objects in a type of numbers; a ValueError that names the first that is no number."""
    try:
        return array.astype(dtype)
    except (TypeError, ValueError):
        rows = np.atleast_1d(array)
        for row in range(len(rows)):
            for value in rows[row : row + 1].ravel():
                try:
                    np.asarray(value, object).astype(dtype)
                except (TypeError, ValueError):
                    raise ValueError(
                        f"{name} must be numbers ({dtype}), got {value!r} in row {row + 1}; write numbers, for yes and "
                        "no 1 and 0."
                    ) from None
        raise


def _convert(name, array, spec):
    """The array in the spec's type; a ValueError if its shape is another one."""
    if spec.dtype == "string":
        if array.dtype.kind not in "OSU":
            raise ValueError(f"{name} must be text or bytes, got {array.dtype}.")
        content = [v if isinstance(v, bytes) else str(v).encode("utf-8") for v in array.ravel()]
        converted = np.empty(len(content), object)
        converted[:] = content
        array = converted.reshape(array.shape)
    elif array.dtype.kind not in "fiubO":
        raise ValueError(f"{name} must be {spec.dtype}, got {array.dtype}.")
    elif array.dtype.kind == "b" and "int" in spec.dtype:
        raise ValueError(f"{name} must be {spec.dtype}, got True and False; write numbers, such as 0 and 255.")
    elif str(array.dtype) != spec.dtype:
        if array.dtype.kind == "f" and "int" in spec.dtype and not np.isfinite(array).all():
            raise ValueError(
                f"{name} must be whole numbers ({spec.dtype}), got NaN or an infinite number; replace such values by "
                "the number that means missing in the training data, or leave out their examples."
            )
        with np.errstate(invalid="ignore"):  # a number outside of the type is refused below
            is_object = array.dtype == object
            converted = _convert_objects(name, array, spec.dtype) if is_object else array.astype(spec.dtype)
        if "float" not in spec.dtype and not np.array_equal(converted, array):
            raise ValueError(f"{name} must be {spec.dtype}, got {array.dtype} with other values.")
        array = converted
    if spec.shape is not None and array.ndim == len(spec.shape) - 1 and spec.shape[-1] == 1:
        array = array[..., None]
    if spec.shape is not None and (
        array.ndim != len(spec.shape) or any(e not in (None, s) for e, s in zip(spec.shape, array.shape, strict=True))
    ):
        sizes = ", ".join(["N", *("any" if side is None else str(side) for side in spec.shape[1:])])
        raise ValueError(f"{name} must have the shape ({sizes}), N examples in a batch, got {array.shape}.")
    return array
