"""Autoencoder and denoising autoencoder: reconstruction, denoising, interpolation, export and refused data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.tolerance import assert_close
from zoo.layers.corrupt import Corrupt


def digits(count=400):
    from sklearn.datasets import load_digits

    return (load_digits().images[:count, ..., None] / 16).astype("float32")


def psnr(x, y):
    """PSNR of images from 0 to 1 [dB]."""
    return -10 * np.log10(np.mean((x - y) ** 2))


@pytest.mark.parametrize("latent", [3, None])
def test_the_model_is_the_decoder_applied_to_the_encoder(latent):
    model, x = zoo.autoencoder((8, 8, 1), latent, filters=(4, 5)), digits(3)
    code = model.encoder.predict(x, verbose=0)
    assert code.shape == ((3, latent) if latent else (3, 2, 2, 5))
    assert_close(model.decoder.predict(code, verbose=0), model.predict(x, verbose=0))
    assert {id(w) for w in model.weights} == {id(w) for w in [*model.encoder.weights, *model.decoder.weights]}


def test_training_reconstructs_digits_better_than_their_mean():
    model, x = zoo.autoencoder((8, 8, 1), 16, units=(64,)), digits()
    model.compile()
    first, *_, last = model.fit(x, epochs=30, batch_size=50, verbose=0).history["loss"]
    assert last < 0.6 * first
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    assert psnr(model.predict(x, verbose=0), x) > psnr(mean, x) + 3
    assert model.evaluate(x, verbose=0) == pytest.approx(model.evaluate(x, x, verbose=0), rel=1e-5)


def test_denoised_images_are_closer_to_the_clean_ones_than_noisy_images():
    x = digits(800)
    noisy = np.clip(x + np.random.default_rng(3).normal(0, 0.4, x.shape), 0, 1).astype("float32")
    model = zoo.denoising_autoencoder((8, 8, 1), filters=(24,))
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(x[:600], epochs=15, batch_size=50, verbose=0)
    assert psnr(model.predict(noisy[600:], verbose=0), x[600:]) > psnr(noisy[600:], x[600:]) + 3


@pytest.mark.parametrize(
    ("kind", "strength", "new_values"),
    [("masking", 0.25, {0}), ("salt_and_pepper", 0.5, {0, 1}), ("gaussian", 0.1, None)],
)
def test_corruption_has_the_requested_strength_and_only_applies_in_training(kind, strength, new_values):
    x = np.full((50, 20, 20, 1), 0.5, "float32")
    layer = Corrupt(kind, strength, seed=1)
    np.testing.assert_array_equal(layer(x), x)
    outputs = np.asarray(layer(x, training=True))
    if new_values is None:
        assert outputs.std() == pytest.approx(strength, rel=0.05)
        assert 0 <= outputs.min() < outputs.max() <= 1
    else:
        replaced = outputs != 0.5
        assert replaced.mean() == pytest.approx(strength, abs=0.02)
        assert set(np.unique(outputs[replaced])) == new_values
        # 0 and 1 are equally frequent
        assert outputs[replaced].mean() == pytest.approx(len(new_values) / 2 - 0.5, abs=0.02)
    assert (outputs != np.asarray(layer(x, training=True))).any()


def test_interpolation_starts_and_ends_with_the_reconstructions():
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(2)
    images = model.interpolate(x[0], x[1], 5)
    assert images.shape == (5, 8, 8, 1) and images.dtype == np.float32
    assert_close(images[[0, -1]], model.predict(x, verbose=0))


def test_exported_signatures_equal_the_model(tmp_path):
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(2)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (call, specs) in model.signatures().items():
        archive.add_endpoint(name, call, input_signature=list(specs))
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    code = loaded.encode(tf.constant(x))
    assert_close(loaded.decode(code), model.predict(x, verbose=0))
    assert_close(loaded.reconstruct(tf.constant(x)), model.predict(x, verbose=0))


def test_images_of_another_range_or_shape_and_bad_arguments_are_refused():
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


def test_training_stops_at_an_infinite_loss_and_restores_the_state_before_the_epoch():
    model, x = zoo.autoencoder((8, 8, 1), 4, units=(8,)), digits(40)
    model.compile(keras.optimizers.SGD(1e-4))
    model.fit(x, batch_size=10, verbose=0)
    before = [np.array(w) for w in model.weights]
    model.optimizer.learning_rate = float("inf")
    with pytest.raises(ArithmeticError, match="autoencoder: the loss became .* in epoch 1; the weights are those at"):
        model.fit(x, epochs=3, batch_size=10, verbose=0)
    for value, w in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(value, w)
    assert int(model.optimizer.iterations) == 4
