"""Diffusion: forward process, sampling, encoding and bound, with predictors whose optimal output is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.tolerance import assert_close
from zoo.generate.diffusion import Diffusion
from zoo.generate.noise_schedule import linear_schedule
from zoo.generate.variational_bound import discretized_gaussian_log_likelihood


class OptimalPredictor(layers.Layer):
    """The expected noise in x_t where all pixels are N(mean, deviation^2): the optimal predictor."""

    def __init__(self, mean, deviation, steps, **kwargs):
        super().__init__(**kwargs)
        self.mean, self.deviation, self.alphas_cumprod = (
            mean,
            deviation,
            linear_schedule(steps).alphas_cumprod.astype("float32"),
        )

    def call(self, inputs):
        x, step = inputs
        alpha = keras.ops.take(self.alphas_cumprod, step)[:, None, None, None]
        variance = alpha * self.deviation**2 + 1 - alpha
        return keras.ops.sqrt(1 - alpha) * (x - keras.ops.sqrt(alpha) * self.mean) / variance


def optimal_model(mean=0.0, deviation=0.0, steps=1000, shape=(2, 3, 1)):
    """Returns a diffusion model with the optimal predictor for normal pixels."""
    inputs = [layers.Input(shape, name="image"), layers.Input((), dtype="int32", name="step")]
    return Diffusion(inputs, OptimalPredictor(mean, deviation, steps)(inputs), steps=steps, name="optimal")


def test_noised_images_have_the_mean_and_variance_of_the_forward_process():
    model = optimal_model()
    images = np.full((40000, 2, 3, 1), 0.7, "float32")
    noise = np.random.default_rng(0).standard_normal(images.shape).astype("float32")
    x = np.asarray(model.add_noise(images, np.full(len(images), 499), noise))
    assert x.mean() == pytest.approx(0.7 * 0.07858724**0.5, abs=0.01)
    assert x.var() == pytest.approx(1 - 0.07858724, rel=0.01)


@pytest.mark.parametrize(("steps", "eta"), [(1, 0.0), (7, 0.0), (50, 0.0), (1000, 1.0), (50, 0.5)])
def test_with_an_optimal_predictor_sampling_ends_at_the_image(steps, eta):
    samples = optimal_model(0.3).sample(2, steps=steps, eta=eta, seed=0)
    assert (samples.shape, samples.dtype) == ((2, 2, 3, 1), np.float32)
    assert_close(samples, 0.3, rtol=1e-4)


def test_samples_have_the_mean_and_standard_deviation_of_the_images():
    model = optimal_model(0.1, 0.2, shape=(8, 8, 1))
    for eta in (0.0, 1.0):
        samples = model.sample(100, steps=1000, eta=eta, seed=3)
        assert samples.mean() == pytest.approx(0.1, abs=0.01)
        assert samples.std() == pytest.approx(0.2, rel=0.03)


def test_samples_depend_on_their_seed_only():
    model = optimal_model(0.1, 0.2)
    for eta in (0.0, 1.0):
        five = model.sample(5, steps=4, eta=eta, seed=1)
        assert_close(model.sample(2, steps=4, eta=eta, seed=1), five[:2])
        assert np.abs(model.sample(5, steps=4, eta=eta, seed=2) - five).min() > 0
    assert np.abs(model.sample(2, steps=4) - model.sample(2, steps=4)).max() > 0
    one_step = model.sample(2, steps=1, seed=1)
    assert np.abs(one_step - model.sample(2, steps=1, eta=1.0, seed=1)).max() == pytest.approx(0, abs=1e-6)


def test_decoding_inverts_encoding_and_interpolation_ends_at_the_images():
    model = optimal_model(0.0, 0.3)
    a, b = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 3, 1)).astype("float32")
    noise = model.encode(np.stack([a, b]), steps=500)
    assert_close(noise, np.stack([a, b]) / 0.3, rtol=0.05)  # the exact encoding of a normal distribution
    assert_close(model.decode(noise, steps=500), [a, b], rtol=0.01)
    images = model.interpolate(a, b, 5)
    assert images.shape == (5, 2, 3, 1)
    assert_close(images[[0, -1]], model.decode(model.encode(np.stack([a, b]))))
    assert_close(images[[0, -1]], [a, b], rtol=0.15)  # the error of 50 steps


def test_the_bound_of_an_optimal_predictor_is_the_kl_of_the_variances():
    model, s = optimal_model(0.2, steps=40), linear_schedule(40)
    image = np.full((3, 2, 3, 1), 0.2, "float32")
    bound = model.variational_bound(image)
    ratio = s.posterior_variance[1:] / s.betas[1:]
    assert_close(bound["terms"][:, 1:-1], [0.5 * (ratio - 1 - np.log(ratio)) / np.log(2)] * 3, rtol=1e-4)
    last = s.alphas_cumprod[-1]
    assert bound["terms"][0, -1] == pytest.approx((last * 0.04 - last - np.log1p(-last)) / 2 / np.log(2), abs=1e-6)
    assert_close(bound["bits"], bound["terms"].sum(axis=1))


def test_the_bound_of_a_zero_predictor_has_its_expected_terms():
    # The predicted image is x_t / sqrt(a), which differs from the image by noise sqrt((1 - a) / a), a = alphas_cumprod.
    inputs = [layers.Input((24, 24, 1), name="image"), layers.Input((), dtype="int32", name="step")]
    model = Diffusion(inputs, layers.Rescaling(0.0)(inputs[0]), steps=1000, name="zero")
    terms = model.variational_bound(np.zeros((16, 24, 24, 1), "float32"))["terms"].mean(axis=0)
    s = linear_schedule(1000)
    t = np.arange(1, 20)  # with little noise nothing is clipped
    ratio = s.posterior_variance[t] / s.betas[t]
    squared_error = s.posterior_mean_x0[t] ** 2 * (1 - s.alphas_cumprod[t]) / s.alphas_cumprod[t]
    expected = 0.5 * (ratio - 1 - np.log(ratio) + squared_error / s.betas[t]) / np.log(2)
    assert_close(terms[t], expected, rtol=0.05)


def test_the_likelihoods_of_all_gray_levels_sum_to_1():
    levels = np.linspace(-1, 1, 256).astype("float32")
    for mean, variance in ((0.1, 0.04), (-0.99, 0.3)):
        probabilities = np.exp(discretized_gaussian_log_likelihood(tf.constant(levels), mean, variance))
        assert probabilities.sum() == pytest.approx(1, abs=1e-4)
        density = np.exp(-((levels[1:-1] - mean) ** 2) / 2 / variance) / np.sqrt(2 * np.pi * variance) * 2 / 255
        assert_close(probabilities[1:-1], density, rtol=0.01)


def test_an_exported_sampler_generates_the_image_of_each_seed(tmp_path):
    model = optimal_model(0.1, 0.2, steps=60)
    call, specs = model.signatures()["sample"]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("sample", call, input_signature=list(specs))
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    images = loaded.sample(seed=tf.constant([5, 9, 5]))["images"]
    assert_close(images[0], images[2])
    seeds = np.random.SeedSequence(0).generate_state(2).view("int32")
    assert_close(loaded.sample(seed=tf.constant(seeds))["images"], model.sample(2, seed=0))
