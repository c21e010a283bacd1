"""Parameters, and multiply-accumulates (MACs) of one input."""

import math

import keras
from keras import layers

from zoo.arguments import checked
from zoo.introspect.graph import Step, native, steps

UNKNOWN = math.nan  # it spreads through sums and products, so one unknown part makes the whole unknown


@checked
def parameters(model: keras.Model) -> tuple[int, int]:
    """How many numbers a model's weights hold; the weights need not have memory.

    Args:
        model: a built Keras model, or an `outline`.
    Returns:
        (all, trainable).
    """
    return tuple(sum(math.prod(w.shape) for w in group) for group in (model.weights, model.trainable_weights))


@checked
def macs(model: keras.Model) -> int | None:
    """Multiply-accumulates of one input, from the shapes that the model's graph has for it.

    Counted are dense layers, convolutions of every kind, attention (its projections, QK' and AV), recurrent layers over
    all their steps, and matmul, einsum and convolution operations; padding counts as the zeros it is multiplied
    with, a transposed convolution for each of its inputs, and a shared layer for each of its calls. Biases,
    normalisation, activations, pooling, interpolation, embeddings (look-ups) and other arithmetic without weights count
    nothing. A layer of your own is opened where its `call` takes symbols; or it says itself, by a method
    `macs(self, *input_shapes)`, each shape with a batch of one.

    Args:
        model: a built Keras model, or an `outline`.
    Returns:
        The count (about half of what is called FLOPs), or None where a layer is unknown or a size is not given.
    Raises:
        ValueError: if it is not built.
    """
    count = _sum(steps(model))
    return None if math.isnan(count) else int(count)


def _sum(found):
    return sum(_cost(step) for step in found)


def _cost(step: Step):
    """MACs of one call; nan where they are unknown."""
    operation = step.operation
    if hasattr(operation, "macs"):
        if any(None in t.shape for t in step.tensors):
            return UNKNOWN
        given = [a for a in (*step.args, *step.kwargs.values()) if _has_tensor(a)]
        return operation.macs(*(keras.tree.map_structure(lambda t: t.shape, a) for a in given))
    if isinstance(operation, layers.TimeDistributed):
        return step.tensors[0].shape[1] * _sum(step.inside) if step.tensors[0].shape[1] else UNKNOWN
    if step.inside is not None:
        return _sum(step.inside)
    if not native(operation):
        return UNKNOWN
    if isinstance(operation, keras.Layer):
        return _layer(operation, step)
    return _operation(operation, step)


def _has_tensor(argument):
    return any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten(argument))


def _size(shape):
    return math.prod(UNKNOWN if side is None else side for side in shape)


# Layers whose weights scale, shift or are looked up.
FREE = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.RMSNormalization,
    layers.Normalization,
    layers.Embedding,
    layers.PReLU,
)


def _layer(layer, step):
    given, answer = step.tensors[0].shape, step.outputs[0].shape
    if isinstance(layer, layers.Dense):
        return _size(answer) * given[-1]
    if isinstance(layer, layers.EinsumDense):
        return _einsum(layer.equation, given, layer.kernel.shape)
    if isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose | layers.Conv3DTranspose):
        return _size(given) * _size(layer.kernel_size) * layer.filters
    if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
        deep, point = layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        return _size(answer) / layer.filters * (_size(deep) + _size(point))
    if isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        return _size(answer) * _size(layer.kernel_size)
    if isinstance(layer, layers.Conv1D | layers.Conv2D | layers.Conv3D):
        return _size(answer) * _size(layer.kernel.shape[:-1])
    if isinstance(layer, layers.ConvLSTM1D | layers.ConvLSTM2D | layers.ConvLSTM3D):
        cells = _size(answer) / layer.filters / (given[1] if layer.return_sequences else 1)
        return _size(given[1:2]) * cells * (_size(layer.cell.kernel.shape) + _size(layer.cell.recurrent_kernel.shape))
    if isinstance(layer, layers.RNN):
        return _size(given[1:2]) * _cell(layer.cell, (given[0], *given[2:]))
    if isinstance(layer, layers.AdditiveAttention):
        (_, queries, width), (_, keys, deep) = (t.shape for t in step.tensors[:2])
        return _size((queries, keys, width + deep))
    return 0 if not layer.weights or isinstance(layer, FREE) else UNKNOWN


def _cell(cell, shape):
    """MACs of one step of a recurrent cell."""
    if hasattr(cell, "macs"):
        return cell.macs(shape)
    if isinstance(cell, layers.StackedRNNCells):
        total = 0
        for part in cell.cells:
            total += _cell(part, shape)
            shape = (shape[0], part.output_size)
        return total
    if native(cell) and isinstance(cell, layers.SimpleRNNCell | layers.LSTMCell | layers.GRUCell):
        return _size(cell.kernel.shape) + _size(cell.recurrent_kernel.shape)
    return UNKNOWN


# Operations that hide loops, solvers or filters; their cost is not in their shapes.
CLOSED = {
    *("Map", "Scan", "AssociativeScan", "WhileLoop", "ForiLoop", "Cond", "Switch", "VectorizedMap"),
    *("FFT", "FFT2", "IFFT2", "RFFT", "IRFFT", "STFT", "ISTFT", "CDist", "Correlate", "Corrcoef", "Kron", "Cross"),
    *("GaussianBlur", "ElasticTransform", "SobelEdges", "SSIM", "Outer", "Vdot"),
}


def _operation(operation, step):
    """MACs of an operation of `keras.ops`; all that contracts no axis costs nothing."""
    kind = type(operation).__name__
    if kind in CLOSED or ".linalg" in type(operation).__module__:
        return UNKNOWN
    shapes = [tuple(x.shape) for x in keras.tree.flatten((step.args, step.kwargs)) if hasattr(x, "shape")]
    answer = step.outputs[0].shape
    if kind == "Matmul":
        return _size((*answer, shapes[0][-1]))
    if kind in ("Dot", "Inner", "Tensordot"):  # every axis is in one factor and the answer, or in both factors
        return math.sqrt(_size(shapes[0]) * _size(shapes[1]) * _size(answer))
    if kind == "Einsum":
        return _einsum(operation.subscripts, *shapes)
    if kind == "Conv":
        return _size(answer) * _size(shapes[1][:-1])
    if kind == "DepthwiseConv":
        return _size(answer) * _size(shapes[1][:-2])
    if kind == "SeparableConv":
        return _size(answer) / shapes[2][-1] * (_size(shapes[1]) + _size(shapes[2]))
    if kind == "ConvTranspose":
        return _size(shapes[0]) * _size(shapes[1][:-1])
    if kind == "DotProductAttention":
        (batch, queries, heads, width), (_, keys, _, deep) = shapes[0], shapes[2]
        return _size((batch, heads, queries, keys, width + deep))
    return 0


def _einsum(equation, *shapes):
    """The product of all different axes of two factors; nothing for one, unknown for more, as the order decides."""
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
