"""Enlargement and convolution at once."""

import keras
import numpy as np
import pytest

import zoo
from tests.layers.pairs import assert_same
from zoo.layers.upsample_conv import UpsampleConv2D

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")


def both(**arguments):
    """The layer and the two of Keras that it stands for, with the same weights."""
    ours = UpsampleConv2D(6, bias_initializer="normal", **arguments)
    conv = keras.layers.Conv2D(6, 3, padding="same", bias_initializer="normal", **arguments)
    theirs = keras.Sequential([keras.layers.UpSampling2D(2), conv])
    ours.build(IMAGES.shape)
    theirs.build(IMAGES.shape)
    conv.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_answers_and_gradients_are_those_of_the_two_layers(options):
    assert_same(both(**options), IMAGES)


def test_maps_of_any_size_are_doubled():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, UpsampleConv2D(2)(inputs))
    assert model.output_shape == (None, None, None, 2)
    for height, width in ((1, 1), (3, 6)):
        found = model.predict(np.ones((1, height, width, 3), "float32"), verbose=0)
        assert found.shape == (1, 2 * height, 2 * width, 2)


def test_half_precision_answers_in_half_precision():
    found = UpsampleConv2D(2, dtype="mixed_bfloat16")(IMAGES)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"


def test_it_survives_its_configuration_and_a_file(tmp_path):
    layer = UpsampleConv2D(2, use_bias=False, kernel_initializer="he_normal", activation="swish", name="up")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    model = keras.Sequential([keras.Input((5, 4, 3)), layer])
    model.save(tmp_path / "up.keras")
    read = keras.models.load_model(tmp_path / "up.keras")
    np.testing.assert_array_equal(read.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))


def test_products_are_counted_where_they_are_made():
    inputs = keras.Input((5, 4, 3))
    assert zoo.macs(keras.Model(inputs, UpsampleConv2D(6)(inputs))) == 5 * 4 * 16 * 3 * 6
