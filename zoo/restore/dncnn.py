"""DnCNN: denoising by residual learning."""

import keras
from keras import layers

from zoo.arguments import Count, Shape, image_shape
from zoo.blocks import conv_norm, map_head
from zoo.registry import register, variant


@register(
    task="restore",
    source="https://arxiv.org/abs/1608.03981",
    example={"input_shape": (40, 40, 1)},
)
def dncnn(
    input_shape: Shape,
    *,
    depth: Count = 17,
    filters: Count = 64,
    batch_norm: bool = True,
    name: str = "dncnn",
) -> keras.Model:
    """DnCNN: 3 x 3 convolutions estimate the noise in an image, which is then subtracted.

    (B, H, W, C) float, 0 to 1 in the paper  ->  (B, H, W, C) float: the image without its noise.

    The output of the layer `head` is the noise.

    Args:
        input_shape: (H, W, C) of one noisy image [pixels]; H and W may be None.
        depth: number of convolutions, at least 2; 17 for noise of one known level, 20 for a range of levels.
        filters: number of filters of every convolution but the last.
        batch_norm: whether batch normalization follows the inner convolutions. Otherwise each of them has a bias. The
            published weights are of this form, with the normalization folded into the kernels.
        name: the model's name.
    Returns:
        Uncompiled functional model; 556,097 trainable parameters on one band, and 1,920 statistics.
    Raises:
        ValueError: if `depth` is 1.

    Source: Zhang, Zuo, Chen, Meng, Zhang 2016, section III and eq. 1.
    Differs: the output is the clean image. The paper's network outputs the noise and leaves the subtraction to its
        user. The mean squared error is the same for both.
    """
    image_shape(name, input_shape)
    if depth < 2:
        raise ValueError(f"{name}: `depth` must be an integer of at least 2, got {depth}.")
    inputs = layers.Input(input_shape, name="image")
    x = _conv(inputs, filters, "stem")
    for i in range(1, depth - 1):
        x = conv_norm(x, filters, 3, name=f"conv{i}") if batch_norm else _conv(x, filters, f"conv{i}")
    noise = map_head(x, input_shape[-1], kernel_size=3)
    return keras.Model(inputs, layers.Subtract(dtype="float32", name="clean")([inputs, noise]), name=name)


def _conv(x, filters, name):
    x = layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal", name=name)(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


dncnn_blind = variant(dncnn, "dncnn_blind", depth=20)
