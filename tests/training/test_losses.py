"""Losses: reference values, ignored pixels, weights, saving and gradients."""

import keras
import numpy as np
import pytest

from recipes import losses
from recipes.data.images.boundary_weights import boundary_weights
from recipes.data.images.mask_labels import IGNORE
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, (2, 6, 5)).astype("uint8")
LOGITS = RNG.normal(size=(2, 6, 5, 3)).astype("float32")
PROBABILITIES = np.asarray(keras.ops.softmax(LOGITS))
ONE_HOT = np.eye(3, dtype="float32")[TRUTH]
SEGMENTATION = [losses.CrossEntropy, losses.Focal, losses.Tversky, losses.Dice, losses.Jaccard]
IMAGE = [losses.Charbonnier, losses.EndpointError, losses.Photometric, losses.Smoothness]


def value(loss, *arrays, **kwargs):
    return float(loss(*arrays, **kwargs))


def test_cross_entropy_equals_that_of_keras_without_ignored_pixels():
    expected = float(keras.losses.SparseCategoricalCrossentropy()(TRUTH, PROBABILITIES))
    assert value(losses.CrossEntropy(), TRUTH, PROBABILITIES) == pytest.approx(expected, rel=1e-5)
    assert value(losses.CrossEntropy(from_logits=True), TRUTH[..., None], LOGITS) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_equals_that_of_keras_and_with_gamma_0_the_cross_entropy():
    expected = float(keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0)(ONE_HOT, PROBABILITIES))
    assert value(losses.Focal(), TRUTH, PROBABILITIES) == pytest.approx(expected, rel=1e-5)
    cross_entropy = value(losses.CrossEntropy(), TRUTH, PROBABILITIES)
    assert value(losses.Focal(gamma=0.0), TRUTH, PROBABILITIES) == pytest.approx(cross_entropy, rel=1e-5)
    halves = np.full((1, 1, 1, 2), 0.5, "float32")
    assert value(losses.Focal(), np.zeros((1, 1, 1)), halves) == pytest.approx(0.25 * np.log(2), rel=1e-5)


def test_dice_equals_the_mean_over_the_classes_of_that_of_keras():
    expected = float(np.mean(keras.losses.dice(ONE_HOT, PROBABILITIES, axis=(0, 1, 2))))
    assert value(losses.Dice(), TRUTH, PROBABILITIES) == pytest.approx(expected, rel=1e-5)


def test_jaccard_dice_and_tversky_equal_values_computed_by_hand():
    truth = np.array([[[1, 1, 0, 0]]])
    predicted = np.array([[[1, 0, 1, 1]]])  # second class: TP 1, FP 2, FN 1; first class: TP 0
    probabilities = np.eye(2, dtype="float32")[predicted]
    assert value(losses.Jaccard(), truth, probabilities) == pytest.approx((3 / 4 + 1) / 2, abs=1e-5)
    assert value(losses.Dice(), truth, probabilities) == pytest.approx((3 / 5 + 1) / 2, abs=1e-5)
    tversky = 1 - 1 / (1 + 0.2 * 2 + 0.9 * 1)  # alpha is the weight of false positives, as in Salehi et al.
    assert value(losses.Tversky(0.2, 0.9), truth, probabilities) == pytest.approx((tversky + 1) / 2, abs=1e-5)
    weighted = losses.Jaccard(class_weight=(0, 1))
    assert value(weighted, truth, probabilities) == pytest.approx(3 / 4, abs=1e-5)


def test_a_class_that_is_absent_from_the_batch_has_no_loss():
    truth, probabilities = np.zeros((1, 2, 2)), np.eye(3, dtype="float32")[np.zeros((1, 2, 2), int)]
    for loss in (losses.Dice(), losses.Jaccard(), losses.Tversky()):
        assert value(loss, truth, probabilities) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss_class", SEGMENTATION)
def test_ignored_pixels_do_not_change_the_loss(loss_class):
    truth = TRUTH.copy()
    truth[:, 3:] = IGNORE
    expected = value(loss_class(), TRUTH[:, :3], PROBABILITIES[:, :3])
    assert value(loss_class(), truth, PROBABILITIES) == pytest.approx(expected, rel=1e-5)
    other = PROBABILITIES.copy()
    other[:, 3:] = (1, 0, 0)
    assert value(loss_class(), truth, other) == pytest.approx(expected, rel=1e-5)
    assert value(loss_class(ignore_class=2), TRUTH, PROBABILITIES) != pytest.approx(
        value(loss_class(), TRUTH, PROBABILITIES), rel=1e-3
    )
    assert value(loss_class(), np.full_like(truth, IGNORE), PROBABILITIES) == 0


@pytest.mark.parametrize("loss_class", SEGMENTATION)
def test_a_single_sigmoid_is_the_probability_of_the_second_of_two_classes(loss_class):
    truth = (TRUTH > 0).astype("uint8")
    two = np.concatenate([np.zeros_like(LOGITS[..., :1]), LOGITS[..., :1]], -1)
    expected = value(loss_class(from_logits=True), truth, two)
    assert value(loss_class(from_logits=True), truth, LOGITS[..., :1]) == pytest.approx(expected, rel=1e-4)


def test_class_and_pixel_weights_multiply_the_losses():
    unweighted = -np.log(np.take_along_axis(PROBABILITIES, TRUTH[..., None].astype(int), -1))[..., 0]
    class_weights = np.array([1.0, 2.0, 5.0])[TRUTH]
    assert value(losses.CrossEntropy(class_weight=(1, 2, 5)), TRUTH, PROBABILITIES) == pytest.approx(
        (unweighted * class_weights).mean(), rel=1e-5
    )
    weights = RNG.random(TRUTH.shape).astype("float32")
    weighted = value(losses.CrossEntropy(), TRUTH, PROBABILITIES, sample_weight=weights)
    assert weighted == pytest.approx((unweighted * weights).mean(), rel=1e-5)
    total = losses.Sum([losses.CrossEntropy(), losses.Dice()], (1, 0.5))
    dice = value(losses.Dice(), TRUTH, PROBABILITIES)
    assert value(total, TRUTH, PROBABILITIES, sample_weight=weights) == pytest.approx(weighted + dice / 2, rel=1e-5)


def test_boundary_weights_equal_the_papers_formula():
    instances = np.zeros((9, 40), int)
    instances[:, :10], instances[:, 14:20] = 1, 2
    weights = boundary_weights(instances)
    assert weights[4, 10] == pytest.approx(1 + 10 * np.exp(-((1 + 4) ** 2) / 50), rel=1e-5)
    assert weights[4, 11] == pytest.approx(1 + 10 * np.exp(-((2 + 3) ** 2) / 50), rel=1e-5)
    assert weights[4, 25] == pytest.approx(1 + 10 * np.exp(-((6 + 16) ** 2) / 50), rel=1e-4)
    assert (weights[instances > 0] == 1).all()
    assert (boundary_weights((instances == 1).astype(int)) == 1).all()
    doubled = boundary_weights(instances, w0=20) - 1
    assert_close(doubled, 2 * (weights - 1), rtol=1e-4)


def test_boundary_weights_equal_those_from_the_distances_to_all_instances():
    from scipy.ndimage import distance_transform_edt, label

    instances = label(np.random.default_rng(1).random((30, 30)) > 0.8)[0]
    distances = np.sort([distance_transform_edt(instances != k) for k in range(1, instances.max() + 1)], axis=0)
    expected = 1 + np.where(instances > 0, 0, 10 * np.exp(-((distances[0] + distances[1]) ** 2) / 50))
    assert_close(boundary_weights(instances), expected, rtol=1e-4)


def test_charbonnier_is_smooth_at_zero_and_absolute_far_away():
    zeros = np.zeros((1, 1, 1, 1), "float32")
    assert value(losses.Charbonnier(), zeros, zeros) == pytest.approx(1e-3, rel=1e-5)
    assert value(losses.Charbonnier(), zeros, zeros + 7) == pytest.approx(7, rel=1e-5)
    assert value(losses.Charbonnier(3.0), zeros, zeros + 4) == pytest.approx(5, rel=1e-5)


def test_the_endpoint_error_of_a_3_4_vector_is_5():
    truth = np.zeros((1, 1, 2, 2), "float32")
    predicted = np.array([[[[3, 4], [0, 0]]]], "float32")
    assert value(losses.EndpointError(), truth, predicted) == 2.5
    has_truth = np.array([[[1.0, 0.0]]])
    assert value(losses.EndpointError(), truth, predicted, sample_weight=has_truth) == 5


def test_the_photometric_loss_is_lowest_for_the_true_flow():
    first = RNG.random((1, 12, 16, 3)).astype("float32")
    second = np.roll(first, 2, axis=2)  # two pixels to the right
    frames = np.concatenate([first, second], -1)
    flow = np.zeros((1, 12, 16, 2), "float32")
    zero_flow = value(losses.Photometric(), frames, flow)
    true_flow = value(losses.Photometric(), frames, flow + np.array([2, 0], "float32"))
    assert true_flow == pytest.approx(1e-6**0.45, rel=1e-3)
    assert true_flow < zero_flow / 50
    assert value(losses.Photometric(), frames, flow + 100) == 0  # no pixel stays inside the frame
    assert value(losses.Photometric(0.5, 0.0), frames, flow) == pytest.approx(np.abs(first - second).mean(), rel=1e-4)


def test_smoothness_is_0_for_a_constant_flow_and_low_at_edges_of_the_frame():
    frames = np.zeros((1, 4, 8, 2), "float32")
    flow = np.ones((1, 4, 8, 2), "float32")
    loss = losses.Smoothness(epsilon=0.0)
    assert value(loss, frames, flow) == 0
    flow[:, :, 4:] = 3
    at_flow_edge = value(loss, frames, flow)
    # a step of 2 between one of seven pairs, in one of two directions
    assert at_flow_edge == pytest.approx(2 / 7 / 2, rel=1e-5)
    frames[:, :, 4:] = 1
    assert value(loss, frames, flow) == pytest.approx(at_flow_edge * np.exp(-10), rel=1e-3)
    assert value(losses.Smoothness(edges=0.0, epsilon=0.0), frames, flow) == pytest.approx(at_flow_edge, rel=1e-5)


@pytest.mark.parametrize("loss_class", [*SEGMENTATION, *IMAGE])
def test_losses_are_restored_from_their_config_and_have_finite_gradients(loss_class):
    import tensorflow as tf

    loss = loss_class() if loss_class in IMAGE else loss_class(from_logits=True, ignore_class=9, class_weight=(1, 2, 3))
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(restored) is loss_class and restored.get_config() == loss.get_config()
    truth, outputs = (TRUTH, LOGITS) if loss_class in SEGMENTATION else (np.zeros((1, 6, 6, 2), "float32"),) * 2
    with tf.GradientTape() as tape:
        outputs = tf.Variable(outputs)
        result = restored(truth, outputs)
    assert float(result) == pytest.approx(value(loss, truth, outputs.numpy()), rel=1e-5)
    assert np.isfinite(tape.gradient(result, outputs)).all()


def test_a_sum_of_losses_trains_and_is_saved_with_the_model(tmp_path):
    model = keras.Sequential([keras.layers.Input((6, 5, 1)), keras.layers.Conv2D(3, 1)])
    total = losses.Sum([losses.CrossEntropy(from_logits=True), losses.Dice(from_logits=True)])
    model.compile("sgd", total)
    x = RNG.random((2, 6, 5, 1)).astype("float32")
    assert model.fit(x, TRUTH, sample_weight=np.ones(TRUTH.shape), verbose=0).history["loss"][0] > 0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, TRUTH, verbose=0) == pytest.approx(model.evaluate(x, TRUTH, verbose=0), rel=1e-5)
