"""The transposed convolution that ends in an image, as one product and sums."""

import keras
from keras import layers

from zoo.devices import gpus
from zoo.layers.upsample_conv import ended

MOST = 4  # bands of an image; with more maps TensorFlow's own operation is as fast


@keras.saving.register_keras_serializable("zoo")
class NarrowConv2DTranspose(layers.Conv2DTranspose):
    """A 4 x 4 transposed convolution of stride 2 to the few bands of an image, in half the time.

    (B, H, W, C) float  ->  (B, 2 H, 2 W, filters) float. Weights, arguments and answers are those of
    `keras.layers.Conv2DTranspose(filters, 4, 2, "same")`, up to the rounding. TensorFlow leaves most of a processor's
    lanes empty where so few maps come out; here each pixel is multiplied with all 16 taps in one product, and what
    overlaps is added up (benchmarks/gan_speed.py). GPUs, other backends, and more than 4 filters stay with Keras' own.

    Args:
        filters: bands that come out.
        **kwargs: as `keras.layers.Conv2DTranspose` has them, but for `kernel_size`, `strides`, `padding`,
            `output_padding`, `dilation_rate` and `data_format`, which are fixed.
    """

    as_keras = True  # the same maps, the same cost: `zoo.introspect` takes it for Keras' own

    def __init__(self, filters, **kwargs):
        super().__init__(filters, 4, 2, "same", **kwargs)

    def call(self, x):
        if not fits(self, self.filters):
            return super().call(x)
        return ended(self, doubled(x, self.kernel))

    def get_config(self):
        fixed = ("kernel_size", "strides", "padding", "output_padding", "dilation_rate", "data_format")
        return {k: v for k, v in super().get_config().items() if k not in fixed}


def fits(layer, bands):
    """Whether a layer between maps and so many bands is computed here, on what it was measured on."""
    here = keras.backend.backend() == "tensorflow" and layer.data_format == "channels_last"
    return here and bands <= MOST and not gpus()


def doubled(x, kernel):
    """The transposed convolution of stride 2 and "same" padding of maps (B, H, W, C) with a (4, 4, bands, C) kernel."""
    import tensorflow as tf

    # Its gradients are convolutions, which are fast as they are
    @tf.custom_gradient
    def answer(x, kernel):
        def gradient(upstream):
            back = {"strides": [1, 2, 2, 1], "padding": "SAME"}
            return (
                tf.nn.conv2d(upstream, kernel, 2, "SAME"),
                tf.raw_ops.Conv2DBackpropFilter(input=upstream, filter_sizes=tf.shape(kernel), out_backprop=x, **back),
            )

        return _overlapped(x, kernel), gradient

    return answer(tf.convert_to_tensor(x), tf.convert_to_tensor(kernel))


def _overlapped(x, kernel):
    """As `doubled`: the product with all taps, each 2 x 2 block of them added where it lies."""
    import tensorflow as tf

    bands, channels = kernel.shape[2:]
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    # taps 0 and 1 fall into the block of the pixel itself, 2 and 3 into the next, in each direction
    taps = tf.transpose(tf.reshape(kernel, (2, 2, 2, 2, bands, channels)), (5, 0, 2, 1, 3, 4))
    products = tf.reshape(x, (-1, channels)) @ tf.reshape(taps, (channels, 16 * bands))
    blocks = tf.unstack(tf.reshape(products, (-1, height, width, 4, 4 * bands)), axis=3)
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    sides = [[[0, 0], [down, 1 - down], [right, 1 - right], [0, 0]] for down, right in places]
    whole = tf.add_n([tf.pad(block, side) for block, side in zip(blocks, sides, strict=True)])
    answer = tf.nn.depth_to_space(whole, 2)[:, 1:-1, 1:-1]
    return tf.ensure_shape(answer, (x.shape[0], *(side and 2 * side for side in x.shape[1:3]), bands))
