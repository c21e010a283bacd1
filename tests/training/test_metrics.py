"""Metrics: exact against scikit-learn, streaming, with an ignored label."""

import keras
import numpy as np
import pytest
import sklearn.metrics

from recipes import metrics
from recipes.data.images.mask_labels import IGNORE

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 4, (6, 7, 5)).astype("uint8")
TRUTH[RNG.random(TRUTH.shape) < 0.2] = IGNORE
ANSWERS = RNG.random((6, 7, 5, 4)).astype("float32")
CHOSEN = ANSWERS.argmax(-1)
VALID = TRUTH != IGNORE


def streamed(metric, truth=TRUTH, answers=ANSWERS):
    for i in range(0, len(truth), 2):
        metric.update_state(truth[i : i + 2], answers[i : i + 2])
    return float(metric.result())


def test_the_confusion_matrix_is_scikit_learns():
    expected = sklearn.metrics.confusion_matrix(TRUTH[VALID], CHOSEN[VALID])
    metric = metrics.Confusion(4)
    streamed(metric)
    np.testing.assert_array_equal(metric.matrix, expected)
    np.testing.assert_array_equal(metrics.confusion_matrix(TRUTH, CHOSEN, 4), expected)


def test_iou_accuracy_and_dice_are_scikit_learns():
    by_class = sklearn.metrics.jaccard_score(TRUTH[VALID], CHOSEN[VALID], average=None)
    accuracy = sklearn.metrics.accuracy_score(TRUTH[VALID], CHOSEN[VALID])
    found = metrics.overlap(metrics.confusion_matrix(TRUTH, CHOSEN, 4))
    np.testing.assert_allclose(found["iou_by_class"], by_class)
    f1 = sklearn.metrics.f1_score(TRUTH[VALID], CHOSEN[VALID], average=None)
    np.testing.assert_allclose(found["dice_by_class"], f1)
    assert found["iou"] == found["mean_iou"] == pytest.approx(by_class.mean())
    assert found["pixel_accuracy"] == pytest.approx(accuracy)
    assert streamed(metrics.Confusion(4)) == pytest.approx(by_class.mean())
    assert streamed(metrics.Confusion(4, "accuracy")) == pytest.approx(accuracy)


@pytest.mark.parametrize("from_logits", [False, True])
def test_of_two_classes_iou_is_that_of_the_foreground(from_logits):
    truth = (TRUTH % 2) * (TRUTH != IGNORE) + IGNORE * (TRUTH == IGNORE)
    answers = ANSWERS[..., :1]
    chosen = answers[..., 0] > 0.5
    expected = sklearn.metrics.jaccard_score(truth[VALID], chosen[VALID])
    given = answers - 0.5 if from_logits else answers
    assert streamed(metrics.Confusion(2, from_logits=from_logits), truth, given) == pytest.approx(expected)
    found = metrics.overlap(metrics.confusion_matrix(truth, chosen, 2))
    assert found["iou"] == pytest.approx(expected)
    both = sklearn.metrics.jaccard_score(truth[VALID], chosen[VALID], average="macro")
    assert found["mean_iou"] == pytest.approx(both)
    assert streamed(metrics.Confusion(2, "mean_iou", from_logits=from_logits), truth, given) == pytest.approx(both)


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    found = metrics.overlap(metrics.confusion_matrix(np.array([0, 1]), np.array([0, 0]), 3))
    assert found["iou_by_class"] == [0.5, 0.0, None] and found["mean_iou"] == 0.25
    metric = metrics.Confusion(3)
    metric.update_state(np.array([[[0, 1]]]), np.eye(3, dtype="float32")[[[[0, 0]]]])
    assert float(metric.result()) == 0.25


def test_counts_go_beyond_what_float32_can_count():
    metric = metrics.Confusion(2)
    metric.matrix.assign(np.array([[0, 0], [0, 2**24]]))
    metric.update_state(np.ones((1, 1, 1)), np.array([[[[0.0, 1.0]]]]))
    assert int(metric.matrix[1, 1]) == 2**24 + 1


def test_psnr_by_hand_and_as_tensorflow_has_it():
    import tensorflow as tf

    black = np.zeros((2, 12, 12, 1), "float32")
    grey = np.concatenate([black[:1] + 0.1, black[:1] + 0.01])
    metric = metrics.PSNR()
    metric.update_state(black, grey)
    assert float(metric.result()) == pytest.approx(30, abs=1e-3)  # the mean of 20 and 40 dB, not of one image
    framed = np.pad(black, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=1)
    cut = metrics.PSNR(border=2)
    cut.update_state(np.pad(grey, ((0, 0), (2, 2), (2, 2), (0, 0))), framed)
    assert float(cut.result()) == pytest.approx(30, abs=1e-3)
    one, other = (RNG.random((2, 16, 16, 3)).astype("float32") * 255 for _ in range(2))
    byte = metrics.PSNR(255.0)
    byte.update_state(one, other)
    assert float(byte.result()) == pytest.approx(float(tf.reduce_mean(tf.image.psnr(one, other, 255.0))), rel=1e-5)


def test_ssim_is_1_for_the_same_image_and_falls_with_noise():
    image = RNG.random((1, 24, 24, 1)).astype("float32")
    values = []
    for noise in (0, 0.05, 0.3):
        metric = metrics.SSIM()
        metric.update_state(image, image + noise * RNG.normal(size=image.shape).astype("float32"))
        values.append(float(metric.result()))
    assert values[0] == pytest.approx(1, abs=1e-5) and values[0] > values[1] > values[2]


def test_the_mean_endpoint_error_leaves_unknown_pixels_out():
    still, moved = np.zeros((1, 1, 2, 2)), np.array([[[[3, 4], [0, 0]]]])
    metric = metrics.MeanEndpointError()
    metric.update_state(still, moved)
    assert float(metric.result()) == 2.5
    metric.reset_state()
    metric.update_state(still, moved, sample_weight=np.array([[[1, 0]]]))
    assert float(metric.result()) == 5


@pytest.mark.parametrize(
    "metric",
    [metrics.Confusion(3, "accuracy", 7), metrics.PSNR(255.0, 4), metrics.SSIM(), metrics.MeanEndpointError()],
)
def test_metrics_come_back_from_their_config(metric):
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()


def test_an_unknown_value_is_refused():
    with pytest.raises(ValueError, match="Confusion: `value` must be one of iou, mean_iou, accuracy, got 'dice'"):
        metrics.Confusion(2, "dice")
