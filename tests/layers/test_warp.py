"""Warping and bilinear upsampling."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tolerance import assert_close
from zoo.layers import Upsample, Warp


def image(*shape):
    return np.random.default_rng(0).random(shape, "float32")


def constant(u, v, *shape):
    return np.broadcast_to(np.array([u, v], "float32"), (*shape, 2)).copy()


@pytest.mark.parametrize(("u", "v"), [(0, 0), (2, 0), (0, -1), (-3, 2)])
def test_a_constant_integer_flow_is_a_shift_with_zeros_outside(u, v):
    x = image(2, 6, 8, 3)
    warped = np.asarray(Warp()([x, constant(u, v, 2, 6, 8)]))
    padded = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))
    assert_close(warped, padded[:, 3 + v : 9 + v, 3 + u : 11 + u])


def test_half_a_pixel_gives_the_mean_of_two_pixels():
    x = image(1, 4, 5, 2)
    warped = np.asarray(Warp()([x, constant(0.5, 0, 1, 4, 5)]))
    assert_close(warped[:, :, :-1], (x[:, :, :-1] + x[:, :, 1:]) / 2)
    assert_close(warped[:, :, -1], x[:, :, -1] / 2)


def test_each_example_is_warped_by_its_own_flow():
    x = image(2, 4, 5, 1)
    flow = np.concatenate([constant(1, 0, 1, 4, 5), constant(0, 1, 1, 4, 5)])
    warped = np.asarray(Warp()([x, flow]))
    assert_close(warped[0, :, :-1], x[0, :, 1:])
    assert_close(warped[1, :-1], x[1, 1:])


def test_a_flow_far_outside_gives_zeros():
    warped = np.asarray(Warp()([image(1, 4, 5, 1), constant(1e12, -1e12, 1, 4, 5)]))
    np.testing.assert_array_equal(warped, np.zeros((1, 4, 5, 1)))


def test_the_gradient_of_the_flow_is_that_of_the_image():
    ramp = np.tile(np.arange(8, dtype="float32"), (1, 6, 1))[..., None]
    flow = tf.Variable(constant(0.25, 0.25, 1, 6, 8))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(Warp()([ramp, flow])[:, :5, :7])
    gradient = tape.gradient(loss, flow).numpy()[0, :5, :7]
    assert_close(gradient[..., 0], 1)
    np.testing.assert_allclose(gradient[:4, :, 1], 0, atol=1e-5)


def test_half_precision_keeps_the_flow_exact():
    """bfloat16 cannot represent 300.5."""
    x = image(1, 1, 400, 1)
    warped = Warp(dtype="mixed_bfloat16")([x, constant(300.5, 0, 1, 1, 400)])
    assert keras.backend.standardize_dtype(warped.dtype) == "bfloat16"
    assert_close(np.asarray(warped, "float32")[0, 0, :99, 0], (x[0, 0, 300:399, 0] + x[0, 0, 301:, 0]) / 2, rtol=0.01)


@pytest.mark.parametrize("factor", [1, 3, 4])
def test_upsampling_equals_keras(factor):
    x = image(2, 4, 5, 3)
    expected = keras.layers.UpSampling2D(factor, interpolation="bilinear")(x)
    assert_close(Upsample(factor)(x), expected)


def test_aligned_corners_keep_the_corner_pixels_and_a_linear_ramp():
    ramp = np.tile(np.arange(4, dtype="float32"), (1, 3, 1))[..., None]
    upsampled = np.asarray(Upsample(2, corners=True)(ramp))[0, :, :, 0]
    assert_close(upsampled, np.tile(np.linspace(0, 3, 8), (6, 1)))
    np.testing.assert_array_equal(Upsample(1, corners=True)(ramp[:, :1, :1]), ramp[:, :1, :1])


def test_the_exported_upsampling_accepts_any_size(tmp_path):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, Upsample(4)(inputs))
    model.export(str(tmp_path / "model"), verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "model"))
    for shape in ((1, 3, 5, 2), (2, 4, 2, 2)):
        x = image(*shape)
        assert_close(exported.serve(x), Upsample(4)(x))


def test_a_factor_below_one_is_refused():
    with pytest.raises(ValueError, match="Upsample: `factor` must be a whole number of at least 1, got 0"):
        Upsample(0)
