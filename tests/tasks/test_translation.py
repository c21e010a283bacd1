"""Translation: pairs from every source, training, metrics beside the baselines, panels, export and errors."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import recipes
from recipes.data.augment import augmentation
from recipes.data.images import pairs
from recipes.reports.sample_images import enlarge, panels, to_rgb
from recipes.tasks.translation import LinearDecayAfterHalf, PairAugmentation, median_colors, similarity
from tests.tolerance import assert_close

SMALL = {"filters": 4, "patch_depth": 1, "dropout": 0.0}


def squares(count=40, side=16, seed=0):
    """Returns images of white squares, and as targets the same squares in orange on blue."""
    rng = np.random.default_rng(seed)
    inputs = np.zeros((count, side, side, 1), "uint8")
    for image in inputs:
        top, left = rng.integers(0, side - 6, 2)
        image[top : top + 6, left : left + 6] = 255
    return inputs, np.where(inputs > 0, np.uint8([250, 120, 10]), np.uint8([10, 40, 200]))


def quick(**changes):
    """Returns a translation task of few epochs."""
    return recipes.Translation(**{"epochs": 2, "batch_size": 4, "learning_rate": 5e-3, "sample_every": 2, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return quick(epochs=12, sample_every=6).fit("pix2pix", squares(), out=out, verbose=False, **SMALL), out


def test_metrics_are_computed_for_the_generator_and_both_baselines(run):
    metrics = run[0].evaluate("test")
    assert set(metrics["subjects"]) == {"generator", "the mean image", "the median of each input's color"}
    # Here the color follows from the input alone, so the median of each input's color is exact
    assert metrics["baseline"]["name"] == "the median of each input's color" and metrics["baseline"]["difference"] == 0
    mean = metrics["subjects"]["the mean image"]
    assert metrics["difference"] < mean["difference"] / 2 and metrics["psnr"] > mean["psnr"] and metrics["ssim"] > 0.5


def test_the_networks_have_the_settings_of_the_paper_and_the_sizes_of_the_data():
    task = recipes.Translation()
    assert (task.epochs, task.batch_size, task.learning_rate, task.schedule) == (200, 1, 2e-4, "halfway")
    data = task.open_data(squares())
    model = task.compile(task.build_model("pix2pix", data, filters=4, patch_depth=1), 100)
    assert model.l1 == 100 and model.output_shape == (None, 16, 16, 3)
    assert model.generator.get_layer("generator_down3").output.shape[1:] == (1, 1, 32)  # 16 is halved four times
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert (optimizer.beta_1, float(optimizer._learning_rate(0))) == (0.5, pytest.approx(2e-4))
    rates = [float(LinearDecayAfterHalf(1.0, 100)(step)) for step in (0, 50, 75, 100)]
    assert rates == pytest.approx([1, 1, 0.5, 0])


def test_held_out_pairs_are_shown_and_evaluated_during_training(run):
    run, out = run
    assert [path.name for path in sorted((out / "samples").iterdir())] == ["epoch_0006.png", "epoch_0012.png"]
    with Image.open(out / "samples" / "epoch_0006.png") as picture:
        assert picture.size[0] >= 384
    assert len(run.history["val_l1"]) == 12 and run.history["val_l1"][-1] < run.history["val_l1"][0] / 2
    assert "Input, target, prediction" in run.report(out / "report.html").read_text()


def test_the_diagnosis_names_predictions_that_do_not_depend_on_the_input(run):
    run, _ = run
    assert 0.5 < run.evaluate("test")["variety"] < 2
    baseline = "the median of each input's color"  # exact here
    expected = f"The predictions are no nearer to their targets than {baseline}: train longer."
    assert run.diagnose() == [expected]
    constant = SimpleNamespace(predict=lambda inputs, **_: np.zeros((len(inputs), 16, 16, 3), "float32"))
    sentences = run.replace(model=constant).diagnose()
    assert sentences[0].startswith("The predictions hardly depend on the input: they vary 0 % as much")


def test_the_export_takes_raw_images_and_predicts_as_the_run(run, tmp_path):
    run, _ = run
    export = run.export(tmp_path / "saved")
    assert "serving_default" in export.signatures and export.difference <= 1e-5
    images = run.predict(squares(3, seed=9)[0])
    assert images.shape == (3, 16, 16, 3) and images.min() >= -1 and images.max() <= 1


def test_a_killed_training_resumes_after_its_last_epoch(tmp_path):
    task = quick(epochs=3)
    data = task.open_data(squares(12))

    class Translation(recipes.Translation):  # the name is compared when a training resumes
        def callbacks(self, model, out, data):
            def interrupt(epoch, logs):
                if epoch == 1:
                    raise KeyboardInterrupt

            return [keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)]

    settings = {name: getattr(task, name) for name in ("epochs", "batch_size", "learning_rate", "sample_every")}
    with pytest.raises(KeyboardInterrupt):
        Translation(**settings).fit("pix2pix", data, out=tmp_path, verbose=False, **SMALL)
    state = json.loads((tmp_path / "backup" / "progress.json").read_text())
    assert state["epoch"] == 1
    run = task.fit("pix2pix", data, out=tmp_path, verbose=False, **SMALL)
    assert len(run.history["loss"]) == 3
    steps = len(data.train) // 4 * 3
    assert int(run.model.optimizer.iterations) == int(run.model.discriminator_optimizer.iterations) == steps


def test_augmentation_changes_both_images_of_a_pair_in_the_same_way():
    inputs, targets = (images.astype("float32") / 127.5 - 1 for images in squares(8))
    batches = tf.data.Dataset.from_tensors((inputs, targets))
    x, y = next(iter(PairAugmentation(augmentation(("flip", "shift:0.3"), seed=1)).over(batches)))
    assert np.abs(x - inputs).max() > 1
    low, high = targets.min(), targets.max()
    np.testing.assert_allclose((y[..., 0] - low) / (high - low), (x[..., 0] + 1) / 2, atol=0.01)


def test_segmentation_data_become_pairs_of_mask_and_image():
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 2000, (30, 8, 8, 1)).astype("uint16"), rng.integers(0, 2, (30, 8, 8))
    masks[:, 0, 0] = 255  # ignored
    data = quick().open_data(recipes.load((images, masks), task="segmentation", classes=("land", "water")))
    assert (data.task, data.shape, data.dtype) == ("translation", (8, 8, 1), "uint8")
    assert data.train.targets.dtype == np.uint8 and set(np.unique(data.train.inputs)) == {0, 255}
    assert not data.train.inputs[:, 0, 0].any()
    assert data.train.inputs[:, 1:].max() == 255 and data.train.targets.max() == 255
    three = recipes.load((images, np.minimum(masks, 2)), task="segmentation", classes=("a", "b", "c"))
    assert quick().open_data(three).shape == (8, 8, 3)


def test_images_without_masks_become_pairs_of_edges_and_image():
    _, images = squares(30)
    data = quick().open_data(recipes.load((images, np.arange(30) % 2)))
    assert data.shape == (16, 16, 1) and data.train.targets.shape[1:] == (16, 16, 3)
    inside = np.flatnonzero(data.train.targets[0, ..., 0] == 250)
    assert 0 < (data.train.inputs[0] > 0).sum() < 3 * len(inside)
    photos = recipes.load("bundled:photos")
    data = quick(patch=128).open_data(photos)
    assert data.shape == (128, 128, 1) and data.train.targets.shape[1:] == (128, 128, 3)
    assert not set(data.train.names) & set(data.test.names)
    edges = pairs.edges(photos.test.inputs.read(0))
    np.testing.assert_array_equal(data.test.inputs[0], edges[:128, :128])  # no edges along the cuts


def write_pairs(path, inputs, targets):
    """Writes pairs of images as PNG files, and returns their source for `recipes.load`."""
    for name, images in (("inputs", inputs), ("targets", targets)):
        (path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path / name / f"{i:02}.png")
    return f"pairs:{path / 'inputs'}?labels={path / 'targets'}"


def test_folders_of_pairs_are_read_whole_or_in_tiles(tmp_path):
    inputs, targets = squares(10)
    source = write_pairs(tmp_path, inputs, targets)
    data = recipes.load(source)
    assert (data.task, len(data.train) + len(data.validation) + len(data.test)) == ("translation", 10)
    i = int(data.train.names[0][:2])
    np.testing.assert_array_equal(data.train.inputs[0], inputs[i])
    np.testing.assert_array_equal(data.train.targets[0], targets[i])
    tiled = recipes.load(f"{source}&tile=8")
    assert tiled.shape == (8, 8, 1) and len(tiled.train) == 4 * len(data.train)
    assert not set(tiled.train.names) & set(tiled.test.names)
    files = [tmp_path / folder / "00.png" for folder in ("inputs", "targets")]
    one = recipes.load(f"pairs:{files[0]}?labels={files[1]}&tile=4")
    assert sum(len(split) for split in (one.train, one.validation, one.test)) == 16
    assert "whole tiles" in one.split_description  # not whole pairs


def resize(path):
    Image.new("L", (10, 16)).save(path / "inputs" / "03.png")


def store_16_bits(path):
    Image.fromarray(np.zeros((16, 16), "uint16")).save(path / "inputs" / "03.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "targets" / "03.png").unlink(), "must have its partner, got .*03.png without partner"),
        (resize, r"one size, got \(16, 10\) of .*03.png and \(16, 16\)"),
        (store_16_bits, "must be 8-bit images, got uint16 in .*03.png"),
    ],
)
def test_errors_of_folders_that_are_no_pairs_name_the_file(tmp_path, change, message):
    source = write_pairs(tmp_path, *squares(6))
    change(tmp_path)
    with pytest.raises(ValueError, match=message):
        recipes.load(source)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((9, 8, 8, 1), "uint8"), np.zeros((9, 8, 6, 1), "uint8"), "as many images of one size"),
        (np.zeros((9, 8, 8, 1), "uint8"), np.full((9, 8, 8, 1), 7.0), "the targets must be 8-bit.*from 7 to 7"),
        (np.full((9, 8, 8), -1), np.zeros((9, 8, 8), "uint8"), "the inputs must be 8-bit.*int64 from -1 to -1"),
        (np.full((9, 8, 8), np.nan), np.zeros((9, 8, 8), "uint8"), "float64 from nan to nan"),
    ],
)
def test_arrays_of_wrong_range_or_shape_are_refused_with_their_values(x, y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit("pix2pix", (x, y), verbose=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quick(patience=3), "`patience` must be left out"),
        (lambda: quick().fit("dcgan", squares(12), verbose=False), "must translate images, as pix2pix does, got dcgan"),
        (lambda: quick().fit("pix2pix", squares(12, 15), verbose=False), r"must be even, got \(15, 15\)"),
        (lambda: quick().fit("pix2pix", squares(12, 8), verbose=False, patch_depth=2, depth=1), "at least 12"),
        (
            lambda: quick().fit("pix2pix", squares(12), verbose=False, input_shape=(32, 32, 1), **SMALL),
            r"images of \(16, 16, 1\)",
        ),
    ],
)
def test_arguments_models_and_data_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_median_colors_are_those_of_each_input_color_and_for_new_colors_the_overall_median():
    train = recipes.Examples(*squares(4))
    predictions = median_colors(train, np.array([[[[255], [0], [7]]]], "uint8"))
    assert_close(predictions[0, 0] * 255, [[250, 120, 10], [10, 40, 200], [10, 40, 200]])


def test_similarity_is_exact_for_equal_images_and_for_a_constant_difference():
    images = np.random.default_rng(0).uniform(0, 0.9, (3, 16, 16, 3))
    metrics = similarity(images, images + 0.1)
    assert metrics["difference"] == pytest.approx(0.1, rel=1e-5) and metrics["psnr"] == pytest.approx(20, rel=1e-5)
    assert similarity(images, images)["ssim"] == pytest.approx(1, rel=1e-5)


def test_panels_are_side_by_side_and_small_images_are_enlarged():
    black, white = np.full((2, 4, 4, 1), -1.0), np.ones((2, 4, 4, 3))
    page = panels(black, white, black)
    assert page.shape == (4, 34, 3)
    assert page[0, 0].tolist() == [0, 0, 0] and page[0, 6].tolist() == [255] * 3
    assert enlarge(page).shape == (48, 408, 3)
    assert to_rgb(np.ones((1, 2, 2, 2)))[0, 0, 0].tolist() == [1, 1, 0]
    assert to_rgb(np.ones((1, 2, 2, 5))).shape == (1, 2, 2, 3)
