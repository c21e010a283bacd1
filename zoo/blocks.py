"""Tensor -> tensor functions that three or more architectures use."""

import keras
from keras import layers


def head(x, units, activation, kernel_initializer="glorot_uniform"):
    """The answer of a model: a dense layer called `head`, then its activation, both in float32 whatever the policy.

    The activation is a layer of its own, so that explanations find the logits as the output of `head`.

    Args:
        x: (B, F) features.
        units: how many numbers the answer has.
        activation: softmax, sigmoid; None or linear leaves the logits or numbers as they are.
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
    """A convolution without bias called `name`, its batch normalisation, and an activation.

    Args:
        x: (B, H, W, C).
        filters: width, or None for a depthwise convolution.
        kernel_size: side of the square kernel, odd.
        strides: 1 or 2.
        padding: symmetric has kernel_size // 2 zeros on every side, as PyTorch and `keras.applications`' ResNet and
            DenseNet have them; same is TensorFlow's, where a stride of 2 on an even side puts the odd zero behind.
        activation: relu, relu6, ..., or None for none.
        kernel_initializer: a name, or an initializer that no other layer uses.
        epsilon: of the normalisation; PyTorch's is 1e-5.
        momentum: what the moving statistics keep at each step; PyTorch's 0.1 is 0.9 here.
        name: of the convolution, and the beginning of the other layers' names.
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
    """The answer for every pixel: a convolution called `head`, then its activation, in float32 whatever the policy.

    The activation is a layer of its own, as in `head`.

    Args:
        x: (B, H, W, C).
        filters: how many numbers each pixel's answer has.
        activation: softmax, sigmoid; None or linear leaves the logits or numbers as they are.
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
