"""Receptive fields against published values and against gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import zoo
from zoo.introspect import receptive_field, weightless


def build_model(*stack, shape=(49, 49, 1)):
    x = inputs = layers.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def gradient_extent(model):
    """Longest side of the pixels with a gradient from eight cells around the center; all weights are set to 1."""
    for weight in model.weights:
        weight.assign(ops.ones_like(weight))
    x = tf.ones((8, *model.input.shape[1:]))  # example i has the gradient of cell i
    with tf.GradientTape() as tape:
        tape.watch(x)
        maps = model(x, training=False)
        row, column = (side // 2 - 4 for side in maps.shape[1:3])
        cells = tf.add_n([tf.reduce_sum(maps[i, row + i, column + i]) for i in range(8)])
    indices = [np.nonzero(gradient) for gradient in tape.gradient(cells, x).numpy()]
    return max(int(axis.max() - axis.min()) + 1 for axes in indices for axis in axes[:2])


def conv(size=3, **options):
    return layers.Conv2D(2, size, padding=options.pop("padding", "same"), **options)


def residual(stride):
    """The shortcut of a ResNet that halves the map depends on the first pixel of each square only."""
    # Sliced, as TensorFlow 2.21 on CPU writes out of bounds in the weights' gradient of a strided 1 x 1 convolution.
    first, second, short = conv(strides=stride), conv(), layers.Conv2D(2, 1)
    return lambda x: layers.Add()([second(first(x)), short(x[:, ::stride, ::stride])])


def skip(pool, up, after):
    """One scale of a U-Net."""
    return lambda x: layers.Concatenate()([x, after(up(conv()(pool(x))))])


def shifted_sum(x):
    """The sum of two shifted crops of a map, whose field is wider than that of either."""
    left, right = layers.Cropping2D(((0, 4), (0, 4)))(x), x[:, 4:, 4:, ...]
    return left + right


def every_second(x):
    return ops.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (1, 1)))


def to_depth(x):
    return ops.nn.space_to_depth(x, 2)


def to_space(x):
    return ops.nn.depth_to_space(x, 2)


def channel_max(x):
    return ops.max(x, axis=-1, keepdims=True)


def padded_channels(x):
    """Pads the channels by a layer that counts axes as channels-first, and slices some of them."""
    x = layers.ZeroPadding2D(((0, 0), (2, 2)), data_format="channels_first")(x)
    return x[..., 1:4]


class IdentityAtInference(layers.Layer):
    """Returns its input at inference, zeros in training."""

    def call(self, x, training=False):
        return ops.zeros_like(x) if training else x


class Block(layers.Layer):
    """A custom layer without a method for its cost."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = conv(5)
        self.scale = self.add_weight(shape=(1,))

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return ops.relu(self.inner(x)) * self.scale + ops.average_pool(x, 3, 1, "same")


def average(size, stride, padding="same"):
    return layers.AveragePooling2D(size, stride, padding)


# {name: (layers, receptive field by hand)}
MODELS = {
    "dilated": ([conv(dilation_rate=d) for d in (1, 2, 4)], 15),
    "strided": ([conv(strides=2), conv(), average(2, 2), conv()], 17),
    "residual": ([residual(1), residual(2), conv()], 15),
    "separable": ([layers.SeparableConv2D(2, 5, padding="same"), layers.DepthwiseConv2D(3, strides=2)], 7),
    "oblong": ([conv((1, 7)), conv((3, 1))], 7),
    "nearest": ([average(2, 2), layers.UpSampling2D(2), conv()], 4),
    "bilinear": ([average(2, 2), layers.UpSampling2D(2, interpolation="bilinear"), conv()], 6),
    "odd bilinear": ([average(2, 2), layers.UpSampling2D(3, interpolation="bilinear")], 4),
    "transposed": ([average(2, 2), layers.Conv2DTranspose(2, 4, strides=2, padding="same")], 4),
    "transposed odd": ([average(2, 2), layers.Conv2DTranspose(2, 3, strides=2), conv()], 6),
    "u-net": ([skip(average(2, 2), layers.UpSampling2D(2), conv())], None),
    "shifted sum": ([conv(), shifted_sum], 7),
    "option A": ([conv(), every_second, conv()], 7),
    "padded channels": ([conv(), IdentityAtInference(), padded_channels, conv()], 5),
    "padded": ([layers.ZeroPadding2D(3), conv(7, strides=2, padding="valid"), conv()], 11),
    "blocks": ([to_depth, layers.Conv2D(4, 3), to_space, conv()], 8),
    "custom layers": ([Block(), conv(strides=2), Block()], None),
    "per cell": ([conv(), layers.Dense(4), layers.EinsumDense("abcd,de->abce", (None, None, 3)), channel_max], 3),
    "shuffled": ([layers.Conv2D(4, 3), layers.Reshape((46, 46, 2, 2)), layers.Reshape((46, 46, 4)), conv()], 5),
    "resized": ([average(2, 2), lambda x: ops.image.resize(x, (48, 48), "nearest"), conv()], 4),
    "repeated": ([average(2, 2), lambda x: ops.repeat(ops.repeat(x, 2, 1), 2, 2), conv()], 4),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_field_is_the_extent_of_the_gradient(name):
    stack, side = MODELS[name]
    model = build_model(*stack, shape=(48, 48, 1))
    assert receptive_field(model) == gradient_extent(model)
    assert side in (None, receptive_field(model))


@pytest.mark.parametrize("seed", range(8))
def test_the_field_of_a_random_model_is_the_extent_of_the_gradient(seed):
    rng = np.random.default_rng(seed)
    makers = [
        lambda: conv(int(rng.integers(1, 5)), dilation_rate=int(rng.integers(1, 4))),
        lambda: conv(int(rng.integers(2, 5)), strides=2),
        lambda: average(int(rng.integers(2, 4)), 2, str(rng.choice(["same", "valid"]))),
        lambda: layers.UpSampling2D(2, interpolation=str(rng.choice(["nearest", "bilinear"]))),
        lambda: residual(int(rng.integers(1, 3))),
        lambda: layers.Conv2DTranspose(
            1, int(rng.integers(2, 5)), strides=2, padding=str(rng.choice(["same", "valid"]))
        ),
    ]
    model = build_model(*[makers[i]() for i in rng.integers(0, len(makers), 4)], shape=(160, 160, 1))
    assert receptive_field(model) == gradient_extent(model)


def test_a_shared_layer_widens_the_field_at_each_call():
    shared = conv()
    inner = build_model(shared, shared, shape=(None, None, 1 + 1))
    model = keras.Sequential([layers.Input((32, 32, 2)), inner, inner])
    assert receptive_field(model) == 9
    assert receptive_field(inner) == 5


@pytest.mark.parametrize(("strides", "side"), [((2, 1, 1), 16), ((2, 2, 2, 1, 1), 70), ((2, 2, 2, 2, 2, 1, 1), 286)])
def test_patch_discriminators_have_the_published_fields(strides, side):
    """Isola et al. 2016, appendix 6.1.2."""
    assert receptive_field(build_model(*[conv(4, strides=s) for s in strides], shape=(None, None, 1))) == side


@pytest.mark.parametrize(("depth", "side"), [(17, 35), (20, 41)])
def test_dncnn_has_the_published_fields(depth, side):
    """Zhang et al. 2016, section III.A."""
    assert receptive_field(build_model(*[conv() for _ in range(depth)], shape=(None, None, 1))) == side


@pytest.mark.parametrize(
    ("name", "side"), [("VGG16", 212), ("ResNet50", 483), ("MobileNet", 315), ("InceptionV3", 1311)]
)
def test_keras_applications_have_the_published_fields(name, side):
    """Araujo, Norris, Sim 2019, Computing Receptive Fields of Convolutional Neural Networks, table 1."""
    with weightless():
        model = getattr(keras.applications, name)(weights=None)
    assert receptive_field(model) == side
    if name == "VGG16":
        assert receptive_field(keras.Model(model.input, model.get_layer("block5_conv3").output)) == 196


def test_lenet_has_a_field_of_16_pixels():
    assert receptive_field(zoo.outline("lenet5")) == 16
    assert receptive_field(zoo.outline("lenet5_1998")) == 16


def test_time_series_have_a_field_in_steps():
    shape = (64, 3)
    causal = [layers.Conv1D(4, 2, dilation_rate=d, padding="causal") for d in (1, 2, 4, 8)]
    assert receptive_field(build_model(*causal, shape=shape)) == 16
    assert receptive_field(build_model(layers.Conv1D(4, 5), layers.MaxPooling1D(2), shape=shape)) == 6


def squeeze_and_excitation(x):
    return x * layers.GlobalAveragePooling2D(keepdims=True)(x)


def self_attention(x):
    return layers.MultiHeadAttention(1, 2, attention_axes=(1, 2))(x, x)


UNBOUNDED = {
    "squeeze and excitation": [conv(), squeeze_and_excitation],
    "attention": [conv(), self_attention],
    "group normalization": [conv(), layers.GroupNormalization(2)],
    "normalization over the map": [layers.LayerNormalization(axis=(1, 2, 3))],
    "softmax over a row": [layers.Softmax(axis=2)],
    "concatenated along an axis": [conv(), lambda x: layers.Concatenate(axis=1)([x, x])],
    "flipped": [lambda x: ops.flip(x, 1)],
    "two scales": [lambda x: ops.image.resize(x, (48, 48))],
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_unbounded_and_unknown_fields_are_none(name):
    assert receptive_field(build_model(*UNBOUNDED[name], shape=(32, 32, 1))) is None


def test_tokens_vectors_and_recurrence_have_no_field():
    assert receptive_field(zoo.outline("vit_tiny_16")) is None
    assert receptive_field(zoo.outline("dnn")) is None
    assert receptive_field(build_model(layers.LSTM(2, return_sequences=True), shape=(9, 3))) is None
    assert (
        receptive_field(build_model(layers.Bidirectional(layers.GRU(2, return_sequences=True)), shape=(9, 3))) is None
    )


def test_tensors_that_depend_on_no_pixel_do_not_widen_the_field():
    image, noise = layers.Input((32, 32, 1)), layers.Input((4,))
    shift = layers.Reshape((1, 1, 2))(layers.Dense(2)(noise))
    assert receptive_field(keras.Model([image, noise], conv()(image) + shift)) == 3
