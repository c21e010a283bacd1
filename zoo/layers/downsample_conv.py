"""The convolution that an image enters by, with a gradient for the image in half the time."""

import keras
from keras import layers

from zoo.layers.narrow_conv_transpose import doubled, fits
from zoo.layers.upsample_conv import ended


@keras.saving.register_keras_serializable("zoo")
class DownsampleConv2D(layers.Conv2D):
    """A 4 x 4 convolution of stride 2 on the few bands of an image, as a discriminator begins with.

    (B, H, W, bands) float  ->  (B, H / 2, W / 2, filters) float. Weights, arguments and answers are those of
    `keras.layers.Conv2D(filters, 4, 2, "same")`; the gradient for the image, by which a generator learns, is
    `zoo.layers.NarrowConv2DTranspose`'s transposed convolution. GPUs, other backends, more than 4 bands, and sides that are
    odd or not given stay with Keras' own gradient.

    Args:
        filters: maps that come out.
        **kwargs: as `keras.layers.Conv2D` has them, but for `kernel_size`, `strides`, `padding`, `dilation_rate`,
            `groups` and `data_format`, which are fixed.
    """

    as_keras = True  # the same maps, the same cost: `zoo.introspect` takes it for Keras' own

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 4, 2, "same", **kwargs)

    def call(self, x):
        even = all(side is not None and side % 2 == 0 for side in x.shape[1:3])
        if not (even and fits(self, x.shape[-1])):
            return super().call(x)
        return ended(self, halved(x, self.kernel))

    def get_config(self):
        fixed = ("rank", "kernel_size", "strides", "padding", "dilation_rate", "groups", "data_format")
        return {k: v for k, v in super().get_config().items() if k not in fixed}


def halved(x, kernel):
    """The convolution of stride 2 and "same" padding of images (B, H, W, bands) with a (4, 4, bands, C) kernel."""
    import tensorflow as tf

    @tf.custom_gradient
    def answer(x, kernel):
        def gradient(upstream):
            back = {"strides": [1, 2, 2, 1], "padding": "SAME"}
            return (
                doubled(upstream, kernel),
                tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=tf.shape(kernel), out_backprop=upstream, **back),
            )

        return tf.nn.conv2d(x, kernel, 2, "SAME"), gradient

    return answer(tf.convert_to_tensor(x), tf.convert_to_tensor(kernel))
