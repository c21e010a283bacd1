"""Localizer: corners within the image, the loss of the largest object, training by `fit`, and its detector."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.detect.boxes import iou
from zoo.detect.localizer import LocalizerLoss, ObjectDetections, ObjectPrediction

RNG = np.random.default_rng(0)


def squares(count, side=32):
    """Returns images with one bright square each, its corners (N, 1, 4) and its class (N, 1): red 0 or green 1."""
    images, boxes, classes = RNG.uniform(0, 0.1, (count, side, side, 3)).astype("float32"), [], []
    for image in images:
        size, label = RNG.integers(8, 20), RNG.integers(2)
        x, y = RNG.integers(0, side - size, 2)
        image[y : y + size, x : x + size, label] = 1
        boxes.append([[x, y, x + size, y + size]])
        classes.append([label])
    return images, np.array(boxes), np.array(classes)


def test_corners_are_within_the_image_in_pixels():
    box = np.array([[0.5, 0.5, 0.5, 1.0], [0.1, 0.9, 0.4, 0.4]], "float32")
    logits, image = np.array([[1, 2], [3, 4]], "float32"), np.zeros((2, 20, 40, 3), "float32")
    rows = keras.ops.convert_to_numpy(ObjectPrediction()([box, logits, image]))
    assert_close(rows[:, 0], np.array([[10, 0, 30, 20, 1, 2], [0, 14, 12, 20, 3, 4]], "float32"))


@pytest.mark.parametrize("padding", [0, 2])
def test_the_loss_is_that_of_the_largest_object(padding):
    boxes = np.array([[[0, 0, 4, 4], [2, 2, 12, 12]], [[1, 1, 3, 3], [0, 0, 2, 1]]], "float32")
    targets = zoo.detection_targets(boxes, np.array([[1, 0], [2, -1]]))
    targets = np.pad(targets, ((0, 0), (0, padding), (0, 0)), constant_values=-1)
    exact = np.array([[[2, 2, 12, 12, 9, 0, 0]], [[1, 1, 3, 3, 0, 0, 9]]], "float32")
    wrong_class = exact[..., [0, 1, 2, 3, 5, 4, 6]]
    moved = exact + np.array([1, 0, 1, 0, 0, 0, 0], "float32")
    loss = LocalizerLoss(reduction=None)
    small, of_class, of_box = (keras.ops.convert_to_numpy(loss(targets, x)) for x in (exact, wrong_class, moved))
    assert (small < 1e-3).all() and of_class[0] > 8
    # hulls of 11 x 10 and 3 x 2: two of the four corners' coordinates are off by 1
    error = np.array([1 / 11, 1 / 3])
    expected = np.where(error <= 0.1, error**2 / 2, 0.1 * (error - 0.05)) / 0.1 / 2 + 1 - np.array([90 / 110, 1 / 3])
    assert_close(of_box - small, expected, rtol=1e-4)


def test_images_without_objects_do_not_count():
    targets = zoo.detection_targets(np.zeros((2, 3, 4)), np.full((2, 3), -1))
    rows = RNG.normal(size=(2, 1, 6)).astype("float32")
    assert float(LocalizerLoss()(targets, rows)) == 0
    assert float(LocalizerLoss()(targets[:, :0], rows)) == 0


@pytest.mark.slow
def test_it_learns_to_find_squares_by_fit(tmp_path):
    images, boxes, classes = squares(256)
    model = zoo.localizer((32, 32, 3), 2, encoder="resnet20")
    model.compile(keras.optimizers.Adam(1e-3), zoo.LocalizerLoss())
    model.fit(images, zoo.detection_targets(boxes, classes), batch_size=16, epochs=12, verbose=0)
    detector = zoo.detector(model)
    rows = detector.predict(images, verbose=0)
    assert rows.shape == (256, 1, 6)
    corners = boxes[:, 0].astype("float32")
    overlaps = [iou(x, corners) for x in (rows[:, 0, :4], np.broadcast_to(corners.mean(0), corners.shape))]
    predicted_boxes, of_mean_box = (np.median(keras.ops.convert_to_numpy(overlap)) for overlap in overlaps)
    assert (rows[:, 0, 5] == classes[:, 0]).mean() > 0.9
    assert predicted_boxes > of_mean_box + 0.15
    relative = zoo.detector(model, normalized=True).predict(images[:2], verbose=0)
    assert_close(relative[..., :4] * 32, rows[:2, :, :4])
    detector.save(tmp_path / "detector.keras")
    assert_close(keras.models.load_model(tmp_path / "detector.keras").predict(images[:2], verbose=0), rows[:2])


def test_a_box_below_the_smallest_score_is_left_out():
    prediction = np.array([[[1, 2, 3, 4, 0, 2]], [[1, 2, 3, 4, 0, 0.5]]], "float32")
    image = np.zeros((2, 8, 8, 3), "float32")
    rows = keras.ops.convert_to_numpy(ObjectDetections(score=0.7)([prediction, image]))
    assert_close(rows[:, 0], np.array([[1, 2, 3, 4, 1 / (1 + np.exp(-2)), 1], [-1] * 6], "float32"))


def test_other_encoders_are_refused():
    with pytest.raises(ValueError, match="`encoder` must be one of `zoo.names.*, got 'unet'"):
        zoo.localizer((64, 64, 3), 2, encoder="unet")
