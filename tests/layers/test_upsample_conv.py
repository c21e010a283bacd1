"""UpsampleConv2D equals upsampling followed by a convolution."""

import keras
import numpy as np
import pytest

import zoo
from tests.layers.pairs import assert_same
from zoo.layers.upsample_conv import UpsampleConv2D

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")


def layer_and_keras_layers(**arguments):
    """Returns the layer and the two Keras layers that it replaces, with the same weights."""
    layer = UpsampleConv2D(6, bias_initializer="normal", **arguments)
    conv = keras.layers.Conv2D(6, 3, padding="same", bias_initializer="normal", **arguments)
    keras_layers = keras.Sequential([keras.layers.UpSampling2D(2), conv])
    layer.build(IMAGES.shape)
    keras_layers.build(IMAGES.shape)
    conv.set_weights(layer.get_weights())
    return layer, keras_layers


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_outputs_and_gradients_equal_those_of_the_two_keras_layers(options):
    assert_same(layer_and_keras_layers(**options), IMAGES)


def test_inputs_of_any_size_are_upsampled_by_two():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, UpsampleConv2D(2)(inputs))
    assert model.output_shape == (None, None, None, 2)
    for height, width in ((1, 1), (3, 6)):
        outputs = model.predict(np.ones((1, height, width, 3), "float32"), verbose=0)
        assert outputs.shape == (1, 2 * height, 2 * width, 2)


def test_half_precision_gives_half_precision_outputs():
    outputs = UpsampleConv2D(2, dtype="mixed_bfloat16")(IMAGES)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"


def test_the_layer_is_restored_from_its_config_and_from_a_file(tmp_path):
    layer = UpsampleConv2D(2, use_bias=False, kernel_initializer="he_normal", activation="swish", name="up")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == layer.get_config()
    model = keras.Sequential([keras.Input((5, 4, 3)), layer])
    model.save(tmp_path / "up.keras")
    loaded = keras.models.load_model(tmp_path / "up.keras")
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))


def test_macs_are_16_products_per_input_pixel_and_channel_pair():
    inputs = keras.Input((5, 4, 3))
    assert zoo.macs(keras.Model(inputs, UpsampleConv2D(6)(inputs))) == 5 * 4 * 16 * 3 * 6
