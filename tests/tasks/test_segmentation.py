"""Segmentation: learns, measures, weighs, takes any size, moves masks with images, and refuses."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import recipes
import zoo
from recipes.data.augment import Joint
from recipes.data.images.boundary_weights import pixel_weights
from recipes.data.images.mask_labels import IGNORE
from recipes.data.preprocessing import preprocessing
from recipes.runs.predict_files import predict_files
from recipes.tasks.segmentation import LOSSES
from zoo.layers.any_size import PadToMultiple, any_size, multiple

SMALL = {"filters": (8, 16), "dropout": 0.0}


def discs(count=8, side=16, classes=2, seed=0):
    """Bright discs on a noisy ground; with three classes those in the left half are of another class."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    masks = np.zeros((count, side, side), "uint8")
    for mask in masks:
        row, column = rng.integers(4, side - 4, 2)
        inside = (y - row) ** 2 + (x - column) ** 2 < 14
        mask[inside] = 1 if classes == 2 or column < side / 2 else 2
    images = 40 + 90 * masks.astype(float) + rng.normal(0, 10, masks.shape)
    return np.clip(images, 0, 255).astype("uint8")[..., None], masks


def quick(**changes):
    return recipes.Segmentation(**{"epochs": 30, "batch": 8, "rate": 0.01, "schedule": "constant", **changes})


def whole(x, y):
    return recipes.load((x, y), task="segmentation", validation=0, test=0)


# It learns


SUMS = ("cross_entropy+dice", "boundary+jaccard", "focal+tversky")


@pytest.mark.parametrize("loss", SUMS)
def test_overfits_one_small_batch_with_every_loss(loss):
    assert set("+".join(SUMS).split("+")) == set(LOSSES)
    run = quick(loss=loss, epochs=60, rate=5e-3).fit("unet", whole(*discs()), verbose=False, **SMALL)
    assert run.evaluate("train")["iou"] > 0.95
    assert run.history["loss"][-1] < run.history["loss"][0] / 2
    assert run.history["iou"][-1] > 0.9  # as the metric in training has it


def test_learns_three_classes_and_says_what_the_trivial_answer_gets():
    data = recipes.load(discs(40, classes=3), task="segmentation", classes=("ground", "left", "right"))
    run = quick(epochs=30, class_weight="balanced").fit("unet", data, verbose=False, **SMALL)
    found = run.evaluate("test")
    assert found["baseline"]["mean_iou"] < 0.35 < 0.8 < found["mean_iou"] == found["iou"]
    assert np.trace(found["confusion"]) == round(found["pixel_accuracy"] * found["pixels"])
    assert found["pixels"] == data.test.targets.size
    assert len(found["iou_by_class"]) == 3
    assert run.recipe.trivial_loss(data) == pytest.approx(np.log(3), rel=0.05)  # balanced: each class a third


def test_a_run_is_exported_reported_and_read_back(tmp_path):
    data = recipes.load(discs(20), task="segmentation", classes=("ground", "disc"))
    run = quick(epochs=3, augment=("flip", "rotate:0.5", "brightness:0.1"), tile=12).fit(
        "unet", data, out=tmp_path, verbose=False, **SMALL
    )
    done = run.export(tmp_path / "saved_model")
    assert done.difference <= 1e-5
    page = run.report(tmp_path / "report.html").read_text()
    for told in ("IoU", "Image, truth, answer, error", "Overlap by class", "What it confuses"):
        assert told in page
    run.save(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["test"]["iou"] == run.evaluate("test")["iou"]
    saved = recipes.load_run(tmp_path)
    odd = discs(1, 21)[0][:, :, :13]
    answer = np.asarray(saved.model(saved.preprocessing(odd)))
    np.testing.assert_allclose(run.predict(odd), answer, atol=1e-6)
    assert answer.shape == (1, 21, 13, 2)
    Image.fromarray(odd[0, ..., 0]).save(tmp_path / "odd.png")
    (row,) = predict_files(tmp_path, [tmp_path / "odd.png"])
    assert row["disc"] == pytest.approx(np.mean(answer[0].argmax(-1) == 1)) and row["ground"] + row["disc"] == 1
    np.save(tmp_path / "deep.npy", odd[0].astype("uint16"))
    with pytest.raises(ValueError, match=r"`files` must have 1 bands of uint8, .* got 1 of uint16 in .*deep.npy"):
        predict_files(tmp_path, [tmp_path / "deep.npy"])
    lists = run.predict([odd[0], discs(1, 16)[0][0]])
    assert [a.shape for a in lists] == [(21, 13, 2), (16, 16, 2)]


# What it measures


def test_measures_leave_out_what_does_not_count():
    truth = np.array([[[0, 1], [1, IGNORE]]], "uint8")
    data = whole(np.zeros((2, 2, 2, 1), "uint8"), np.concatenate([truth, truth]))
    answers = np.eye(2)[[[[0, 1], [0, 1]]]]
    found = quick().measure(data, truth, answers)
    assert (found["iou"], found["mean_iou"], found["dice"]) == (0.5, 0.5, pytest.approx(2 / 3))
    assert found["pixel_accuracy"] == pytest.approx(2 / 3) and found["confusion"] == [[1, 0], [1, 1]]
    assert found["baseline"]["iou"] == pytest.approx(2 / 3)  # the second class is the commonest
    assert quick(ignore=0).measure(data, truth, answers)["confusion"] == [[0, 0], [1, 1]]


def test_class_weights_by_name_and_balanced():
    data = recipes.load(discs(), task="segmentation", validation=0, test=0, classes=("ground", "disc"))
    weights = quick(class_weight="balanced").class_weights(data)
    counts = np.bincount(data.train.targets.ravel())
    np.testing.assert_allclose(np.array(weights) * counts, counts.sum() / 2)
    assert quick(class_weight={"disc": 3}).class_weights(data) == [1.0, 3.0]
    with pytest.raises(ValueError, match=r"`class_weight` must name the classes.*got 'disk'.*Did you mean `disc`"):
        quick(class_weight={"disk": 3}).class_weights(data)


def test_boundary_weights_come_with_the_batches_and_move_with_the_masks():
    mask = np.zeros((2, 16, 16), "uint8")
    mask[:, 4:12, 2:7] = mask[:, 4:12, 8:13] = 1
    weights = pixel_weights(mask[0])
    assert weights[8, 7] == pytest.approx(1 + 10 * np.exp(-4 / 50)) and weights[8, 4] == 1
    recipe = quick(loss="boundary", batch=2, augment=("flip_vertical", "flip"))
    data = whole(mask[..., None] * 100, mask)
    for training in (False, True):
        _, y, w = next(iter(recipe.pipeline(data.train, training, preprocessing(data))))
        assert (y.shape, w.shape) == ((2, 16, 16), (2, 16, 16))
        for one, weight in zip(y.numpy().astype("uint8"), w.numpy(), strict=True):
            np.testing.assert_allclose(weight, pixel_weights(one), rtol=1e-5)


# Any size


def test_any_size_is_mirrored_and_cut_back():
    x = np.arange(6, dtype="float32").reshape(1, 2, 3, 1)
    padded = np.asarray(PadToMultiple(4)(x))[0, ..., 0]
    np.testing.assert_array_equal(padded, np.pad(x[0, ..., 0], ((0, 2), (0, 1)), "symmetric"))
    assert np.asarray(PadToMultiple(7)(x)).shape == (1, 7, 7, 1)  # mirrored again and again
    model = zoo.unet((None, None, 1), 2, filters=(4, 8, 16))
    assert multiple(model) == 4
    whatever = any_size(model)
    fits = np.random.default_rng(0).random((2, 8, 12, 1)).astype("float32")
    np.testing.assert_array_equal(whatever.predict(fits, verbose=0), model.predict(fits, verbose=0))
    assert whatever.predict(fits[:, :5, :11], verbose=0).shape == (2, 5, 11, 2)
    assert any_size(whatever) is whatever and whatever.count_params() == model.count_params()


def test_a_backbone_of_ours_is_an_encoder():
    data = whole(*(np.repeat(a, 2, 1) for a in discs(2)))
    model = quick().build("unet", data, encoder="resnet18", filters=(4, 4, 4, 4, 4))
    assert multiple(model) == 32
    assert any_size(model).predict(np.zeros((1, 33, 20, 1)), verbose=0).shape == (1, 33, 20, 2)


# Image and mask move together


STEPS = ("flip", "flip_vertical", "crop:3", "rotate:0.5", "shift:0.2", "zoom:0.3", "shear:0.3", "elastic:0.1")


@pytest.mark.parametrize("step", STEPS)
def test_a_mask_goes_where_its_image_goes(step):
    y, x = np.mgrid[:32, :32]
    mask = (((y - 12) ** 2 + (x - 18) ** 2 < 60) * 1 + ((y > 24) & (x < 12)) * 2).astype("uint8")
    masks = np.repeat(mask[None], 8, 0)
    images, moved = Joint((step,), seed=3)(masks[..., None].astype("float32"), masks)
    assert moved.dtype == tf.uint8 and set(np.unique(moved)) <= {0, 1, 2}
    assert np.mean(np.abs(images[..., 0] - tf.cast(moved, "float32")) > 0.5) < 0.02
    assert len({m.tobytes() for m in moved.numpy()}) > 1
    assert not np.array_equal(moved, masks)


def test_values_change_the_image_alone_and_tiles_are_cut_from_both():
    x, y = discs(6, 24)
    x = x.astype("float32") / 255
    images, masks = Joint(("brightness:0.5", "noise:0.1", "cutout:0.3"), seed=0)(x, y)
    np.testing.assert_array_equal(masks, y)
    assert not np.array_equal(images, x)
    images, masks = Joint((), seed=0, tile=10)(y[..., None].astype("float32"), y)
    assert images.shape == (6, 10, 10, 1)
    np.testing.assert_array_equal(images[..., 0], masks)
    with pytest.raises(ValueError, match=r"`tile` must be at most 24 \[pixels\], got 25"):
        Joint((), seed=0, tile=25)(x, y)


def test_what_comes_in_from_outside_is_ignored_where_it_is_constant():
    x, y = discs(4)
    _, masks = Joint(("shift:0.5",), seed=0, fill="constant")(x.astype("float32"), y)
    assert (masks.numpy() == IGNORE).any() and not (y == IGNORE).any()


def test_a_seed_repeats_the_draws_and_epochs_differ():
    x, y = discs(8)
    data = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y)).batch(4)
    first, again = (Joint(STEPS, seed=s, tile=12).over(data) for s in (1, 1))
    epochs = [np.concatenate([m for _, m in epoch]) for epoch in (first, first, again)]
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert not np.array_equal(epochs[0], epochs[1])
    assert first.element_spec[1].shape.as_list() == [None, 12, 12]


def test_large_images_are_prepared_a_few_at_a_time(monkeypatch):
    from recipes.training import pipeline

    def prepare(x, training):
        return tf.zeros_like(x, "float32") + tf.cast(tf.shape(x)[0], "float32")

    data = whole(*discs(8))
    for most, together in ((2**26, 8), (3 * 16 * 16 * 4, 3), (1, 1)):
        monkeypatch.setattr(pipeline, "TOGETHER", most)
        ((x, _),) = quick().pipeline(data.train, False, prepare)
        assert x.shape == (8, 16, 16, 1) and x[0].numpy().max() == together


# On real data beside the repository


@pytest.mark.slow
def test_membranes_of_the_papers_own_challenge():
    folder = Path(__file__).parents[3] / "shared" / "data" / "isbi_membrane"
    if not folder.is_dir():
        pytest.skip("the ISBI 2012 membranes are not beside the repository")
    # Serial sections: neighbours look alike, so each ten in a row stay on one side
    source = f"masks:{folder / 'image'}?labels={folder / 'label'}&tile=128&group=^(%5Cd?)%5Cd[.]"
    source += "&validation=0.33&test=0.33"
    data = recipes.load(f"{source}&classes=membrane&classes=cell")
    assert sum(len(p) for p in (data.train, data.validation, data.test)) == 30 * 16
    recipe = recipes.Segmentation(
        epochs=4,
        batch_size=8,
        learning_rate=2e-3,
        loss="cross_entropy+dice",
        augment=("flip", "flip_vertical", "elastic"),
    )
    run = recipe.fit("unet", data, verbose=False, filters=(16, 32, 64), batch_norm=True, dropout=0.0)
    found = run.evaluate("test")
    assert found["mean_iou"] > found["baseline"]["mean_iou"] + 0.25 and found["iou_by_class"][0] > 0.45


# What is refused


@pytest.mark.parametrize("step", ["mixup", "rand_augment", keras.layers.RandomFlip()])
def test_steps_that_would_leave_the_mask_behind_are_refused(step):
    with pytest.raises(ValueError, match="`steps` must transform the mask with the image, got .*, which does not"):
        Joint((step,), seed=0)


def test_arguments_and_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"`loss` must be of .*got 'dise'.Did you mean `dice`\?|got 'dise'. Did you"):
        quick(loss="cross_entropy+dise")
    x, y = discs()
    with pytest.raises(ValueError, match=r"`model` must answer a class for every pixel, got lenet5 \(classify\)"):
        quick().fit("lenet5", (x, y), verbose=False)
    with pytest.raises(ValueError, match=r"`model` must answer \(H, W, 2\), the 2 classes .*got unet with .*3\)"):
        quick().fit(zoo.unet((16, 16, 1), 3, **SMALL), (x, y), verbose=False)
    with pytest.raises(ValueError, match="whose answer has another size than the image"):
        quick().fit("unet", (x, y), verbose=False, padding="valid", **SMALL)
    with pytest.raises(ValueError, match="`data` must be for segmentation, got .*; the recipe for that is"):
        quick().fit("unet", recipes.load((x, np.arange(8) % 2)), verbose=False, **SMALL)
