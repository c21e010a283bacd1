"""Segmentation: losses, metrics, class and pixel weights, images of any size, joint augmentation, errors."""

import json
from pathlib import Path
from types import SimpleNamespace

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
from recipes.metrics import confusion_matrix
from recipes.runs.predict_files import predict_files
from recipes.tasks.segmentation import LOSSES
from recipes.training import pipeline
from tests.tolerance import assert_close
from zoo.layers.any_size import PadToMultiple, any_size, size_multiple

SMALL = {"filters": (8, 16), "dropout": 0.0}


def discs(count=8, side=16, classes=2, seed=0):
    """Returns images of bright discs on a noisy background, and masks; of three classes, one is for the left half."""
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
    """Returns a segmentation task of few epochs."""
    return recipes.Segmentation(
        **{"epochs": 30, "batch_size": 8, "learning_rate": 0.01, "schedule": "constant", **changes}
    )


def training_data(x, y):
    """Returns `Data` with all examples in the training split."""
    return recipes.load((x, y), task="segmentation", validation=0, test=0)


# Training


SUMS = ("cross_entropy+dice", "boundary+jaccard", "focal+tversky")


@pytest.mark.parametrize("loss", [SUMS[0], *(pytest.param(loss, marks=pytest.mark.slow) for loss in SUMS[1:])])
def test_overfits_one_small_batch_with_every_loss(loss):
    assert set("+".join(SUMS).split("+")) == set(LOSSES)
    run = quick(loss=loss, epochs=60, learning_rate=5e-3).fit("unet", training_data(*discs()), verbose=False, **SMALL)
    assert run.evaluate("train")["iou"] > 0.95
    assert run.history["loss"][-1] < run.history["loss"][0] / 2
    assert run.history["iou"][-1] > 0.9  # the Keras metric


@pytest.mark.slow
def test_three_classes_are_learned_and_the_baseline_is_the_most_frequent_class():
    data = recipes.load(discs(40, classes=3), task="segmentation", classes=("ground", "left", "right"))
    run = quick(epochs=30, class_weight="balanced").fit("unet", data, verbose=False, **SMALL)
    metrics = run.evaluate("test")
    assert metrics["baseline"]["mean_iou"] < 0.35 < 0.8 < metrics["mean_iou"] == metrics["iou"]
    assert np.trace(metrics["confusion"]) == round(metrics["pixel_accuracy"] * metrics["pixels"])
    assert metrics["pixels"] == data.test.targets.size
    assert len(metrics["iou_by_class"]) == 3
    assert run.task.baseline_loss(data) == pytest.approx(np.log(3), rel=0.05)  # balanced: each class a third


def test_a_run_is_exported_reported_saved_and_loaded(tmp_path):
    data = recipes.load(discs(20), task="segmentation", classes=("ground", "disc"))
    run = quick(epochs=3, augment=("flip", "rotate:0.5", "brightness:0.1"), tile=12).fit(
        "unet", data, out=tmp_path, verbose=False, **SMALL
    )
    export = run.export(tmp_path / "saved_model")
    assert export.difference <= 1e-5
    page = run.report(tmp_path / "report.html").read_text()
    for text in ("IoU", "Image, target, prediction, error", "Overlap by class", "Confusion matrix"):
        assert text in page
    run.save(tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["test"]["iou"] == run.evaluate("test")["iou"]
    saved = recipes.load_run(tmp_path)
    odd = discs(1, 21)[0][:, :, :13]
    probabilities = np.asarray(saved.model(saved.preprocessing(odd)))
    assert_close(run.predict(odd), probabilities)
    assert probabilities.shape == (1, 21, 13, 2)
    Image.fromarray(odd[0, ..., 0]).save(tmp_path / "odd.png")
    (frame,) = predict_files(tmp_path, [tmp_path / "odd.png"])
    (row,) = frame.to_dict("records")
    assert row["disc"] == pytest.approx(np.mean(probabilities[0].argmax(-1) == 1))
    assert row["ground"] + row["disc"] == pytest.approx(1)
    np.save(tmp_path / "deep.npy", odd[0].astype("uint16"))
    (frame,) = predict_files(tmp_path, [tmp_path / "deep.npy"])
    assert "must have 1 bands of uint8, as in training, got 1 of uint16" in frame["error"][0]
    of_two_sizes = run.predict([odd[0], discs(1, 16)[0][0]])
    assert [image.shape for image in of_two_sizes] == [(21, 13, 2), (16, 16, 2)]


# Metrics and weights


def test_metrics_do_not_count_ignored_pixels():
    masks = np.array([[[0, 1], [1, IGNORE]]], "uint8")
    data = training_data(np.zeros((2, 2, 2, 1), "uint8"), np.concatenate([masks, masks]))
    predicted = np.array([[[0, 1], [0, 1]]])

    def metrics_of(task):
        return task.compute_metrics(data, [confusion_matrix(task.with_ignored(masks), predicted, 2)])

    metrics = metrics_of(quick())
    assert (metrics["iou"], metrics["mean_iou"], metrics["dice"]) == (0.5, 0.5, pytest.approx(2 / 3))
    assert metrics["pixel_accuracy"] == pytest.approx(2 / 3) and metrics["confusion"] == [[1, 0], [1, 1]]
    assert metrics["baseline"]["iou"] == pytest.approx(2 / 3)  # the second class is the most frequent
    assert metrics_of(quick(ignore=0))["confusion"] == [[0, 0], [1, 1]]


def test_the_verdict_compares_with_the_second_class_everywhere(monkeypatch):
    data = training_data(*discs(10))
    masks = data.train.targets

    def evaluated(predicted):
        pairs = list(zip(masks, predicted, strict=True))
        monkeypatch.setattr(recipes.Segmentation, "predict_each", lambda self, run, split: pairs)
        return quick().evaluate(SimpleNamespace(data=data), "train")

    everywhere = np.ones_like(masks)
    metrics = evaluated(masks)
    assert metrics["verdict"]["result"] == "better" and metrics["verdict"]["examples"] == 10
    assert metrics["baseline"]["iou"] == pytest.approx(masks.mean()) == metrics["verdict"]["baseline"]
    assert metrics["baseline"]["pixel_accuracy"] == pytest.approx(1 - masks.mean())
    assert evaluated(everywhere)["verdict"]["result"] == "worse"  # IoU above 0, and no better than the baseline


def test_loss_weights_are_balanced_or_given_by_class_name():
    data = recipes.load(discs(), task="segmentation", validation=0, test=0, classes=("ground", "disc"))
    weights = quick(class_weight="balanced").loss_weights(data)
    counts = np.bincount(data.train.targets.ravel())
    assert_close(np.array(weights) * counts, counts.sum() / 2, rtol=1e-5)
    assert quick(class_weight={"disc": 3}).loss_weights(data) == [1.0, 3.0]
    with pytest.raises(ValueError, match=r"`class_weight` must name the classes.*got 'disk'.*Did you mean `disc`"):
        quick(class_weight={"disk": 3}).loss_weights(data)


def test_boundary_weights_are_in_the_batches_and_augmented_with_the_masks():
    masks = np.zeros((2, 16, 16), "uint8")
    masks[:, 4:12, 2:7] = masks[:, 4:12, 8:13] = 1
    weights = pixel_weights(masks[0])
    assert weights[8, 7] == pytest.approx(1 + 10 * np.exp(-4 / 50)) and weights[8, 4] == 1
    task = quick(loss="boundary", batch_size=2, augment=("flip_vertical", "flip"))
    data = training_data(masks[..., None] * 100, masks)
    for training in (False, True):
        _, y, w = next(iter(task.pipeline(data.train, training, preprocessing(data))))
        assert (y.shape, w.shape) == ((2, 16, 16), (2, 16, 16))
        for mask, weights in zip(y.numpy().astype("uint8"), w.numpy(), strict=True):
            assert_close(weights, pixel_weights(mask), rtol=1e-5)


# Images of any size


def test_images_of_any_size_are_mirrored_and_the_output_cropped():
    x = np.arange(6, dtype="float32").reshape(1, 2, 3, 1)
    padded = np.asarray(PadToMultiple(4)(x))[0, ..., 0]
    np.testing.assert_array_equal(padded, np.pad(x[0, ..., 0], ((0, 2), (0, 1)), "symmetric"))
    assert np.asarray(PadToMultiple(7)(x)).shape == (1, 7, 7, 1)  # mirrored several times
    model = zoo.unet((None, None, 1), 2, filters=(4, 8, 16))
    assert size_multiple(model) == 4
    wrapped = any_size(model)
    images = np.random.default_rng(0).random((2, 8, 12, 1)).astype("float32")
    assert_close(wrapped.predict(images, verbose=0), model.predict(images, verbose=0))
    assert wrapped.predict(images[:, :5, :11], verbose=0).shape == (2, 5, 11, 2)
    assert any_size(wrapped) is wrapped and wrapped.count_params() == model.count_params()


@pytest.mark.slow
def test_a_registered_backbone_serves_as_encoder():
    data = training_data(*(np.repeat(a, 2, 1) for a in discs(2)))
    model = quick().build_model("unet", data, encoder="resnet18", filters=(4, 4, 4, 4, 4))
    assert size_multiple(model) == 32
    assert any_size(model).predict(np.zeros((1, 33, 20, 1)), verbose=0).shape == (1, 33, 20, 2)


# Joint augmentation of images and masks


STEPS = ("flip", "flip_vertical", "crop:3", "rotate:0.5", "shift:0.2", "zoom:0.3", "shear:0.3", "elastic:0.1")


@pytest.mark.parametrize("step", STEPS)
def test_a_mask_is_transformed_as_its_image(step):
    y, x = np.mgrid[:32, :32]
    mask = (((y - 12) ** 2 + (x - 18) ** 2 < 60) * 1 + ((y > 24) & (x < 12)) * 2).astype("uint8")
    masks = np.repeat(mask[None], 8, 0)
    images, augmented = Joint((step,), seed=3)(masks[..., None].astype("float32"), masks)
    assert augmented.dtype == tf.uint8 and set(np.unique(augmented)) <= {0, 1, 2}
    assert np.mean(np.abs(images[..., 0] - tf.cast(augmented, "float32")) > 0.5) < 0.02
    assert len({m.tobytes() for m in augmented.numpy()}) > 1
    assert not np.array_equal(augmented, masks)


def test_color_steps_change_only_the_image_and_tiles_are_cut_from_both():
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


def test_pixels_filled_with_a_constant_are_ignored_in_the_mask():
    x, y = discs(4)
    _, masks = Joint(("shift:0.5",), seed=0, fill="constant")(x.astype("float32"), y)
    assert (masks.numpy() == IGNORE).any() and not (y == IGNORE).any()


def test_equal_seeds_give_equal_augmentation_and_epochs_differ():
    x, y = discs(8)
    data = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y)).batch(4)
    first, second = (Joint(STEPS, seed=s, tile=12).over(data) for s in (1, 1))
    epochs = [np.concatenate([m for _, m in epoch]) for epoch in (first, first, second)]
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert not np.array_equal(epochs[0], epochs[1])
    assert first.element_spec[1].shape.as_list() == [None, 12, 12]


def test_large_images_are_preprocessed_in_small_chunks(monkeypatch):
    def batch_size_as_image(x, training):
        return tf.zeros_like(x, "float32") + tf.cast(tf.shape(x)[0], "float32")

    data = training_data(*discs(8))
    for chunk_bytes, images in ((2**26, 8), (3 * 16 * 16 * 4, 3), (1, 1)):
        monkeypatch.setattr(pipeline, "CHUNK", chunk_bytes)
        ((x, _),) = quick().pipeline(data.train, False, batch_size_as_image)
        assert x.shape == (8, 16, 16, 1) and x[0].numpy().max() == images


# Real data


@pytest.mark.slow
def test_membranes_of_the_isbi_2012_challenge_are_segmented():
    folder = Path(__file__).parents[3] / "shared" / "data" / "isbi_membrane"
    if not folder.is_dir():
        pytest.skip(f"the ISBI 2012 membranes are not in {folder}")
    # Serial sections: neighbors are similar, so each ten in a row are in one split
    source = f"masks:{folder / 'image'}?labels={folder / 'label'}&tile=128&group=^(%5Cd?)%5Cd[.]"
    source += "&validation=0.33&test=0.33"
    data = recipes.load(f"{source}&classes=membrane&classes=cell")
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 30 * 16
    task = recipes.Segmentation(
        epochs=4,
        batch_size=8,
        learning_rate=2e-3,
        loss="cross_entropy+dice",
        augment=("flip", "flip_vertical", "elastic"),
    )
    run = task.fit("unet", data, verbose=False, filters=(16, 32, 64), batch_norm=True, dropout=0.0)
    metrics = run.evaluate("test")
    assert metrics["mean_iou"] > metrics["baseline"]["mean_iou"] + 0.25 and metrics["iou_by_class"][0] > 0.45


# Errors


@pytest.mark.parametrize("step", ["mixup", "rand_augment", keras.layers.RandomFlip()])
def test_steps_that_cannot_transform_masks_are_refused(step):
    with pytest.raises(ValueError, match="`steps` must transform the mask with the image, got .*, which does not"):
        Joint((step,), seed=0)


def test_arguments_models_and_data_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"`loss` must be of .*got 'dise'. ?Did you mean `dice`\?"):
        quick(loss="cross_entropy+dise")
    x, y = discs()
    with pytest.raises(ValueError, match=r"`model` must predict a class for every pixel, got lenet5 \(classify\)"):
        quick().fit("lenet5", (x, y), verbose=False)
    with pytest.raises(ValueError, match=r"`model` must predict \(H, W, 2\), the 2 classes .*got unet with .*3\)"):
        quick().fit(zoo.unet((16, 16, 1), 3, **SMALL), (x, y), verbose=False)
    with pytest.raises(ValueError, match="output of the size of the image, got unet.*padding='same'"):
        quick().fit("unet", (x, y), verbose=False, padding="valid", **SMALL)
    with pytest.raises(ValueError, match="`data` must be for segmentation, got .*; train it with"):
        quick().fit("unet", recipes.load((x, np.arange(8) % 2)), verbose=False, **SMALL)
