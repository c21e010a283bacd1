"""Spectrograms in Hz and seconds, masks of SpecAugment, and attention over time."""

import keras
import numpy as np
import pytest

from tests.tolerance import assert_close
from zoo.layers import AttentionPooling, SpecAugment, Spectrogram

RATE = 8000
TIME = np.arange(RATE) / RATE


def sound(hertz, start=0.0, stop=1.0):
    samples = np.sin(2 * np.pi * hertz * TIME) * ((start <= TIME) & (stop > TIME))
    return samples.astype("float32")[None, :, None]


@pytest.mark.parametrize("compression", ["log", "pcen", "none"])
@pytest.mark.parametrize("bands", [40, None])
@pytest.mark.parametrize("hertz", [300, 1000, 3000])
def test_a_tone_is_in_the_row_of_its_frequency_and_the_columns_of_its_time(compression, bands, hertz):
    layer = Spectrogram(RATE, bands=bands, compression=compression)
    values = np.asarray(layer(sound(hertz, 0.4, 0.6)))[0, ..., 0]
    row, column = np.unravel_index(values.argmax(), values.shape)
    width = np.diff(layer.frequencies)[max(0, row - 1)]
    assert abs(layer.frequencies[row] - hertz) <= width
    assert 0.38 <= layer.times(values.shape[1])[column] <= 0.62


@pytest.mark.parametrize("samples", [8000, 7999, 7960, 400])
@pytest.mark.parametrize("bands", [16, None])
def test_the_stated_shape_is_the_real_one(samples, bands):
    layer, x = Spectrogram(RATE, bands=bands), np.zeros((2, samples, 3), "float32")
    assert tuple(layer(x).shape) == tuple(layer.compute_output_shape(x.shape))


@pytest.mark.parametrize("compression", ["log", "pcen", "none"])
def test_an_example_is_independent_of_its_batch_and_channels_of_each_other(compression):
    quiet, loud = 0.001 * sound(500), sound(2000)
    layer = Spectrogram(RATE, compression=compression)
    alone, both = np.asarray(layer(quiet)), np.asarray(layer(np.concatenate([quiet, loud])))
    assert_close(both[:1], alone)
    stacked = np.asarray(layer(np.concatenate([quiet, loud], axis=-1)))
    assert_close(stacked[..., :1], alone)


def test_log_is_decibels_over_20_and_cut_80_below_the_loudest():
    layer = Spectrogram(RATE)
    one, two = np.asarray(layer(sound(1000))), np.asarray(layer(10 * sound(1000)))
    assert two.max() - one.max() == pytest.approx(1, abs=1e-4)  # 20 dB
    assert one.max() - one.min() == pytest.approx(4, abs=1e-4)
    assert np.isfinite(np.asarray(layer(np.zeros((1, RATE, 1), "float32")))).all()


def test_pcen_follows_its_equations():
    layer, x = Spectrogram(RATE, bands=20, compression="pcen"), sound(700, 0.2, 0.9)
    energy = np.asarray(Spectrogram(RATE, bands=20, compression="none")(x))[0, ..., 0].astype(float) * 2.0**30
    smooth, last = np.empty_like(energy), energy[:, 0]
    for t in range(energy.shape[1]):
        last = smooth[:, t] = 0.975 * last + 0.025 * energy[:, t]
    expected = (energy / (1e-6 + smooth) ** 0.98 + 2) ** 0.5 - 2**0.5
    np.testing.assert_allclose(np.asarray(layer(x))[0, ..., 0], expected, rtol=0.03, atol=1e-3)


def test_pcen_removes_a_stationary_gain():
    x = np.random.default_rng(0).normal(size=(1, RATE, 1)).astype("float32") * 0.1
    changes = []
    for compression in ("pcen", "none"):
        layer = Spectrogram(RATE, compression=compression)
        one, ten = np.asarray(layer(x)), np.asarray(layer(10 * x))
        changes.append(np.abs(ten - one).mean() / one.mean())
    assert changes[0] < 0.2 and changes[1] > 90


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match="must rise up to half of the sample rate, 4000 Hz, got 50 and 5000"):
        Spectrogram(RATE, high=5000)
    with pytest.raises(ValueError, match="two samples or more at `sample_rate` 8000"):
        Spectrogram(RATE, hop=1e-4)
    with pytest.raises(ValueError, match="`compression` must be"):
        Spectrogram(RATE, compression="square")


def test_spec_augment_masks_bands_and_steps_in_training_only():
    layer, x = SpecAugment(0.5, seed=1), np.random.default_rng(0).random((40, 12, 20, 2), "float32")
    np.testing.assert_array_equal(layer(x), x)
    changed = (np.asarray(layer(x, training=True)) != x).all(-1)
    rows, columns = changed.all(2), changed.all(1)
    np.testing.assert_array_equal(changed, rows[:, :, None] | columns[:, None])
    assert rows.sum(1).max() <= 7 and columns.sum(1).max() <= 11  # half of the bands and steps, and one in part
    assert 0 < rows.sum() < columns.sum() and (rows.sum(1) != rows.sum(1)[0]).any()


def test_attention_weights_sum_to_one_and_average_the_steps():
    layer, x = AttentionPooling(4), np.random.default_rng(0).random((2, 5, 3), "float32")
    outputs, weights = np.asarray(layer(x)), np.asarray(layer.weights_of_steps(x))
    assert_close(weights.sum(1), np.ones(2, "float32"))
    assert_close(outputs, (x * weights[..., None]).sum(1))


def test_layers_are_the_same_after_saving(tmp_path):
    inputs = keras.Input((RATE, 1))
    x = SpecAugment(0.1)(Spectrogram(RATE, bands=20, compression="pcen")(inputs))
    model = keras.Model(inputs, AttentionPooling(4)(keras.ops.mean(x, axis=1)))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(sound(500)), model(sound(500)))
