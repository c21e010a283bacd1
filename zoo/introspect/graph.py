"""The calls that answer one example, in order, with the true shape of every tensor between them."""

import contextlib
import typing

import keras
from keras import layers, ops
from keras.src.backend.common import global_state

from zoo import registry
from zoo.arguments import checked


class Step(typing.NamedTuple):
    """One call of a layer or of an operation, for a batch of one."""

    operation: keras.Operation
    args: tuple
    kwargs: dict
    outputs: list  # its answers as one flat list; the very tensors that later steps have as arguments
    own: list  # the tensors that stand for `outputs` in the model that the call belongs to
    inside: list | None  # the calls that it consists of, where it can be opened

    @property
    def tensors(self):
        """The symbolic tensors that go in."""
        return [t for t in keras.tree.flatten((self.args, self.kwargs)) if isinstance(t, keras.KerasTensor)]


@contextlib.contextmanager
def weightless():
    """In this scope models are built whose weights have shapes but no memory."""
    # Keras lists the weights that wait for memory, and fills all on its list whenever some later scope closes.
    waiting = global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True)
    before = len(waiting)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        del waiting[before:]


@checked
def outline(name: str, **arguments) -> keras.Model:
    """A registered model whose weights have shapes but no memory: ViT-G's 1.8 billion take a second or two, not 7 GB.

    It can be measured and drawn, and cannot be run, trained or saved.

    Args:
        name: one of `zoo.names()`.
        **arguments: as the builder has them; none for those of the paper's main row.
    Returns:
        Uncompiled `keras.Model`.
    Raises:
        ValueError: if there is no such name, or as the builder says.
    """
    entry = registry.entry(name)
    with weightless():
        return entry.build(**(arguments or entry.example))


def steps(model) -> list[Step]:
    """The calls of a built model for one example; models and foreign layers in it are opened as far as they let us.

    Raises:
        ValueError: if it is no Keras model, or is not built.
    """
    if not isinstance(model, keras.Model | keras.Function):
        raise ValueError(f"a Keras model is needed, got {type(model).__name__}.")
    graph = _graph(model)
    # A batch of one, not of None: then no reshape can hide other sizes in the batch's place.
    if graph is not None:
        return _walk(graph, [_one(t.shape, t.dtype) for t in graph.inputs])[0]
    if not (model.built and getattr(model, "_build_shapes_dict", None)):
        raise ValueError(f"the model `{model.name}` is not built: call it on a batch, or give it an Input, first.")
    inputs = keras.tree.map_shape_structure(_one, tuple(model._build_shapes_dict.values()))
    inside = _look(model, inputs, {})[1]
    return [Step(model, inputs, {}, [], [], None)] if inside is None else inside


def native(operation):
    """Whether what it computes is Keras' own code, or the same by another way, of a class that says `as_keras`."""
    owner = next(c for c in type(operation).__mro__ if "call" in vars(c) and not vars(c).get("as_keras"))
    return owner.__module__.startswith("keras.") and ".applications." not in owner.__module__


def _one(shape, dtype="float32"):
    return keras.KerasTensor((1, *shape[1:]), dtype)


def _graph(operation):
    """The graph of a functional or Sequential model, or None."""
    if isinstance(operation, keras.Function) and native(operation):
        return operation
    if isinstance(operation, keras.Sequential) and native(operation):
        return operation._functional
    return None


def _walk(graph, inputs):
    """The steps of a graph on these inputs, and its flat outputs."""
    known = {id(place): tensor for place, tensor in zip(graph._inputs, inputs, strict=True)}
    found = []
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input or any(id(t) not in known for t in node.input_tensors):
                continue
            args, kwargs = node.arguments.fill_in(known)
            outputs, inside = _call(node.operation, args, kwargs)
            outputs = keras.tree.flatten(outputs)
            known.update(zip(map(id, node.outputs), outputs, strict=True))
            found.append(Step(node.operation, args, kwargs, outputs, node.outputs, inside))
    return found, [known[id(t)] for t in graph._outputs]


def _call(operation, args, kwargs):
    """What a call answers, and its steps where it can be opened."""
    graph = _graph(operation)
    if graph is not None:
        found, outputs = _walk(graph, _arrange(graph, args[0] if args else kwargs["inputs"]))
        return keras.tree.pack_sequence_as(graph._outputs_struct, outputs), found
    if isinstance(operation, layers.TimeDistributed):
        moment = keras.KerasTensor((1, *args[0].shape[2:]), args[0].dtype)
        return operation.compute_output_spec(*args, **kwargs), [_alone(operation.layer, moment)]
    if isinstance(operation, layers.Bidirectional):
        both = [_alone(layer, args[0]) for layer in (operation.forward_layer, operation.backward_layer)]
        return operation.compute_output_spec(*args, **kwargs), both
    if _opens(operation):
        outputs, found = _look(operation, args, kwargs)
        if found is not None:
            return outputs, found
    # Two whose own word on their answer's shape does not hold: the one calls known sizes unknown, the other forgets
    # that values may be wider than keys.
    if isinstance(operation, layers.EinsumDense):
        return ops.einsum(operation.equation, args[0], keras.KerasTensor(operation.kernel.shape)), None
    if type(operation).__name__ == "DotProductAttention":
        return keras.KerasTensor((*args[0].shape[:-1], args[2].shape[-1]), args[0].dtype), None
    with keras.StatelessScope():
        return operation.compute_output_spec(*args, **kwargs), None


def _alone(layer, tensor):
    """The step of a layer that another layer calls, for one of these tensors."""
    outputs, inside = _call(layer, (tensor,), {})
    outputs = keras.tree.flatten(outputs)
    return Step(layer, (tensor,), {}, outputs, outputs, inside)


def _arrange(graph, given):
    """The arguments of a model in the order of its inputs."""
    if isinstance(given, dict) and not isinstance(graph._inputs_struct, dict):
        return [given[t.name] for t in graph._inputs]
    return keras.tree.flatten(given)


# Keras' own layers that are opened, as their cost is that of what they call; the others have rules or cost nothing.
COMPOSITE = (
    layers.MultiHeadAttention,
    layers.GroupQueryAttention,
    layers.Attention,
    layers.Dot,
    layers.Lambda,
    layers.Wrapper,
    layers.Pipeline,
    layers.ReversibleEmbedding,
)


def _opens(operation):
    if not isinstance(operation, keras.Layer):
        return False
    if isinstance(operation, layers.AdditiveAttention):
        return False
    return not native(operation) or isinstance(operation, COMPOSITE)


def _look(layer, args, kwargs):
    """(outputs, steps) of a layer's own `call`, or (None, None) where it cannot be called on symbols."""
    parts = list(layer._flatten_layers())
    if not all(part.built for part in parts):
        return None, None
    traces = [(nodes, len(nodes)) for part in parts for nodes in (part._inbound_nodes, part._outbound_nodes)]
    given = (args, {**kwargs, "training": False} if layer._call_has_training_arg else kwargs)
    symbols = keras.tree.map_structure(
        lambda t: keras.KerasTensor(t.shape, t.dtype) if isinstance(t, keras.KerasTensor) else t, given
    )
    try:
        with keras.StatelessScope():
            outputs = layer.call(*symbols[0], **symbols[1])
            # What is handed through must have been made by some operation too.
            given_through = {id(t) for t in _symbols(symbols)}
            outputs = keras.tree.map_structure(
                lambda t: ops.convert_to_tensor(t) if id(t) in given_through else t, outputs
            )
            graph = keras.Function(_symbols(symbols), outputs)
    except Exception:  # whatever someone else's code makes of symbols: then it stays closed, and counts as unknown
        return None, None
    finally:
        for nodes, length in traces:
            del nodes[length:]
    found, flat = _walk(graph, _symbols(given))
    return keras.tree.pack_sequence_as(outputs, flat), found


def _symbols(structure):
    return [t for t in keras.tree.flatten(structure) if isinstance(t, keras.KerasTensor)]
