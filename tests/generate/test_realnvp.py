"""Real NVP: invertibility, log-determinant, density, bits per dimension and refused arguments."""

import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.tolerance import assert_close
from zoo.layers.coupling import Coupling


def random_flow(*args, stddev=0.1, **kwargs):
    """Returns a flow with random weights; initially every coupling is the identity."""
    model, rng = zoo.realnvp(*args, **kwargs), np.random.default_rng(5)
    for w in model.trainable_weights:
        w.assign(np.asarray(w) + rng.normal(0, stddev, w.shape))
    return model


def random_images(count, shape, seed=0):
    return (np.random.default_rng(seed).integers(0, 256, (count, *shape)) / 255).astype("float32")


@pytest.mark.parametrize(("shape", "scales"), [((8, 8, 1), 3), ((4, 6, 3), 2), ((3, 5, 2), 1)])
def test_the_inverse_recovers_the_images(shape, scales):
    model, x = random_flow(shape, stddev=0.05, scales=scales, filters=6, blocks=1), random_images(5, shape)
    z, _ = model.predict(x, verbose=0)
    assert z.shape == (5, np.prod(shape))
    assert np.abs(np.asarray(model.inverse(z)) - x).max() < 1e-4


def test_the_log_determinant_equals_that_of_the_jacobian():
    shape = (4, 4, 1)
    model, x = random_flow(shape, scales=2, filters=6, blocks=2), random_images(3, shape)
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(x))
        z, log_determinant = model(x)
    jacobians = np.asarray(tape.batch_jacobian(z, x), "float64").reshape(3, 16, 16)
    assert_close(log_determinant, np.linalg.slogdet(jacobians)[1], rtol=1e-3)


def test_the_density_integrates_to_1():
    model = random_flow((1, 2, 1), scales=1, filters=4, blocks=1, alpha=0.25)
    # With this alpha the logit is finite from about -0.5 to 1.5, where all the density is.
    limits = 0.5 + np.array([-1, 1]) / 0.5 / 2 * 256 / 255
    side = np.linspace(*limits, 602)[1:-1]
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 1, 2, 1).astype("float32")
    z, log_determinant = model.predict(grid, batch_size=10000, verbose=0)
    density = np.exp(log_determinant - 0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi))
    assert density.sum() * (side[1] - side[0]) ** 2 == pytest.approx(1, abs=0.005)


def test_the_initial_flow_is_the_logit_alone():
    model, x = zoo.realnvp((2, 2, 1), scales=1, filters=4, blocks=1), random_images(3, (2, 2, 1))
    p = 0.05 + 0.9 * (255 * x.astype("float64") + 0.5) / 256
    z, log_determinant = model.predict(x, verbose=0)
    assert_close(z, np.log(p / (1 - p)).reshape(3, 4), rtol=1e-3)
    log_derivative = np.log(0.9 * 255 / 256 / (p * (1 - p))).sum(axis=(1, 2, 3))
    assert_close(log_determinant, log_derivative)


def test_bits_per_dimension_include_the_dequantization_and_the_logit():
    """Expected: -log2 of the density at a random point of each level's interval times the interval's length."""
    model, x = zoo.realnvp((2, 2, 1), scales=1, filters=4, blocks=1), random_images(400, (2, 2, 1))
    offset = np.random.default_rng(1).random(x.shape, "float32").astype("float64")
    p = 0.05 + 0.9 * (255 * x + offset) / 256
    z = np.log(p / (1 - p))
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * 0.9 / (p * (1 - p))
    bits = -np.log2(density / 256).mean(axis=(1, 2, 3))
    assert_close(model.bits_per_dimension(x, seed=1), bits, rtol=1e-4)


@pytest.mark.slow
def test_training_lowers_the_bits_below_those_of_equally_likely_levels():
    from tests.generate.test_autoencoder import digits

    x = np.round(digits(300) * 255).astype("float32") / 255
    model = zoo.realnvp((8, 8, 1), scales=1, filters=8, blocks=1)
    model.compile()
    before = model.bits_per_dimension(x, seed=0).mean()
    losses = model.fit(x, epochs=6, batch_size=30, verbose=0).history["loss"]
    after = model.bits_per_dimension(x, seed=0).mean()
    assert after < 8 < before
    assert losses[-1] == pytest.approx(after, abs=0.5)
    assert model.log_likelihood(x).mean() > 0
    samples = model.sample(3, seed=1)
    assert samples.shape == (3, 8, 8, 1) and 0 <= samples.min() <= samples.max() <= 1 and np.isfinite(samples).all()
    interpolated = model.interpolate(x[0], x[1], 3)
    assert_close(interpolated[[0, -1]], x[:2], rtol=1e-4)


@pytest.mark.parametrize("mask", ["checkerboard", "channel"])
def test_a_coupling_keeps_the_masked_half_and_changes_the_other(mask):
    layer = Coupling(mask, False, 4, 1)
    x = random_images(1, (4, 4, 2))
    layer(x)
    for w in layer.trainable_weights:
        w.assign(np.random.default_rng(2).normal(0, 0.5, w.shape))
    y, _ = layer(x)
    unchanged = np.broadcast_to(layer.binary_mask, x.shape[1:]) == 1
    assert unchanged.mean() == 0.5
    np.testing.assert_array_equal(np.asarray(y)[0][unchanged], x[0][unchanged])
    assert (np.asarray(y)[0][~unchanged] != x[0][~unchanged]).all()


@pytest.mark.slow
def test_exported_encode_and_decode_are_inverse():
    model, x = random_flow((4, 4, 1), scales=2, filters=4, blocks=1), random_images(2, (4, 4, 1))
    calls = {name: tf.function(call, input_signature=specs) for name, (call, specs) in model.signatures().items()}
    assert_close(calls["decode"](calls["encode"](x)), x, rtol=1e-4)
    assert_close(calls["log_likelihood"](x), model.log_likelihood(x), rtol=1e-4)
    assert calls["sample"](3, 1).shape == (3, 4, 4, 1)


def test_bad_alpha_levels_and_sizes_are_refused():
    with pytest.raises(ValueError, match="PixelLogit: `alpha` must be above 0 and below 0.5, got 1"):
        zoo.realnvp((4, 4, 1), scales=1, alpha=1)
    with pytest.raises(ValueError, match="`levels` must be a whole number of at least 2, got 1"):
        zoo.realnvp((4, 4, 1), scales=1, levels=1)
    with pytest.raises(ValueError, match=r"more than one pixel, got \(1, 1, 3\)"):
        zoo.realnvp((1, 1, 3), scales=1)
