"""The receptive field of a model: the part of the input that one cell of its last feature map depends on."""

import functools

import keras
import numpy as np
from keras import layers

from zoo.arguments import checked
from zoo.introspect.field_bounds import FieldBounds
from zoo.introspect.graph import is_keras_code, trace_calls
from zoo.introspect.spatial import last_map


@checked
def receptive_field(model: keras.Model) -> int | None:
    """Returns the side of the square of input pixels (or the number of time steps) that one cell of the last map sees.

    The last map is that of `zoo.last_spatial`. The size follows from the graph at inference, cell by cell, over all
    branches. Borders are ignored, so it may exceed the image. It is the larger of height and width, and the largest of
    all cells where they differ, as after upsampling.

    Args:
        model: a built Keras model, or an `outline`.
    Returns:
        Number of pixels. None if there is no map, if a cell depends on the whole input, as after attention, recurrence,
        squeeze-and-excitation or group normalization, or if a layer is unknown.
    Raises:
        ValueError: if the model is not built.
    """
    calls, fields = trace_fields(model)
    last = last_map(calls)
    if last is None or not last.pooled:
        return None
    bounds = fields.get(id(last.tensor))
    return max(axis.size for axis in bounds) if bounds else None


def trace_fields(model):
    """Returns the calls of a model and the receptive fields of all tensors.

    Returns:
        The result of `trace_calls`, and {id of a tensor: a `FieldBounds` for each axis of the map}. The bounds are None
        where the tensor depends on the whole input or a layer is unknown. Tensors that depend on no pixel are left out.
    """
    calls = trace_calls(model)
    output_ids = {id(t) for call in calls for t in call.outputs}
    inputs = [t for call in calls for t in call.input_tensors if id(t) not in output_ids and len(t.shape) > 2]
    fields = {id(t): (FieldBounds.of_pixels(),) * (len(t.shape) - 2) for t in inputs}
    _propagate(calls, fields)
    return calls, fields


def _propagate(calls, fields):
    """Adds the field of every output of these calls to `fields`."""
    for call in calls:
        inputs = {id(t): (t, fields[id(t)]) for t in call.input_tensors if id(t) in fields}.values()
        if not inputs:
            continue
        wrapper = isinstance(call.operation, layers.TimeDistributed | layers.Bidirectional)
        if call.inner_calls is not None and not wrapper:
            _propagate(call.inner_calls, fields)
            continue
        bounded = all(bounds is not None for _, bounds in inputs)
        is_bounded = is_keras_code(call.operation) and not wrapper and bounded
        output_bounds = _output_bounds(call, *zip(*inputs, strict=True)) if is_bounded else None
        fields.update((id(t), output_bounds) for t in call.outputs)


# Names of Keras' layers and operations, by how they change a receptive field.
CONVOLUTIONS_AND_POOLING = {
    *("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
    *("Conv", "DepthwiseConv", "SeparableConv", "MaxPool", "AveragePool", "ExtractPatches"),
}
TRANSPOSED_CONVOLUTIONS = {"Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "ConvTranspose"}
UPSAMPLING = {"UpSampling1D", "UpSampling2D", "UpSampling3D", "Resize", "Resizing", "Repeat"}
# Pointwise whatever the arguments, as long as the map keeps its axes.
POINTWISE = {
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Dense", "BatchNormalization", "BatchNorm", "Rescaling"),
    *("Normalization", "Identity", "Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Copy", "Cast"),
    *("ActivityRegularization", "Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum"),
    *("Negative", "Absolute", "Power", "Square", "Sqrt", "Rsqrt", "Reciprocal", "Exp", "Log", "Log1p", "Sin", "Cos"),
    *("Tanh", "Sigmoid", "LogSigmoid", "HardSigmoid", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu"),
    *("Silu", "HardSilu", "Softplus", "Softsign", "Erf", "Clip", "Where", "StopGradient", "ConvertToTensor"),
}
# Pointwise if they act along the last axis.
CHANNELWISE = {
    *("LayerNormalization", "UnitNormalization", "RMSNormalization", "LayerNorm", "RMSNorm", "Softmax", "LogSoftmax"),
    *("Concatenate", "Split", "Max", "Min", "Mean", "Sum", "Std", "Var"),
}


def _output_bounds(call, tensors, input_bounds):
    """Returns the field of the output of a call of Keras' own code, one `FieldBounds` for each axis, or None."""
    operation, bounds = call.operation, input_bounds[0]
    shape, output_shape = tensors[0].shape, call.outputs[0].shape
    kinds = {c.__name__ for c in type(operation).__mro__}
    count = len(bounds)
    if _is_pointwise(operation, kinds, shape, call):
        return _union(tensors, input_bounds, output_shape)
    if len(input_bounds) > 1:
        return None
    slices = _slices(operation, kinds, call, shape, count)
    if slices:
        return tuple(b.convolve(1, stride, before=-start) for b, (start, stride) in zip(bounds, slices, strict=True))
    if getattr(operation, "data_format", None) == "channels_first":
        return None
    if kinds & CONVOLUTIONS_AND_POOLING:
        return _convolve(operation, call, bounds, shape[1 : 1 + count])
    if kinds & TRANSPOSED_CONVOLUTIONS:
        return _transposed_convolve(operation, call, bounds)
    if kinds & UPSAMPLING:
        return _upsample(operation, bounds, shape, output_shape)
    if "DepthToSpace" in kinds:
        return tuple(b.repeat(operation.block_size) for b in bounds)
    if "SpaceToDepth" in kinds:
        return tuple(b.convolve(operation.block_size, operation.block_size) for b in bounds)
    return None


def _is_pointwise(operation, kinds, shape, call):
    """Whether each cell of the output depends on the same cell of the input only."""
    if kinds & CHANNELWISE:
        return operation.axis is not None and {a % len(shape) for a in np.ravel(operation.axis)} == {len(shape) - 1}
    if "EinsumDense" in kinds:
        inputs, kernel, outputs = operation.equation.replace("->", ",").split(",")
        free = inputs.rstrip(kernel)  # axes that the kernel does not contract
        return outputs.startswith(free) and len(inputs) - len(free) == 1
    if "Reshape" in kinds:
        return None not in shape
    if "Matmul" in kinds:
        tensors = call.input_tensors
        return len(tensors) == 1 and tensors[0] is call.args[0] and len(call.args[1].shape) == 2
    return bool(kinds & POINTWISE) or isinstance(operation, layers.Average)


def _union(tensors, input_bounds, output_shape):
    """Returns the union over branches; None where their maps differ in size or scale."""
    axes = 1 + len(input_bounds[0])
    if len({len(bounds) for bounds in input_bounds}) > 1 or len({len(t.shape) for t in tensors}) > 1:
        return None
    if any(t.shape[:axes] != output_shape[:axes] for t in tensors):
        return None
    unions = [functools.reduce(lambda a, b: a and a.union(b), branches) for branches in zip(*input_bounds, strict=True)]
    return None if None in unions else tuple(unions)


def _window_options(operation, call, count):
    """Returns sizes, strides and dilations of the windows along each axis."""

    def per_axis(value):
        return (value,) * count if isinstance(value, int) else tuple(value)[:count]

    names = [name for name in ("kernel_size", "pool_size", "size") if hasattr(operation, name)]
    sizes = per_axis(getattr(operation, names[0]) if names else call.args[1].shape)
    return sizes, per_axis(operation.strides or sizes), per_axis(getattr(operation, "dilation_rate", 1))


def _convolve(operation, call, bounds, sides):
    """Returns the field after the windows of a convolution or a pooling."""
    convolved = []
    options = _window_options(operation, call, len(bounds))
    for axis, side, size, stride, dilation in zip(bounds, sides, *options, strict=True):
        extent = (size - 1) * dilation + 1
        before = 0
        if operation.padding == "same":
            before = max(extent - (stride if side is None or side % stride == 0 else side % stride), 0) // 2
        elif operation.padding == "causal":
            before = extent - 1
        convolved.append(axis.convolve(size, stride, dilation, before))
    return tuple(convolved)


def _transposed_convolve(operation, call, bounds):
    """Returns the field after a transposed convolution; None where its windows leave gaps."""
    sizes, strides, dilations = _window_options(operation, call, len(bounds))
    if any(size < stride for size, stride in zip(sizes, strides, strict=True)) or set(dilations) != {1}:
        return None
    same = operation.padding == "same"
    return tuple(
        axis.transposed_convolve(size, stride, (size - stride) // 2 if same else 0)
        for axis, size, stride in zip(bounds, sizes, strides, strict=True)
    )


def _upsample(operation, bounds, shape, output_shape):
    """Returns the field after nearest or bilinear upsampling by an integer factor; None for other factors."""
    interpolation = getattr(operation, "interpolation", "nearest")
    if interpolation not in ("nearest", "bilinear") or not isinstance(getattr(operation, "repeats", 1), int):
        return None
    if type(operation).__name__.startswith("UpSampling"):
        factors = operation.size if len(bounds) > 1 else (operation.size,)
    elif len(shape) != len(output_shape) or None in (*shape, *output_shape) or any(np.mod(output_shape, shape)):
        return None
    else:
        factors = np.floor_divide(output_shape, shape)[1 : 1 + len(bounds)]
    return tuple(
        axis.repeat(factor) if interpolation == "nearest" else axis.interpolate(factor)
        for axis, factor in zip(bounds, factors, strict=True)
    )


def _slices(operation, kinds, call, shape, count):
    """Returns (first cell, stride) along each axis of a padding, cropping or slicing; None for anything else."""
    for kind, name, sign in (("ZeroPadding", "padding", -1), ("Cropping", "cropping", 1)):
        if any(k.startswith(kind) for k in kinds):
            margins = getattr(operation, name)
            slices = [(sign * start, 1) for start, _ in (margins if len(shape) > 3 else (margins,))]
            channels_first = getattr(operation, "data_format", None) == "channels_first"
            return [*([(0, 1)] * channels_first), *slices][:count]
    if "Pad" in kinds and operation.mode == "constant" and len(operation.pad_width) == len(shape):
        return [(-start, 1) for start, _ in operation.pad_width[1 : 1 + count]]
    if "GetItem" in kinds:
        key = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
        dots = next((n for n, index in enumerate(key) if index is Ellipsis), len(key))
        key = (*key[:dots], *[slice(None)] * (len(shape) - len(key) + (dots < len(key))), *key[dots + 1 :])
        pairs = zip(key[1:], shape[1 : 1 + count], strict=False)
        slices = [index.indices(side) for index, side in pairs if isinstance(index, slice) and side]
        if key[0] == slice(None) and len(slices) == count and all(stride > 0 for _, _, stride in slices):
            return [(start, stride) for start, _, stride in slices]
    return None
