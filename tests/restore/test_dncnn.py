"""DnCNN: what it computes, and the PSNR of the published weights. Parameter counts are in test_params."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.introspect import outline, receptive_field

DATA = Path("../shared/data/dncnn")


def test_the_output_is_the_image_minus_the_output_of_the_head():
    model = zoo.dncnn((6, 8, 3), depth=4, filters=5)
    x = np.random.default_rng(0).random((2, 6, 8, 3), "float32")
    noise = keras.Model(model.input, model.get_layer("head").output)(x)
    assert np.abs(noise).max() > 0.01
    assert_close(model(x), x - noise)


@pytest.mark.parametrize(("name", "side"), [("dncnn", 35), ("dncnn_blind", 41)])
def test_the_receptive_field_is_the_papers(name, side):
    assert receptive_field(outline(name, input_shape=(64, 64, 1))) == side


@pytest.mark.parametrize(("batch_norm", "biases"), [(True, 2), (False, 17)])
def test_with_normalization_only_the_first_and_the_last_convolution_have_a_bias(batch_norm, biases):
    convolutions = [
        layer
        for layer in outline("dncnn", input_shape=(8, 8, 1), batch_norm=batch_norm).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert len(convolutions) == 17
    assert sum(layer.use_bias for layer in convolutions) == biases


def test_a_single_convolution_is_refused():
    with pytest.raises(ValueError, match="dncnn: `depth` must be an integer of at least 2, got 1"):
        zoo.dncnn((8, 8, 1), depth=1)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the published weights and Set12 are not available")
def test_the_published_weights_denoise_set12_as_published():
    """With noise of 25 / 255 (seed 0 for every image) and outputs rounded to 8 bits, the weights give 30.43 dB."""
    from PIL import Image

    from zoo.convert.checkpoint import read_checkpoint

    weights = list(read_checkpoint(str(DATA / "dncnn_25.pth")).values())
    model = zoo.dncnn((None, None, 1), batch_norm=False)
    assert model.count_params() == sum(w.size for w in weights) == 555137
    model.set_weights([w.transpose(2, 3, 1, 0) if w.ndim == 4 else w for w in weights])
    psnr_noisy, psnr_denoised = [], []
    for path in sorted((DATA / "set12").glob("*.png")):
        clean = np.asarray(Image.open(path), "float32")[None, ..., None]
        noisy = clean + np.random.RandomState(0).normal(0, 25, clean.shape).astype("float32")
        denoised = 255 * np.asarray(model(noisy / 255, training=False))
        psnr_noisy.append(psnr(clean, noisy))
        psnr_denoised.append(psnr(clean, np.round(np.clip(denoised, 0, 255))))
    assert len(psnr_denoised) == 12
    assert np.mean(psnr_noisy) == pytest.approx(20.17, abs=0.04)
    assert np.mean(psnr_denoised) == pytest.approx(30.43, abs=0.01)


def psnr(clean, image):
    """Returns the PSNR in dB of images from 0 to 255."""
    return 10 * np.log10(255**2 / np.mean((image - clean) ** 2))
