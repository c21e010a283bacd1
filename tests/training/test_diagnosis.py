"""Learning curves in plain words, on curves whose verdict is known."""

import numpy as np
import pytest

from recipes.training.diagnosis import diagnose

EPOCHS = np.arange(1, 41)
FALLING = 0.1 + 2 * np.exp(-EPOCHS / 5)


def verdict(loss, validation=None, better=None):
    history = {"loss": list(loss)}
    if validation is not None:
        history["val_loss"] = list(validation)
    return " ".join(diagnose(history, better))


def test_healthy_curves_are_called_healthy():
    assert "healthy" in verdict(FALLING, FALLING + 0.02, better=2.3)


def test_a_validation_loss_that_rises_is_overfitting():
    said = verdict(FALLING, np.where(EPOCHS < 15, FALLING, FALLING[14] + 0.02 * (EPOCHS - 15)), better=2.3)
    assert "Overfitting" in said
    assert "healthy" not in said


def test_a_wide_gap_is_some_overfitting():
    assert "Some overfitting" in verdict(FALLING, np.maximum(FALLING, 0.6), better=2.3)


def test_a_loss_near_the_trivial_one_is_underfitting():
    assert "Underfitting" in verdict(2.3 - 0.001 * EPOCHS, better=2.3)


def test_a_loss_that_keeps_rising_means_too_high_a_rate():
    jumping = 1 + 0.5 * (EPOCHS % 2)
    assert "too high" in verdict(jumping)
    assert "far too high" in verdict([1.0, 2.0, np.nan])
    assert "too high" in verdict(np.linspace(1, 3, 40))


def test_a_loss_still_falling_steeply_means_too_low_a_rate_or_too_few_epochs():
    assert "too low" in verdict(2.3 - 0.04 * EPOCHS, better=2.3)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_few_epochs_are_not_judged(epochs):
    assert "Too few epochs" in verdict(FALLING[:epochs])
