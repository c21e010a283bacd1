"""Finds the name map that fits a model and a source, and sets the model's weights: all of them, or none."""

import typing

import numpy as np
from keras import layers

from zoo.convert import weight_layout
from zoo.convert.name_map import ZOO_NAMES, block_numbers, source_name
from zoo.layers.position_embedding import PositionEmbedding

# prefixes of all names where PyTorch wraps a model
WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
HEAD_LAYERS = ("head", "head_deltas", "head_masks")  # whose shapes depend on the classes
MAX_LISTED = 6  # names in an error message


class WeightSource(typing.NamedTuple):
    """A weight of a zoo model and its array in the source."""

    weight: object  # Keras variable
    name: str  # of the array
    index: int  # of the slice
    slices: int  # of equal size in the array


def fill_model(model, arrays, name_maps, head):
    """Sets the weights of a zoo model from named arrays.

    Args:
        model: model of the zoo.
        arrays: {name in the source: array}.
        name_maps: the name maps that may fit, besides the zoo's own names.
        head: whether the layer `head` is set, too. If not, the source may have any head, or none.
    Returns:
        The library of the name map.
    Raises:
        ValueError: if no name map fits, a weight of the model is missing in the source, or an array of the source is
            not used or has another shape. The model is not changed then.
    """
    name_map, values = match_arrays(model, arrays, name_maps, head)
    for weight, value in values:
        weight.assign(value)
    return name_map.library


def match_arrays(model, arrays, name_maps, head):
    """Returns the name map that fits, and a list of (weight, its value); sets nothing.

    Args and errors are those of `fill_model`.
    """
    plans = [(m, p) for m in (ZOO_NAMES, *name_maps) if (p := plan_weights(model, m, head)) is not None]
    arrays = _without_wrappers(arrays)
    candidates = [(_without_prefix(arrays, m), m, p) for m, p in plans]
    hits = [len(source.keys() & {w.name for w in plan}) for source, _, plan in candidates]
    if not max(hits):
        libraries = ", ".join(dict.fromkeys(m.library for m, _ in plans))
        raise ValueError(
            f"load_weights: the source must have the names of `{model.name}` in {libraries}, got names such as "
            f"{_list_names(arrays)}."
        )
    best = [candidate for candidate, count in zip(candidates, hits, strict=True) if count == max(hits)]
    mismatches = [name_map.mismatch and name_map.mismatch(model) for _, name_map, _ in best]
    if all(mismatches):
        raise ValueError(f"load_weights: {best[0][1].library}'s weights for `{model.name}` {mismatches[0]}.")
    source, name_map, plan = next(c for c, mismatch in zip(best, mismatches, strict=True) if not mismatch)
    values = _convert_arrays(model, source, name_map, plan, head)
    return name_map, [(row.weight, value) for row, value in zip(plan, values, strict=True)]


def plan_weights(model, name_map, head):
    """Returns a `WeightSource` for each weight, or None where the name map lacks one."""
    weights = [w for w in model.weights if head or not _is_head(w)]
    numbers = block_numbers([w.path for w in model.weights])
    names = [source_name(name_map, w.path, numbers) for w in weights]
    return None if None in names else [WeightSource(w, *name) for w, name in zip(weights, names, strict=True)]


def _is_head(weight):
    return weight.path.split("/")[0] in HEAD_LAYERS


def _without_wrappers(arrays):
    arrays = {k: v for k, v in arrays.items() if not k.endswith("num_batches_tracked")}
    while prefix := next((p for p in WRAPPER_PREFIXES if arrays and all(k.startswith(p) for k in arrays)), None):
        arrays = {k.removeprefix(prefix): v for k, v in arrays.items()}
    return arrays


def _without_prefix(arrays, name_map):
    """Returns the arrays without the name map's prefix, unless two of them would have the same name."""
    stripped = {k.removeprefix(name_map.prefix): v for k, v in arrays.items()}
    return stripped if len(stripped) == len(arrays) else arrays


def _convert_arrays(model, arrays, name_map, plan, head):
    """Returns the value of each weight. Raises a ValueError with all weights and arrays that do not match."""
    owners = {layer.name: layer for layer in model.layers}
    biases = _biases_before_norms(arrays, name_map, plan, owners)
    missing = [f"{row.name} (our {row.weight.path})" for row in plan if row.name not in arrays]
    used = {*(row.name for row in plan), *biases.values()}
    extra = [k for k in arrays if k not in used and not k.startswith(name_map.unused_prefixes)]
    if not head:
        numbers = block_numbers([w.path for w in model.weights])
        paths = {"head/kernel", "head/bias", *(w.path for w in model.weights if _is_head(w))}
        head_names = {source_name(name_map, path, numbers)[0] for path in paths}
        extra = [k for k in extra if k not in head_names and not k.startswith(name_map.head_prefixes)]
    values, wrong_shapes = [], []
    for row in plan:
        if row.name not in arrays:
            continue
        path, shape = row.weight.path, tuple(row.weight.shape)
        owner = path.split("/")[0]
        value = _convert_array(_as_float32(arrays, row.name), row, owners.get(owner), name_map, model)
        if path.endswith("moving_mean") and owner in biases:
            bias = _as_float32(arrays, biases[owner])
            if bias.shape == value.shape:  # a bias before a normalization only shifts the mean
                value = value - bias
            else:
                wrong_shapes.append(f"{biases[owner]} is {bias.shape}, {row.name} is {value.shape}")
        if tuple(value.shape) != shape:
            wrong_shapes.append(f"{row.name} gives {tuple(value.shape)}, {path} needs {row.weight.shape}")
        values.append(value)
    if missing or extra or wrong_shapes:
        groups = (("missing in the source", missing), ("not used", extra), ("of another shape", wrong_shapes))
        differences = "; ".join(f"{len(names)} {what}: {_list_names(names)}" for what, names in groups if names)
        hint = " `head=False` keeps the model's own." if any("head/" in n for n in missing + wrong_shapes) else ""
        raise ValueError(
            f"load_weights: `{model.name}` and the source ({name_map.library}) differ. {differences}.{hint}"
        )
    return values


def _as_float32(arrays, name):
    try:
        return np.asarray(arrays[name], "float32")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"load_weights: {name} in the source is no array of numbers: {error}") from error


def _convert_array(array, row, layer, name_map, model):
    """Returns an array as the value of a weight. An array that does not fit keeps a wrong shape."""
    if row.slices > 1:
        if array.ndim == 0 or len(array) % row.slices:
            return array
        array = np.split(array, row.slices)[row.index]
    array = weight_layout.to_keras_layout(array, row.weight, layer, name_map.layout)
    shape, grid = tuple(row.weight.shape), weight_layout.patch_grid(model)
    if isinstance(layer, PositionEmbedding) and grid and array.shape[1:] == shape[1:] and len(array) != shape[0]:
        return weight_layout.resize_positions(array, shape[0] - grid[0] * grid[1], grid)
    if isinstance(layer, layers.BatchNormalization) and row.weight.path.endswith("moving_variance"):
        epsilon = name_map.epsilon(model) if callable(name_map.epsilon) else name_map.epsilon
        return array if epsilon is None else array + np.float32(epsilon - layer.epsilon)
    return array


def _biases_before_norms(arrays, name_map, plan, owners):
    """Returns {name of a normalization: the source's bias of the convolution before it, which the zoo model lacks}."""
    biases = {}
    for row in plan:
        layer, _, weight = row.weight.path.rpartition("/")
        if weight == "kernel" and f"{layer}_norm" in owners and not owners[layer].use_bias:
            prefix = row.name.removesuffix("weight" if name_map.layout == "torch" else "kernel")
            if f"{prefix}bias" in arrays:
                biases[f"{layer}_norm"] = f"{prefix}bias"
    return biases


def _list_names(names):
    names = list(names)
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
