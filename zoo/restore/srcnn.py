"""SRCNN: the first convolutional network for super-resolution."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Count, Shape, image_shape
from zoo.blocks import map_head
from zoo.registry import register, variant


@register(
    task="restore",
    source="https://arxiv.org/abs/1501.00092",
    example={"input_shape": (33, 33, 1)},
)
def srcnn(
    input_shape: Shape,
    *,
    kernel_sizes: tuple[Count, Count, Count] = (9, 1, 5),
    filters: tuple[Count, Count] = (64, 32),
    padding: Literal["valid", "same"] = "valid",
    name: str = "srcnn",
) -> keras.Model:
    """SRCNN: patch extraction, non-linear mapping and reconstruction as three convolutions.

    (B, H, W, C) float, 0 to 1  ->  (B, H - 12, W - 12, C) float; (B, H, W, C) with same padding.

    The input already has the target size: upscale the low-resolution image by bicubic interpolation first.

    Args:
        input_shape: (H, W, C) of one upscaled image [pixels]; H and W may be None. One band, luminance, in the paper.
        kernel_sizes: sides of the three kernels, odd numbers; the paper's are 9-1-5, 9-3-5 and 9-5-5.
        filters: number of filters of the first two convolutions.
        padding: "valid" as in the paper: each side of the output is sum(kernel_sizes) - 3 pixels shorter. "same": the
            output has the size of the image.
        name: the model's name.
    Returns:
        Uncompiled functional model; 8,129 parameters on one band, of which 97 are biases.
    Raises:
        ValueError: if a kernel size is even, or valid padding would leave no pixel of the image.

    Source: Dong, Loy, He, Tang 2015, section 3 and figure 2; initial weights from N(0, 0.001), section 3.3.
    Differs: none
    """
    if any(size % 2 == 0 for size in kernel_sizes):
        raise ValueError(f"{name}: `kernel_sizes` must be odd, got {kernel_sizes}.")
    image_shape(name, input_shape, at_least=sum(kernel_sizes) - 2 if padding == "valid" else 1)
    x = inputs = layers.Input(input_shape, name="image")
    for layer_name, width, size in zip(("stem", "mapping"), filters, kernel_sizes, strict=False):
        x = layers.Conv2D(
            width, size, padding=padding, activation="relu", kernel_initializer=_initializer(), name=layer_name
        )(x)
    x = map_head(x, input_shape[-1], kernel_size=kernel_sizes[-1], padding=padding, kernel_initializer=_initializer())
    return keras.Model(inputs, x, name=name)


def _initializer():
    return keras.initializers.RandomNormal(stddev=1e-3)


srcnn_935 = variant(srcnn, "srcnn_935", kernel_sizes=(9, 3, 5))
srcnn_955 = variant(srcnn, "srcnn_955", kernel_sizes=(9, 5, 5))
