"""Losses: oracles, an ignored label, a save and load."""

import keras
import numpy as np
import pytest

from recipes import losses
from recipes.data.images.boundary_weights import boundary_weights
from recipes.data.images.mask_labels import IGNORE

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, (2, 6, 5)).astype("uint8")
LOGITS = RNG.normal(size=(2, 6, 5, 3)).astype("float32")
SHARES = np.asarray(keras.ops.softmax(LOGITS))
HOT = np.eye(3, dtype="float32")[TRUTH]
PIXEL = [losses.CrossEntropy, losses.Focal, losses.Tversky, losses.Dice, losses.Jaccard]
IMAGE = [losses.Charbonnier, losses.EndpointError, losses.Photometric, losses.Smoothness]


def value(loss, *arrays, **kwargs):
    return float(loss(*arrays, **kwargs))


def test_cross_entropy_is_keras_own_where_nothing_is_ignored():
    expected = float(keras.losses.SparseCategoricalCrossentropy()(TRUTH, SHARES))
    assert value(losses.CrossEntropy(), TRUTH, SHARES) == pytest.approx(expected, rel=1e-5)
    assert value(losses.CrossEntropy(from_logits=True), TRUTH[..., None], LOGITS) == pytest.approx(expected, rel=1e-5)


def test_focal_is_keras_own_and_without_gamma_the_cross_entropy():
    expected = float(keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0)(HOT, SHARES))
    assert value(losses.Focal(), TRUTH, SHARES) == pytest.approx(expected, rel=1e-5)
    same = value(losses.CrossEntropy(), TRUTH, SHARES)
    assert value(losses.Focal(gamma=0.0), TRUTH, SHARES) == pytest.approx(same, rel=1e-6)
    halves = np.full((1, 1, 1, 2), 0.5, "float32")
    assert value(losses.Focal(), np.zeros((1, 1, 1)), halves) == pytest.approx(0.25 * np.log(2), rel=1e-5)


def test_dice_is_the_mean_of_keras_own_over_the_classes():
    expected = float(np.mean(keras.losses.dice(HOT, SHARES, axis=(0, 1, 2))))
    assert value(losses.Dice(), TRUTH, SHARES) == pytest.approx(expected, rel=1e-5)


def test_the_losses_on_regions_by_hand():
    truth = np.array([[[1, 1, 0, 0]]])
    answer = np.array([[[1, 0, 1, 1]]])  # of the second class 1 right, 2 too many, 1 missed; of the first none right
    shares = np.eye(2, dtype="float32")[answer]
    assert value(losses.Jaccard(), truth, shares) == pytest.approx((3 / 4 + 1) / 2, abs=1e-5)
    assert value(losses.Dice(), truth, shares) == pytest.approx((3 / 5 + 1) / 2, abs=1e-5)
    found = 1 - 1 / (1 + 0.2 * 2 + 0.9 * 1)  # alpha is of the false positives, as in Salehi et al.
    assert value(losses.Tversky(0.2, 0.9), truth, shares) == pytest.approx((found + 1) / 2, abs=1e-5)
    weighted = losses.Jaccard(class_weight=(0, 1))
    assert value(weighted, truth, shares) == pytest.approx(3 / 4, abs=1e-5)


def test_a_class_that_is_not_there_costs_nothing():
    truth, shares = np.zeros((1, 2, 2)), np.eye(3, dtype="float32")[np.zeros((1, 2, 2), int)]
    for loss in (losses.Dice(), losses.Jaccard(), losses.Tversky()):
        assert value(loss, truth, shares) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", PIXEL)
def test_ignored_pixels_count_nowhere(kind):
    truth = TRUTH.copy()
    truth[:, 3:] = IGNORE
    left = value(kind(), TRUTH[:, :3], SHARES[:, :3])
    assert value(kind(), truth, SHARES) == pytest.approx(left, rel=1e-5)
    other = SHARES.copy()
    other[:, 3:] = (1, 0, 0)
    assert value(kind(), truth, other) == pytest.approx(left, rel=1e-5)
    assert value(kind(ignore=2), TRUTH, SHARES) != pytest.approx(value(kind(), TRUTH, SHARES), rel=1e-3)
    assert value(kind(), np.full_like(truth, IGNORE), SHARES) == 0


@pytest.mark.parametrize("kind", PIXEL)
def test_one_sigmoid_is_the_second_of_two_classes(kind):
    truth = (TRUTH > 0).astype("uint8")
    two = np.concatenate([np.zeros_like(LOGITS[..., :1]), LOGITS[..., :1]], -1)
    expected = value(kind(from_logits=True), truth, two)
    assert value(kind(from_logits=True), truth, LOGITS[..., :1]) == pytest.approx(expected, rel=1e-4)


def test_class_weights_and_pixel_weights_weigh():
    plain = -np.log(np.take_along_axis(SHARES, TRUTH[..., None].astype(int), -1))[..., 0]
    of_class = np.array([1.0, 2.0, 5.0])[TRUTH]
    assert value(losses.CrossEntropy(class_weight=(1, 2, 5)), TRUTH, SHARES) == pytest.approx(
        (plain * of_class).mean(), rel=1e-5
    )
    weights = RNG.random(TRUTH.shape).astype("float32")
    found = value(losses.CrossEntropy(), TRUTH, SHARES, sample_weight=weights)
    assert found == pytest.approx((plain * weights).mean(), rel=1e-5)
    both = losses.Sum([losses.CrossEntropy(), losses.Dice()], (1, 0.5))
    dice = value(losses.Dice(), TRUTH, SHARES)
    assert value(both, TRUTH, SHARES, sample_weight=weights) == pytest.approx(found + dice / 2, rel=1e-5)


def test_boundary_weights_are_the_papers_formula():
    instances = np.zeros((9, 40), int)
    instances[:, :10], instances[:, 14:20] = 1, 2
    weights = boundary_weights(instances)
    assert weights[4, 10] == pytest.approx(1 + 10 * np.exp(-((1 + 4) ** 2) / 50), rel=1e-5)
    assert weights[4, 11] == pytest.approx(1 + 10 * np.exp(-((2 + 3) ** 2) / 50), rel=1e-5)
    assert weights[4, 25] == pytest.approx(1 + 10 * np.exp(-((6 + 16) ** 2) / 50), rel=1e-4)
    assert (weights[instances > 0] == 1).all()
    assert (boundary_weights((instances == 1).astype(int)) == 1).all()
    twice = boundary_weights(instances, w0=20) - 1
    np.testing.assert_allclose(twice, 2 * (weights - 1), rtol=1e-4, atol=1e-6)


def test_boundary_weights_equal_the_distances_to_every_thing():
    from scipy.ndimage import distance_transform_edt, label

    instances = label(np.random.default_rng(1).random((30, 30)) > 0.8)[0]
    distances = np.sort([distance_transform_edt(instances != k) for k in range(1, instances.max() + 1)], axis=0)
    expected = 1 + np.where(instances > 0, 0, 10 * np.exp(-((distances[0] + distances[1]) ** 2) / 50))
    np.testing.assert_allclose(boundary_weights(instances), expected, atol=1e-4)


def test_charbonnier_is_smooth_at_zero_and_absolute_far_away():
    zeros = np.zeros((1, 1, 1, 1), "float32")
    assert value(losses.Charbonnier(), zeros, zeros) == pytest.approx(1e-3)
    assert value(losses.Charbonnier(), zeros, zeros + 7) == pytest.approx(7)
    assert value(losses.Charbonnier(3.0), zeros, zeros + 4) == pytest.approx(5)


def test_the_endpoint_error_of_3_and_4_is_5():
    still = np.zeros((1, 1, 2, 2), "float32")
    moved = np.array([[[[3, 4], [0, 0]]]], "float32")
    assert value(losses.EndpointError(), still, moved) == 2.5
    known = np.array([[[1.0, 0.0]]])
    assert value(losses.EndpointError(), still, moved, sample_weight=known) == 5


def test_a_flow_that_explains_the_frames_costs_least():
    first = RNG.random((1, 12, 16, 3)).astype("float32")
    second = np.roll(first, 2, axis=2)  # two pixels to the right
    frames = np.concatenate([first, second], -1)
    flow = np.zeros((1, 12, 16, 2), "float32")
    still = value(losses.Photometric(), frames, flow)
    right = value(losses.Photometric(), frames, flow + np.array([2, 0], "float32"))
    assert right == pytest.approx(1e-6**0.45, rel=1e-3)
    assert right < still / 50
    assert value(losses.Photometric(), frames, flow + 100) == 0  # all out of the frame: nothing can be said
    assert value(losses.Photometric(0.5, 0.0), frames, flow) == pytest.approx(np.abs(first - second).mean(), rel=1e-4)


def test_smoothness_is_small_for_one_motion_and_excuses_edges():
    frames = np.zeros((1, 4, 8, 2), "float32")
    flow = np.ones((1, 4, 8, 2), "float32")
    loss = losses.Smoothness(epsilon=0.0)
    assert value(loss, frames, flow) == 0
    flow[:, :, 4:] = 3
    found = value(loss, frames, flow)
    assert found == pytest.approx(2 / 7 / 2)  # a step of 2 at one of seven places, in one of two directions
    frames[:, :, 4:] = 1
    assert value(loss, frames, flow) == pytest.approx(found * np.exp(-10), rel=1e-3)
    assert value(losses.Smoothness(edges=0.0, epsilon=0.0), frames, flow) == pytest.approx(found)


@pytest.mark.parametrize("kind", [*PIXEL, *IMAGE])
def test_losses_come_back_from_their_config_and_have_a_finite_gradient(kind):
    import tensorflow as tf

    first = kind() if kind in IMAGE else kind(from_logits=True, ignore=9, class_weight=(1, 2, 3))
    again = keras.losses.deserialize(keras.losses.serialize(first))
    assert type(again) is kind and again.get_config() == first.get_config()
    truth, answer = (TRUTH, LOGITS) if kind in PIXEL else (np.zeros((1, 6, 6, 2), "float32"),) * 2
    with tf.GradientTape() as tape:
        answer = tf.Variable(answer)
        found = again(truth, answer)
    assert float(found) == pytest.approx(value(first, truth, answer.numpy()))
    assert np.isfinite(tape.gradient(found, answer)).all()


def test_a_sum_comes_back_and_trains_compiled(tmp_path):
    model = keras.Sequential([keras.layers.Input((6, 5, 1)), keras.layers.Conv2D(3, 1)])
    both = losses.Sum([losses.CrossEntropy(from_logits=True), losses.Dice(from_logits=True)])
    model.compile("sgd", both)
    x = RNG.random((2, 6, 5, 1)).astype("float32")
    assert model.fit(x, TRUTH, sample_weight=np.ones(TRUTH.shape), verbose=0).history["loss"][0] > 0
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(x, TRUTH, verbose=0) == pytest.approx(model.evaluate(x, TRUTH, verbose=0))
