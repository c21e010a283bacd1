"""Restoration: what it makes worse and how, what it measures, that it learns, and what it refuses."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import recipes
import zoo
from recipes.data.preprocessing import preprocessing
from recipes.tasks.restoration import enlargement
from recipes.training.run import Run

PUBLISHED = Path("../shared/data/dncnn")
SMALL = {"depth": 3, "filters": 8}


def pictures(count=6, side=32, bands=1, seed=0):
    """Smooth waves of any direction, in 8 bits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(0.1, 0.9, (count * bands, 3))]
    return (127 + 100 * np.array(waves).reshape(count, bands, side, side).transpose(0, 2, 3, 1)).astype("uint8")


def quick(**changes):
    return recipes.Restoration(**{"epochs": 16, "batch": 4, "rate": 0.01, "patch": 16, "augment": (), **changes})


def sharp(**changes):
    return quick(degradation="bicubic", **changes)


# It learns


def test_overfits_a_small_batch():
    small = {"batch_norm": False, "depth": 3, "filters": 16}
    run = quick(rate=3e-3).fit("dncnn", pictures(20), verbose=False, **small)
    assert run.history["loss"][-1] < 0.6 * run.recipe.trivial_loss(run.data)
    assert run.evaluate("train")["gain_db"] > 1.5


@pytest.mark.parametrize(("loss", "value"), [("mse", 0.04), ("mae", 0.2), ("charbonnier", 0.2)])
def test_the_loss_is_the_one_that_is_named(loss, value):
    model = quick(loss=loss).compile(zoo.dncnn((None, None, 1), batch_norm=False, **SMALL))
    found = model.compute_loss(y=np.zeros((2, 4, 4, 1)), y_pred=np.full((2, 4, 4, 1), 0.2))
    assert float(found) == pytest.approx(value, abs=1e-4)


@pytest.mark.slow
def test_sharpens_edges_more_than_bicubic():
    edges = np.where(pictures(10) > 127, 220, 30).astype("uint8")
    run = sharp(epochs=60, rate=5e-3).fit("edsr", edges, verbose=False, depth=3, filters=16, residual_scale=1.0)
    found = run.evaluate("train")
    assert found["gain_db"] > 1 and found["baseline"]["name"] == "bicubic enlargement"


def test_a_run_is_exported_reported_and_read_back(tmp_path):
    run = sharp(epochs=2).fit("srcnn", pictures(8), out=tmp_path, verbose=False, filters=(8, 4))
    done = run.export(tmp_path / "saved_model")
    assert done.difference <= run.recipe.tolerance(run.data)
    page = run.report(tmp_path / "report.html").read_text()
    for told in ("dB over bicubic enlargement", "Clean, degraded, answer, error", "Image by image"):
        assert told in page
    run.save(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == run.evaluate("test")
    small = pictures(1, 13, seed=5)
    served = tf.saved_model.load(done.path).signatures["serving_default"](tf.constant(small))["values"].numpy()
    saved = recipes.load_run(tmp_path)
    answer = np.asarray(saved.model(saved.preprocessing(small)))
    assert served.shape == (1, 26, 26, 1)  # an 8-bit image of any size in, twice as large out
    np.testing.assert_allclose(served, answer, atol=1e-5)
    np.testing.assert_allclose(run.predict(small), answer, atol=1e-5)


# What it makes worse


def test_noise_has_its_strength_and_is_drawn_anew_in_training_alone():
    images = pictures(8)
    recipe = quick(patch=32)
    data = recipe.open(images)
    prepare = preprocessing(data, (None, None, 1))
    for training in (True, False):
        batches = recipe.pipeline(data.train, training, prepare)
        epochs = [np.concatenate([np.asarray(x - y) for x, y in batches]) for _ in range(2)]
        assert np.std(epochs[0]) == pytest.approx(25 / 255, rel=0.05) and abs(np.mean(epochs[0])) < 0.01
        assert np.array_equal(*epochs) != training
        again = np.concatenate([np.asarray(x - y) for x, y in quick(patch=32).pipeline(data.train, training, prepare)])
        np.testing.assert_array_equal(again, epochs[0])
    other = quick(patch=32, seed=1).pipeline(data.train, False, prepare)
    assert not np.array_equal(np.concatenate([np.asarray(x - y) for x, y in other]), epochs[0])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_coarse_images_are_pillows_bicubic_in_8_bits(scale):
    image = pictures(1, 25, seed=2)
    coarse, clean = sharp(scale=scale, patch=12).degrade(image.astype("float32") / 255, (0, 0))
    side = 25 // scale
    assert coarse.shape == (1, side, side, 1) and clean.shape == (1, side * scale, side * scale, 1)
    cut = Image.fromarray(image[0, : side * scale, : side * scale, 0])
    theirs = np.asarray(cut.resize((side, side), Image.BICUBIC), float)
    assert np.abs(255 * np.asarray(coarse)[0, ..., 0] - theirs).max() <= 1.001  # Pillow computes in whole numbers
    back = np.asarray(Image.fromarray(theirs.astype("float32")).resize((side * scale,) * 2, Image.BICUBIC))
    ours = sharp(scale=scale, patch=12).trivial(theirs[None, ..., None].astype("float32"))
    # TensorFlow has its kernel in a table
    np.testing.assert_allclose(np.asarray(ours)[0, ..., 0], back, atol=0.1)


# What it measures


def test_psnr_and_ssim_are_as_the_papers_measure_them():
    rng = np.random.default_rng(0)
    clean = rng.integers(20, 230, (24, 24, 3)).astype("float32")
    found = clean + 5
    psnr, ssim = quick().quality(clean / 255, found / 255)
    assert psnr == pytest.approx(20 * np.log10(255 / 5)) and 0.99 < ssim < 1
    # of colours the luminance, whose weights add up to 219 / 255
    assert sharp().quality(clean / 255, found / 255)[0] == pytest.approx(20 * np.log10(255 / (5 * 219 / 255)), abs=1e-3)
    found[:2] = 0  # the border is left out
    assert sharp().quality(clean / 255, found / 255)[0] == pytest.approx(20 * np.log10(255 / (5 * 219 / 255)), abs=1e-3)
    # an answer is an image: it is rounded and clipped, noise is not
    assert quick().quality(clean / 255, (clean + 0.4) / 255)[0] > 140
    assert quick().quality(clean / 255, (clean + 0.5) / 255, rounded=False)[0] == pytest.approx(20 * np.log10(510))


def published(count):
    """(PSNR of the noisy images, of the published network's answers) on the first images of Set12, as a run has it."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published DnCNN weights and Set12 are not beside the repository")
    files = sorted((PUBLISHED / "set12").glob("*.png"))[:count]
    photos = [np.asarray(Image.open(path).convert("L"))[..., None] for path in files]
    recipe = quick(patch=40)
    data = recipe.open([*photos, *pictures(12, 40)])
    data = recipes.data.Data(**{**vars(data), "test": whole(photos)})
    model = zoo.load_weights(zoo.dncnn((None, None, 1), batch_norm=False), str(PUBLISHED / "dncnn_25.pth"))
    run = Run(recipe, model, data, preprocessing(data, (None, None, 1)), {}, {})
    found = run.evaluate("test")
    return found["baseline"]["psnr"], found["psnr"]


def whole(photos):
    from recipes.data.examples import Examples
    from recipes.data.images.image_patches import ImageList

    return Examples(ImageList(tuple(photos)), np.arange(len(photos), dtype="int32"))


def test_the_published_network_denoises_two_images_of_set12():
    before, after = published(2)
    assert before == pytest.approx(20.17, abs=0.04)
    assert after > before + 9.5


@pytest.mark.slow
def test_the_published_network_denoises_set12_as_published():
    before, after = published(12)
    assert before == pytest.approx(20.17, abs=0.04)
    assert after == pytest.approx(30.4, abs=0.05)


# What is refused


def test_arguments_data_and_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`patch` must be a multiple of `scale`, 3, got 16"):
        sharp(scale=3)
    with pytest.raises(ValueError, match=r"`model` must restore images, got lenet5 \(classify\)"):
        quick().fit("lenet5", pictures(), verbose=False)
    with pytest.raises(ValueError, match="`model` must answer images of the size it sees, to remove noise, got edsr"):
        quick().fit("edsr", pictures(), verbose=False)
    with pytest.raises(ValueError, match=r"of the size of its input, or 2 times that, got srcnn, which does not"):
        sharp().fit(zoo.srcnn((None, None, 1)), pictures(), verbose=False)
    with pytest.raises(ValueError, match=r"any size, input_shape=\(None, None, 1\), got dncnn with \(16, 16, 1\)"):
        quick().fit(zoo.dncnn((16, 16, 1), **SMALL), pictures(), verbose=False)
    with pytest.raises(ValueError, match="`patch` must be at most 12, the side of the smallest image, got 16"):
        quick().fit("dncnn", pictures(8, 12), verbose=False)
    with pytest.raises(ValueError, match=r"images must be \(H, W, 1\) uint8, got .* float32: image 0"):
        quick().fit("dncnn", pictures().astype("float32"), verbose=False)
    with pytest.raises(ValueError, match="`data` must be 8-bit images in memory or in files, got <breast-cancer"):
        quick().fit("dncnn", "bundled:breast-cancer", verbose=False)


def test_labelled_images_are_read_as_images():
    data = quick(patch=8).open("bundled:digits")
    assert (data.task, data.shape, data.classes) == ("restoration", (None, None, 1), ())
    assert data.train.inputs.shape[1:] == (8, 8, 1) and quick(patch=8).open(data) is data


def test_what_a_model_does_to_the_size_is_found():
    assert enlargement(zoo.edsr((None, None, 3), scale=3, **SMALL)) == 3
    assert enlargement(zoo.dncnn((None, None, 2), **SMALL)) == 1
    assert enlargement(keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(1, 3)])) is None
