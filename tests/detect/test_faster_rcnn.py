"""Faster R-CNN: parity with torchvision, proposals, sampling, losses with no and many objects, and `fit`."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.detect.detections import assert_same_detections
from tests.golden.seeded_arrays import images, seeded_detector_array
from tests.tolerance import assert_close
from zoo.detect import two_stage
from zoo.detect.boxes import encode
from zoo.detect.matching import BACKGROUND, IGNORED, OBJECT
from zoo.detect.nms import suppress_sorted
from zoo.detect.proposals import RegionProposals
from zoo.detect.region_predictions import WEIGHTS, RegionDetections
from zoo.detect.roi_align import RoIAlign
from zoo.detect.sampling import sample

GOLDEN = Path(__file__).parents[1] / "golden" / "detection.npz"
SHAPE = (2, 128, 160, 3)
SMALL = {"encoder": "resnet18", "filters": 16, "units": (32, 32), "anchor_sizes": (8, 16, 24, 32, 48)}


def golden(key):
    with np.load(GOLDEN) as file:
        return file[key]


def names_of(case):
    return {k: tuple(v) for k, v in json.loads(str(golden(f"{case}/names"))).items()}


def without_background(detections):
    """torchvision's detections with our classes, which have no background."""
    return np.where(detections[..., 5:] >= 0, detections - [0, 0, 0, 0, 0, 1], -1)


@pytest.fixture(scope="module")
def torchvision_s_faster_rcnn():
    model = zoo.faster_rcnn(SHAPE[1:], 5, encoder="resnet18")
    arrays = {name: seeded_detector_array(name, shape) for name, shape in names_of("faster_rcnn").items()}
    return zoo.load_weights(model, arrays)


def test_boxes_and_scores_are_torchvision_s(torchvision_s_faster_rcnn):
    detections = zoo.detector(torchvision_s_faster_rcnn, detections=300).predict(images("detection", SHAPE), verbose=0)
    assert_same_detections(detections, without_background(golden("faster_rcnn/detections")))


def test_losses_are_torchvision_s(torchvision_s_faster_rcnn, monkeypatch):
    for name, value in {"ANCHORS": 10**6, "ANCHOR_FRACTION": 1.0, "REGION_FRACTION": 1.0}.items():
        monkeypatch.setattr(two_stage, name, value)  # all anchors
    monkeypatch.setattr(two_stage.TwoStageDetector, "regions_per_image", 10**6)
    model, x, targets = torchvision_s_faster_rcnn, images("detection", SHAPE), golden("retinanet/targets")
    of_objects, of_proposals, of_classes, of_boxes = golden("faster_rcnn/losses")
    predictions = model(x, training=False)
    model.compile("adam", box_weight=0.0)
    assert_close(model.compute_loss(x, targets, predictions), of_objects + of_classes, rtol=1e-4)
    model.compile("adam")
    expected = of_objects + of_proposals + of_classes + of_boxes
    assert_close(model.compute_loss(x, targets, predictions), expected, rtol=1e-4)


def _older(name):
    """The name in torchvision's file of 2020."""
    if "_blocks." in name:
        return name.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
    return name.replace("head.conv.0.0", "head.conv")


@pytest.mark.parametrize("older_names", [False, True])
def test_each_weight_of_torchvision_s_faster_rcnn_has_its_place(older_names):
    shapes = names_of("faster_rcnn_resnet50")
    arrays = {name: np.broadcast_to(np.float32(i), shape) for i, (name, shape) in enumerate(shapes.items())}
    values = [float(a.flat[0]) for name, a in arrays.items() if not name.endswith("num_batches_tracked")]
    if older_names:
        arrays = {_older(name): array for name, array in arrays.items()}
    model = zoo.load_weights(zoo.faster_rcnn((None, None, 3), 5), arrays)
    loaded = [np.unique(keras.ops.convert_to_numpy(w)) for w in model.weights]
    assert [len(v) for v in loaded] == [1] * len(values)
    assert sorted(round(float(v[0])) for v in loaded) == sorted(map(round, values))


def test_the_head_of_other_classes_stays_random():
    arrays = {name: seeded_detector_array(name, shape) for name, shape in names_of("faster_rcnn").items()}
    model = zoo.faster_rcnn(SHAPE[1:], 2, encoder="resnet18")
    before = [np.array(model.get_layer(name).kernel) for name in ("head", "head_deltas")]
    zoo.load_weights(model, arrays, head=False)
    for name, kernel in zip(("head", "head_deltas"), before, strict=True):
        assert np.array_equal(model.get_layer(name).kernel, kernel)
    assert_close(model.get_layer("hidden1").bias, arrays["roi_heads.box_head.fc7.bias"])


def test_a_pyramid_needs_a_size_for_each_level():
    with pytest.raises(ValueError, match=r"`anchor_sizes` must be 5 sizes, one for each level of the pyramid, got \(8"):
        zoo.faster_rcnn((64, 64, 3), 2, encoder="resnet18", anchor_sizes=(8, 16))
    with pytest.raises(ValueError, match="maps at the strides 4, 8, 16, 32"):
        zoo.faster_rcnn((64, 64, 3), 2, encoder="lenet5")


def greedy(boxes, threshold):
    """Which of sorted boxes stay, box by box."""
    stays = []
    for i, box in enumerate(boxes):
        overlaps = [zoo.detect.boxes.iou(box, boxes[j]) > threshold for j in range(i) if stays[j]]
        stays.append(not any(overlaps))
    return stays


def test_suppression_of_sorted_boxes_equals_the_greedy_algorithm():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 40, (2, 60, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 30, (2, 60, 2))], -1).astype("float32")
    stays = np.array(tf.function(suppress_sorted)(boxes, np.ones((2, 60), bool), 0.3))
    assert [row.tolist() for row in stays] == [greedy(b, 0.3) for b in boxes]
    assert 5 < stays.sum() < 80
    only = np.arange(60) % 2 == 0
    assert np.array_equal(
        np.array(suppress_sorted(boxes, only[None], 0.3))[:, ::2], [greedy(b[::2], 0.3) for b in boxes]
    )


def test_proposals_are_the_best_boxes_then_rows_of_zeros():
    anchors = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [90, 90, 95, 95]], "float32")
    logits = np.array([[1.0], [2.0], [0.0], [9.0]], "float32")
    level = np.concatenate([anchors, np.zeros((4, 4)), logits], -1)[None].astype("float32")
    image = np.zeros((1, 64, 64, 1), "float32")  # the last anchor is outside of it
    proposals = np.array(RegionProposals(4)([level, level[:, 2:3], image]))[0]
    assert proposals.tolist() == [[0, 0, 10, 9], [20, 20, 30, 30], [20, 20, 30, 30], [0, 0, 0, 0]]


def test_a_region_is_read_from_the_map_of_its_size():
    levels = {4: 16, 8: 8, 16: 4, 32: 2}
    cells = np.concatenate([np.full((1, n * n, 1), stride) for stride, n in levels.items()], 1).astype("float32")
    sides = np.array([8, 55, 56, 111, 112, 223, 224, 447, 448, 2000], "float32")
    regions = np.stack([0 * sides, 0 * sides, sides, sides], -1)[None]
    features = RoIAlign(1, tuple(levels))([cells, regions, np.zeros((1, 64, 64, 1), "float32")])
    inside = np.array([4, 4, 4, 4, 8, 8, 16, 16, 32, 32])
    inside_map = sides <= 64  # beyond, samples are outside of the map
    assert_close(np.array(features)[inside_map, 0, 0, 0], inside[inside_map])
    assert [int(v) + 2 for v in RoIAlign(1, tuple(levels))._level(regions)[0]] == [2, 2, 2, 2, 3, 3, 4, 4, 5, 5]


def test_sampling_draws_objects_up_to_their_fraction_and_fills_with_background():
    kind = np.full((3, 50), IGNORED)
    kind[0, :20], kind[0, 20:45] = OBJECT, BACKGROUND
    kind[1, :2], kind[1, 2:5] = OBJECT, BACKGROUND
    kind[2, :40] = BACKGROUND
    is_sampled = np.array(tf.function(lambda k: sample(k, 16, 0.25, 0))(kind))
    assert [(is_sampled[i] & (kind[i] == OBJECT)).sum() for i in range(3)] == [4, 2, 0]
    assert [(is_sampled[i] & (kind[i] == BACKGROUND)).sum() for i in range(3)] == [12, 3, 16]
    assert not (is_sampled & (kind == IGNORED)).any()
    other = np.array(sample(kind, 16, 0.25, 1))
    assert (is_sampled != other).any()


def test_the_detector_returns_the_box_that_was_predicted():
    regions = np.array([[[10, 10, 30, 30], [0, 0, 0, 0], [40, 40, 60, 60]]], "float32")
    target = np.array([12, 8, 34, 28], "float32")
    deltas = np.zeros((1, 3, 3, 4), "float32")
    deltas[0, 0, 2] = encode(target, regions[0, 0], WEIGHTS)
    logits = np.array([[[0, -9, 9], [0, 9, 9], [9, 0, 0]]], "float32")
    predictions = np.concatenate([regions, logits, deltas.reshape(1, 3, 12)], -1)
    detections = np.array(RegionDetections(detections=4)([predictions, np.zeros((1, 64, 64, 1), "float32")]))[0]
    assert_close(detections[0, :4], target)
    assert detections[0, 5] == 1  # without the background
    assert np.all(detections[1:] == -1)


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    model = zoo.faster_rcnn((64, 64, 1), 3, proposals=40, **SMALL)
    model.compile(keras.optimizers.Adam(1e-3), box_weight=2.0, run_eagerly=True)
    return model


def objects(count):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (1, count, 2))
    return zoo.detection_targets(np.concatenate([low, low + 8], -1), rng.integers(0, 3, (1, count)))


@pytest.mark.parametrize("targets", [objects(0), objects(500), np.full((1, 3, 5), -1, "float32")])
def test_losses_with_no_and_with_500_objects_are_finite(small, targets):
    x = np.random.default_rng(0).random((1, 64, 64, 1), "float32")
    assert np.isfinite(float(small.compute_loss(x, targets, small(x))))


def test_an_image_without_objects_trains_as_background(small):
    x = np.zeros((1, 64, 64, 1), "float32")
    regions, anchors, cells = (np.array(v) for v in small(x))
    anchors[..., 8] = -20
    head = small.get_layer("head")
    values = head.get_weights()
    head.set_weights([np.zeros_like(values[0]), np.array([30, 0, 0, 0], "float32")])
    assert float(small.compute_loss(x, objects(0), (regions, anchors, cells))) < 1e-3
    anchors[..., 8] = 20
    assert float(small.compute_loss(x, objects(0), (regions, anchors, cells))) > 10
    head.set_weights(values)


def test_the_loss_has_a_gradient_in_every_trainable_weight(small):
    x = np.random.default_rng(0).random((2, 64, 64, 1), "float32")
    targets = zoo.detection_targets([[[8, 16, 40, 48]], [[0, 0, 0, 0]]], [[1], [-1]])
    with tf.GradientTape() as tape:
        loss = small.compute_loss(x, targets, small(x, training=True))
    gradients = tape.gradient(loss, [w.value for w in small.trainable_weights])
    assert [w.path for w, g in zip(small.trainable_weights, gradients, strict=True) if g is None] == []
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)


@pytest.mark.slow
def test_keras_fit_reduces_the_loss_and_a_saved_model_trains_on(small, tmp_path):
    image = np.zeros((2, 64, 64, 1), "float32")
    image[0, 16:48, 8:40] = 1
    targets = zoo.detection_targets([[[8, 16, 40, 48]], [[0, 0, 0, 0]]], [[1], [-1]])
    losses = small.fit(image, targets, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.box_weight == 2
    assert np.isfinite(loaded.compute_loss(image, targets, loaded(image)))


def test_a_loss_or_weights_of_examples_are_refused(small):
    with pytest.raises(ValueError, match="`loss` must be None"):
        small.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="`sample_weight` must be None"):
        small.compute_loss(None, None, None, sample_weight=1)
