"""Transposed convolution to few channels, computed as one matrix product."""

import keras
from keras import layers

from zoo.keras_patches import gpus
from zoo.layers.upsample_conv import add_bias_and_activation

MAX_BANDS = 4  # with more output channels TensorFlow's own operation is as fast


@keras.saving.register_keras_serializable("zoo")
class NarrowConv2DTranspose(layers.Conv2DTranspose):
    """4 x 4 transposed convolution with stride 2 to the few bands of an image, in half the time of Keras' layer.

    (B, H, W, C) float  ->  (B, 2 H, 2 W, filters) float. Weights, arguments and outputs equal those of
    `keras.layers.Conv2DTranspose(filters, 4, 2, "same")`, up to rounding.

    With so few output channels TensorFlow leaves most SIMD lanes of a processor empty. The layer instead multiplies
    each pixel by all 16 taps in one matrix product and adds the overlapping results (benchmarks/gan_speed.py). On GPUs,
    on other backends and with more than 4 filters the layer is Keras' own.

    Args:
        filters: number of output bands.
        **kwargs: arguments of `keras.layers.Conv2DTranspose`, except `kernel_size`, `strides`, `padding`,
            `output_padding`, `dilation_rate` and `data_format`, which are fixed.
    """

    as_keras = True  # same output shape and cost: `zoo.introspect` treats the layer as Keras' own

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 4, 2, "same", **kwargs)

    def call(self, x):
        if not is_supported(self, self.filters):
            return super().call(x)
        return add_bias_and_activation(self, conv_transpose_4x4(x, self.kernel))

    def get_config(self):
        fixed = ("kernel_size", "strides", "padding", "output_padding", "dilation_rate", "data_format")
        return {k: v for k, v in super().get_config().items() if k not in fixed}


def is_supported(layer, bands):
    """Whether `conv_transpose_4x4` is the faster implementation for `layer`, which has `bands` image channels."""
    supported = keras.backend.backend() == "tensorflow" and layer.data_format == "channels_last"
    return supported and bands <= MAX_BANDS and not gpus()


def conv_transpose_4x4(x, kernel):
    """Transposed convolution with stride 2 and "same" padding.

    Args:
        x: (B, H, W, C) tensor.
        kernel: (4, 4, bands, C) tensor.
    Returns:
        (B, 2 H, 2 W, bands) tensor.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def conv_transpose(x, kernel):
        def gradient(upstream):  # plain convolutions, which TensorFlow computes fast
            options = {"strides": [1, 2, 2, 1], "padding": "SAME"}
            return (
                tf.nn.conv2d(upstream, kernel, 2, "SAME"),
                tf.raw_ops.Conv2DBackpropFilter(
                    input=upstream, filter_sizes=tf.shape(kernel), out_backprop=x, **options
                ),
            )

        return _product_and_overlap_add(x, kernel), gradient

    return conv_transpose(tf.convert_to_tensor(x), tf.convert_to_tensor(kernel))


def _product_and_overlap_add(x, kernel):
    """Multiplies each pixel by all taps, then adds each 2 x 2 block of products at its position in the output."""
    import tensorflow as tf

    bands, channels = kernel.shape[2:]
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    # In each direction, taps 0 and 1 fall into the pixel's own 2 x 2 block, taps 2 and 3 into the next block.
    taps = tf.transpose(tf.reshape(kernel, (2, 2, 2, 2, bands, channels)), (5, 0, 2, 1, 3, 4))
    products = tf.reshape(x, (-1, channels)) @ tf.reshape(taps, (channels, 16 * bands))
    blocks = tf.unstack(tf.reshape(products, (-1, height, width, 4, 4 * bands)), axis=3)
    offsets = [(0, 0), (0, 1), (1, 0), (1, 1)]
    paddings = [[[0, 0], [down, 1 - down], [right, 1 - right], [0, 0]] for down, right in offsets]
    total = tf.add_n([tf.pad(block, padding) for block, padding in zip(blocks, paddings, strict=True)])
    outputs = tf.nn.depth_to_space(total, 2)[:, 1:-1, 1:-1]
    return tf.ensure_shape(outputs, (x.shape[0], *(side and 2 * side for side in x.shape[1:3]), bands))
