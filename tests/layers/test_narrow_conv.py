"""NarrowConv2DTranspose and DownsampleConv2D equal Keras' convolutions."""

import keras
import numpy as np
import pytest

import zoo
from tests.layers.pairs import assert_same
from tests.tolerance import assert_close
from zoo.layers.downsample_conv import DownsampleConv2D
from zoo.layers.narrow_conv_transpose import NarrowConv2DTranspose

# name: layer, Keras' layer, filters, input shape
PAIRS = {
    "to an image": (NarrowConv2DTranspose, keras.layers.Conv2DTranspose, 3, (2, 5, 3, 6)),
    "to many channels": (NarrowConv2DTranspose, keras.layers.Conv2DTranspose, 5, (2, 5, 3, 6)),
    "from an image": (DownsampleConv2D, keras.layers.Conv2D, 6, (2, 8, 6, 3)),
    "from an odd image": (DownsampleConv2D, keras.layers.Conv2D, 6, (2, 7, 5, 1)),
    "from many channels": (DownsampleConv2D, keras.layers.Conv2D, 6, (2, 8, 6, 5)),
}


def layer_keras_layer_and_input(name, **options):
    """Returns the layer, Keras' own with the same weights, and an input."""
    layer_class, keras_class, filters, shape = PAIRS[name]
    pair = layer_class(filters, **options), keras_class(filters, 4, 2, "same", **options)
    rng = np.random.default_rng(1)
    for layer in pair:
        layer.build(shape)
    pair[0].set_weights([rng.normal(size=w.shape) for w in pair[0].weights])
    pair[1].set_weights(pair[0].get_weights())
    return (*pair, rng.normal(size=shape).astype("float32"))


@pytest.mark.parametrize("options", [{}, {"use_bias": False, "activation": "tanh"}])
@pytest.mark.parametrize("name", PAIRS)
def test_outputs_and_gradients_equal_those_of_keras(name, options):
    *pair, x = layer_keras_layer_and_input(name, **options)
    assert_same(pair, x)


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_second_order_gradients_equal_those_of_keras(name):
    """A gradient penalty differentiates a gradient."""
    import tensorflow as tf

    *pair, x = layer_keras_layer_and_input(name)
    x, gradients = tf.constant(x), []
    for layer in pair:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(tf.square(layer(x)))
            penalty = tf.reduce_sum(tf.square(inner.gradient(loss, x)))
        gradients.append(outer.gradient(penalty, layer.kernel.value))
    assert_close(*gradients, rtol=1e-3)


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_inputs_of_any_size_give_the_outputs_of_keras(name):
    layer, keras_layer, x = layer_keras_layer_and_input(name)
    inputs = keras.Input((None, None, x.shape[-1]))
    models = [keras.Model(inputs, convolution(inputs)) for convolution in (layer, keras_layer)]
    assert models[0].output_shape == models[1].output_shape
    for height, width in ((1, 2), (4, 6), (5, 7)):
        image = np.random.default_rng(0).normal(size=(2, height, width, x.shape[-1]))
        assert_close(*(model.predict(image, verbose=0) for model in models), rtol=1e-4)


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_macs_and_receptive_field_equal_those_of_keras_and_saving_works(name, tmp_path):
    layer, keras_layer, x = layer_keras_layer_and_input(name)
    models = [keras.Sequential([keras.Input(x.shape[1:]), convolution]) for convolution in (layer, keras_layer)]
    assert zoo.macs(models[0]) == zoo.macs(models[1])
    assert zoo.receptive_field(models[0]) == zoo.receptive_field(models[1])
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == layer.get_config()
    models[0].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), models[0].predict(x, verbose=0))


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_half_precision_gives_half_precision_outputs(name):
    x = layer_keras_layer_and_input(name)[-1]
    outputs = PAIRS[name][0](2, dtype="mixed_bfloat16")(x)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
