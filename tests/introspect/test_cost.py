"""Multiply-accumulates against formulas, papers and other implementations."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from zoo.classify.vit import features
from zoo.introspect import macs, parameters, weightless


def sequential(shape, *stack):
    return keras.Sequential([layers.Input(shape), *stack])


def model_of(layer, *shapes, as_list=False, **options):
    inputs = [layers.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(inputs, **options) if as_list else layer(*inputs, **options))


PUBLISHED = [
    # name, multiply-accumulates, tolerance, source
    ("VGG16", 15.470e9, 5e5, "as torchvision's VGG-16"),
    ("VGG19", 19.632e9, 5e5, "as torchvision's VGG-19"),
    ("ResNet50", 3.87e9, 2e7, "half of the 7.755e9 operations that TensorFlow's profiler counts, which include more"),
    ("DenseNet121", 2.834e9, 5e5, "as torchvision's DenseNet-121"),
    ("MobileNet", 569e6, 5e5, "Howard et al. 2017, table 4"),
    ("MobileNetV2", 300e6, 1e6, "Sandler et al. 2018, table 4"),
]


@pytest.mark.parametrize(("name", "expected", "tolerance", "source"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_keras_applications_have_the_published_macs(name, expected, tolerance, source):
    with weightless():
        model = getattr(keras.applications, name)(weights=None)
    assert abs(macs(model) - expected) < tolerance, source


def test_lenet_of_1998_has_the_papers_connections():
    """340,908 connections: each multiplication, each addition of a bias, and four inputs for each subsampled cell."""
    model = zoo.outline("lenet5_1998")
    biases = 28 * 28 * 6 + 10 * 10 * 16 + 120 + 84
    subsampling = (14 * 14 * 6 + 5 * 5 * 16) * (5 - 1)  # of five connections one is a multiplication
    assert macs(model) + biases + subsampling == 340908
    assert macs(model) == 117600 + 1176 + 150000 + 400 + 48000 + 10080 + 840


def test_vit_base_has_17_564_g_if_all_tokens_attend_in_the_last_block():
    """As in timm and torchvision. In the last block of `zoo.vit` only the class token attends."""
    with weightless():
        image = layers.Input((224, 224, 3))
        model = keras.Model(image, features(image)[-1])
    assert macs(model) == 196 * 768 * 768 + 12 * (197 * 12 * 768**2 + 2 * 197**2 * 768)
    assert round((macs(model) + 768 * 1000) / 1e9, 3) == 17.564
    assert macs(zoo.outline("vit_base_16")) < macs(model)


def test_convolutions_count_outputs_times_kernel():
    assert macs(sequential((9, 9, 4), layers.Conv2D(6, 3, groups=2))) == 7 * 7 * 9 * 2 * 6
    assert (
        macs(sequential((9, 9, 4), layers.Conv2D(6, 3, strides=2, padding="same", dilation_rate=1))) == 25 * 9 * 4 * 6
    )
    assert macs(sequential((9, 9, 4), layers.Conv2D(6, 3, dilation_rate=2))) == 25 * 9 * 4 * 6
    assert macs(sequential((12, 4), layers.Conv1D(6, 3, padding="causal"))) == 12 * 3 * 4 * 6
    assert macs(sequential((5, 5, 5, 2), layers.Conv3D(3, 2))) == 64 * 8 * 2 * 3
    assert macs(sequential((9, 9, 4), layers.DepthwiseConv2D(3, depth_multiplier=2))) == 49 * 9 * 8
    assert macs(sequential((9, 9, 4), layers.SeparableConv2D(6, 3, depth_multiplier=2))) == 49 * (9 * 8 + 8 * 6)
    assert macs(sequential((9, 9, 4), layers.Conv2DTranspose(6, 4, strides=2, padding="same"))) == 81 * 16 * 4 * 6


def test_dense_layers_count_at_every_position():
    assert macs(sequential((5, 7), layers.Dense(3))) == 5 * 7 * 3
    assert macs(sequential((5, 7), layers.EinsumDense("abc,cde->abde", (5, 2, 3)))) == 5 * 7 * 2 * 3
    assert macs(sequential((5, 7), layers.EinsumDense("...x,xy->...y", (3,)))) == 5 * 7 * 3
    assert macs(sequential((5, 7), layers.TimeDistributed(layers.Dense(3)))) == 5 * 7 * 3
    assert macs(sequential((5, 7), layers.SpectralNormalization(layers.Dense(3)))) == 5 * 7 * 3


@pytest.mark.parametrize(("layer", "gates"), [(layers.SimpleRNN, 1), (layers.LSTM, 4), (layers.GRU, 3)])
def test_recurrent_layers_count_each_time_step(layer, gates):
    step = gates * 64 * (32 + 64)
    assert macs(sequential((10, 32), layer(64))) == 10 * step
    assert macs(sequential((10, 32), layers.Bidirectional(layer(64, return_sequences=True)))) == 2 * 10 * step
    assert macs(sequential((None, 32), layer(64))) is None


def test_stacked_cells_and_convolutional_lstm_count_their_cells():
    cells = layers.StackedRNNCells([layers.LSTMCell(8), layers.GRUCell(9)])
    assert macs(sequential((5, 12), layers.RNN(cells))) == 5 * (4 * 8 * (12 + 8) + 3 * 9 * (8 + 9))
    cell = 3 * 3 * (2 + 8) * 4 * 8
    for sequences in (True, False):
        layer = layers.ConvLSTM2D(8, 3, padding="same", return_sequences=sequences)
        assert macs(sequential((5, 6, 6, 2), layer)) == 5 * 36 * cell


def test_attention_counts_its_projections_and_two_products():
    heads, key, value = 3, 4, 6
    projections = 7 * 12 * heads * key + 5 * 20 * heads * (key + value) + 7 * heads * value * 12
    layer = layers.MultiHeadAttention(heads, key, value_dim=value)
    assert macs(model_of(layer, (7, 12), (5, 20))) == projections + heads * 7 * 5 * (key + value)
    grouped = layers.GroupQueryAttention(4, 6, 2)
    expected = 7 * 12 * 24 * 2 + 2 * 7 * 12 * 8 + 6 * 7 * 7 * 8
    assert macs(model_of(grouped, (7, 12), (7, 12))) == expected
    assert macs(model_of(layers.Attention(), (5, 12), (6, 12), as_list=True)) == 2 * 5 * 6 * 12
    assert macs(model_of(layers.AdditiveAttention(), (5, 12), (6, 12), as_list=True)) == 2 * 5 * 6 * 12
    assert macs(model_of(layers.Dot(2), (5, 12), (6, 12), as_list=True)) == 5 * 6 * 12


def test_axial_attention_counts_row_by_row():
    layer = layers.MultiHeadAttention(2, 3, attention_axes=(2,))
    assert macs(model_of(layer, (4, 5, 8), (4, 5, 8))) == 4 * 20 * 8 * 6 + 4 * 2 * 5 * 5 * 6


def test_operations_count_contracted_axes():
    a, b = layers.Input((5, 12)), layers.Input((12, 6))
    kernel = np.ones((3, 3, 2, 4), "float32")
    image = layers.Input((9, 9, 2))
    assert macs(keras.Model([a, b], a @ b)) == 5 * 12 * 6
    assert macs(keras.Model([a, b], ops.einsum("btc,bcd->btd", a, b))) == 5 * 12 * 6
    assert macs(keras.Model(a, ops.tensordot(a, np.ones((12, 3), "float32"), 1))) == 5 * 12 * 3
    assert macs(keras.Model(image, ops.conv(image, kernel))) == 49 * 9 * 2 * 4
    assert macs(keras.Model(a, ops.relu(a) + 2 * ops.mean(a, axis=-1, keepdims=True))) == 0
    # positions that a reshape moves into the batch axis are counted
    assert macs(keras.Model(image, layers.Dense(3)(ops.reshape(image, (-1, 2))))) == 81 * 2 * 3


def test_shared_layers_count_at_each_call_and_nested_models_are_traced():
    shared = layers.Dense(4)
    inner = sequential((4,), shared, layers.ReLU(), shared)
    x = layers.Input((4,))
    assert macs(keras.Model(x, inner(inner(x)) + shared(x))) == 5 * 16


class Mixer(layers.Layer):
    """A custom layer without a method `macs`: two dense layers and a product."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.outer = layers.Dense(6), layers.Dense(3)

    def build(self, shape):
        self.inner.build(shape)
        self.outer.build((*shape[:-1], 6))

    def call(self, x, training=False):
        y = self.outer(ops.gelu(self.inner(x)))
        return ops.matmul(ops.transpose(y, (0, 2, 1)), y) if not training else None


class NumpyMixer(Mixer):
    """Computes in NumPy, so `call` cannot run on symbolic tensors."""

    def call(self, x):
        return self.outer(self.inner(ops.convert_to_tensor(np.asarray(x))))

    def compute_output_shape(self, shape):
        return (*shape[:-1], 3)


class MixerWithMacs(NumpyMixer):
    def macs(self, input_shape):
        return input_shape[1] * 1000


def test_custom_layers_are_traced_or_have_a_method_or_are_unknown():
    assert macs(sequential((5, 4), Mixer())) == 5 * 4 * 6 + 5 * 6 * 3 + 3 * 5 * 3
    assert macs(sequential((5, 4), layers.Lambda(lambda x: x @ ops.transpose(x, (0, 2, 1))))) == 5 * 4 * 5
    assert macs(sequential((5, 4), NumpyMixer())) is None
    assert macs(sequential((5, 4), MixerWithMacs())) == 5000
    assert macs(sequential((None, 4), MixerWithMacs())) is None
    assert macs(sequential((None, None, 3), layers.Conv2D(2, 3))) is None
    assert macs(sequential((None, 8, 8, 3), layers.ConvLSTM2D(2, 3, return_sequences=True))) is None
    x = layers.Input((5,))
    assert macs(keras.Model(x, ops.vectorized_map(lambda row: row * 2, x))) is None


def test_tracing_leaves_the_layers_as_they_were():
    layer = Mixer()
    model = sequential((5, 4), layer)
    before = [len(part._inbound_nodes) + len(part._outbound_nodes) for part in layer._flatten_layers()]
    first = macs(model)
    assert macs(model) == first
    assert [len(part._inbound_nodes) + len(part._outbound_nodes) for part in layer._flatten_layers()] == before
    assert model.get_layer(layer.name).output.shape == (None, 3, 3)
    assert model(np.ones((2, 5, 4))).shape == (2, 3, 3)


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)

    def call(self, x):
        return self.inner(x)


class NumpySubclass(Subclass):
    def call(self, x):
        return self.inner(ops.convert_to_tensor(np.asarray(x)))


def test_subclassed_models_count_once_they_are_built():
    model = Subclass()
    with pytest.raises(ValueError, match="not built: call it on a batch"):
        macs(model)
    model(np.ones((2, 4)))
    assert macs(model) == 12
    in_numpy = NumpySubclass()
    in_numpy(np.ones((2, 4)))
    assert macs(in_numpy) is None
    with pytest.raises(ValueError, match="a Keras model is needed, got str"):
        macs("lenet5")


def test_outline_allocates_no_memory_for_weights():
    model = zoo.outline("vit_giant_14")
    assert parameters(model) == (1844440680, 1844440680)
    with keras.StatelessScope():  # Keras initializes all waiting weights when it closes
        pass
    assert all(weight._value is None for weight in model.weights)
    assert round(macs(model) / 1e9) == 475


def test_outline_takes_the_builders_arguments():
    assert zoo.outline("lenet5", input_shape=(32, 32, 3), classes=10, padding="valid").count_params() == 62006
    with pytest.raises(ValueError, match=r"Did you mean `classes`\?"):
        zoo.outline("lenet5", input_shape=(28, 28, 1), clases=10)
    with pytest.raises(ValueError, match=r"Did you mean `lenet5`\?"):
        zoo.outline("lenet_5")


def test_parameters_are_total_and_trainable():
    assert parameters(zoo.outline("lenet5_1998")) == (60840, 60000)
