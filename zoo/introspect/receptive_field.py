"""Receptive field: how much of the input one cell of the last map can depend on."""

import functools

import keras
import numpy as np
from keras import layers

from zoo.arguments import checked
from zoo.introspect.graph import native, steps
from zoo.introspect.receptive_cells import Cells
from zoo.introspect.spatial import last_map


@checked
def receptive_field(model: keras.Model) -> int | None:
    """The side of the square of input pixels (or the length in steps) that one cell of the last map can depend on.

    The last map is `last_spatial`'s. The answer follows from the graph at inference, cell by cell, over all branches;
    borders do not cut it, so it may exceed the image. Where height and width differ it is the larger, and where the
    cells of a map differ, as after upsampling, the largest.

    Args:
        model: a built Keras model, or an `outline`.
    Returns:
        Pixels, or None: where there is no map; where a cell sees everything, as after attention, recurrence,
        squeeze-and-excitation or group normalisation; or where a layer is unknown.
    Raises:
        ValueError: if the model is not built.
    """
    found = steps(model)
    last = last_map(found)
    if last is None or not last.pooled:
        return None
    made = {id(t) for step in found for t in step.outputs}
    inputs = [t for step in found for t in step.tensors if id(t) not in made and len(t.shape) > 2]
    fields = {id(t): (Cells.pixels(),) * (len(t.shape) - 2) for t in inputs}
    _follow(found, fields)
    axes = fields.get(id(last.tensor))
    return max(axis.side for axis in axes) if axes else None


def _follow(found, fields):
    """Enters the field of every tensor; None is everything or unknown, and no entry is no pixel at all."""
    for step in found:
        seen = {id(t): (t, fields[id(t)]) for t in step.tensors if id(t) in fields}.values()
        if not seen:
            continue
        alone = isinstance(step.operation, layers.TimeDistributed | layers.Bidirectional)
        if step.inside is not None and not alone:
            _follow(step.inside, fields)
            continue
        known = native(step.operation) and not alone and all(axes is not None for _, axes in seen)
        answer = _axes(step, *zip(*seen, strict=True)) if known else None
        fields.update((id(t), answer) for t in step.outputs)


SLIDING = {
    *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
    *("Conv", "DepthwiseConv", "SeparableConv", "MaxPool", "AveragePool", "ExtractPatches"),
}
SPREADING = {"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "ConvTranspose"}
ENLARGING = {"UpSampling1D", "UpSampling2D", "UpSampling3D", "Resize", "Resizing", "Repeat"}
# Cell by cell, whatever their arguments, as long as the map keeps its axes.
POINTWISE = {
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Dense", "BatchNormalization", "BatchNorm", "Rescaling"),
    *("Normalization", "Identity", "Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Copy", "Cast"),
    *("ActivityRegularization", "Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum"),
    *("Negative", "Absolute", "Power", "Square", "Sqrt", "Rsqrt", "Reciprocal", "Exp", "Log", "Log1p", "Sin", "Cos"),
    *("Tanh", "Sigmoid", "LogSigmoid", "HardSigmoid", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu"),
    *("Silu", "HardSilu", "Softplus", "Softsign", "Erf", "Clip", "Where", "StopGradient", "ConvertToTensor"),
}
# Cell by cell if they act along the last axis.
CHANNELWISE = {
    *("LayerNormalization", "UnitNormalization", "RMSNormalization", "LayerNorm", "RMSNorm", "Softmax", "LogSoftmax"),
    *("Concatenate", "Split", "Max", "Min", "Mean", "Sum", "Std", "Var"),
}


def _axes(step, tensors, states):
    """The field of what a call of Keras' own code answers, one `Cells` for each axis of the map, or None."""
    operation, axes, shape, answer = step.operation, states[0], tensors[0].shape, step.outputs[0].shape
    kinds = {c.__name__ for c in type(operation).__mro__}
    count = len(axes)
    if _by_cell(operation, kinds, shape, step):
        return _joined(tensors, states, answer)
    if len(states) > 1:
        return None
    places = _places(operation, kinds, step, shape, count)
    if places:
        return tuple(a.slide(1, stride, before=-start) for a, (start, stride) in zip(axes, places, strict=True))
    if getattr(operation, "data_format", None) == "channels_first":
        return None
    if kinds & SLIDING:
        return _slide(operation, step, axes, shape[1 : 1 + count])
    if kinds & SPREADING:
        return _spread(operation, step, axes)
    if kinds & ENLARGING:
        return _enlarge(operation, axes, shape, answer)
    if "DepthToSpace" in kinds:
        return tuple(a.repeat(operation.block_size) for a in axes)
    if "SpaceToDepth" in kinds:
        return tuple(a.slide(operation.block_size, operation.block_size) for a in axes)
    return None


def _by_cell(operation, kinds, shape, step):
    """Whether each cell of the answer comes from the same cell of what goes in."""
    if kinds & CHANNELWISE:
        return operation.axis is not None and {a % len(shape) for a in np.ravel(operation.axis)} == {len(shape) - 1}
    if "EinsumDense" in kinds:
        given, kernel, answer = operation.equation.replace("->", ",").split(",")
        kept = given.rstrip(kernel)  # what the kernel does not touch
        return answer.startswith(kept) and len(given) - len(kept) == 1
    if "Reshape" in kinds:
        return None not in shape
    if "Matmul" in kinds:
        return len(step.tensors) == 1 and step.tensors[0] is step.args[0] and len(step.args[1].shape) == 2
    return bool(kinds & POINTWISE) or isinstance(operation, layers.Average)


def _joined(tensors, states, answer):
    """The union over branches; None where their maps do not lie cell on cell."""
    ahead = 1 + len(states[0])
    if len({len(axes) for axes in states}) > 1 or len({len(t.shape) for t in tensors}) > 1:
        return None
    if any(t.shape[:ahead] != answer[:ahead] for t in tensors):
        return None
    joined = [functools.reduce(lambda a, b: a and a.join(b), branches) for branches in zip(*states, strict=True)]
    return None if None in joined else tuple(joined)


def _windows(operation, step, count):
    """Sizes, strides and dilations along each of the axes."""

    def each(value):
        return (value,) * count if isinstance(value, int) else tuple(value)[:count]

    names = [name for name in ("kernel_size", "pool_size", "size") if hasattr(operation, name)]
    sizes = each(getattr(operation, names[0]) if names else step.args[1].shape)
    return sizes, each(operation.strides or sizes), each(getattr(operation, "dilation_rate", 1))


def _slide(operation, step, axes, sides):
    """Windows of a convolution or a pooling."""
    slid = []
    for cells, side, size, stride, rate in zip(axes, sides, *_windows(operation, step, len(axes)), strict=True):
        reach = (size - 1) * rate + 1
        before = 0
        if operation.padding == "same":
            before = max(reach - (stride if side is None or side % stride == 0 else side % stride), 0) // 2
        elif operation.padding == "causal":
            before = reach - 1
        slid.append(cells.slide(size, stride, rate, before))
    return tuple(slid)


def _spread(operation, step, axes):
    """Transposed windows; None where they leave gaps."""
    sizes, strides, rates = _windows(operation, step, len(axes))
    if any(size < stride for size, stride in zip(sizes, strides, strict=True)) or set(rates) != {1}:
        return None
    same = operation.padding == "same"
    return tuple(
        cells.spread(size, stride, (size - stride) // 2 if same else 0)
        for cells, size, stride in zip(axes, sizes, strides, strict=True)
    )


def _enlarge(operation, axes, shape, answer):
    """Upsampling by a whole factor, nearest or bilinear."""
    interpolation = getattr(operation, "interpolation", "nearest")
    if interpolation not in ("nearest", "bilinear") or not isinstance(getattr(operation, "repeats", 1), int):
        return None
    if type(operation).__name__.startswith("UpSampling"):
        factors = operation.size if len(axes) > 1 else (operation.size,)
    elif len(shape) != len(answer) or None in (*shape, *answer) or any(np.mod(answer, shape)):
        return None
    else:
        factors = np.floor_divide(answer, shape)[1 : 1 + len(axes)]
    return tuple(
        cells.repeat(factor) if interpolation == "nearest" else cells.interpolate(factor)
        for cells, factor in zip(axes, factors, strict=True)
    )


def _places(operation, kinds, step, shape, count):
    """(first cell, stride) along each axis of what pads, crops or slices; None for anything else."""
    for kind, name, sign in (("ZeroPadding", "padding", -1), ("Cropping", "cropping", 1)):
        if any(k.startswith(kind) for k in kinds):
            cuts = getattr(operation, name)
            cuts = [(sign * start, 1) for start, _ in (cuts if len(shape) > 3 else (cuts,))]
            first = getattr(operation, "data_format", None) == "channels_first"
            return [*([(0, 1)] * first), *cuts][:count]
    if "Pad" in kinds and operation.mode == "constant" and len(operation.pad_width) == len(shape):
        return [(-start, 1) for start, _ in operation.pad_width[1 : 1 + count]]
    if "GetItem" in kinds:
        key = step.args[1] if isinstance(step.args[1], tuple) else (step.args[1],)
        dots = next((n for n, cut in enumerate(key) if cut is Ellipsis), len(key))
        key = (*key[:dots], *[slice(None)] * (len(shape) - len(key) + (dots < len(key))), *key[dots + 1 :])
        pairs = zip(key[1:], shape[1 : 1 + count], strict=False)
        places = [cut.indices(side) for cut, side in pairs if isinstance(cut, slice) and side]
        if key[0] == slice(None) and len(places) == count and all(stride > 0 for _, _, stride in places):
            return [(start, stride) for start, _, stride in places]
    return None
