"""Boxes, anchors, matching, focal loss, non-maximum suppression and RoIAlign, with values from their papers."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tolerance import assert_close
from zoo.detect import boxes
from zoo.detect.anchors import cell_anchors, grid_anchors
from zoo.detect.focal_loss import focal_loss
from zoo.detect.matching import BACKGROUND, IGNORED, OBJECT, match
from zoo.detect.nms import non_max_suppression
from zoo.detect.roi_align import roi_align

FIRST, SECOND = np.array([0, 0, 2, 2], "float32"), np.array([1, 1, 3, 3], "float32")


def random_boxes(shape, side=100.0, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, side, (*shape, 2))
    return np.concatenate([low, low + rng.uniform(1, side / 2, (*shape, 2))], axis=-1).astype("float32")


def test_iou_of_two_squares_that_share_a_corner():
    assert_close(boxes.iou(FIRST, SECOND), 1 / 7)
    assert_close(boxes.pairwise_iou(FIRST[None], SECOND[None]), [[1 / 7]])
    assert_close(boxes.generalized_iou(FIRST, SECOND), 1 / 7 - 2 / 9)


def test_iou_of_a_box_without_area_is_zero():
    point = np.array([1, 1, 1, 1], "float32")
    assert float(boxes.iou(point, point)) == 0
    assert float(boxes.generalized_iou(point, point)) == 0
    assert float(boxes.pairwise_iou(point[None], point[None])[0, 0]) == 0


def test_pairwise_iou_has_the_iou_of_every_pair():
    a, b = random_boxes((2, 5)), random_boxes((2, 7), seed=1)
    assert_close(boxes.pairwise_iou(a, b), boxes.iou(a[:, :, None], b[:, None]))


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_decoding_inverts_encoding(weights):
    target, anchors = random_boxes((3, 50)), random_boxes((50,), seed=1)
    assert_close(boxes.decode(boxes.encode(target, anchors, weights), anchors, weights), target)


def test_decoding_limits_the_size():
    decoded = boxes.decode(np.array([0, 0, 50, 50], "float32"), np.array([0, 0, 16, 16], "float32"))
    assert_close(decoded[2] - decoded[0], 1000.0)


def test_clipping_cuts_boxes_to_the_image():
    assert np.array_equal(boxes.clip(np.array([[-3.0, 2, 12, 30]], "float32"), 20, 10), [[0, 2, 10, 20]])


def retinanet_cells(size):
    return cell_anchors([size, int(size * 2 ** (1 / 3)), int(size * 2 ** (2 / 3))])


@pytest.mark.parametrize(("side", "count"), [(800, 120087), (512, 49104)])
def test_number_of_anchors_of_retinanet(side, count):
    count_by_level = [
        len(grid_anchors(retinanet_cells(4 * 2**level), n, n, side, side))
        for level, n in ((level, -(-side // 2**level)) for level in range(3, 8))
    ]
    assert sum(count_by_level) == count


def test_anchors_have_torchvision_s_values_and_order():
    cells = retinanet_cells(32)
    assert np.array_equal(cells[0], [-23, -11, 23, 11])
    assert np.array_equal(cells[3], [-16, -16, 16, 16])
    grid = np.array(grid_anchors(cells, 2, 3, 16, 24))
    assert grid.shape == (54, 4)
    assert np.array_equal(grid[9], cells[0] + [8, 0, 8, 0])  # columns first
    assert np.array_equal(grid[27], cells[0] + [0, 8, 0, 8])


def test_matching_by_iou_with_the_best_anchor_of_each_object():
    anchors = np.array([[0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 10, 4.5], [50, 50, 60, 60], [80, 80, 99, 99]], "float32")
    objects = np.array([[[0, 0, 10, 10], [55, 55, 65, 65], [-1, -1, -1, -1]]], "float32")
    index, kind = match(anchors, objects, np.array([[True, True, False]]), 0.4, 0.5)
    assert np.array_equal(kind[0], [OBJECT, OBJECT, IGNORED, OBJECT, BACKGROUND])
    assert np.array_equal(index[0, :4], [0, 0, 0, 1])
    _, kind = match(anchors, objects, np.array([[True, True, False]]), 0.4, 0.5, best_for_each=False)
    assert np.array_equal(kind[0], [OBJECT, OBJECT, IGNORED, BACKGROUND, BACKGROUND])


def test_without_objects_every_anchor_is_background():
    nothing = np.full((2, 3, 4), -1, "float32")
    index, kind = match(random_boxes((20,)), nothing, np.zeros((2, 3), bool), 0.4, 0.5)
    assert np.all(np.array(kind) == BACKGROUND)
    assert np.all(np.array(index) == 0)


def test_an_object_that_no_anchor_touches_is_matched_to_none():
    _, kind = match(random_boxes((20,)), np.array([[[900, 900, 910, 910]]], "float32"), np.array([[True]]), 0.4, 0.5)
    assert np.all(np.array(kind) == BACKGROUND)


@pytest.mark.parametrize(("p", "expected"), [(0.9, 2.6340e-4), (0.1, 0.466273)])
def test_focal_loss_of_a_positive_example(p, expected):
    assert_close(focal_loss(1.0, np.float32(np.log(p / (1 - p)))), expected, rtol=2e-5)


def test_focal_loss_is_finite_for_large_logits():
    logits = tf.Variable([-200.0, 200.0, -200.0, 200.0])
    with tf.GradientTape() as tape:
        loss = focal_loss(np.array([0, 0, 1, 1], "float32"), logits)
    assert_close(loss, [0, 150.0, 50.0, 0])
    assert np.isfinite(tape.gradient(loss, logits)).all()


def greedy(boxes_, scores, classes, threshold, count):
    """Non-maximum suppression of one image, box by box."""
    left, selected = [i for i in np.argsort(-scores, kind="stable") if scores[i] > 0], []
    while left and len(selected) < count:
        selected.append(left.pop(0))
        best = selected[-1]
        overlap = [float(boxes.iou(boxes_[best], boxes_[i])) for i in left]
        left = [i for i, o in zip(left, overlap, strict=True) if o <= threshold or classes[i] != classes[best]]
    return [*selected, *[-1] * (count - len(selected))]


def test_non_max_suppression_equals_the_greedy_algorithm_class_by_class():
    rng = np.random.default_rng(3)
    candidates, scores = random_boxes((2, 40), 60), rng.random((2, 40), "float32")
    scores[:, :5] = 0
    classes = rng.integers(0, 2, (2, 40)).astype("int32")
    graph = tf.function(lambda *x: non_max_suppression(*x, 0.4, 12))
    selected = np.array(graph(candidates, scores, classes))
    for i in range(2):
        assert selected[i].tolist() == greedy(candidates[i], scores[i], classes[i], 0.4, 12)
    assert np.array_equal(selected, non_max_suppression(candidates, scores, classes, 0.4, 12))


def test_non_max_suppression_keeps_the_best_of_duplicates():
    duplicates = np.tile(np.array([[[2, 3, 9, 8]]], "float32"), (1, 500, 1))
    scores = np.linspace(0.1, 0.9, 500, dtype="float32")[None]
    selected = np.array(non_max_suppression(duplicates, scores, np.zeros((1, 500), "int32"), 0.5, 5))
    assert selected.tolist() == [[499, -1, -1, -1, -1]]


def test_roi_align_of_a_linear_ramp_is_the_mean_of_the_samples():
    rows, columns = np.meshgrid(np.arange(20.0), np.arange(30.0), indexing="ij")
    ramp = np.stack([rows, columns], axis=-1)[None].astype("float32")
    box = np.array([[[8.0, 12.0, 64.0, 40.0]]], "float32")  # with a stride of 4: x 2 to 16, y 3 to 10
    aligned = np.array(roi_align(ramp.reshape(1, 600, 2), box, 7, (0, 20, 30, 4)))[0, 0]
    assert_close(aligned[:, 0, 0], 3 + np.arange(7) + 0.5)
    assert_close(aligned[0, :, 1], 2 + 2 * (np.arange(7) + 0.5))


def test_roi_align_outside_of_the_map():
    ones = np.ones((1, 16, 1), "float32")
    box = np.array([[[-8.0, 0.0, 0.0, 4.0], [2.0, 0.0, 4.0, 4.0]]], "float32")
    aligned = np.array(roi_align(ones, box, 2, (0, 4, 4, 1)))[0, ..., 0]
    assert_close(aligned[0], [[0, 0.5], [0, 0.5]])  # of the points -7, -5, -3 and -1 the last is a cell away
    assert_close(aligned[1], np.ones((2, 2)))
