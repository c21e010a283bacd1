"""Convolutional LSTMs that predict the next images of a sequence."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape, series_shape
from zoo.layers.peephole_conv_lstm import PeepholeConvLSTM2D
from zoo.registry import register

PAPER = "https://arxiv.org/abs/1506.04214"


@register(
    task="series",
    source=PAPER,
    example={"input_shape": (10, 64, 64, 1), "outputs": 10},
)
def convlstm(
    input_shape: Shape,
    outputs: Count,
    *,
    filters: tuple[Count, ...] = (128, 128),
    kernel_size: Count = 5,
    recurrent_kernel_size: Count = 5,
    patch: Count = 4,
    activation: Activation = "sigmoid",
    name: str = "convlstm",
) -> keras.Model:
    """ConvLSTM encoder-forecaster: the encoder reads the images, the forecaster predicts the next ones from its state.

    (B, T, H, W, C) float, 0 to 1  ->  (B, outputs, H, W, C), 0 to 1.

    The forecaster has the encoder's layers in reverse order. The initial state and cell of each are the last ones of
    its counterpart, and the first layer has no input. The images are computed from the states of all its layers.

    Args:
        input_shape: (T, H, W, C): number of images, their size [pixels] and bands; none may be None. H and W must be
            divisible by `patch`.
        outputs: number of images to predict.
        filters: number of channels of the state of each layer, first layer first.
        kernel_size: side of the kernels on the inputs of the layers.
        recurrent_kernel_size: side of the kernels on the states of the layers.
        patch: side [pixels] of the squares that become the channels of one cell.
        activation: of the output: sigmoid for images from 0 to 1, linear, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 10,042,896 parameters at the defaults for images of one band.
    Raises:
        ValueError: if `input_shape` contains None, H or W is not divisible, or `filters` is empty.

    Source: Shi et al. 2015, https://arxiv.org/abs/1506.04214, sections 3.2 and 4.1, table 1.
    Differs: the initial bias of the forget gates is one. Peepholes have one coefficient per channel, as the published
        parameter counts imply.
    """
    t, h, w, c = series_shape(name, input_shape, sizes="(T, H, W, C)", fixed=True)
    if h % patch or w % patch:
        raise ValueError(f"{name}: H and W of `input_shape` must be divisible by {patch} [pixels], got {input_shape}.")
    if not filters:
        raise ValueError(f"{name}: `filters` must have at least one entry, got none.")
    inputs = layers.Input(input_shape, name="images")
    rows, columns = h // patch, w // patch
    x = layers.Reshape((t, rows, patch, columns, patch, c), name="split")(inputs)
    x = layers.Permute((1, 2, 4, 3, 5, 6), name="gather")(x)
    x = layers.Reshape((t, rows, columns, patch * patch * c), name="patches")(x)
    kernels = {"kernel_size": kernel_size, "recurrent_kernel_size": recurrent_kernel_size}
    states = []
    for i, width in enumerate(filters):
        x, *state = PeepholeConvLSTM2D(width, **kernels, name=f"encoder{i}")(x)
        states.append(state)
    sequences = []
    for i in reversed(range(len(filters))):
        layer_inputs, steps = ([x, *states[i]], None) if sequences else (states[i], outputs)
        x, *_ = PeepholeConvLSTM2D(filters[i], **kernels, steps=steps, name=f"forecaster{i}")(layer_inputs)
        sequences.append(x)
    x = layers.Concatenate(name="states")(sequences) if len(sequences) > 1 else x
    x = layers.Dense(patch * patch * c, dtype="float32", name="head")(x)  # the paper's 1 x 1 convolution
    x = layers.Reshape((outputs, rows, columns, patch, patch, c), dtype="float32", name="cells")(x)
    x = layers.Permute((1, 2, 4, 3, 5, 6), dtype="float32", name="scatter")(x)
    x = layers.Reshape((outputs, h, w, c), dtype="float32", name="images_ahead")(x)
    if activation not in (None, "linear"):
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)


@register(
    task="series",
    source="https://keras.io/examples/vision/conv_lstm/",
    example={"input_shape": (19, 64, 64, 1)},
)
def convlstm_keras(
    input_shape: Shape,
    *,
    filters: tuple[Count, ...] = (64, 64, 64),
    kernel_sizes: tuple[Count, ...] = (5, 3, 1),
    activation: Activation = "sigmoid",
    name: str = "convlstm_keras",
) -> keras.Model:
    """A stack of Keras' ConvLSTM2D layers that predicts the next image at every step.

    (B, T, H, W, C) float, 0 to 1  ->  (B, T, H, W, C): the output at step t is image t + 1. Feed predictions
    back for later images.

    Args:
        input_shape: (T, H, W, C): number of images, their size [pixels] and bands; T may be None.
        filters: number of channels of the state of each layer, first layer first.
        kernel_sizes: side of the kernels of each layer, on its input and its state.
        activation: of the output: sigmoid for images from 0 to 1, linear, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 746,433 trainable parameters at the defaults for images of one band.
    Raises:
        ValueError: if H, W or C is None, or `filters` and `kernel_sizes` differ in length.

    Source: https://keras.io/examples/vision/conv_lstm/; the layer is Shi et al. 2015's, without peepholes and patches.
    Differs: none
    """
    series_shape(name, input_shape, sizes="(T, H, W, C)")
    if not filters or len(filters) != len(kernel_sizes):
        lengths = f"{len(kernel_sizes)} for {len(filters)} `filters`"
        raise ValueError(f"{name}: `kernel_sizes` must have one size per layer and at least one, got {lengths}.")
    x = inputs = layers.Input(input_shape, name="images")
    for i, (width, size) in enumerate(zip(filters, kernel_sizes, strict=True)):
        if i:
            x = layers.BatchNormalization(name=f"norm{i - 1}")(x)
        x = layers.ConvLSTM2D(
            width, size, padding="same", activation="relu", return_sequences=True, name=f"recurrent{i}"
        )(x)
    x = layers.Conv3D(input_shape[-1], 3, padding="same", dtype="float32", name="head")(x)
    if activation not in (None, "linear"):
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)
