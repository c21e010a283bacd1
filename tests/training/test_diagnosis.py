"""`diagnose` on learning curves with a known problem."""

import numpy as np
import pytest

from recipes.training.diagnosis import diagnose

EPOCHS = np.arange(1, 41)
FALLING = 0.1 + 2 * np.exp(-EPOCHS / 5)


def diagnosis(loss, validation=None, baseline_loss=None):
    history = {"loss": list(loss)}
    if validation is not None:
        history["val_loss"] = list(validation)
    return " ".join(diagnose(history, baseline_loss))


def test_curves_without_a_problem_are_called_healthy():
    assert "healthy" in diagnosis(FALLING, FALLING + 0.02, baseline_loss=2.3)


def test_a_rising_validation_loss_is_overfitting():
    sentences = diagnosis(
        FALLING, np.where(EPOCHS < 15, FALLING, FALLING[14] + 0.02 * (EPOCHS - 15)), baseline_loss=2.3
    )
    assert "Overfitting" in sentences
    assert "healthy" not in sentences


def test_a_wide_gap_between_the_losses_is_some_overfitting():
    assert "Some overfitting" in diagnosis(FALLING, np.maximum(FALLING, 0.6), baseline_loss=2.3)


def test_a_loss_near_the_baselines_is_underfitting():
    assert "Underfitting" in diagnosis(2.3 - 0.001 * EPOCHS, baseline_loss=2.3)


def test_a_loss_that_keeps_rising_means_too_high_a_learning_rate():
    jumping = 1 + 0.5 * (EPOCHS % 2)
    assert "too high" in diagnosis(jumping)
    assert "far too high" in diagnosis([1.0, 2.0, np.nan])
    assert "too high" in diagnosis(np.linspace(1, 3, 40))


def test_a_loss_still_falling_steeply_means_too_low_a_learning_rate_or_too_few_epochs():
    assert "too low" in diagnosis(2.3 - 0.04 * EPOCHS, baseline_loss=2.3)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_fewer_than_four_epochs_have_no_diagnosis(epochs):
    assert "Too few epochs" in diagnosis(FALLING[:epochs])
