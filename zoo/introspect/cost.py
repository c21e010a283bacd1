"""Number of parameters, and multiply-accumulates (MACs) for one input."""

import math

import keras
from keras import layers

from zoo.arguments import checked
from zoo.introspect.graph import LayerCall, is_keras_code, symbolic_tensors, trace_calls

UNKNOWN = math.nan  # propagates through sums and products


@checked
def parameters(model: keras.Model) -> tuple[int, int]:
    """Returns the number of parameters of a model.

    Args:
        model: a built Keras model, or an `outline`.
    Returns:
        (total, trainable).
    """
    return tuple(sum(math.prod(w.shape) for w in group) for group in (model.weights, model.trainable_weights))


@checked
def macs(model: keras.Model) -> int | None:
    """Returns the number of multiply-accumulates (MACs) for one input.

    Dense layers, all convolutions, attention (projections, QK' and AV), recurrent layers over all their time steps, and
    matmul, einsum and convolution operations are counted. Padding counts as multiplications with its zeros. A
    transposed convolution is counted for each of its inputs, a shared layer for each of its calls. Biases,
    normalization, activations, pooling, interpolation, embedding look-ups and other arithmetic without weights count 0.

    A custom layer is traced if its `call` runs on symbolic tensors. Otherwise it can have a method
    `macs(self, *input_shapes)`, with shapes for a batch of 1.

    Args:
        model: a built Keras model, or an `outline`.
    Returns:
        The count, about half of the number of FLOPs. None if a layer or a size is unknown.
    Raises:
        ValueError: if the model is not built.
    """
    count = _total_macs(trace_calls(model))
    return None if math.isnan(count) else int(count)


def _total_macs(calls):
    return sum(_call_macs(call) for call in calls)


def _call_macs(call: LayerCall):
    """MACs of one call, or `UNKNOWN`."""
    operation = call.operation
    if hasattr(operation, "macs"):
        if any(None in t.shape for t in call.input_tensors):
            return UNKNOWN
        arguments = [a for a in (*call.args, *call.kwargs.values()) if symbolic_tensors(a)]
        return operation.macs(*(keras.tree.map_structure(lambda t: t.shape, a) for a in arguments))
    if isinstance(operation, layers.TimeDistributed):
        time_steps = call.input_tensors[0].shape[1]
        return time_steps * _total_macs(call.inner_calls) if time_steps else UNKNOWN
    if call.inner_calls is not None:
        return _total_macs(call.inner_calls)
    if not is_keras_code(operation):
        return UNKNOWN
    if isinstance(operation, keras.Layer):
        return _layer_macs(operation, call)
    return _operation_macs(operation, call)


def _size(shape):
    """Product of the sizes, `UNKNOWN` if one is None."""
    return math.prod(UNKNOWN if side is None else side for side in shape)


# Layers with weights that only scale, shift or look up, which counts 0.
WITHOUT_MACS = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.RMSNormalization,
    layers.Normalization,
    layers.Embedding,
    layers.PReLU,
)


def _layer_macs(layer, call):
    inputs, outputs = call.input_tensors[0].shape, call.outputs[0].shape
    if isinstance(layer, layers.Dense):
        return _size(outputs) * inputs[-1]
    if isinstance(layer, layers.EinsumDense):
        return _einsum_macs(layer.equation, inputs, layer.kernel.shape)
    if isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose | layers.Conv3DTranspose):
        return _size(inputs) * _size(layer.kernel_size) * layer.filters
    if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
        depthwise, pointwise = layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        return _size(outputs) / layer.filters * (_size(depthwise) + _size(pointwise))
    if isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        return _size(outputs) * _size(layer.kernel_size)
    if isinstance(layer, layers.Conv1D | layers.Conv2D | layers.Conv3D):
        return _size(outputs) * _size(layer.kernel.shape[:-1])
    if isinstance(layer, layers.ConvLSTM1D | layers.ConvLSTM2D | layers.ConvLSTM3D):
        cells = _size(outputs) / layer.filters / ((inputs[1] or UNKNOWN) if layer.return_sequences else 1)
        return _size(inputs[1:2]) * cells * (_size(layer.cell.kernel.shape) + _size(layer.cell.recurrent_kernel.shape))
    if isinstance(layer, layers.RNN):
        return _size(inputs[1:2]) * _cell_macs(layer.cell, (inputs[0], *inputs[2:]))
    if isinstance(layer, layers.AdditiveAttention):
        (_, queries, query_width), (_, keys, key_width) = (t.shape for t in call.input_tensors[:2])
        return _size((queries, keys, query_width + key_width))
    return 0 if not layer.weights or isinstance(layer, WITHOUT_MACS) else UNKNOWN


def _cell_macs(cell, shape):
    """MACs of one time step of a recurrent cell."""
    if hasattr(cell, "macs"):
        return cell.macs(shape)
    if isinstance(cell, layers.StackedRNNCells):
        total = 0
        for inner in cell.cells:
            total += _cell_macs(inner, shape)
            shape = (shape[0], inner.output_size)
        return total
    if is_keras_code(cell) and isinstance(cell, layers.SimpleRNNCell | layers.LSTMCell | layers.GRUCell):
        return _size(cell.kernel.shape) + _size(cell.recurrent_kernel.shape)
    return UNKNOWN


# Operations with loops, solvers or filters, whose cost does not follow from the shapes.
UNKNOWN_OPERATIONS = {
    *("Map", "Scan", "AssociativeScan", "WhileLoop", "ForiLoop", "Cond", "Switch", "VectorizedMap"),
    *("FFT", "FFT2", "IFFT2", "RFFT", "IRFFT", "STFT", "ISTFT", "CDist", "Correlate", "Corrcoef", "Kron", "Cross"),
    *("GaussianBlur", "ElasticTransform", "SobelEdges", "SSIM", "Outer", "Vdot"),
}


def _operation_macs(operation, call):
    """MACs of an operation of `keras.ops`; 0 for operations that contract no axis."""
    kind = type(operation).__name__
    if kind in UNKNOWN_OPERATIONS or ".linalg" in type(operation).__module__:
        return UNKNOWN
    shapes = [tuple(x.shape) for x in keras.tree.flatten((call.args, call.kwargs)) if hasattr(x, "shape")]
    outputs = call.outputs[0].shape
    if kind == "Matmul":
        return _size((*outputs, shapes[0][-1]))
    if kind in ("Dot", "Inner", "Tensordot"):  # every axis is in one factor and the output, or in both factors
        return math.sqrt(_size(shapes[0]) * _size(shapes[1]) * _size(outputs))
    if kind == "Einsum":
        return _einsum_macs(operation.subscripts, *shapes)
    if kind == "Conv":
        return _size(outputs) * _size(shapes[1][:-1])
    if kind == "DepthwiseConv":
        return _size(outputs) * _size(shapes[1][:-2])
    if kind == "SeparableConv":
        return _size(outputs) / shapes[2][-1] * (_size(shapes[1]) + _size(shapes[2]))
    if kind == "ConvTranspose":
        return _size(shapes[0]) * _size(shapes[1][:-1])
    if kind == "DotProductAttention":
        (batch, queries, heads, query_width), (_, keys, _, value_width) = shapes[0], shapes[2]
        return _size((batch, heads, queries, keys, query_width + value_width))
    return 0


def _einsum_macs(equation, *shapes):
    """Product of all different axes of two factors; 0 for one factor, unknown for more, as it depends on the order."""
    if len(shapes) == 1:
        return 0
    if len(shapes) > 2:
        return UNKNOWN
    sides = {}
    for letters, shape in zip(equation.replace(" ", "").split("->")[0].split(","), shapes, strict=True):
        before, dots, after = letters.partition("...")
        middle = [f"axis {n} from the right of the dots" for n in range(len(shape) - len(before + after), 0, -1)]
        for axis, side in zip([*before, *(middle if dots else ()), *after], shape, strict=True):
            if sides.get(axis, 1) == 1:
                sides[axis] = side
    return _size(sides.values())
