"""4 x 4 convolution with stride 2 from few bands, with a faster input gradient."""

import keras
from keras import layers

from zoo.layers.narrow_conv_transpose import conv_transpose_4x4, is_supported
from zoo.layers.upsample_conv import add_bias_and_activation


@keras.saving.register_keras_serializable("zoo")
class DownsampleConv2D(layers.Conv2D):
    """4 x 4 convolution with stride 2 on an image with few bands, the first layer of a discriminator.

    (B, H, W, bands) float  ->  (B, H / 2, W / 2, filters) float. Weights, arguments and outputs are those of
    `keras.layers.Conv2D(filters, 4, 2, "same")`.

    The gradient for the image, from which a generator learns, takes half the time: it is the transposed convolution of
    `zoo.layers.NarrowConv2DTranspose`. On GPUs, on other backends, with more than 4 bands and for odd or unknown sides
    the gradient is Keras' own.

    Args:
        filters: number of output channels.
        **kwargs: arguments of `keras.layers.Conv2D`, except `kernel_size`, `strides`, `padding`, `dilation_rate`,
            `groups` and `data_format`, which are fixed.
    """

    as_keras = True  # same output shape and cost: `zoo.introspect` treats the layer as Keras' own

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 4, 2, "same", **kwargs)

    def call(self, x):
        even = all(side is not None and side % 2 == 0 for side in x.shape[1:3])
        if not (even and is_supported(self, x.shape[-1])):
            return super().call(x)
        return add_bias_and_activation(self, conv_4x4(x, self.kernel))

    def get_config(self):
        fixed = ("rank", "kernel_size", "strides", "padding", "dilation_rate", "groups", "data_format")
        return {k: v for k, v in super().get_config().items() if k not in fixed}


def conv_4x4(x, kernel):
    """Convolution with stride 2 and "same" padding, differentiated by `conv_transpose_4x4`.

    Args:
        x: (B, H, W, bands) tensor, H and W even.
        kernel: (4, 4, bands, C) tensor.
    Returns:
        (B, H / 2, W / 2, C) tensor.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def conv(x, kernel):
        def gradient(upstream):
            options = {"strides": [1, 2, 2, 1], "padding": "SAME"}
            return (
                conv_transpose_4x4(upstream, kernel),
                tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=tf.shape(kernel), out_backprop=upstream, **options
                ),
            )

        return tf.nn.conv2d(x, kernel, 2, "SAME"), gradient

    return conv(tf.convert_to_tensor(x), tf.convert_to_tensor(kernel))
