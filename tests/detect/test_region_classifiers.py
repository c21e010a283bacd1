"""R-CNN and Fast R-CNN: pooling and warping of proposed regions, training and detection."""

import importlib.util
import math

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.detect.rcnn import WarpedRegions
from zoo.detect.roi_pool import RoIPool, roi_pool

REGIONS = [
    [0, 0, 31, 31], [3.4, 8.5, 20.2, 19.9], [10, 10, 10, 10], [-9, -4, 12, 9], [25, 20, 60, 50], [70, 70, 80, 80],
]  # fmt: skip
BUILDERS = {
    "rcnn": {"encoder": "resnet20", "side": 20, "context": 2, "units": (32, 32)},
    "fast_rcnn": {"encoder": "resnet18", "units": (64, 64)},
}


def pooled_cell_by_cell(image, box, size, stride):
    """RoI pooling of one region as torchvision's loops have it."""
    height, width, channels = image.shape
    x1, y1, x2, y2 = (math.floor(v / stride + 0.5) for v in box)
    sides, out = (max(y2 - y1 + 1, 1) / size, max(x2 - x1 + 1, 1) / size), np.zeros((size, size, channels), "float32")
    for i in range(size):
        for j in range(size):
            rows = np.clip([math.floor(i * sides[0]) + y1, math.ceil((i + 1) * sides[0]) + y1], 0, height)
            columns = np.clip([math.floor(j * sides[1]) + x1, math.ceil((j + 1) * sides[1]) + x1], 0, width)
            cells = image[rows[0] : rows[1], columns[0] : columns[1]]
            if cells.size:
                out[i, j] = cells.max((0, 1))
    return out


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_roi_pooling_is_that_of_the_loops(size, stride):
    maps = np.random.default_rng(0).normal(size=(2, 32, 40, 3)).astype("float32")
    boxes = np.array([REGIONS, REGIONS[::-1]], "float32")
    pooled = np.asarray(roi_pool(maps, boxes, size, stride))
    for image, regions, of_image in zip(maps, boxes, pooled, strict=True):
        for box, features in zip(regions, of_image, strict=True):
            np.testing.assert_array_equal(features, pooled_cell_by_cell(image, box, size, stride))


def test_roi_pooling_is_that_of_torchvision():
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    import torch
    from torchvision.ops import roi_pool as reference

    maps = np.random.default_rng(0).normal(size=(1, 32, 40, 3)).astype("float32")
    boxes = torch.tensor([[0.0, *box] for box in REGIONS])
    expected = reference(torch.tensor(maps.transpose(0, 3, 1, 2)), boxes, 7, 0.25).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(roi_pool(maps, np.array([REGIONS], "float32"), 7, 4)[0], expected)


def test_roi_pooling_of_maps_of_any_size():
    x = keras.Input((None, None, 2)), keras.Input((None, 4))
    model = keras.Model(x, RoIPool(3, 4)(x))
    maps = np.random.default_rng(0).normal(size=(1, 90, 70, 2)).astype("float32")
    boxes = np.array([[[0, 0, 279, 359], [4, 4, 100, 300]]], "float32")
    expected = [pooled_cell_by_cell(maps[0], box, 3, 4) for box in boxes[0]]
    np.testing.assert_array_equal(model([maps, boxes]), expected)


def test_warped_regions_are_the_pixels_of_the_region_with_its_context():
    image = np.random.default_rng(0).random((1, 20, 30, 2)).astype("float32")
    crop = WarpedRegions(8)([image, np.array([[[4.0, 6, 12, 14]]], "float32")])
    assert_close(crop[0], image[0, 6:14, 4:12])
    with_context = WarpedRegions(12, 2)([image, np.array([[[4.0, 6, 12, 14]]], "float32")])
    assert_close(with_context[0], image[0, 4:16, 2:14])


def squares(count, seed=0):
    """Images with one bright or dark square each, proposed regions, boxes and classes."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 64, 64, 3), 0.5, "float32")
    boxes, classes = np.zeros((count, 1, 4), "float32"), rng.integers(0, 2, (count, 1))
    for image, box, value in zip(images, boxes, classes[:, 0], strict=True):
        x, y, side = *rng.integers(2, 30, 2), rng.integers(18, 30)
        image[y : y + side, x : x + side] = value
        box[0] = x, y, x + side, y + side
    corners = rng.integers(0, 40, (count, 60, 2))
    regions = np.concatenate([corners, corners + rng.integers(14, 36, (count, 60, 2))], -1)
    return (
        images,
        np.concatenate([regions, boxes + rng.normal(size=boxes.shape) * 2], 1).astype("float32"),
        boxes,
        classes,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILDERS)
def test_squares_are_learned(name):
    keras.utils.set_random_seed(0)
    images, regions, boxes, classes = squares(24)
    model = zoo.build(name, (64, 64, 3), 2, **BUILDERS[name])
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit([images, regions], zoo.detection_targets(boxes, classes), batch_size=4, epochs=25, verbose=0)
    detections = zoo.detector(model).predict([images, regions], verbose=0)[:, 0]
    low, high = np.maximum(detections[:, :2], boxes[:, 0, :2]), np.minimum(detections[:, 2:4], boxes[:, 0, 2:])
    shared = np.prod(np.maximum(high - low, 0), -1)
    areas = [np.prod(b[:, 2:4] - b[:, :2], -1) for b in (detections, boxes[:, 0])]
    is_right = (shared / (sum(areas) - shared) > 0.5) & (detections[:, 5] == classes[:, 0])
    assert is_right.mean() > 0.6  # of classes alone, a guess has 0.5


@pytest.mark.parametrize("name", BUILDERS)
def test_a_step_trains_every_weight(name):
    import tensorflow as tf

    images, regions, boxes, classes = squares(2)
    model, targets = zoo.build(name, (64, 64, 3), 2, **BUILDERS[name]), zoo.detection_targets(boxes, classes)
    with tf.GradientTape() as tape:
        loss = model.compute_loss([images, regions], targets, model([images, regions], training=True))
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    assert [w.path for w, g in zip(model.trainable_weights, gradients, strict=True) if g is None] == []
    background = zoo.detection_targets(np.zeros((2, 1, 4)), np.full((2, 1), -1))
    loss = model.compute_loss([images, regions], background, model([images, regions]))
    assert np.isfinite(float(loss))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="`context` must be less than half of `side`, 20, got 10"):
        zoo.rcnn((64, 64, 3), 2, side=20, context=10)
    with pytest.raises(ValueError, match="`encoder` must be one of `zoo.names.*, got 'unet'"):
        zoo.rcnn((64, 64, 3), 2, encoder="unet")
