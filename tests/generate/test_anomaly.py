"""Anomaly detection: what was not seen in training has a larger error, and normal images rarely pass the threshold."""

import keras
import numpy as np
import pytest

import zoo


@pytest.fixture(scope="module")
def trained():
    """(an autoencoder of zeros, held-out zeros, other digits)."""
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(7)
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
    zeros = x[y == 0]
    model = zoo.autoencoder((8, 8, 1), 6, units=(32,))
    model.compile(keras.optimizers.Adam(5e-3))
    model.fit(zeros[:90], epochs=60, batch_size=30, verbose=0)
    return model, zeros[90:], x[y != 0]


def test_other_digits_are_stranger_than_the_one_that_was_learnt(trained):
    from sklearn.metrics import roc_auc_score

    model, normal, strange = trained
    detector = zoo.anomaly_detector(model, normal, false_positives=0.1)
    scores = np.concatenate([detector.score(normal), detector.score(strange)])
    assert scores.dtype == np.float32
    assert roc_auc_score(np.arange(len(scores)) >= len(normal), scores) > 0.95
    assert detector.detect(strange).mean() > 0.8


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_share_of_false_positives_is_kept(trained, share):
    """Over many halvings of the normal images, the mean share stays at or below what was asked, and near it."""
    model, normal, _ = trained
    rng, found = np.random.default_rng(0), []
    errors = zoo.anomaly_detector(model, normal, false_positives=share).score(normal)
    for _ in range(200):
        order = rng.permutation(len(errors))
        half, rest = errors[order[:44]], errors[order[44:]]
        threshold = np.sort(half)[int(np.ceil(45 * (1 - share))) - 1]
        found.append((rest > threshold).mean())
    assert share - 0.05 < np.mean(found) < share + 0.01
    detector = zoo.anomaly_detector(model, normal, false_positives=share)
    assert detector.threshold == pytest.approx(
        np.sort(errors)[int(np.ceil((len(errors) + 1) * (1 - share))) - 1], rel=1e-5
    )
    assert share - 2 / len(errors) <= detector.detect(normal).mean() <= share


def test_what_cannot_be_calibrated_is_refused(trained):
    model, normal, _ = trained
    with pytest.raises(ValueError, match=r"`false_positives` = 0.01 needs at least 99 images in `normal`, got 88"):
        zoo.anomaly_detector(model, normal, false_positives=0.01)
    with pytest.raises(ValueError, match="`false_positives` = 0 needs a share above 0"):
        zoo.anomaly_detector(model, normal, false_positives=0)
    with pytest.raises(ValueError, match="must answer its input's shape"):
        zoo.anomaly_detector(zoo.lenet5((28, 28, 1), 3), normal)
    with pytest.raises(ValueError, match="must lie from 0 to 1, got values from 0 to 16"):
        zoo.anomaly_detector(model, normal * 16)
    with pytest.raises(ValueError, match=r"images must be \(N, 8, 8, 1\), got \(88, 8, 8\)"):
        zoo.anomaly_detector(model, normal[..., 0])
