"""Anomaly detection: unseen digits have a larger reconstruction error, and the false positive rate is as calibrated."""

import keras
import numpy as np
import pytest

import zoo


@pytest.fixture(scope="module")
def model_normal_and_anomalies():
    """Returns an autoencoder trained on zeros, held-out zeros, and other digits."""
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(7)
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
    zeros = x[y == 0]
    model = zoo.autoencoder((8, 8, 1), 6, units=(32,))
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(zeros[:90], epochs=60, batch_size=30, verbose=0)
    return model, zeros[90:], x[y != 0]


@pytest.mark.slow
def test_other_digits_have_higher_scores_than_the_digit_of_the_training(model_normal_and_anomalies):
    from sklearn.metrics import roc_auc_score

    model, normal, anomalies = model_normal_and_anomalies
    detector = zoo.anomaly_detector(model, normal, false_positive_rate=0.1)
    scores = np.concatenate([detector.score(normal), detector.score(anomalies)])
    assert scores.dtype == np.float32
    assert roc_auc_score(np.arange(len(scores)) >= len(normal), scores) > 0.95
    assert detector.detect(anomalies).mean() > 0.8


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_the_false_positive_rate_is_at_most_and_close_to_the_requested_one(model_normal_and_anomalies, rate):
    """Checked as a mean over many random halves of the normal images."""
    model, normal, _ = model_normal_and_anomalies
    rng, rates = np.random.default_rng(0), []
    errors = zoo.anomaly_detector(model, normal, false_positive_rate=rate).score(normal)
    for _ in range(200):
        order = rng.permutation(len(errors))
        calibration, rest = errors[order[:44]], errors[order[44:]]
        threshold = np.sort(calibration)[int(np.ceil(45 * (1 - rate))) - 1]
        rates.append((rest > threshold).mean())
    assert rate - 0.05 < np.mean(rates) < rate + 0.01
    detector = zoo.anomaly_detector(model, normal, false_positive_rate=rate)
    assert detector.threshold == pytest.approx(
        np.sort(errors)[int(np.ceil((len(errors) + 1) * (1 - rate))) - 1], rel=1e-5
    )
    assert rate - 2 / len(errors) <= detector.detect(normal).mean() <= rate


def test_too_few_images_other_models_and_bad_images_are_refused(model_normal_and_anomalies):
    model, normal, _ = model_normal_and_anomalies
    with pytest.raises(ValueError, match=r"`false_positive_rate` = 0.01 needs at least 99 images in `normal`, got 88"):
        zoo.anomaly_detector(model, normal, false_positive_rate=0.01)
    with pytest.raises(ValueError, match="`false_positive_rate` must be above 0, got 0"):
        zoo.anomaly_detector(model, normal, false_positive_rate=0)
    with pytest.raises(ValueError, match="`model` must have the same input and output shape"):
        zoo.anomaly_detector(zoo.lenet5((28, 28, 1), 3), normal)
    with pytest.raises(ValueError, match="must lie from 0 to 1, got values from 0 to 16"):
        zoo.anomaly_detector(model, normal * 16)
    with pytest.raises(ValueError, match=r"images must be \(N, 8, 8, 1\), got \(88, 8, 8\)"):
        zoo.anomaly_detector(model, normal[..., 0])
