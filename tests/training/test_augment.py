"""Augmentation: geometry, randomness and seeds, pixel values, mixed targets, and errors."""

import gc
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes.data.augment import affine_transform, augmentation, integer_transform, steps
from recipes.data.augment.rand_augment import autocontrast, equalize
from tests.tolerance import assert_close

NAMES = [row["name"] for row in steps()]
GEOMETRIC = ("flip", "flip_vertical", "crop", "rotate", "shift", "zoom", "shear")
MIXING = ("mixup", "cutmix", "mosaic")
IMAGES = np.random.default_rng(3).random((24, 16, 12, 3), "float32")
LABELS = np.arange(24, dtype="int64") % 4

QUICK = ("flip", "rotate", "brightness", "cutmix")  # one of each kind of step; each takes seconds to compile
every = pytest.mark.parametrize("name", NAMES)


def dataset(images=IMAGES, labels=LABELS, batch=8):
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch)


def augment(*names, seed=5, **arguments):
    return augmentation(names, seed=seed, **{"classes": 4, "value_range": (0, 1), **arguments})


def epoch(data):
    batches = list(data)
    return np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches])


def test_every_step_is_described():
    assert len(set(NAMES)) == 24
    for row in steps():
        assert list(row) == ["name", "amount", "default", "low", "high", "library"]
        assert row["default"] is None or row["low"] <= row["default"] <= row["high"]


# Geometry


@pytest.mark.parametrize(
    ("arguments", "position"),
    [
        ({"angle": math.pi / 2}, (2, 3)),  # counter-clockwise: from right of the center to above it
        ({"angle": -math.pi / 2}, (6, 5)),
        ({"angle": math.pi}, (5, 2)),
        ({"shift": (1, 2)}, (5, 7)),
        ({"flip": (-1, 1)}, (3, 2)),
        ({"flip": (1, -1)}, (5, 6)),
        ({"zoom": 2.0}, (2, 8)),
        ({"shear": (1.0, 0.0)}, (3, 7)),
        ({"angle": math.pi / 2, "shift": (0, 1)}, (3, 3)),  # first rotated, then shifted
        ({"angle": math.pi / 2, "flip": (-1, 1)}, (6, 3)),  # first flipped, then rotated
    ],
)
def test_a_pixel_is_at_its_computed_position(arguments, position):
    image = np.zeros((1, 9, 9, 1), "float32")
    image[0, 3, 6] = 1  # 2 right of the center and 1 above it
    transformed = affine_transform(image, fill="constant", **arguments).numpy()[0, :, :, 0]
    assert np.unravel_index(transformed.argmax(), transformed.shape) == position
    assert transformed[position] == pytest.approx(1, abs=1e-5)
    if "angle" not in arguments and not {"zoom", "shear"} & set(arguments):
        shifted = integer_transform(image, fill="constant", **arguments)
        assert_close(shifted[0, :, :, 0], transformed)


def test_a_blob_rotates_by_the_angle_of_its_image():
    y, x = np.mgrid[:33, :33] - 16.0
    blob = np.exp(-((x - 8) ** 2 + y**2) / 8).astype("float32")[None, :, :, None]
    angles = np.radians([0, 30, 100, -45]).astype("float32")
    rotated = affine_transform(np.repeat(blob, 4, 0), angle=angles, fill="constant").numpy()[..., 0]
    center = [((m * x).sum() / m.sum(), -(m * y).sum() / m.sum()) for m in rotated]
    np.testing.assert_allclose(center, 8 * np.stack([np.cos(angles), np.sin(angles)], 1), atol=0.02)


@pytest.mark.parametrize(
    ("fill", "row"), [("reflect", [1, 0, 0, 1]), ("nearest", [0, 0, 0, 1]), ("constant", [7, 7, 0, 1])]
)
def test_pixels_from_outside_are_filled(fill, row):
    image = np.arange(4, dtype="float32").reshape(1, 1, 4, 1)
    for transform in (affine_transform, integer_transform):
        assert transform(image, shift=(2, 0), fill=fill, value=7.0).numpy().ravel().tolist() == row


@pytest.mark.parametrize(
    "names", [GEOMETRIC[2:], ("crop",), ("contrast", "brightness", "noise", "cutout", "grid_mask")]
)
def test_amount_0_changes_nothing(names):
    images, targets = augment(*[f"{n}:0" for n in names])(IMAGES, LABELS)
    assert_close(images, IMAGES)
    np.testing.assert_array_equal(targets, LABELS)


def test_flips_and_crops_are_exact():
    images = augment("flip", "flip_vertical").over(dataset(IMAGES)).unbatch()
    kinds = set()
    for (flipped, _), image in zip(images, IMAGES, strict=True):
        options = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
        kinds |= {i for i, option in enumerate(options) if np.array_equal(flipped, option)}
    assert kinds == {0, 1, 2, 3}
    padded = np.pad(IMAGES, [(0, 0), (2, 2), (2, 2), (0, 0)])
    positions = set()
    for i, (cropped, _) in enumerate(augment("crop:2", fill="constant").over(dataset()).unbatch()):
        windows = {(r, c): padded[i, r : r + 16, c : c + 12] for r in range(5) for c in range(5)}
        positions |= {position for position, window in windows.items() if np.array_equal(cropped, window)}
    assert len(positions) > 8
    assert {r for r, _ in positions} == {c for _, c in positions} == {0, 1, 2, 3, 4}


# Randomness and seeds


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_equal_seeds_give_equal_images_and_epochs_batches_and_images_differ(name):
    source = np.repeat(IMAGES[:1], 24, 0) if name not in MIXING else IMAGES
    runs = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        tf.random.set_seed(global_seed)  # must have no effect
        run = augment(name, seed=seed).over(dataset(source)).prefetch(1)
        gc.collect()
        runs.append((epoch(run), epoch(run)))
    first, again, other = runs
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    (images, targets), (later, _) = first
    assert images.shape == IMAGES.shape
    assert np.isfinite(images).all()
    assert len({image.tobytes() for image in images[:8]}) > 1
    for different in (source, later, other[0][0], np.roll(images, 8, axis=0)):
        assert not np.array_equal(images, different)
    expected = (1, targets.sum(-1)) if name in MIXING else (LABELS, targets)
    assert_close(*expected)


def test_a_sequential_map_is_repeatable():
    runs = [dataset().map(augment("rotate", "noise", seed=4)) for _ in range(2)]
    first, again = ([epoch(run)[0] for _ in range(2)] for run in runs)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*first)


def test_every_epoch_of_fit_has_other_images():
    batches = []

    class Record(keras.layers.Layer):
        def call(self, x):
            tf.py_function(lambda x: batches.append(x.numpy().tobytes()), [x], [])
            return x

    model = keras.Sequential([Record(), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.compile("sgd", "mse", run_eagerly=True)
    data = augment("shift").over(dataset().map(lambda x, y: (x, tf.one_hot(y, 4))))
    model.fit(data, epochs=2, verbose=0, shuffle=False)
    assert len(set(batches)) == len(batches) >= 6


@every
def test_five_bands_are_augmented_alike_or_refused(name):
    images = np.repeat(IMAGES[:8, :, :, :1], 5, -1)
    act = augment(name)
    if name in ("rand_augment", "jpeg_quality", "color_jitter", "gray"):
        with pytest.raises(ValueError, match=f"`{name}` needs images of (1 band or )?3( bands)?, got 5"):
            act(images, LABELS[:8])
        return
    changed = act(images, LABELS[:8])[0].numpy()
    assert changed.shape == images.shape
    if name != "noise":
        assert_close(changed, np.repeat(changed[..., :1], 5, -1))
    if name == "channel_shuffle":
        with pytest.raises(ValueError, match="needs images of 2 bands or more, got 1"):
            act(images[..., :1])


# Pixel values


def test_values_are_clipped_to_the_range_if_there_is_one():
    for name in ("contrast:1", "brightness:1", "noise:1", "rand_augment:1"):
        images = augment(name)(IMAGES).numpy()
        assert 0 <= images.min() < images.max() <= 1
    images = augment("contrast:1", "brightness:1", value_range=None)(IMAGES * 4 - 2).numpy()
    assert images.min() < -2 < 2 < images.max()


def test_contrast_and_brightness_stay_within_their_amounts():
    images = augment("contrast:0.5", value_range=None)(IMAGES).numpy()
    assert_close(images.mean((1, 2)), IMAGES.mean((1, 2)))
    factor = images.std((1, 2)) / IMAGES.std((1, 2))
    assert factor.min() >= 0.5 - 1e-4
    assert 1.5 + 1e-4 >= factor.max() > 1
    added = augment("brightness:0.5", value_range=(0, 100))(IMAGES).numpy() - IMAGES
    assert 10 < added.max() <= 50


def test_cutout_and_grid_mask_erase_the_expected_fraction():
    ones = np.ones((64, 32, 32, 1), "float32")
    erased = augment("cutout:0.5", fill_value=-3.0)(ones).numpy()
    assert set(np.unique(erased)) == {-3.0, 1.0}
    fraction = (erased < 0).mean((1, 2, 3))
    assert fraction.max() == pytest.approx(0.25, abs=0.03)
    assert fraction.min() >= 0.0625 - 0.03  # a corner leaves a quarter of it
    erased = augment("grid_mask:0.5")(ones).numpy() == 0
    assert erased.mean() == pytest.approx(0.25, abs=0.04)


def test_a_resized_crop_is_a_window_that_is_enlarged():
    rows, columns = np.meshgrid(np.arange(40.0), np.arange(30.0), indexing="ij")
    source = np.repeat(np.stack([rows, columns], -1)[None], 200, 0).astype("float32")
    crops = augment("resized_crop:0.25", value_range=None)(source).numpy()
    height, width = (np.ptp(crops[..., i], axis=(1, 2)) + 1 for i in (0, 1))
    assert crops.min() >= 0 and crops[..., 0].max() <= 39 and crops[..., 1].max() <= 29
    area = (height / 40) * (width / 30)
    assert 0.2 < area.min() < 0.35 and 0.8 < area.max() <= 1
    steps = np.diff(crops[..., 0], axis=1)[:, 1:-1]
    assert_close(steps, np.broadcast_to(steps.mean(axis=(1, 2), keepdims=True), steps.shape), rtol=1e-3)
    assert crops[:, 0, 0, 0].min() == 0 and crops[:, 0, 0, 0].max() > 8  # the windows are anywhere in the image
    assert crops[:, -1, 0, 0].max() > 38


def test_gray_color_jitter_and_blur_by_hand():
    images = np.random.default_rng(0).random((400, 8, 8, 3), "float32")
    changed = augment("gray:0.3")(images).numpy()
    is_gray = (changed == changed[..., :1]).all((1, 2, 3))
    assert is_gray.mean() == pytest.approx(0.3, abs=0.08)
    assert_close(changed[is_gray][..., 0], images[is_gray] @ np.array([0.299, 0.587, 0.114]))
    np.testing.assert_array_equal(changed[~is_gray], images[~is_gray])
    changed = augment("color_jitter:0.5")(images).numpy()
    assert 0 <= changed.min() < changed.max() <= 1
    assert (changed == images).all((1, 2, 3)).mean() == pytest.approx(0.2, abs=0.08)
    assert_close(augment("color_jitter:0")(images), images, rtol=1e-4)
    ones = np.ones((20, 8, 8, 4), "float32")
    assert_close(augment("blur:2", value_range=None)(ones), ones)
    dots = np.zeros((100, 21, 21, 1), "float32")
    dots[:, 10, 10] = 1
    blurred = augment("blur:1", value_range=None)(dots).numpy()[..., 0]
    assert_close(blurred.sum((1, 2)), np.ones(100))
    assert 0.3 < (blurred[:, 10, 10] == 1).mean() < 0.75
    y = np.arange(21) - 10.0
    deviation = np.sqrt((blurred.sum(2) * y**2).sum(1))
    assert 0.9 < deviation.max() <= 1.01


def test_equalize_and_autocontrast_by_hand():
    x = np.array([0, 51, 51, 255], "float32").reshape(1, 2, 2, 1) / 255
    assert_close(equalize(tf.constant(x)).numpy().ravel(), [0, 1 / 3, 1 / 3, 1])
    assert_close(autocontrast(tf.constant(0.2 + x / 2)).numpy(), x)
    for operation in (equalize, autocontrast):
        assert_close(operation(tf.fill([1, 2, 2, 1], 0.4)), np.full((1, 2, 2, 1), 0.4, "float32"))


@pytest.mark.parametrize("name", ["mixup:1", "cutmix", "mosaic:0.1"])
def test_targets_are_mixed_as_the_images_are(name):
    flat = np.broadcast_to(np.eye(4, dtype="float32")[LABELS][:, None, None], (24, 32, 32, 4))  # band k is class k
    for labels in (LABELS, LABELS[:, None], np.eye(4, dtype="float32")[LABELS]):
        images, targets = augment(name)(flat, labels)
        tolerance = 0.04 if name.startswith("mosaic") else 1e-4
        np.testing.assert_allclose(tf.reduce_mean(images, [1, 2]), targets, atol=tolerance)
        assert ((targets.numpy() > 0.01) & (targets.numpy() < 0.99)).any()


@pytest.mark.parametrize("name", ["mixup:1", "cutmix"])
def test_weights_are_mixed_so_that_the_loss_is_the_sum_of_both(name):
    flat = np.broadcast_to(np.eye(4, dtype="float32")[LABELS][:, None, None], (24, 8, 8, 4))
    weights = np.array([1.0, 2.0, 5.0, 0.0], "float32")  # of the classes
    images, targets, mixed = augment(name)(flat, LABELS, weights[LABELS])
    fraction = tf.reduce_mean(images, [1, 2]).numpy()
    assert_close(targets * mixed[:, None], fraction * weights)


def test_keras_layers_are_steps_too():
    images = epoch(augment(keras.layers.RandomFlip("horizontal", seed=3)).over(dataset()))[0]
    assert {np.array_equal(a, b) for a, b in zip(images, IMAGES, strict=True)} == {True, False}


def test_batches_keep_their_structure():
    act = augment("flip")
    assert act(IMAGES).shape == IMAGES.shape
    assert [a.shape for a in act(IMAGES, LABELS, LABELS)] == [IMAGES.shape, LABELS.shape, LABELS.shape]
    for spec in (act.over(dataset()), dataset().map(act)):
        assert spec.element_spec[0].shape.as_list() == [None, 16, 12, 3]
        assert int(spec.cardinality()) == 3
    assert augment().over(dataset().map(lambda x, y: x)).element_spec.shape.as_list() == [None, 16, 12, 3]


# Errors


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("rotat", r"`steps` must be of flip, .* got 'rotat'. Did you mean `rotate`\?"),
        ("rotate:0.6", r"the amount of `rotate` \(largest angle .*\) must be from 0 to 0.5, got '0.6'"),
        ("rotate:much", "the amount of `rotate` .* got 'much'"),
        ("crop:1.5", "must be a whole number from 0 to 4096, got '1.5'"),
        ("mixup:0", "the amount of `mixup` .* got '0'"),
        ("flip:0.5", "`flip` takes no amount, got 'flip:0.5'"),
        ("drop_block", "the layer keras_cv.layers.DropBlock2D"),
        (keras.layers.MixUp(), "takes MixUp by name, as 'mixup'"),
        (3, "`steps` must be names or Keras layers, got 3"),
    ],
)
def test_unsuitable_steps_are_errors(step, message):
    with pytest.raises(ValueError, match=message):
        augment(step)


def test_unsuitable_arguments_and_batches_are_errors():
    for arguments, message in (
        ({"seed": 1.5}, "`seed` must be a whole number"),
        ({"fill": "mirror"}, "`fill` must be one of 'reflect'"),
        ({"value_range": (1, 0)}, "`value_range` must rise"),
    ):
        with pytest.raises(ValueError, match=message):
            augment("flip", **arguments)
    with pytest.raises(ValueError, match="`value_range` must be given for rand_augment"):
        augment("rand_augment", value_range=None)
    with pytest.raises(ValueError, match="must contain shift once, got it 2 times"):
        augment("shift:0.1", "shift:0.2")
    for images, message in (
        (IMAGES[0], r"must be a batch \(B, H, W, C\) with C known, got \(16, 12, 3\)"),
        (np.zeros((2, 8, 8, 1), "uint8"), "must be float32 after preprocessing, got uint8"),
        ({"images": IMAGES}, r"batches must be \(images, targets\), got a dict of images"),
    ):
        with pytest.raises(ValueError, match=message):
            augment("flip")(images)
    with pytest.raises(ValueError, match="`classes` must be given where class indices are mixed"):
        augment("mixup", classes=None)(IMAGES, LABELS)
    with pytest.raises(ValueError, match="got images alone"):
        augment("cutmix")(IMAGES)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not below `classes`"):
        augment("mixup", classes=3)(IMAGES, LABELS)


def test_the_flips_of_a_seed_are_those_of_the_change():
    images = np.random.default_rng(0).normal(size=(20, 6, 8, 3)).astype("float32")
    for names in (("flip", "flip_vertical"), ("flip",), ("flip_vertical",)):
        change = augment(*names)
        assert change.only_flips
        changed, flips = change.change([1, 2], images).numpy(), change.flips([1, 2], 20).numpy()
        for image, other, (horizontal, vertical) in zip(images, changed, flips, strict=True):
            np.testing.assert_array_equal(image[:: -1 if vertical else 1, :: -1 if horizontal else 1], other)
        assert flips.any(0).tolist() == [name in names for name in ("flip", "flip_vertical")]
    assert not augment("flip", "brightness:0.1").only_flips and not augment("flip", "crop:2").only_flips
