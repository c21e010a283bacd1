"""Quality metrics against closed forms and cases computed by hand."""

import numpy as np
import pytest

from tests.tolerance import assert_close
from zoo.generate.quality import (
    compare,
    frechet_distance,
    gaussian_baseline,
    kernel_distance,
    memorisation,
    noisy_baseline,
    pixel_bits,
    pixel_likelihood,
    precision_recall,
)


def samples_with_moments(mean, covariance, n=400, seed=0):
    """Returns (n, F) samples with exactly this sample mean and covariance, up to rounding."""
    mean, covariance = np.asarray(mean, "float64"), np.asarray(covariance, "float64")
    x = np.random.default_rng(seed).standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_two_normals_with_diagonal_covariances_is_the_closed_form():
    a = samples_with_moments([0, 1, 2], np.diag([1.0, 4.0, 9.0]))
    b = samples_with_moments([1, 1, 0], np.diag([4.0, 1.0, 16.0]), seed=1)
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + (1 - 2) ** 2 + (2 - 1) ** 2 + (3 - 4) ** 2)


def test_frechet_distance_of_covariances_that_do_not_commute_is_the_closed_form():
    first, second = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -0.5], [-0.5, 0.5]])
    trace = np.sqrt(np.linalg.eigvals(first @ second)).sum().real  # of the square root of the product
    expected = np.trace(first) + np.trace(second) - 2 * trace
    assert frechet_distance(
        samples_with_moments([0, 0], first), samples_with_moments([0, 0], second, seed=1)
    ) == pytest.approx(expected)


def test_frechet_distance_of_a_set_to_itself_is_zero_even_with_fewer_examples_than_features():
    x = np.random.default_rng(0).random((5, 3, 4, 1))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_is_the_double_sum_of_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.random((4, 3)), rng.random((5, 3)) + 1

    def k(a, b):
        return (a @ b / 3 + 1) ** 3

    expected = np.mean([k(x[i], x[j]) for i in range(4) for j in range(4) if i != j])
    expected += np.mean([k(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    expected -= 2 * np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(expected)


def test_kernel_distance_is_unbiased_with_few_examples_and_frechet_distance_is_not():
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, 10, 4)) for _ in range(400)]
    kernel = np.array([kernel_distance(*pair) for pair in pairs])
    assert abs(kernel.mean()) < 3 * kernel.std() / 20
    assert kernel.min() < 0
    frechet = np.array([frechet_distance(*pair) for pair in pairs])
    assert frechet.mean() > 10 * frechet.std() / 20


def test_precision_and_recall_of_identical_sets_are_one_and_of_distant_sets_zero():
    x = np.random.default_rng(0).random((20, 2))
    assert precision_recall(x, x) == {"precision": 1.0, "recall": 1.0}
    assert precision_recall(x, x + 10) == {"precision": 0.0, "recall": 0.0}


def test_a_generator_of_one_of_two_clusters_has_full_precision_and_half_recall():
    rng = np.random.default_rng(0)
    cluster, other = rng.random((40, 2)), rng.random((40, 2)) + 10
    values = precision_recall(np.concatenate([cluster, other]), cluster)
    assert values == {"precision": 1.0, "recall": 0.5}


def test_precision_and_recall_on_a_line_by_hand():
    real, generated = np.array([[0.0], [1.0], [3.0]]), np.array([[2.9], [9.0], [9.5]])
    # Balls with 1 neighbor: real [-1, 1], [0, 2], [1, 5]; generated with radius 6.1 at 2.9 and 0.5 at 9 and 9.5.
    assert precision_recall(real, generated, neighbors=1) == {"precision": pytest.approx(1 / 3), "recall": 1.0}


def test_copies_of_training_images_are_detected_and_new_images_are_not():
    rng = np.random.default_rng(0)
    training, held_out, new = rng.standard_normal((3, 200, 6))
    copied = memorisation(training, held_out, training[[7, 3]])
    np.testing.assert_array_equal(copied["nearest"], [7, 3])
    np.testing.assert_array_equal(copied["distances"], 0)
    assert (copied["ratio"], copied["copies"]) == (0.0, 1.0)
    not_copied = memorisation(training, held_out, new)
    assert not_copied["ratio"] == pytest.approx(1, abs=0.1)
    assert not_copied["copies"] < 0.05


def test_the_gaussian_baseline_has_the_mean_and_covariance_of_the_pixels():
    images = samples_with_moments([0.5, 0.2], [[0.01, 0.008], [0.008, 0.02]], n=4000).reshape(4000, 2, 1, 1)
    samples = gaussian_baseline(images, 20000, seed=1)
    assert samples.shape == (20000, 2, 1, 1)
    assert samples.dtype == np.float32
    assert_close(samples.mean(axis=0).ravel(), [0.5, 0.2], rtol=0.005)
    assert_close(np.cov(samples.reshape(-1, 2).T), [[0.01, 0.008], [0.008, 0.02]], rtol=0.05)
    np.testing.assert_array_equal(samples[:3], gaussian_baseline(images, 3, seed=1))


def test_the_noisy_baseline_is_training_images_plus_noise_clipped_to_their_range():
    images = np.linspace(0, 1, 50).reshape(50, 1)
    np.testing.assert_array_equal(np.isin(noisy_baseline(images, 200, 0.0), images.astype("float32")), True)
    samples = noisy_baseline(images, 2000, 0.1)
    assert (samples.min(), samples.max()) == (0.0, 1.0)
    distances = np.abs(samples - images.T.astype("float32")).min(axis=1)
    assert distances.max() > 0.001


def test_the_likelihood_of_independent_pixels_follows_from_their_counts():
    training = np.array([[0, 1.0], [0, 1], [1, 1]])
    log_likelihood = pixel_likelihood(training[..., None], np.array([[0, 1.0], [1, 0.5]])[..., None])
    assert_close(log_likelihood, [np.log(3 / 5 * 4 / 5), np.log(2 / 5) + np.log(4 / 5 * 1 / 5) / 2])
    bits = pixel_bits(training, np.array([[0.0, 1], [0.5, 0]]), levels=3)
    assert_close(bits, [-np.log2(3 / 6 * 4 / 6) / 2, -np.log2(1 / 6 * 1 / 6) / 2])


def test_compare_returns_all_metrics_of_the_generator_and_the_baselines():
    rng = np.random.default_rng(0)
    images = (rng.random((90, 1, 1)) + 0.1 * rng.random((90, 4, 4))).astype("float32")
    metrics = compare(images[:40], images[40:80], images[80:], lambda x: x.mean(axis=2))
    assert list(metrics) == ["generator", "gaussian", "noisy", "training"]
    assert set(metrics["generator"]) == {"frechet", "kernel", "precision", "recall", "ratio", "copies"}
    assert metrics["training"]["ratio"] == 0.0
    assert metrics["generator"]["ratio"] > 0.5


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), "same features, got 2 and 4"),
        (np.ones((1, 2)), np.ones((3, 2)), r"first set must be \(N, F\) with N at least 2"),
        (np.ones((3, 2)), np.array([[1.0, np.nan]] * 2), "second set must be finite, got 2 other values"),
    ],
)
def test_sets_of_different_features_too_few_examples_or_nan_are_refused(real, generated, message):
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match=message):
            distance(real, generated)


def test_too_few_examples_for_the_neighbors_are_refused():
    with pytest.raises(ValueError, match=r"N at least 4, got \(3, 2\)"):
        precision_recall(np.ones((3, 2)), np.ones((5, 2)))
