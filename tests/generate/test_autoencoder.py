"""Autoencoder and denoising autoencoder: the whole is its parts, noise is for training, digits come back cleaner."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.layers.corrupt import Corrupt


def digits(count=400):
    from sklearn.datasets import load_digits

    return (load_digits().images[:count, ..., None] / 16).astype("float32")


def peak(x, y):
    """PSNR of images from 0 to 1 [dB]."""
    return -10 * np.log10(np.mean((x - y) ** 2))


@pytest.mark.parametrize("latent", [3, None])
def test_the_whole_is_the_decoder_after_the_encoder(latent):
    model, x = zoo.autoencoder((8, 8, 1), latent, filters=(4, 5)), digits(3)
    code = model.encoder.predict(x, verbose=0)
    assert code.shape == ((3, latent) if latent else (3, 2, 2, 5))
    np.testing.assert_array_equal(model.decoder.predict(code, verbose=0), model.predict(x, verbose=0))
    assert {id(w) for w in model.weights} == {id(w) for w in [*model.encoder.weights, *model.decoder.weights]}


def test_a_few_numbers_make_the_digits_again():
    model, x = zoo.autoencoder((8, 8, 1), 16, units=(64,)), digits()
    model.compile()
    first, *_, last = model.fit(x, epochs=30, batch_size=50, verbose=0).history["loss"]
    assert last < 0.6 * first
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    assert peak(model.predict(x, verbose=0), x) > peak(mean, x) + 3
    assert model.evaluate(x, verbose=0) == pytest.approx(model.evaluate(x, x, verbose=0))


def test_the_denoised_is_nearer_to_the_clean_than_the_noisy():
    x = digits(800)
    noisy = np.clip(x + np.random.default_rng(3).normal(0, 0.4, x.shape), 0, 1).astype("float32")
    model = zoo.denoising_autoencoder((8, 8, 1), filters=(24,))
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(x[:600], epochs=15, batch_size=50, verbose=0)
    assert peak(model.predict(noisy[600:], verbose=0), x[600:]) > peak(noisy[600:], x[600:]) + 3


@pytest.mark.parametrize(
    ("kind", "strength", "expected"),
    [("masking", 0.25, {0}), ("salt_and_pepper", 0.5, {0, 1}), ("gaussian", 0.1, None)],
)
def test_corruption_is_as_strong_as_said_and_only_in_training(kind, strength, expected):
    x = np.full((50, 20, 20, 1), 0.5, "float32")
    layer = Corrupt(kind, strength, seed=1)
    np.testing.assert_array_equal(layer(x), x)
    found = np.asarray(layer(x, training=True))
    if expected is None:
        assert found.std() == pytest.approx(strength, rel=0.05)
        assert 0 <= found.min() < found.max() <= 1
    else:
        hit = found != 0.5
        assert hit.mean() == pytest.approx(strength, abs=0.02)
        assert set(np.unique(found[hit])) == expected
        assert found[hit].mean() == pytest.approx(len(expected) / 2 - 0.5, abs=0.02)  # as often 0 as 1
    assert (found != np.asarray(layer(x, training=True))).any()


def test_the_way_between_two_images_begins_and_ends_with_them():
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(2)
    way = model.interpolate(x[0], x[1], 5)
    assert way.shape == (5, 8, 8, 1) and way.dtype == np.float32
    np.testing.assert_allclose(way[[0, -1]], model.predict(x, verbose=0), atol=1e-6)


def test_signatures_answer_as_the_model(tmp_path):
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(2)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (call, specs) in model.signatures().items():
        archive.add_endpoint(name, call, input_signature=list(specs))
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    code = loaded.encode(tf.constant(x))
    np.testing.assert_allclose(loaded.decode(code), model.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_allclose(loaded.reconstruct(tf.constant(x)), model.predict(x, verbose=0), atol=1e-6)


def test_images_out_of_range_or_shape_are_refused_with_what_was_seen():
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(2)
    model.compile()
    with pytest.raises(ValueError, match="autoencoder: `images` must lie from 0 to 1, got values from 0 to 255"):
        model.fit(x * 255, verbose=0)
    with pytest.raises(ValueError, match=r"`images` must be \(N, 8, 8, 1\), got \(2, 8, 4, 1\)"):
        model.fit(x[:, :, :4], verbose=0)
    with pytest.raises(ValueError, match="`latent` must be a whole number of at least 1 without `filters`, got None"):
        zoo.autoencoder((8, 8, 1), None)
    with pytest.raises(
        ValueError, match="Corrupt: `strength` must be a fraction from 0 to 1 where `kind` is 'masking', got 1.5"
    ):
        zoo.autoencoder((8, 8, 1), 3, corruption="masking", strength=1.5)


def test_a_loss_that_is_not_finite_stops_and_the_last_good_state_is_kept():
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(40)
    model.compile(keras.optimizers.SGD(1e-4))
    model.fit(x, batch_size=10, verbose=0)
    good = [np.array(w) for w in model.weights]
    model.optimizer.learning_rate = float("inf")
    with pytest.raises(ArithmeticError, match="autoencoder: the loss became .* in epoch 1; the weights are those of"):
        model.fit(x, epochs=3, batch_size=10, verbose=0)
    for kept, w in zip(good, model.weights, strict=True):
        np.testing.assert_array_equal(kept, w)
    assert int(model.optimizer.iterations) == 4
