"""Mask R-CNN: parity with torchvision, targets, the loss of masks, and masks in the image."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import recipes
import zoo
from tests.box_images import write_rectangles
from tests.detect.detections import assert_same_detections
from tests.golden.seeded_arrays import images, seeded_detector_array
from tests.tolerance import assert_close

GOLDEN = Path(__file__).parents[1] / "golden" / "detection.npz"
SHAPE = (2, 128, 160, 3)
SMALL = {"encoder": "resnet18", "filters": 16, "units": (32, 32), "anchor_sizes": (8, 16, 24, 32, 48)}


def test_boxes_scores_and_masks_are_torchvision_s():
    with np.load(GOLDEN) as file:
        names = json.loads(str(file["mask_rcnn/names"]))
        expected, expected_masks = file["mask_rcnn/detections"] - np.eye(6)[5], file["mask_rcnn/masks"]
    model = zoo.mask_rcnn(SHAPE[1:], 5, encoder="resnet18")
    zoo.load_weights(model, {name: seeded_detector_array(name, tuple(shape)) for name, shape in names.items()})
    detections, masks = zoo.detector(model, detections=20).predict(images("detection", SHAPE), verbose=0)
    order = assert_same_detections(detections, expected)
    masks = np.take_along_axis(masks, order[..., None, None], axis=1).reshape(2, 20, 7, 4, 7, 4).mean((3, 5))
    assert_close(masks, expected_masks, rtol=1e-4)


@pytest.mark.parametrize("older_names", [False, True])
def test_each_weight_of_torchvision_s_mask_head_has_its_place(older_names):
    with np.load(GOLDEN) as file:
        shapes = json.loads(str(file["mask_rcnn_resnet50/names"]))
    arrays = {name: np.broadcast_to(np.float32(i), shape) for i, (name, shape) in enumerate(shapes.items())}
    if older_names:
        arrays = {_older(name): array for name, array in arrays.items()}
    model = zoo.load_weights(zoo.mask_rcnn((None, None, 3), 5), arrays)
    places = {"mask_conv0": "mask_fcn1" if older_names else "mask_head.0.0", "mask_conv3": "mask_head.3.0"}
    places = {**places, "mask_up": "conv5_mask", "head_masks": "mask_fcn_logits"}
    if older_names:
        places["mask_conv3"] = "mask_fcn4"
    for layer, name in places.items():
        value = next(a.flat[0] for key, a in arrays.items() if f"{name}.weight" in key)
        assert np.unique(model.get_layer(layer).kernel) == [value]


def _older(name):
    """The name in torchvision's file of 2020."""
    if "mask_head" in name:
        number = int(name.split(".")[2])
        return name.replace(f"{number}.0", f"mask_fcn{number + 1}")
    if "_blocks." in name:
        return name.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
    return name.replace("head.conv.0.0", "head.conv")


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    model = zoo.mask_rcnn((64, 64, 1), 2, proposals=20, freeze_batch_norm=True, **SMALL)
    model.compile(keras.optimizers.SGD(1e-3), run_eagerly=True)
    return model


def square():
    """Two images: one with a square, of whose box the upper half is the object, and one without an object."""
    image, masks = np.zeros((2, 64, 64, 1), "float32"), np.zeros((2, 1, 64, 64))
    image[0, 16:32, 8:40] = 1
    masks[0, 0, 16:32, 8:40] = 1
    return image, zoo.mask_targets([[[8, 16, 40, 48]], [[0, 0, 0, 0]]], [[1], [-1]], masks)


def mask_loss(model, logits):
    """The loss of one region, the object's box, whose mask has these logits in every channel."""
    image, targets = square()
    layer = model.get_layer("head_masks")
    layer_call, layer.call = layer.call, lambda x: tf.tile(logits, (len(x), 1, 1, 3))
    samples = (tf.constant([[[8.0, 16, 40, 48]]] * 2), None, tf.zeros((2, 1), "int32"), None, tf.constant([[2], [0]]))
    (loss,) = model.further_losses(image, targets, model(image)[2], samples)
    layer.call = layer_call
    return float(loss)


def test_the_loss_is_smallest_for_the_mask_of_the_object(small):
    upper = np.where(np.arange(28) < 14, 20.0, -20.0).astype("float32")[None, :, None, None] * np.ones((1, 1, 28, 1))
    assert mask_loss(small, upper.astype("float32")) < 0.5
    assert_close(mask_loss(small, np.zeros((1, 28, 28, 1), "float32")), np.log(2), rtol=1e-5)
    assert mask_loss(small, -upper.astype("float32")) > 15


@pytest.mark.parametrize("objects", [0, 1, 200])
def test_losses_with_no_and_many_objects_are_finite(small, objects):
    boxes = np.tile([[[4.0, 4, 20, 20]]], (1, objects, 1))
    targets = zoo.mask_targets(boxes, np.zeros((1, objects)), np.ones((1, objects, 64, 64)))
    x = np.random.default_rng(0).random((1, 64, 64, 1), "float32")
    assert np.isfinite(float(small.compute_loss(x, targets, small(x))))


@pytest.mark.slow
def test_keras_fit_reduces_the_loss_and_trains_every_weight(small, tmp_path):
    image, targets = square()
    with tf.GradientTape() as tape:
        loss = small.compute_loss(image, targets, small(image, training=True))
    gradients = tape.gradient(loss, [w.value for w in small.trainable_weights])
    assert [w.path for w, g in zip(small.trainable_weights, gradients, strict=True) if g is None] == []
    losses = small.fit(image, targets, epochs=2, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(zoo.detector(small)(image), zoo.detector(loaded)(image), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.slow
def test_relative_corners_are_those_in_pixels_divided_by_the_sides(small):
    x = np.random.default_rng(0).random((2, 64, 64, 1), "float32")
    (pixels, masks), (relative, same_masks) = (zoo.detector(small, normalized=n).predict(x) for n in (False, True))
    is_box = pixels[..., 5] >= 0
    assert is_box.any() and (relative[~is_box] == -1).all()
    assert_close(relative[is_box][:, :4] * 64, pixels[is_box][:, :4])
    assert_close(same_masks, masks)


def test_pasted_masks_fill_their_boxes():
    detections = np.array([[2, 3, 10, 7, 0.9, 0], [-3, 0, 5, 20, 0.8, 1], [-1] * 6], "float32")
    masks = np.ones((3, 28, 28), "float32")
    masks[1, :14] = 0
    pasted = zoo.paste_masks(detections, masks, 12, 16) >= 0.5
    assert pasted[0].sum() == 8 * 4
    assert pasted[0, 3:7, 2:10].all()
    assert pasted[1, 10:, :5].all()
    assert not pasted[1, :10].any()
    assert not pasted[1, :, 5:].any()
    assert not pasted[2].any()


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.zeros((1, 2, 8, 8)), r"with \(B, N\) = \(1, 1\)"),
        (np.full((1, 1, 8, 8), 255), "0 or 1, got values from 255"),
    ],
)
def test_wrong_masks_are_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        zoo.mask_targets([[[0, 0, 4, 4]]], [[0]], masks)
    with pytest.raises(ValueError, match="of one image"):
        zoo.paste_masks(np.zeros((1, 2, 6)), masks, 8, 8)


def test_the_task_of_boxes_refuses_a_model_with_masks(tmp_path):
    data = f"voc:{write_rectangles(tmp_path / 'voc', 4)}?validation=0&test=0"
    with pytest.raises(
        ValueError, match="must predict boxes only, got mask_rcnn; train it with recipes.InstanceSegmentation"
    ):
        recipes.Detection(side=64).fit("mask_rcnn", data, filters=8, units=(8, 8))
