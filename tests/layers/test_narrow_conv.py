"""Convolutions to and from images with few bands."""

import keras
import numpy as np
import pytest

import zoo
from tests.layers.pairs import assert_same
from tests.tolerance import assert_close
from zoo.layers.downsample_conv import DownsampleConv2D
from zoo.layers.narrow_conv_transpose import NarrowConv2DTranspose

PAIRS = {
    "to an image": (NarrowConv2DTranspose, keras.layers.Conv2DTranspose, 3, (2, 5, 3, 6)),
    "to many maps": (NarrowConv2DTranspose, keras.layers.Conv2DTranspose, 5, (2, 5, 3, 6)),
    "from an image": (DownsampleConv2D, keras.layers.Conv2D, 6, (2, 8, 6, 3)),
    "from an odd image": (DownsampleConv2D, keras.layers.Conv2D, 6, (2, 7, 5, 1)),
    "from many maps": (DownsampleConv2D, keras.layers.Conv2D, 6, (2, 8, 6, 5)),
}


def build_pair(name, **options):
    """Returns our layer and Keras' layer with the same weights, and an input."""
    ours, theirs, filters, shape = PAIRS[name]
    pair = ours(filters, **options), theirs(filters, 4, 2, "same", **options)
    rng = np.random.default_rng(1)
    for layer in pair:
        layer.build(shape)
    pair[0].set_weights([rng.normal(size=w.shape) for w in pair[0].weights])
    pair[1].set_weights(pair[0].get_weights())
    return (*pair, rng.normal(size=shape).astype("float32"))


@pytest.mark.parametrize("options", [{}, {"use_bias": False, "activation": "tanh"}])
@pytest.mark.parametrize("name", PAIRS)
def test_outputs_and_gradients_equal_keras(name, options):
    *pair, x = build_pair(name, **options)
    assert_same(pair, x)


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_second_order_gradients_equal_keras(name):
    """Second-order gradients as in a gradient penalty."""
    import tensorflow as tf

    *pair, x = build_pair(name)
    inputs, penalty_gradients = tf.constant(x), []
    for layer in pair:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(tf.square(layer(inputs)))
            penalty = tf.reduce_sum(tf.square(inner.gradient(loss, inputs)))
        penalty_gradients.append(outer.gradient(penalty, layer.kernel.value))
    assert_close(*penalty_gradients, rtol=1e-3)


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_maps_of_any_size_equal_keras(name):
    ours, theirs, x = build_pair(name)
    inputs = keras.Input((None, None, x.shape[-1]))
    models = [keras.Model(inputs, layer(inputs)) for layer in (ours, theirs)]
    assert models[0].output_shape == models[1].output_shape
    for height, width in ((1, 2), (4, 6), (5, 7)):
        image = np.random.default_rng(0).normal(size=(2, height, width, x.shape[-1]))
        assert_close(*(m.predict(image, verbose=0) for m in models), rtol=1e-4)


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_cost_and_receptive_field_equal_keras_and_the_layers_survive_saving(name, tmp_path):
    ours, theirs, x = build_pair(name)
    models = [keras.Sequential([keras.Input(x.shape[1:]), layer]) for layer in (ours, theirs)]
    assert zoo.macs(models[0]) == zoo.macs(models[1])
    assert zoo.receptive_field(models[0]) == zoo.receptive_field(models[1])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ours))
    assert again.get_config() == ours.get_config()
    models[0].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), models[0].predict(x, verbose=0))


@pytest.mark.parametrize("name", ["to an image", "from an image"])
def test_half_precision_inputs_give_half_precision_outputs(name):
    x = build_pair(name)[-1]
    outputs = PAIRS[name][0](2, dtype="mixed_bfloat16")(x)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
