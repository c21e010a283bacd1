"""Dropout of fewer random bits."""

import keras
import numpy as np
import pytest

from tests.tolerance import assert_close
from zoo.layers.dropout_16bit import Dropout16Bit

ONES = np.ones((3, 101, 7, 5), "float32")  # an odd count


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.85])
def test_the_share_is_dropped_and_the_mean_stays(rate):
    found = np.asarray(Dropout16Bit(rate, seed=1)(ONES, training=True))
    spread = np.sqrt(rate * (1 - rate) / found.size)
    assert abs((found == 0).mean() - rate) < 5 * spread
    assert_close(found[found > 0], 1 / (1 - rate), rtol=1e-4)
    for half in (found[..., ::2], found[..., 1::2]):  # both halves of each 32 bits
        assert abs((half == 0).mean() - rate) < 10 * spread


def test_each_call_draws_anew_and_a_seed_repeats_the_calls():
    first, again = Dropout16Bit(0.5, seed=3), Dropout16Bit(0.5, seed=3)
    calls = [np.asarray(first(ONES, training=True)) for _ in range(2)]
    assert (calls[0] != calls[1]).any()
    np.testing.assert_array_equal(calls, [np.asarray(again(ONES, training=True)) for _ in range(2)])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_or_nothing(rate):
    np.testing.assert_array_equal(Dropout16Bit(rate)(ONES, training=True), ONES * (1 - rate))


def test_inference_leaves_everything_and_gradients_go_through_what_is_kept():
    import tensorflow as tf

    layer = Dropout16Bit(0.3, seed=2)
    np.testing.assert_array_equal(layer(ONES), ONES)
    seen = tf.constant(ONES)
    with tf.GradientTape() as tape:
        tape.watch(seen)
        answer = layer(seen, training=True)
    np.testing.assert_array_equal(tape.gradient(answer, seen), answer)


def test_it_goes_with_half_precision_unknown_batches_and_files(tmp_path):
    inputs = keras.Input((4, 3))
    layer = Dropout16Bit(0.5, dtype="mixed_float16", name="drop")
    model = keras.Model(inputs, layer(inputs))
    assert keras.backend.standardize_dtype(model(ONES[0, :5, :4, :3], training=True).dtype) == "float16"
    model.save(tmp_path / "drop.keras")
    assert keras.models.load_model(tmp_path / "drop.keras").get_layer("drop").get_config() == layer.get_config()
