"""Restoration: degradations, training, metrics as in the papers, saving and export, errors."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import recipes
import zoo
from recipes.data.examples import Examples
from recipes.data.images.image_patches import ImageList
from recipes.data.preprocessing import preprocessing
from recipes.tasks.restoration import upsampling_factor
from recipes.training.run import Run
from tests.tolerance import assert_close

PUBLISHED = Path("../shared/data/dncnn")
SMALL = {"depth": 3, "filters": 8}


def waves(count=6, side=32, bands=1, seed=0):
    """Returns 8-bit images of smooth waves in any direction."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    images = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(0.1, 0.9, (count * bands, 3))]
    return (127 + 100 * np.array(images).reshape(count, bands, side, side).transpose(0, 2, 3, 1)).astype("uint8")


def quick(**changes):
    """Returns a denoising task of few epochs."""
    return recipes.Restoration(
        **{"epochs": 16, "batch_size": 4, "learning_rate": 0.01, "patch": 16, "augment": (), **changes}
    )


def super_resolution(**changes):
    """Returns a super-resolution task of few epochs."""
    return quick(degradation="bicubic", **changes)


# Training


@pytest.mark.slow
def test_overfits_a_small_batch():
    small = {"batch_norm": False, "depth": 3, "filters": 16}
    run = quick(learning_rate=3e-3).fit("dncnn", waves(20), verbose=False, **small)
    assert run.history["loss"][-1] < 0.6 * run.task.baseline_loss(run.data)
    assert run.evaluate("train")["gain_db"] > 1.5


@pytest.mark.parametrize(("loss", "value"), [("mse", 0.04), ("mae", 0.2), ("charbonnier", 0.2)])
def test_the_loss_has_the_value_of_its_name(loss, value):
    model = quick(loss=loss).compile(zoo.dncnn((None, None, 1), batch_norm=False, **SMALL))
    computed = model.compute_loss(y=np.zeros((2, 4, 4, 1)), y_pred=np.full((2, 4, 4, 1), 0.2))
    assert float(computed) == pytest.approx(value, abs=1e-4)


@pytest.mark.slow
def test_super_resolution_of_edges_beats_bicubic_upsampling():
    edges = np.where(waves(10) > 127, 220, 30).astype("uint8")
    run = super_resolution(epochs=60, learning_rate=5e-3).fit(
        "edsr", edges, verbose=False, depth=3, filters=16, residual_scale=1.0
    )
    metrics = run.evaluate("train")
    assert metrics["gain_db"] > 1 and metrics["baseline"]["name"] == "bicubic upsampling"


def test_a_run_is_exported_reported_saved_and_loaded(tmp_path):
    run = super_resolution(epochs=2).fit("srcnn", waves(8), out=tmp_path, verbose=False, filters=(8, 4))
    export = run.export(tmp_path / "saved_model")
    assert export.difference <= run.task.export_settings(run)[2]
    page = run.report(tmp_path / "report.html").read_text()
    for text in ("dB over bicubic upsampling", "Clean, degraded, prediction, error", "PSNR by image"):
        assert text in page
    run.save(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == run.evaluate("test")
    small = waves(1, 13, seed=5)
    served = tf.saved_model.load(export.path).signatures["serving_default"](tf.constant(small))["values"].numpy()
    saved = recipes.load_run(tmp_path)
    restored = np.asarray(saved.model(saved.preprocessing(small)))
    assert served.shape == (1, 26, 26, 1)  # 8-bit images of any size are upsampled twice
    assert_close(served, restored)
    assert_close(run.predict(small), restored)


# Degradations


def test_noise_has_its_standard_deviation_and_is_new_in_each_epoch_of_training_only():
    images = waves(8)
    task = quick(patch=32)
    data = task.open_data(images)
    scaling = preprocessing(data, (None, None, 1))
    for training in (True, False):
        batches = task.pipeline(data.train, training, scaling)
        epochs = [np.concatenate([np.asarray(x - y) for x, y in batches]) for _ in range(2)]
        assert np.std(epochs[0]) == pytest.approx(25 / 255, rel=0.05) and abs(np.mean(epochs[0])) < 0.01
        assert np.array_equal(*epochs) != training
        repeated = quick(patch=32).pipeline(data.train, training, scaling)
        np.testing.assert_array_equal(np.concatenate([np.asarray(x - y) for x, y in repeated]), epochs[0])
    other = quick(patch=32, seed=1).pipeline(data.train, False, scaling)
    assert not np.array_equal(np.concatenate([np.asarray(x - y) for x, y in other]), epochs[0])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_degradation_equals_pillow(scale):
    image = waves(1, 25, seed=2)
    coarse, clean = super_resolution(scale=scale, patch=12).degrade(image.astype("float32") / 255, (0, 0))
    side = 25 // scale
    assert coarse.shape == (1, side, side, 1) and clean.shape == (1, side * scale, side * scale, 1)
    cropped = Image.fromarray(image[0, : side * scale, : side * scale, 0])
    expected = np.asarray(cropped.resize((side, side), Image.BICUBIC), float)
    assert np.abs(255 * np.asarray(coarse)[0, ..., 0] - expected).max() <= 1.001  # Pillow computes in integers
    upsampled = np.asarray(Image.fromarray(expected.astype("float32")).resize((side * scale,) * 2, Image.BICUBIC))
    baseline = super_resolution(scale=scale, patch=12).baseline_images(expected[None, ..., None].astype("float32"))
    # TensorFlow takes its kernel from a table
    np.testing.assert_allclose(np.asarray(baseline)[0, ..., 0], upsampled, atol=0.1)


# Metrics


def test_psnr_and_ssim_are_computed_as_in_the_papers():
    rng = np.random.default_rng(0)
    clean = rng.integers(20, 230, (24, 24, 3)).astype("float32")
    image = clean + 5
    psnr, ssim = quick().quality(clean / 255, image / 255)
    assert psnr == pytest.approx(20 * np.log10(255 / 5), rel=1e-5) and 0.99 < ssim < 1
    # For color images that of the luminance, whose weights sum to 219 / 255
    luminance_psnr = 20 * np.log10(255 / (5 * 219 / 255))
    assert super_resolution().quality(clean / 255, image / 255)[0] == pytest.approx(luminance_psnr, abs=1e-3)
    image[:2] = 0  # the border is not counted
    assert super_resolution().quality(clean / 255, image / 255)[0] == pytest.approx(luminance_psnr, abs=1e-3)
    # Predictions are rounded and clipped, noisy images are not
    assert quick().quality(clean / 255, (clean + 0.4) / 255)[0] > 140
    assert quick().quality(clean / 255, (clean + 0.5) / 255, rounded=False)[0] == pytest.approx(
        20 * np.log10(510), rel=1e-5
    )


def published_psnr(count):
    """Returns the PSNR of noisy images and of the published network's predictions, on the first images of Set12."""
    if not PUBLISHED.is_dir():
        pytest.skip(f"the published DnCNN weights and Set12 are not in {PUBLISHED}")
    files = sorted((PUBLISHED / "set12").glob("*.png"))[:count]
    photos = [np.asarray(Image.open(path).convert("L"))[..., None] for path in files]
    task = quick(patch=40)
    data = task.open_data([*photos, *waves(12, 40)])
    test = Examples(ImageList(tuple(photos)), np.arange(len(photos), dtype="int32"))
    data = dataclasses.replace(data, test=test)
    model = zoo.load_weights(zoo.dncnn((None, None, 1), batch_norm=False), str(PUBLISHED / "dncnn_25.pth"))
    run = Run(task, model, data, preprocessing(data, (None, None, 1)), {}, {})
    metrics = run.evaluate("test")
    return metrics["baseline"]["psnr"], metrics["psnr"]


def test_the_published_network_denoises_two_images_of_set12():
    noisy, denoised = published_psnr(2)
    assert noisy == pytest.approx(20.17, abs=0.04)
    assert denoised > noisy + 9.5


@pytest.mark.slow
def test_the_published_network_denoises_set12_as_published_psnr():
    noisy, denoised = published_psnr(12)
    assert noisy == pytest.approx(20.17, abs=0.04)
    assert denoised == pytest.approx(30.4, abs=0.05)


# Errors


def test_arguments_data_and_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`patch` must be a multiple of `scale`, 3, got 16"):
        super_resolution(scale=3)
    with pytest.raises(ValueError, match=r"`model` must restore images, got lenet5 \(classify\)"):
        quick().fit("lenet5", waves(), verbose=False)
    with pytest.raises(ValueError, match="`model` must keep the size of its input, to remove noise, got edsr"):
        quick().fit("edsr", waves(), verbose=False)
    with pytest.raises(ValueError, match=r"of the size of its input, or 2 times that, got srcnn, which does not"):
        super_resolution().fit(zoo.srcnn((None, None, 1)), waves(), verbose=False)
    with pytest.raises(ValueError, match=r"any size, input_shape=\(None, None, 1\), got dncnn with \(16, 16, 1\)"):
        quick().fit(zoo.dncnn((16, 16, 1), **SMALL), waves(), verbose=False)
    with pytest.raises(ValueError, match="`patch` must be at most 12, the side of the smallest image, got 16"):
        quick().fit("dncnn", waves(8, 12), verbose=False)
    with pytest.raises(ValueError, match=r"images must be \(H, W, 1\) uint8, got .* float32: image 0"):
        quick().fit("dncnn", waves().astype("float32"), verbose=False)
    with pytest.raises(ValueError, match="`data` must be 8-bit images in memory or in files, got <breast-cancer"):
        quick().fit("dncnn", "bundled:breast-cancer", verbose=False)


def test_labels_of_images_are_dropped():
    data = quick(patch=8).open_data("bundled:digits")
    assert (data.task, data.shape, data.classes) == ("restoration", (None, None, 1), ())
    assert data.train.inputs.shape[1:] == (8, 8, 1) and quick(patch=8).open_data(data) is data


def test_the_upsampling_factor_of_a_model_is_computed():
    assert upsampling_factor(zoo.edsr((None, None, 3), scale=3, **SMALL)) == 3
    assert upsampling_factor(zoo.dncnn((None, None, 2), **SMALL)) == 1
    assert upsampling_factor(keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(1, 3)])) is None
