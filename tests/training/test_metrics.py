"""Metrics: equal to scikit-learn and TensorFlow, streaming, with ignored pixels."""

import keras
import numpy as np
import pytest
import sklearn.metrics

from recipes import metrics
from recipes.data.images.mask_labels import IGNORE
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 4, (6, 7, 5)).astype("uint8")
TRUTH[RNG.random(TRUTH.shape) < 0.2] = IGNORE
OUTPUTS = RNG.random((6, 7, 5, 4)).astype("float32")
PREDICTED = OUTPUTS.argmax(-1)
MASK = TRUTH != IGNORE


def stream(metric, truth=TRUTH, outputs=OUTPUTS):
    """Updates the metric in batches of 2 and returns its result."""
    for i in range(0, len(truth), 2):
        metric.update_state(truth[i : i + 2], outputs[i : i + 2])
    return float(metric.result())


def test_the_confusion_matrix_equals_that_of_scikit_learn():
    expected = sklearn.metrics.confusion_matrix(TRUTH[MASK], PREDICTED[MASK])
    metric = metrics.Confusion(4)
    stream(metric)
    np.testing.assert_array_equal(metric.matrix, expected)
    np.testing.assert_array_equal(metrics.confusion_matrix(TRUTH, PREDICTED, 4), expected)


def test_iou_accuracy_and_dice_equal_those_of_scikit_learn():
    by_class = sklearn.metrics.jaccard_score(TRUTH[MASK], PREDICTED[MASK], average=None)
    accuracy = sklearn.metrics.accuracy_score(TRUTH[MASK], PREDICTED[MASK])
    scores = metrics.overlap(metrics.confusion_matrix(TRUTH, PREDICTED, 4))
    assert_close(scores["iou_by_class"], by_class)
    f1 = sklearn.metrics.f1_score(TRUTH[MASK], PREDICTED[MASK], average=None)
    assert_close(scores["dice_by_class"], f1)
    assert scores["iou"] == scores["mean_iou"] == pytest.approx(by_class.mean(), rel=1e-5)
    assert scores["pixel_accuracy"] == pytest.approx(accuracy, rel=1e-5)
    assert stream(metrics.Confusion(4)) == pytest.approx(by_class.mean(), rel=1e-5)
    assert stream(metrics.Confusion(4, "accuracy")) == pytest.approx(accuracy, rel=1e-5)


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_iou_of_two_classes_is_that_of_the_foreground(from_logits):
    truth = (TRUTH % 2) * (TRUTH != IGNORE) + IGNORE * (TRUTH == IGNORE)
    probabilities = OUTPUTS[..., :1]
    predicted = probabilities[..., 0] > 0.5
    expected = sklearn.metrics.jaccard_score(truth[MASK], predicted[MASK])
    outputs = probabilities - 0.5 if from_logits else probabilities
    assert stream(metrics.Confusion(2, from_logits=from_logits), truth, outputs) == pytest.approx(expected, rel=1e-5)
    scores = metrics.overlap(metrics.confusion_matrix(truth, predicted, 2))
    assert scores["iou"] == pytest.approx(expected, rel=1e-5)
    mean_iou = sklearn.metrics.jaccard_score(truth[MASK], predicted[MASK], average="macro")
    assert scores["mean_iou"] == pytest.approx(mean_iou, rel=1e-5)
    assert stream(metrics.Confusion(2, "mean_iou", from_logits=from_logits), truth, outputs) == pytest.approx(
        mean_iou, rel=1e-5
    )


def test_an_absent_class_is_not_part_of_the_mean():
    scores = metrics.overlap(metrics.confusion_matrix(np.array([0, 1]), np.array([0, 0]), 3))
    assert scores["iou_by_class"] == [0.5, 0.0, None] and scores["mean_iou"] == 0.25
    metric = metrics.Confusion(3)
    metric.update_state(np.array([[[0, 1]]]), np.eye(3, dtype="float32")[[[[0, 0]]]])
    assert float(metric.result()) == 0.25


def test_counts_are_exact_beyond_the_limit_of_float32():
    metric = metrics.Confusion(2)
    metric.matrix.assign(np.array([[0, 0], [0, 2**24]]))
    metric.update_state(np.ones((1, 1, 1)), np.array([[[[0.0, 1.0]]]]))
    assert int(metric.matrix[1, 1]) == 2**24 + 1


def test_psnr_equals_hand_computed_values_and_that_of_tensorflow():
    import tensorflow as tf

    black = np.zeros((2, 12, 12, 1), "float32")
    gray = np.concatenate([black[:1] + 0.1, black[:1] + 0.01])
    metric = metrics.PSNR()
    metric.update_state(black, gray)
    assert float(metric.result()) == pytest.approx(
        30, abs=1e-3
    )  # the mean of 20 and 40 dB, not the PSNR of the mean error
    framed = np.pad(black, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=1)
    cropped = metrics.PSNR(border=2)
    cropped.update_state(np.pad(gray, ((0, 0), (2, 2), (2, 2), (0, 0))), framed)
    assert float(cropped.result()) == pytest.approx(30, abs=1e-3)
    truth, predicted = (RNG.random((2, 16, 16, 3)).astype("float32") * 255 for _ in range(2))
    byte = metrics.PSNR(255.0)
    byte.update_state(truth, predicted)
    assert float(byte.result()) == pytest.approx(
        float(tf.reduce_mean(tf.image.psnr(truth, predicted, 255.0))), rel=1e-5
    )


def test_ssim_is_1_for_equal_images_and_falls_with_noise():
    image = RNG.random((1, 24, 24, 1)).astype("float32")
    values = []
    for noise in (0, 0.05, 0.3):
        metric = metrics.SSIM()
        metric.update_state(image, image + noise * RNG.normal(size=image.shape).astype("float32"))
        values.append(float(metric.result()))
    assert values[0] == pytest.approx(1, abs=1e-5) and values[0] > values[1] > values[2]


def test_the_mean_endpoint_error_ignores_pixels_of_weight_0():
    truth, predicted = np.zeros((1, 1, 2, 2)), np.array([[[[3, 4], [0, 0]]]])
    metric = metrics.MeanEndpointError()
    metric.update_state(truth, predicted)
    assert float(metric.result()) == 2.5
    metric.reset_state()
    metric.update_state(truth, predicted, sample_weight=np.array([[[1, 0]]]))
    assert float(metric.result()) == 5


@pytest.mark.parametrize(
    "metric",
    [metrics.Confusion(3, "accuracy", 7), metrics.PSNR(255.0, 4), metrics.SSIM(), metrics.MeanEndpointError()],
)
def test_metrics_are_restored_from_their_config(metric):
    restored = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(restored) is type(metric) and restored.get_config() == metric.get_config()


def test_an_unknown_value_is_refused():
    with pytest.raises(ValueError, match="Confusion: `value` must be one of iou, mean_iou, accuracy, got 'dice'"):
        metrics.Confusion(2, "dice")
