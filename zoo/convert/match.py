"""Finds the scheme of names that fits a model and a source, and fills the model: every weight once, or not at all."""

import typing

import numpy as np
from keras import layers

from zoo.convert import weight_layout
from zoo.convert.name_map import OURS, places, source_name
from zoo.layers.position_embedding import PositionEmbedding

# what PyTorch puts in front of every name where it wraps a model
WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.")
SHOWN = 6


class Want(typing.NamedTuple):
    """One weight of ours and where it is found."""

    weight: object  # Keras variable
    name: str  # theirs
    part: int
    parts: int


def fill(model, arrays, schemes, head):
    """Sets every weight of `model` from `arrays`, whose names one of `schemes` explains.

    Args:
        model: one of ours.
        arrays: their name -> array.
        schemes: the schemes that may fit, besides our own names.
        head: whether the layer `head` is set too; where not, the source may have any head, or none.
    Returns:
        The scheme's library.
    Raises:
        ValueError: if no scheme fits, or a weight of ours is not in the source, or one of the source has no place in
            ours or has another shape; the model is then as it was.
    """
    plans = [(s, p) for s in (OURS, *schemes) if (p := _plan(model, s, head)) is not None]
    arrays = _unwrapped(arrays)
    scored = [(_bare(arrays, s), s, p) for s, p in plans]
    hits = [len(found.keys() & {w.name for w in wants}) for found, _, wants in scored]
    if not max(hits):
        known = ", ".join(dict.fromkeys(s.library for s, _ in plans))
        raise ValueError(
            f"load_weights: the source's names, such as {_short(arrays)}, are none that `{model.name}` is known by: "
            f"{known}."
        )
    best = [row for row, hit in zip(scored, hits, strict=True) if hit == max(hits)]
    refusals = [scheme.refuses and scheme.refuses(model) for _, scheme, _ in best]
    if all(refusals):
        raise ValueError(f"load_weights: {best[0][1].library}'s weights for `{model.name}` {refusals[0]}.")
    found, scheme, wants = next(row for row, refused in zip(best, refusals, strict=True) if not refused)
    values = _values(model, found, scheme, wants, head)
    for want, value in zip(wants, values, strict=True):
        want.weight.assign(value)
    return scheme.library


def _plan(model, scheme, head):
    """Where each weight is found, or None where the scheme lacks a row for one."""
    weights = [w for w in model.weights if head or not w.path.startswith("head/")]
    where = places([w.path for w in model.weights])
    named = [source_name(scheme, w.path, where) for w in weights]
    return None if None in named else [Want(w, *name) for w, name in zip(weights, named, strict=True)]


def _unwrapped(arrays):
    arrays = {k: v for k, v in arrays.items() if not k.endswith("num_batches_tracked")}
    while wrapper := next((w for w in WRAPPERS if arrays and all(k.startswith(w) for k in arrays)), None):
        arrays = {k.removeprefix(wrapper): v for k, v in arrays.items()}
    return arrays


def _bare(arrays, scheme):
    """The arrays without the name of the backbone, where the scheme has one and it hides no other array."""
    bare = {k.removeprefix(scheme.backbone): v for k, v in arrays.items()}
    return bare if len(bare) == len(arrays) else arrays


def _values(model, arrays, scheme, wants, head):
    """The value of each weight, once all of both sides are accounted for."""
    owners = {layer.name: layer for layer in model.layers}
    biases = _folded(arrays, scheme, wants, owners)
    needed = {w.name for w in wants}
    missing = [f"{w.name} (our {w.weight.path})" for w in wants if w.name not in arrays]
    used = {*needed, *biases.values()}
    extra = [k for k in arrays if k not in used and not k.startswith(scheme.unused)]
    if not head:
        where = places([w.path for w in model.weights])
        answers = {source_name(scheme, f"head/{ending}", where)[0] for ending in ("kernel", "bias")}
        extra = [k for k in extra if k not in answers and not k.startswith(scheme.heads)]
    values, wrong = [], []
    for want in wants:
        if want.name in arrays:
            owner = want.weight.path.split("/")[0]
            value = _value(_numbers(arrays, want.name), want, owners.get(owner), scheme, model)
            if want.weight.path.endswith("moving_mean") and owner in biases:
                bias = _numbers(arrays, biases[owner])
                if bias.shape == value.shape:  # a bias before a normalisation only shifts the mean
                    value = value - bias
                else:
                    wrong.append(f"{biases[owner]} is {bias.shape}, {want.name} is {value.shape}")
            if tuple(value.shape) != tuple(want.weight.shape):
                wrong.append(f"{want.name} gives {tuple(value.shape)}, {want.weight.path} needs {want.weight.shape}")
            values.append(value)
    if missing or extra or wrong:
        groups = (("missing in the source", missing), ("not used", extra), ("of another shape", wrong))
        told = "; ".join(f"{len(names)} {what}: {_short(names)}" for what, names in groups if names)
        fresh = " `head=False` keeps the model's own." if any("head/" in n for n in missing + wrong) else ""
        raise ValueError(f"load_weights: `{model.name}` and the source ({scheme.library}) differ. {told}.{fresh}")
    return values


def _numbers(arrays, name):
    try:
        return np.asarray(arrays[name], "float32")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"load_weights: {name} in the source is no array of numbers: {error}") from error


def _value(array, want, layer, scheme, model):
    if want.parts > 1:
        if array.ndim == 0 or len(array) % want.parts:
            return array
        array = np.split(array, want.parts)[want.part]
    array = weight_layout.to_keras_layout(array, want.weight, layer, scheme.layout)
    shape, grid = tuple(want.weight.shape), weight_layout.patches(model)
    if isinstance(layer, PositionEmbedding) and grid and array.shape[1:] == shape[1:] and len(array) != shape[0]:
        return weight_layout.resized_positions(array, shape[0] - grid[0] * grid[1], grid)
    if isinstance(layer, layers.BatchNormalization) and want.weight.path.endswith("moving_variance"):
        epsilon = scheme.epsilon(model) if callable(scheme.epsilon) else scheme.epsilon
        return array if epsilon is None else array + np.float32(epsilon - layer.epsilon)
    return array


def _folded(arrays, scheme, wants, owners):
    """{our normalisation: their bias of the convolution before it, where ours has none}."""
    biases = {}
    for want in wants:
        name, _, ending = want.weight.path.rpartition("/")
        if ending == "kernel" and f"{name}_norm" in owners and not owners[name].use_bias:
            stem = want.name.removesuffix("weight" if scheme.layout == "torch" else "kernel")
            if f"{stem}bias" in arrays:
                biases[f"{name}_norm"] = f"{stem}bias"
    return biases


def _short(names):
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
