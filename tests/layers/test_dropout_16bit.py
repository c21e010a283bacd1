"""Dropout16Bit drops the right fraction, repeats with a seed, and behaves as Keras' dropout otherwise."""

import keras
import numpy as np
import pytest

from tests.tolerance import assert_close
from zoo.layers.dropout_16bit import Dropout16Bit

ONES = np.ones((3, 101, 7, 5), "float32")  # an odd number of values


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.85])
def test_the_dropped_fraction_is_the_rate_and_the_mean_is_unchanged(rate):
    outputs = np.asarray(Dropout16Bit(rate, seed=1)(ONES, training=True))
    standard_error = np.sqrt(rate * (1 - rate) / outputs.size)
    assert abs((outputs == 0).mean() - rate) < 5 * standard_error
    assert_close(outputs[outputs > 0], 1 / (1 - rate), rtol=1e-4)
    for half in (outputs[..., ::2], outputs[..., 1::2]):  # both 16-bit halves of each 32-bit number
        assert abs((half == 0).mean() - rate) < 10 * standard_error


def test_masks_differ_between_calls_and_repeat_with_the_same_seed():
    layer, same_seed = Dropout16Bit(0.5, seed=3), Dropout16Bit(0.5, seed=3)
    outputs = [np.asarray(layer(ONES, training=True)) for _ in range(2)]
    assert (outputs[0] != outputs[1]).any()
    np.testing.assert_array_equal(outputs, [np.asarray(same_seed(ONES, training=True)) for _ in range(2)])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rate_0_keeps_everything_and_rate_1_drops_everything(rate):
    np.testing.assert_array_equal(Dropout16Bit(rate)(ONES, training=True), ONES * (1 - rate))


def test_inference_returns_the_input_and_gradients_pass_through_the_mask():
    import tensorflow as tf

    layer = Dropout16Bit(0.3, seed=2)
    np.testing.assert_array_equal(layer(ONES), ONES)
    x = tf.constant(ONES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(outputs, x), outputs)


def test_half_precision_unknown_batch_sizes_and_saving_work(tmp_path):
    inputs = keras.Input((4, 3))
    layer = Dropout16Bit(0.5, dtype="mixed_float16", name="drop")
    model = keras.Model(inputs, layer(inputs))
    assert keras.backend.standardize_dtype(model(ONES[0, :5, :4, :3], training=True).dtype) == "float16"
    model.save(tmp_path / "drop.keras")
    assert keras.models.load_model(tmp_path / "drop.keras").get_layer("drop").get_config() == layer.get_config()
