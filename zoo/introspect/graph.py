"""The layer and operation calls of a model for one example, in order, with the shape of every tensor."""

import contextlib
import typing

import keras
from keras import layers, ops
from keras.src.backend.common import global_state

from zoo import registry
from zoo.arguments import checked


class LayerCall(typing.NamedTuple):
    """One call of a layer or an operation, for a batch of one."""

    operation: keras.Operation
    args: tuple
    kwargs: dict
    outputs: list  # flat list of tensors for one example; later calls have the same objects as arguments
    symbolic_outputs: list  # the tensors of the model's own graph that `outputs` correspond to
    inner_calls: list | None  # the calls inside this one, or None where it cannot be traced

    @property
    def input_tensors(self):
        """Flat list of the symbolic tensors among the arguments."""
        return symbolic_tensors((self.args, self.kwargs))


def symbolic_tensors(structure):
    """Returns the symbolic tensors in a nested structure as a flat list."""
    return [t for t in keras.tree.flatten(structure) if isinstance(t, keras.KerasTensor)]


@contextlib.contextmanager
def weightless():
    """In this scope, models are built with weights that have shapes but no memory."""
    # Keras lists weights without memory, and initializes the whole list when any later StatelessScope closes.
    uninitialized = global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True)
    length = len(uninitialized)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        del uninitialized[length:]


@checked
def outline(name: str, **arguments) -> keras.Model:
    """Builds a registered model with weights that have shapes but no memory.

    ViT-G's 1.8 billion weights take a second or two instead of 7 GB. The model can be measured and drawn. It cannot be
    run, trained or saved.

    Args:
        name: one of `zoo.names()`.
        **arguments: the builder's arguments; without any, those of the paper's main variant.
    Returns:
        Uncompiled `keras.Model`.
    Raises:
        ValueError: if there is no such name, or from the builder.
    """
    entry = registry.entry(name)
    with weightless():
        return entry.build(**(arguments or entry.example))


def trace_calls(model) -> list[LayerCall]:
    """Returns the calls of a built model for one example. Nested models and custom layers are traced where possible.

    Raises:
        ValueError: if `model` is not a Keras model, or is not built.
    """
    if not isinstance(model, keras.Model | keras.Function):
        raise ValueError(f"a Keras model is needed, got {type(model).__name__}.")
    graph = _functional_graph(model)
    # A batch of 1 instead of None: with None, a reshape could move other sizes into the batch axis.
    if graph is not None:
        return _trace_graph(graph, [_single_example(t.shape, t.dtype) for t in graph.inputs])[0]
    if not (model.built and getattr(model, "_build_shapes_dict", None)):
        raise ValueError(f"the model `{model.name}` is not built: call it on a batch, or give it an Input, first.")
    inputs = keras.tree.map_shape_structure(_single_example, tuple(model._build_shapes_dict.values()))
    inner_calls = _trace_call_method(model, inputs, {})[1]
    return [LayerCall(model, inputs, {}, [], [], None)] if inner_calls is None else inner_calls


def flatten_calls(calls):
    """Yields calls in order; those inside a nested model come before the call of that model."""
    for call in calls:
        if isinstance(call.operation, keras.Model | keras.Function) and call.inner_calls:
            yield from flatten_calls(call.inner_calls)
        yield call


def is_keras_code(operation):
    """Whether an operation computes by Keras' own `call`, or by an equivalent one that its class marks `as_keras`."""
    owner = next(c for c in type(operation).__mro__ if "call" in vars(c) and not vars(c).get("as_keras"))
    return owner.__module__.startswith("keras.") and ".applications." not in owner.__module__


def _single_example(shape, dtype="float32"):
    return keras.KerasTensor((1, *shape[1:]), dtype)


def _functional_graph(operation):
    """Returns the graph of a functional or Sequential model, or None."""
    if isinstance(operation, keras.Function) and is_keras_code(operation):
        return operation
    if isinstance(operation, keras.Sequential) and is_keras_code(operation):
        return operation._functional
    return None


def _trace_graph(graph, inputs):
    """Returns the calls of a graph on flat inputs, and its flat outputs."""
    tensors = {id(symbol): tensor for symbol, tensor in zip(graph._inputs, inputs, strict=True)}
    calls = []
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input or any(id(t) not in tensors for t in node.input_tensors):
                continue
            args, kwargs = node.arguments.fill_in(tensors)
            outputs, inner_calls = _trace_operation(node.operation, args, kwargs)
            outputs = keras.tree.flatten(outputs)
            tensors.update(zip(map(id, node.outputs), outputs, strict=True))
            calls.append(LayerCall(node.operation, args, kwargs, outputs, node.outputs, inner_calls))
    return calls, [tensors[id(t)] for t in graph._outputs]


def _trace_operation(operation, args, kwargs):
    """Returns the outputs of a call, and the calls inside it, or None where it cannot be traced."""
    graph = _functional_graph(operation)
    if graph is not None:
        calls, outputs = _trace_graph(graph, _flat_inputs(graph, args[0] if args else kwargs["inputs"]))
        return keras.tree.pack_sequence_as(graph._outputs_struct, outputs), calls
    if isinstance(operation, layers.TimeDistributed):
        step = keras.KerasTensor((1, *args[0].shape[2:]), args[0].dtype)
        return operation.compute_output_spec(*args, **kwargs), [_call_on(operation.layer, step)]
    if isinstance(operation, layers.Bidirectional):
        directions = [_call_on(layer, args[0]) for layer in (operation.forward_layer, operation.backward_layer)]
        return operation.compute_output_spec(*args, **kwargs), directions
    if _is_traced(operation):
        outputs, calls = _trace_call_method(operation, args, kwargs)
        if calls is not None:
            return outputs, calls
    # compute_output_spec of these two is wrong: EinsumDense returns None for known sizes, DotProductAttention ignores
    # that values may be wider than keys.
    if isinstance(operation, layers.EinsumDense):
        return ops.einsum(operation.equation, args[0], keras.KerasTensor(operation.kernel.shape)), None
    if type(operation).__name__ == "DotProductAttention":
        return keras.KerasTensor((*args[0].shape[:-1], args[2].shape[-1]), args[0].dtype), None
    with keras.StatelessScope():
        return operation.compute_output_spec(*args, **kwargs), None


def _call_on(layer, tensor):
    """Returns the call of a wrapped layer on one tensor."""
    outputs, inner_calls = _trace_operation(layer, (tensor,), {})
    outputs = keras.tree.flatten(outputs)
    return LayerCall(layer, (tensor,), {}, outputs, outputs, inner_calls)


def _flat_inputs(graph, inputs):
    """Returns a model's inputs as a flat list in the order of its graph."""
    if isinstance(inputs, dict) and not isinstance(graph._inputs_struct, dict):
        return [inputs[t.name] for t in graph._inputs]
    return keras.tree.flatten(inputs)


# Keras' own layers whose cost is that of the calls inside. All others have a formula or cost nothing.
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


def _is_traced(operation):
    if not isinstance(operation, keras.Layer):
        return False
    if isinstance(operation, layers.AdditiveAttention):
        return False
    return not is_keras_code(operation) or isinstance(operation, COMPOSITE)


def _trace_call_method(layer, args, kwargs):
    """Returns the outputs and calls of a layer's `call`, or (None, None) where it cannot run on symbolic tensors."""
    sublayers = list(layer._flatten_layers())
    if not all(sublayer.built for sublayer in sublayers):
        return None, None
    nodes_before = [(n, len(n)) for sub in sublayers for n in (sub._inbound_nodes, sub._outbound_nodes)]
    arguments = (args, {**kwargs, "training": False} if layer._call_has_training_arg else kwargs)
    copies = keras.tree.map_structure(
        lambda t: keras.KerasTensor(t.shape, t.dtype) if isinstance(t, keras.KerasTensor) else t, arguments
    )
    try:
        with keras.StatelessScope():
            outputs = layer.call(*copies[0], **copies[1])
            # An input that is returned unchanged needs an operation of its own in the graph.
            input_ids = {id(t) for t in symbolic_tensors(copies)}
            outputs = keras.tree.map_structure(lambda t: ops.convert_to_tensor(t) if id(t) in input_ids else t, outputs)
            graph = keras.Function(symbolic_tensors(copies), outputs)
    except Exception:  # custom code may raise anything on symbolic tensors; the layer then counts as unknown
        return None, None
    finally:
        for nodes, length in nodes_before:
            del nodes[length:]
    calls, flat_outputs = _trace_graph(graph, symbolic_tensors(arguments))
    return keras.tree.pack_sequence_as(outputs, flat_outputs), calls
