"""What the layers of a model answer while it runs, however deep they lie in models within models."""

import contextlib

import keras
import numpy as np

from zoo.arguments import suggestion
from zoo.introspect.layers import leaf_layers
from zoo.introspect.output_activation import replaced_attribute


def named(caller, model, names):
    """The layers of these names, or paths, in this order; all leaves for None.

    Args:
        caller: what errors call the explanation.
        model: a built Keras model.
        names: strings, or None.
    Raises:
        ValueError: if the model has no such layer; the nearest is offered.
    """
    found = leaf_layers(model)
    if names is None:
        return found
    last = {path.rsplit("/", 1)[-1]: path for path in found}
    for name in names:
        if name not in found and name not in last:
            raise ValueError(f"{caller}: `{model.name}` has no layer {name!r}.{suggestion(name, [*found, *last])}")
    return {path: found[path] for path in (name if name in found else last[name] for name in names)}


def record(model, inputs, layers, see=lambda compute: compute):
    """Runs a model, and keeps what its layers answer.

    Args:
        model: a Keras model.
        inputs: what it takes.
        layers: a dict from paths to layers of the model.
        see: changes a layer's `call` before it is kept.
    Returns:
        (the model's answer, a list of (path, answer) for each call of a layer, in the order of the calls).
    """
    seen = []

    def watching(path, compute):
        def call(*args, **kwargs):
            answer = compute(*args, **kwargs)
            seen.append((path, answer))
            return answer

        return call

    with contextlib.ExitStack() as stack:
        for path, layer in layers.items():
            stack.enter_context(replaced_attribute(layer, "call", watching(path, see(layer.call))))
        answer = model(inputs, training=False)
    return answer, seen


def fitting(caller, model, inputs):
    """The inputs as arrays of the model's types, in the structure that the model takes.

    Args:
        caller: what errors call the explanation.
        model: a built Keras model.
        inputs: an array, or for a model with several inputs a dict or a list of them.
    Raises:
        ValueError: if they are not numbers of the model's shapes, or there are no examples.
    """
    if not isinstance(model, keras.Model) or not model.built:
        got = f"`{model.name}`, not built" if isinstance(model, keras.Model) else type(model).__name__
        raise ValueError(f"{caller}: `model` must be a built keras.Model, got {got}.")
    wanted = list(getattr(model, "inputs", None) or [])
    if not wanted:
        return np.asarray(inputs)  # a subclassed model, which says nothing of its inputs
    shape = getattr(model, "_inputs_struct", None)
    names = sorted(shape) if isinstance(shape, dict) else [tensor.name for tensor in wanted]
    if isinstance(inputs, dict):
        if set(inputs) != set(names):
            raise ValueError(f"{caller}: `inputs` must have {', '.join(names)}, got {', '.join(sorted(inputs))}.")
        given = [inputs[name] for name in names]
    else:
        given = [inputs] if len(wanted) == 1 else list(inputs)
    if len(given) != len(wanted):
        raise ValueError(f"{caller}: `inputs` must be {len(wanted)} arrays: {', '.join(names)}; got {len(given)}.")
    arrays = [_array(caller, *three) for three in zip(names, given, wanted, strict=True)]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"{caller}: `inputs` must all be as long, got {[len(array) for array in arrays]}.")
    return arrays[0] if len(arrays) == 1 and not isinstance(shape, dict) else keras.tree.pack_sequence_as(shape, arrays)


def _array(caller, name, values, tensor):
    values, wanted = np.asarray(values), tuple(tensor.shape)
    fits = values.ndim == len(wanted) and all(w in (None, v) for w, v in zip(wanted, values.shape, strict=True))
    if values.dtype.kind not in "fiub" or not fits or not len(values):
        told = f"{values.dtype} {values.shape}"
        hint = " One example needs a batch axis: inputs[None]." if values.ndim == len(wanted) - 1 else ""
        raise ValueError(f"{caller}: the input `{name}` must be numbers of shape {wanted}, got {told}.{hint}")
    return values.astype(tensor.dtype)
