"""Translation: pairs from every door, what is learnt of them, measured beside what, shown, exported and refused."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import recipes
from recipes.data.augment import augmentation
from recipes.data.images import pairs
from recipes.reports.sample_images import coloured, enlarged, panels
from recipes.tasks.translation import LinearDecayAfterHalf, PairAugmentation, median_colors, similarity
from tests.tolerance import assert_close

SMALL = {"filters": 4, "patch_depth": 1, "dropout": 0.0}


def squares(count=40, side=16, seed=0):
    """White squares, and what is to be made of each: the same in orange on blue."""
    rng = np.random.default_rng(seed)
    given = np.zeros((count, side, side, 1), "uint8")
    for image in given:
        top, left = rng.integers(0, side - 6, 2)
        image[top : top + 6, left : left + 6] = 255
    return given, np.where(given > 0, np.uint8([250, 120, 10]), np.uint8([10, 40, 200]))


def quick(**changes):
    return recipes.Translation(**{"epochs": 2, "batch_size": 4, "learning_rate": 5e-3, "sample_every": 2, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return quick(epochs=12, sample_every=6).fit("pix2pix", squares(), out=out, verbose=False, **SMALL), out


def test_it_learns_what_belongs_to_what_and_says_how_much_better_than_no_network(run):
    found = run[0].evaluate("test")
    assert set(found["subjects"]) == {"generator", "the mean image", "the median of each input's colour"}
    # the colour follows from the input alone here, so that the median of each input's colour is exact
    assert found["baseline"]["name"] == "the median of each input's colour" and found["baseline"]["difference"] == 0
    mean = found["subjects"]["the mean image"]
    assert found["difference"] < mean["difference"] / 2 and found["psnr"] > mean["psnr"] and found["ssim"] > 0.5


def test_its_networks_have_the_papers_settings_and_the_sizes_of_the_data():
    recipe = recipes.Translation()
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.schedule) == (200, 1, 2e-4, "halfway")
    data = recipe.open_data(squares())
    model = recipe.compile(recipe.build_model("pix2pix", data, filters=4, patch_depth=1), 100)
    assert model.l1 == 100 and model.output_shape == (None, 16, 16, 3)
    assert model.generator.get_layer("generator_down3").output.shape[1:] == (1, 1, 32)  # 16 is halved four times
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert (optimizer.beta_1, float(optimizer._learning_rate(0))) == (0.5, pytest.approx(2e-4))
    rates = [float(LinearDecayAfterHalf(1.0, 100)(step)) for step in (0, 50, 75, 100)]
    assert rates == pytest.approx([1, 1, 0.5, 0])


def test_held_out_pairs_are_shown_and_watched_while_it_learns(run):
    done, out = run
    assert [p.name for p in sorted((out / "samples").iterdir())] == ["epoch_0006.png", "epoch_0012.png"]
    with Image.open(out / "samples" / "epoch_0006.png") as picture:
        assert picture.size[0] >= 384
    assert len(done.history["val_l1"]) == 12 and done.history["val_l1"][-1] < done.history["val_l1"][0] / 2
    assert "Input, target, answer" in done.report(out / "report.html").read_text()


def test_the_diagnosis_tells_answers_that_are_all_alike(run):
    done, _ = run
    assert 0.5 < done.evaluate("test")["variety"] < 2
    exact = "the median of each input's colour"  # here: nothing is nearer
    assert done.task.diagnose(done) == [f"The answers are no nearer to their targets than {exact}: train longer."]

    class Blind:
        recipe, data, preprocessing, history = done.task, done.data, done.preprocessing, done.history

        class model:
            predict = staticmethod(lambda given, **_: np.zeros((len(given), 16, 16, 3), "float32"))

        def evaluate(self, part):
            return self.task.evaluate(self, part)

    said = done.task.diagnose(Blind())
    assert said[0].startswith("The answers are alike whatever the input: they differ 0% as much")


def test_the_export_takes_raw_images_and_answers_as_predict(run, tmp_path):
    done, _ = run
    exported = done.export(tmp_path / "saved")
    assert "serving_default" in exported.signatures and exported.difference <= 1e-5
    answers = done.predict(squares(3, seed=9)[0])
    assert answers.shape == (3, 16, 16, 3) and answers.min() >= -1 and answers.max() <= 1


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    recipe = quick(epochs=3)
    data = recipe.open_data(squares(12))

    class Killed(recipes.Translation):
        def watchers(self, model, out, data):
            def stop(epoch, logs):
                if epoch == 1:
                    raise KeyboardInterrupt

            return [keras.callbacks.LambdaCallback(on_epoch_begin=stop)]

    told = {name: getattr(recipe, name) for name in ("epochs", "batch", "rate")}
    with pytest.raises(KeyboardInterrupt):
        Killed(**told).fit("pix2pix", data, out=tmp_path, verbose=False, **SMALL)
    state = json.loads((tmp_path / "backup" / "training_metadata.json").read_text())
    assert state["epoch"] == 1
    run = recipe.fit("pix2pix", data, out=tmp_path, verbose=False, **SMALL)
    assert len(run.history["loss"]) == 3
    steps = len(data.train) // 4 * 3
    assert int(run.model.optimizer.iterations) == int(run.model.discriminator_optimizer.iterations) == steps


def test_augmentation_changes_both_images_of_a_pair_alike():
    given, made = (images.astype("float32") / 127.5 - 1 for images in squares(8))
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensors((given, made))
    x, y = next(iter(PairAugmentation(augmentation(("flip", "shift:0.3"), seed=1)).over(batches)))
    assert np.abs(x - given).max() > 1  # something moved
    np.testing.assert_allclose((y[..., 0] - made.min()) / (made.max() - made.min()), (x[..., 0] + 1) / 2, atol=0.01)


def test_images_with_masks_are_turned_round():
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 2000, (30, 8, 8, 1)).astype("uint16"), rng.integers(0, 2, (30, 8, 8))
    masks[:, 0, 0] = 255  # does not count
    data = quick().open_data(recipes.load((images, masks), task="segmentation", classes=("land", "water")))
    assert (data.task, data.shape, data.dtype) == ("translation", (8, 8, 1), "uint8")
    assert data.train.targets.dtype == np.uint8 and set(np.unique(data.train.inputs)) == {0, 255}
    assert not data.train.inputs[:, 0, 0].any()
    place = np.flatnonzero((images == images.max()).any((1, 2, 3)))[0]
    held = np.flatnonzero((data.train.inputs[..., 1:, :, 0] > 0).reshape(len(data.train), -1).any(1))
    assert len(held) and place >= 0 and data.train.targets.max() == 255
    three = recipes.load((images, np.minimum(masks, 2)), task="segmentation", classes=("a", "b", "c"))
    assert quick().open_data(three).shape == (8, 8, 3)


def test_images_alone_are_to_be_made_of_their_edges():
    _, made = squares(30)
    data = quick().open_data(recipes.load((made, np.arange(30) % 2)))
    assert data.shape == (16, 16, 1) and data.train.targets.shape[1:] == (16, 16, 3)
    inside = np.flatnonzero(data.train.targets[0, ..., 0] == 250)
    assert 0 < (data.train.inputs[0] > 0).sum() < 3 * len(inside)
    photos = recipes.load("bundled:photos")
    cut = quick(patch=128).open_data(photos)
    assert cut.shape == (128, 128, 1) and cut.train.targets.shape[1:] == (128, 128, 3)
    assert not set(cut.train.names) & set(cut.test.names)
    whole = pairs.edges(photos.test.inputs.read(0))
    np.testing.assert_array_equal(cut.test.inputs[0], whole[:128, :128])  # no edges where photos were cut


def folders(path, given, made):
    for name, images in (("given", given), ("made", made)):
        (path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path / name / f"{i:02}.png")
    return f"pairs:{path / 'given'}?labels={path / 'made'}"


def test_folders_of_pairs_are_read_whole_or_in_squares(tmp_path):
    given, made = squares(10)
    source = folders(tmp_path, given, made)
    data = recipes.load(source)
    assert (data.task, len(data.train) + len(data.validation) + len(data.test)) == ("translation", 10)
    i = int(data.train.names[0][:2])
    np.testing.assert_array_equal(data.train.inputs[0], given[i])
    np.testing.assert_array_equal(data.train.targets[0], made[i])
    tiled = recipes.load(f"{source}&tile=8")
    assert tiled.shape == (8, 8, 1) and len(tiled.train) == 4 * len(data.train)
    assert not set(tiled.train.names) & set(tiled.test.names)
    one = recipes.load(f"pairs:{tmp_path / 'given' / '00.png'}?labels={tmp_path / 'made' / '00.png'}&tile=4")
    assert sum(len(part) for part in (one.train, one.validation, one.test)) == 16
    assert "whole tiles" in one.split_description


def broken(path, change):
    given, made = squares(6)
    source = folders(path, given, made)
    change(path)
    return source


def resized(path):
    Image.new("L", (10, 16)).save(path / "given" / "03.png")


def deep(path):
    Image.fromarray(np.zeros((16, 16), "uint16")).save(path / "given" / "03.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "made" / "03.png").unlink(), "must have its partner, got .*03.png without partner"),
        (resized, r"one size, got \(16, 10\) of .*03.png and \(16, 16\)"),
        (deep, "must be 8-bit images, got uint16 in .*03.png"),
    ],
)
def test_folders_that_are_no_pairs_are_refused_by_the_files_name(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        recipes.load(broken(tmp_path, change))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((9, 8, 8, 1), "uint8"), np.zeros((9, 8, 6, 1), "uint8"), "as many images of one size"),
        (np.zeros((9, 8, 8, 1), "uint8"), np.full((9, 8, 8, 1), 7.0), "the targets must be 8-bit.*from 7 to 7"),
        (np.full((9, 8, 8), -1), np.zeros((9, 8, 8), "uint8"), "the inputs must be 8-bit.*int64 from -1 to -1"),
        (np.full((9, 8, 8), np.nan), np.zeros((9, 8, 8), "uint8"), "float64 from nan to nan"),
    ],
)
def test_arrays_out_of_range_or_shape_are_refused_with_what_was_seen(x, y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit("pix2pix", (x, y), verbose=False)


@pytest.mark.parametrize(
    ("make", "message"),
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
def test_what_cannot_be_meant_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_trivial_answer_knows_each_colours_median_and_else_that_of_all():
    given, made = squares(4)
    train = recipes.Examples(given, made)
    answer = median_colors(train, np.array([[[[255], [0], [7]]]], "uint8"))
    assert_close(answer[0, 0] * 255, [[250, 120, 10], [10, 40, 200], [10, 40, 200]])


def test_likeness_is_exact_for_equal_images_and_counts_in_decibels():
    images = np.random.default_rng(0).uniform(0, 0.9, (3, 16, 16, 3))
    found = similarity(images, images + 0.1)
    assert found["difference"] == pytest.approx(0.1, rel=1e-5) and found["psnr"] == pytest.approx(20, rel=1e-5)
    assert similarity(images, images)["ssim"] == pytest.approx(1, rel=1e-5)


def test_panels_stand_side_by_side_and_small_pictures_are_enlarged():
    black, white = np.full((2, 4, 4, 1), -1.0), np.ones((2, 4, 4, 3))
    picture = panels(black, white, black)
    assert picture.shape == (4, 34, 3)
    assert picture[0, 0].tolist() == [0, 0, 0] and picture[0, 6].tolist() == [255] * 3
    assert enlarged(picture).shape == (48, 408, 3)
    assert coloured(np.ones((1, 2, 2, 2)))[0, 0, 0].tolist() == [1, 1, 0]
    assert coloured(np.ones((1, 2, 2, 5))).shape == (1, 2, 2, 3)
