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
    """SRCNN: patches, their non-linear mapping, and the sharper image, as three convolutions.

    (B, H, W, C) float, 0 to 1  ->  (B, H - 12, W - 12, C) float; (B, H, W, C) with same padding.

    The input already has the size that is wanted: enlarge the coarse image by bicubic interpolation first.

    Args:
        input_shape: (H, W, C) of one enlarged image [pixels]; H and W may be None. One band, luminance, in the paper.
        kernel_sizes: sides of the three kernels, odd; the paper's are 9-1-5, 9-3-5 and 9-5-5.
        filters: width of the first two convolutions.
        padding: valid is the paper's: the answer lacks a border of sum(kernel_sizes) - 3 pixels in all; same has none.
        name: the model's name.
    Returns:
        Uncompiled functional model; 8,129 parameters on one band, of which 97 are biases.
    Raises:
        ValueError: if a kernel's side is even, or the image is smaller than the border that is lost.

    Source: Dong, Loy, He, Tang 2015, section 3 and figure 2; start: N(0, 0.001), section 3.3.
    Differs: none
    """
    if any(size % 2 == 0 for size in kernel_sizes):
        raise ValueError(f"{name}: `kernel_sizes` must be odd, got {kernel_sizes}.")
    image_shape(name, input_shape, at_least=sum(kernel_sizes) - 2 if padding == "valid" else 1)
    x = inputs = layers.Input(input_shape, name="image")
    for part, width, size in zip(("stem", "mapping"), filters, kernel_sizes, strict=False):
        x = layers.Conv2D(width, size, padding=padding, activation="relu", kernel_initializer=_start(), name=part)(x)
    x = map_head(x, input_shape[-1], kernel_size=kernel_sizes[-1], padding=padding, kernel_initializer=_start())
    return keras.Model(inputs, x, name=name)


def _start():
    return keras.initializers.RandomNormal(stddev=1e-3)


srcnn_935 = variant(srcnn, "srcnn_935", kernel_sizes=(9, 3, 5))
srcnn_955 = variant(srcnn, "srcnn_955", kernel_sizes=(9, 5, 5))
