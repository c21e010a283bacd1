"""Blocks of layers that several architectures use, as functions from tensor to tensor."""

import keras
from keras import layers


def head(x, units, activation, kernel_initializer="glorot_uniform"):
    """Adds the head of a model: a dense layer called `head` and its activation, in float32 under any dtype policy.

    The activation is a separate layer, so that the logits are the output of `head`.

    Args:
        x: (B, F) features.
        units: number of outputs.
        activation: softmax, sigmoid; None or linear returns logits or numbers.
        kernel_initializer: of the dense layer.
    Returns:
        (B, units) float32.
    """
    x = layers.Dense(units, kernel_initializer=kernel_initializer, dtype="float32", name="head")(x)
    if activation in (None, "linear"):
        return x
    return layers.Activation(activation, dtype="float32", name="activation")(x)


def conv_norm(
    x,
    filters,
    kernel_size,
    *,
    strides=1,
    padding="symmetric",
    activation="relu",
    kernel_initializer="he_normal",
    epsilon=1e-5,
    momentum=0.9,
    name,
):
    """Adds a convolution without bias called `name`, batch normalization and an activation.

    Args:
        x: (B, H, W, C).
        filters: number of filters, or None for a depthwise convolution.
        kernel_size: side of the square kernel, odd.
        strides: 1 or 2.
        padding: symmetric pads kernel_size // 2 zeros on every side, as PyTorch and `keras.applications`' ResNet and
            DenseNet do. same is TensorFlow's, which for a stride of 2 and an even side pads the odd zero at the end.
        activation: relu, relu6, ..., or None.
        kernel_initializer: a name, or an initializer that no other layer uses.
        epsilon: of batch normalization, as in Keras; PyTorch's default is 1e-5.
        momentum: of batch normalization, as in Keras; PyTorch's 0.1 is 0.9 here.
        name: of the convolution, and prefix of the other layers' names.
    Returns:
        (B, ceil(H / strides), ceil(W / strides), filters).
    """
    if padding == "symmetric" and strides > 1 and kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    options = {"strides": strides, "padding": "valid" if padding == "valid" else "same", "use_bias": False}
    if filters is None:
        x = layers.DepthwiseConv2D(kernel_size, depthwise_initializer=kernel_initializer, name=name, **options)(x)
    else:
        x = layers.Conv2D(filters, kernel_size, kernel_initializer=kernel_initializer, name=name, **options)(x)
    x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=f"{name}_norm")(x)
    return x if activation is None else layers.Activation(activation, name=f"{name}_{activation}")(x)


def map_head(x, filters, activation=None, *, kernel_size=1, padding="same", kernel_initializer="he_normal"):
    """Adds a head for every pixel: a convolution called `head` and its activation, in float32 under any dtype policy.

    The activation is a separate layer, as in `head`.

    Args:
        x: (B, H, W, C).
        filters: number of outputs per pixel.
        activation: softmax, sigmoid; None or linear returns logits or numbers.
        kernel_size: side of the square kernel.
        padding: same or valid.
        kernel_initializer: of the convolution.
    Returns:
        (B, H, W, filters) float32.
    """
    x = layers.Conv2D(
        filters, kernel_size, padding=padding, kernel_initializer=kernel_initializer, dtype="float32", name="head"
    )(x)
    if activation in (None, "linear"):
        return x
    return layers.Activation(activation, dtype="float32", name="activation")(x)


def he_fan_out():
    """Returns He's normal initializer by fan-out, a new one for each layer.

    The fan-out of a depthwise kernel is its own k x k.
    """
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
