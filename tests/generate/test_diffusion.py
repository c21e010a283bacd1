"""Both ways through a diffusion's noise levels and its bound, against networks whose answers are known exactly."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.tolerance import assert_close
from zoo.generate.diffusion import Diffusion
from zoo.generate.likelihood import log_level
from zoo.generate.schedule import linear


class Knowing(layers.Layer):
    """The best predictor where every pixel is normal about `mean`: the noise that x_t is expected to hold."""

    def __init__(self, mean, deviation, steps, **kwargs):
        super().__init__(**kwargs)
        self.mean, self.deviation, self.kept = mean, deviation, linear(steps).kept.astype("float32")

    def call(self, inputs):
        x, step = inputs
        kept = keras.ops.take(self.kept, step)[:, None, None, None]
        variance = kept * self.deviation**2 + 1 - kept
        return keras.ops.sqrt(1 - kept) * (x - keras.ops.sqrt(kept) * self.mean) / variance


def knowing(mean=0.0, deviation=0.0, steps=1000, shape=(2, 3, 1)):
    """A diffusion whose network needs no training, as it knows the distribution of the images."""
    inputs = [layers.Input(shape, name="image"), layers.Input((), dtype="int32", name="step")]
    return Diffusion(inputs, Knowing(mean, deviation, steps)(inputs), steps=steps, name="knowing")


def test_noised_images_have_the_mean_and_variance_of_the_forward_process():
    model = knowing()
    images = np.full((40000, 2, 3, 1), 0.7, "float32")
    noise = np.random.default_rng(0).standard_normal(images.shape).astype("float32")
    x = np.asarray(model.noised(images, np.full(len(images), 499), noise))
    assert x.mean() == pytest.approx(0.7 * 0.07858724**0.5, abs=0.01)
    assert x.var() == pytest.approx(1 - 0.07858724, rel=0.01)


@pytest.mark.parametrize(("steps", "eta"), [(1, 0.0), (7, 0.0), (50, 0.0), (1000, 1.0), (50, 0.5)])
def test_with_a_perfect_predictor_every_way_ends_at_the_image(steps, eta):
    found = knowing(0.3).sample(2, steps=steps, eta=eta, seed=0)
    assert (found.shape, found.dtype) == ((2, 2, 3, 1), np.float32)
    assert_close(found, 0.3, rtol=1e-4)


def test_samples_have_the_spread_of_the_images():
    model = knowing(0.1, 0.2, shape=(8, 8, 1))
    for eta in (0.0, 1.0):
        found = model.sample(100, steps=1000, eta=eta, seed=3)
        assert found.mean() == pytest.approx(0.1, abs=0.01)
        assert found.std() == pytest.approx(0.2, rel=0.03)


def test_samples_depend_on_their_seed_alone():
    model = knowing(0.1, 0.2)
    for eta in (0.0, 1.0):
        many = model.sample(5, steps=4, eta=eta, seed=1)
        assert_close(model.sample(2, steps=4, eta=eta, seed=1), many[:2])
        assert np.abs(model.sample(5, steps=4, eta=eta, seed=2) - many).min() > 0
    assert np.abs(model.sample(2, steps=4) - model.sample(2, steps=4)).max() > 0
    start = model.sample(2, steps=1, seed=1)
    assert np.abs(start - model.sample(2, steps=1, eta=1.0, seed=1)).max() == pytest.approx(0, abs=1e-5)


def test_images_are_found_again_from_their_noise_and_the_ends_of_a_way_are_the_images():
    model = knowing(0.0, 0.3)
    a, b = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2, 3, 1)).astype("float32")
    noise = model.encode(np.stack([a, b]), steps=500)
    np.testing.assert_allclose(noise, np.stack([a, b]) / 0.3, rtol=0.05)  # the normal's own map
    np.testing.assert_allclose(model.decode(noise, steps=500), [a, b], atol=0.01)
    way = model.interpolate(a, b, 5)
    assert way.shape == (5, 2, 3, 1)
    assert_close(way[[0, -1]], model.decode(model.encode(np.stack([a, b]))))
    np.testing.assert_allclose(way[[0, -1]], [a, b], rtol=0.15)  # what 50 steps lose


def test_the_bound_of_a_perfect_predictor_is_the_gap_between_the_variances():
    model, s = knowing(0.2, steps=40), linear(40)
    image = np.full((3, 2, 3, 1), 0.2, "float32")
    found = model.bound(image)
    ratio = s.posterior[1:] / s.betas[1:]
    assert_close(found["terms"][:, 1:-1], [0.5 * (ratio - 1 - np.log(ratio)) / np.log(2)] * 3, rtol=1e-4)
    last = s.kept[-1]
    assert found["terms"][0, -1] == pytest.approx((last * 0.04 - last - np.log1p(-last)) / 2 / np.log(2), abs=1e-6)
    assert_close(found["bits"], found["terms"].sum(axis=1))


def test_the_bound_of_a_blind_predictor_has_its_expected_terms():
    # No noise is ever seen, so the image is taken for x_t / sqrt(kept), which is off by noise sqrt((1 - kept) / kept).
    inputs = [layers.Input((24, 24, 1), name="image"), layers.Input((), dtype="int32", name="step")]
    blind = Diffusion(inputs, layers.Rescaling(0.0)(inputs[0]), steps=1000, name="blind")
    found = blind.bound(np.zeros((16, 24, 24, 1), "float32"))["terms"].mean(axis=0)
    s = linear(1000)
    t = np.arange(1, 20)  # so little noise that nothing is clipped
    ratio = s.posterior[t] / s.betas[t]
    off = s.clean[t] ** 2 * (1 - s.kept[t]) / s.kept[t]
    expected = 0.5 * (ratio - 1 - np.log(ratio) + off / s.betas[t]) / np.log(2)
    np.testing.assert_allclose(found[t], expected, rtol=0.05)


def test_the_last_step_gives_every_grey_level_its_share():
    levels = np.linspace(-1, 1, 256).astype("float32")
    for mean, variance in ((0.1, 0.04), (-0.99, 0.3)):
        found = np.exp(log_level(tf.constant(levels), mean, variance))
        assert found.sum() == pytest.approx(1, abs=1e-4)
        width = np.exp(-((levels[1:-1] - mean) ** 2) / 2 / variance) / np.sqrt(2 * np.pi * variance) * 2 / 255
        assert_close(found[1:-1], width, rtol=0.01)


def test_an_export_makes_the_image_of_each_seed(tmp_path):
    model = knowing(0.1, 0.2, steps=60)
    call, specs = model.signatures()["sample"]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("sample", call, input_signature=list(specs))
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    found = loaded.sample(seed=tf.constant([5, 9, 5]))["images"]
    assert_close(found[0], found[2])
    seeds = np.random.SeedSequence(0).generate_state(2).view("int32")
    assert_close(loaded.sample(seed=tf.constant(seeds))["images"], model.sample(2, seed=0))
