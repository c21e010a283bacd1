"""DnCNN: the counts' arithmetic is in test_params; here what it computes, and the published network's answer."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo.introspect import outline, receptive_field

DATA = Path("../shared/data/dncnn")


def test_the_answer_is_the_image_without_what_the_head_finds():
    model = zoo.dncnn((6, 8, 3), depth=4, filters=5)
    x = np.random.default_rng(0).random((2, 6, 8, 3), "float32")
    noise = keras.Model(model.input, model.get_layer("head").output)(x)
    assert np.abs(noise).max() > 0.01
    np.testing.assert_array_equal(model(x), x - noise)


@pytest.mark.parametrize(("name", "side"), [("dncnn", 35), ("dncnn_blind", 41)])
def test_a_pixel_sees_what_the_paper_says(name, side):
    assert receptive_field(outline(name, input_shape=(64, 64, 1))) == side


@pytest.mark.parametrize(("batch_norm", "biases"), [(True, 2), (False, 17)])
def test_only_the_first_and_the_last_convolution_have_a_bias_beside_normalization(batch_norm, biases):
    convolutions = [
        layer
        for layer in outline("dncnn", input_shape=(8, 8, 1), batch_norm=batch_norm).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert len(convolutions) == 17
    assert sum(layer.use_bias for layer in convolutions) == biases


def test_a_single_convolution_is_refused():
    with pytest.raises(ValueError, match="dncnn: `depth` must be a whole number of at least 2, got 1"):
        zoo.dncnn((8, 8, 1), depth=1)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the published weights and Set12 are not here")
def test_the_published_weights_denoise_set12_as_published():
    """Noise of 25 / 255 from seed 0 for every image, answers rounded to 8 bits; these weights give about 30.43 dB."""
    from PIL import Image

    from zoo.convert.checkpoint import read_checkpoint

    weights = list(read_checkpoint(str(DATA / "dncnn_25.pth")).values())
    model = zoo.dncnn((None, None, 1), batch_norm=False)
    assert model.count_params() == sum(w.size for w in weights) == 555137
    model.set_weights([w.transpose(2, 3, 1, 0) if w.ndim == 4 else w for w in weights])
    before, after = [], []
    for path in sorted((DATA / "set12").glob("*.png")):
        clean = np.asarray(Image.open(path), "float32")[None, ..., None]
        noisy = clean + np.random.RandomState(0).normal(0, 25, clean.shape).astype("float32")
        found = 255 * np.asarray(model(noisy / 255, training=False))
        before.append(psnr(clean, noisy))
        after.append(psnr(clean, np.round(np.clip(found, 0, 255))))
    assert len(after) == 12
    assert np.mean(before) == pytest.approx(20.17, abs=0.04)
    assert np.mean(after) == pytest.approx(30.43, abs=0.01)


def psnr(clean, found):
    """Decibels, for images from 0 to 255."""
    return 10 * np.log10(255**2 / np.mean((found - clean) ** 2))
