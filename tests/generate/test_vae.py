"""VAE: KL divergence, loss, likelihood bounds, sampling and the effect of beta."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.generate.test_autoencoder import digits
from zoo.generate.unsupervised import Bernoulli
from zoo.layers.gaussian_latent import GaussianLatent


def small_vae(**arguments):
    return zoo.vae((8, 8, 1), 3, **{"units": (16,), **arguments})


def test_the_kl_divergence_is_the_closed_form():
    mean, log_variance = np.array([[0.5, -1]]), np.array([[0.2, -0.3]])
    assert float(GaussianLatent.kl(mean, log_variance)[0]) == pytest.approx(0.65611049, rel=1e-5)
    assert float(GaussianLatent.kl(np.zeros((1, 4)), np.zeros((1, 4)))[0]) == 0


def test_the_loss_is_summed_over_pixels_and_averaged_over_images():
    x, p = np.array([[[1.0], [0.0]], [[0.5], [1.0]]]), np.array([[[0.5], [0.25]], [[0.5], [0.125]]])
    assert float(Bernoulli()(x, p)) == pytest.approx((np.log(2) - np.log(0.75) + np.log(2) + np.log(8)) / 2, rel=1e-5)


def test_the_evaluation_loss_is_reconstruction_plus_beta_times_kl():
    x = digits(6)
    for beta in (1, 4, 0):
        model = small_vae(beta=beta)
        model.compile()
        metrics = model.evaluate(x, batch_size=6, return_dict=True, verbose=0)
        kl = np.mean(GaussianLatent.kl(*model.encoder.predict(x, verbose=0)))
        assert metrics["reconstruction"] == pytest.approx(float(Bernoulli()(x, model.predict(x, verbose=0))), rel=1e-5)
        assert metrics["kl"] == pytest.approx(kl if beta else 0, rel=1e-4)
        assert metrics["loss"] == pytest.approx(metrics["reconstruction"] + beta * kl, rel=1e-5)


def test_codes_are_sampled_in_training_and_the_mean_at_inference():
    mean, log_variance = np.full((20000, 1), 2.0, "float32"), np.full((20000, 1), np.log(9), "float32")
    layer = GaussianLatent(seed=1)
    samples = np.asarray(layer([mean, log_variance], training=True))
    assert samples.mean() == pytest.approx(2, abs=0.1) and samples.std() == pytest.approx(3, rel=0.03)
    np.testing.assert_array_equal(layer([mean, log_variance]), mean)


def test_initial_weights_of_mean_and_log_variance_differ():
    kernels = [np.asarray(small_vae().encoder.get_layer(n).kernel) for n in ("mean", "log_variance")]
    assert (kernels[0] != kernels[1]).all()
    assert kernels[0].std() == pytest.approx(0.01, rel=0.5)


@pytest.mark.slow
def test_training_raises_the_elbo_and_beta_lowers_the_kl():
    x, kl = digits(), []
    for beta in (1, 8):
        model = small_vae(beta=beta)
        before = model.elbo(x, seed=0).mean()
        model.compile(keras.optimizers.Adam(5e-3))
        kl.append(model.fit(x, epochs=20, batch_size=50, verbose=0).history["kl"][-1])
        assert model.elbo(x, seed=0).mean() > before + 5
    assert 0 < kl[1] < 0.5 * kl[0]


@pytest.mark.slow
def test_the_importance_weighted_bound_is_tighter_than_the_elbo():
    model, x = small_vae(), digits(20)
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(digits(), epochs=5, verbose=0)
    lower, higher = model.elbo(x, samples=100, seed=0), model.log_likelihood(x, samples=100, seed=0)
    assert lower.shape == higher.shape == (20,)
    assert (lower < higher).all()
    repeated = model.log_likelihood(np.repeat(x[:1], 400, axis=0), samples=1, seed=1)
    error = repeated.std() / 20
    assert repeated.mean() == pytest.approx(lower[0], abs=5 * error)  # with one sample its expectation is the ELBO


@pytest.mark.parametrize("model", [small_vae, lambda: zoo.conv_vae((8, 8, 1), 3, filters=(4, 5))])
def test_samples_are_images_and_repeat_with_a_seed(model):
    model = model()
    samples = model.sample(4.0, seed=3)
    assert samples.shape == (4, 8, 8, 1) and samples.dtype == np.float32
    assert 0 <= samples.min() <= samples.max() <= 1
    np.testing.assert_array_equal(samples, model.sample(4, seed=3))
    assert (samples != model.sample(4)).any()
    with pytest.raises(ValueError, match="sample: `n` must be a whole number of at least 1, got 0"):
        model.sample(0)


def test_the_exported_sampler_returns_the_requested_count_and_repeats_with_a_seed(tmp_path):
    model = small_vae()
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (call, specs) in model.signatures().items():
        archive.add_endpoint(name, call, input_signature=list(specs))
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    first, same_seed, other_seed = (loaded.sample(tf.constant(5), tf.constant(s)).numpy() for s in (1, 1, 2))
    assert first.shape == (5, 8, 8, 1)
    np.testing.assert_array_equal(first, same_seed)
    assert (first != other_seed).any()
    mean, log_variance = loaded.encode(tf.constant(digits(2)))
    assert mean.shape == log_variance.shape == (2, 3)
