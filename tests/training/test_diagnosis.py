"""`diagnose` on learning curves with a known problem."""

import json
from pathlib import Path

import numpy as np
import pytest

import recipes
from recipes.training.diagnosis import HEALTHY, TOO_HIGH, TOO_LOW, TOO_SHORT, average_echoes, diagnose
from recipes.training.pipeline import default_batch_size

EPOCHS = np.arange(1, 41)
FALLING = 0.1 + 2 * np.exp(-EPOCHS / 5)


def diagnosis(loss, validation=None, baseline_loss=None, **options):
    history = {"loss": list(loss)}
    if validation is not None:
        history["val_loss"] = list(validation)
    return " ".join(diagnose(history, baseline_loss, **options))


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
    for rate, words in ((0.1, "too low"), (1, "too low"), (3, "too short"), (100, "too short")):
        sentences = diagnosis(2.3 - 0.04 * EPOCHS, baseline_loss=2.3, relative_rate=rate)
        assert words in sentences and ("Raise `learning_rate`" in sentences) == (rate <= 1)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_fewer_than_four_epochs_have_no_diagnosis(epochs):
    assert "Too few epochs" in diagnosis(FALLING[:epochs])


def test_repeated_epochs_of_data_echoing_are_averaged():
    echoed = np.repeat(FALLING[:30], 3) + np.tile([0.3, 0.0, -0.05], 30)  # rises with each new augmented copy
    assert "too high" in diagnosis(echoed, echoed, baseline_loss=2.3)
    assert "healthy" in diagnosis(echoed, echoed, baseline_loss=2.3, echo_epochs=3)
    assert "at least 12" in diagnosis(echoed[:11], echo_epochs=3)
    assert average_echoes([1, 3, 5, 7, 9], 2).tolist() == [2, 6]


def test_the_epoch_of_an_overfitted_echo_is_named_in_epochs():
    validation = np.repeat(np.where(EPOCHS < 15, FALLING, FALLING[14] + 0.02 * (EPOCHS - 15)), 2)
    sentences = diagnosis(np.repeat(FALLING, 2), validation, echo_epochs=2)
    assert any(f"lowest in epoch {epoch} " in sentences for epoch in (28, 30))


DESTROYED = [30.0, 0.70, 0.694, 0.693, 0.694, 0.693, 0.693, 0.694, 0.693, 0.693]  # constant predictions from epoch 2


@pytest.mark.parametrize(
    ("loss", "rate"),
    [
        (DESTROYED, 100),
        (DESTROYED, None),
        ([0.694] * 10, 100),  # constant from the first epoch
        ([0.72, 0.71, 0.74, 0.70, 0.75, 0.70, 0.73, 0.71], 10),
        ([0.60, 0.66, 0.71, 0.69, 0.70, 0.695, 0.70, 0.70], 3),  # rose above its start
        ([0.5, 4.0, 0.70, 0.69, 0.70, 0.69, 0.70, 0.69], 1),
        ([5e4, 3e3, 900.0, 60.0, 20.0, 4.0, 9.0, 3.0], 1000),
    ],
)
def test_a_network_that_a_high_rate_destroyed_is_not_advised_a_higher_one(loss, rate):
    sentences = diagnosis(loss, baseline_loss=0.693, relative_rate=rate)
    assert "too high" in sentences and "Divide" in sentences and "Raise" not in sentences


def test_a_high_rate_with_a_loss_that_stays_high_is_named():
    assert "too high" in diagnosis([0.6, 0.55, 0.54, 0.55, 0.54, 0.55], baseline_loss=0.693, relative_rate=100)


def test_a_low_rate_is_advised_a_higher_one():
    for rate in (1e-3, 0.1, 1, None):
        sentences = diagnosis(1.2 - 1e-4 * EPOCHS, baseline_loss=0.693, relative_rate=rate)
        assert "Underfitting" in sentences and "Raise `learning_rate`" in sentences
    assert "Raise `learning_rate` tenfold" in diagnosis(0.5 - 1e-5 * EPOCHS, baseline_loss=0.693, relative_rate=1e-3)
    assert "Lower `learning_rate`" in diagnosis(0.70 - 1e-4 * EPOCHS, baseline_loss=0.693, relative_rate=3)


def test_a_validation_loss_that_did_not_fall_is_not_healthy():
    for validation in (np.full(40, 0.5), 0.5 + 0.0005 * EPOCHS):
        sentences = diagnosis(np.maximum(FALLING, 0.3), validation, baseline_loss=2.3)
        assert "The validation loss did not fall" in sentences and "healthy" not in sentences
    assert "healthy" not in diagnosis(FALLING, np.full(40, np.nan), baseline_loss=2.3)


def test_a_training_from_a_fitted_model_is_compared_with_its_start():
    validation = np.full(40, 0.5)
    loss = np.maximum(FALLING, 0.3)
    assert "healthy" in diagnosis(loss, validation, baseline_loss=2.3, start_validation_loss=0.8)


def test_without_a_validation_split_nothing_is_called_healthy():
    sentences = diagnosis(FALLING, baseline_loss=2.3)
    assert "no validation split" in sentences and "healthy" not in sentences


def test_few_steps_are_said_with_a_smaller_batch_size():
    steps = {"steps_per_epoch": 1, "batch_size": 32}
    sentences = diagnosis(0.7 - 0.001 * EPOCHS, baseline_loss=0.693, **steps)
    assert sentences.startswith(
        "Too few steps (40 epochs x 1 = 40): lower `batch_size` from 32 to 8, or raise `epochs`."
    )
    assert "Too few steps" in diagnosis(2.3 - 0.04 * EPOCHS, baseline_loss=2.3, **steps)
    assert "batch_size" not in diagnosis(2.3 - 0.04 * EPOCHS, steps_per_epoch=1, batch_size=4)
    assert "Too few" not in diagnosis(2.3 - 0.04 * EPOCHS, baseline_loss=2.3, steps_per_epoch=100, batch_size=32)
    assert "Too few" not in diagnosis(FALLING, FALLING, baseline_loss=2.3, **steps)  # few, and enough


def test_a_model_that_does_not_beat_its_baseline_is_not_healthy():
    sentences = diagnosis(FALLING, FALLING, baseline_loss=2.3, beats_baseline=False, steps_per_epoch=1, batch_size=32)
    assert "does not clearly beat the baseline" in sentences and "Too few steps" in sentences
    assert "healthy" in diagnosis(FALLING, FALLING, baseline_loss=2.3, beats_baseline=True)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(1e-6, "Raise `learning_rate` tenfold"), (3e-2, None), (0.1, None), (1.0, None), (10.0, "too high")],
)
def test_real_trainings_with_low_good_and_high_rates(rate, expected):
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    x = (rng.normal(size=(240, 4)) + 1.5 * y[:, None]).astype("float32")
    task = recipes.Classification(epochs=10, learning_rate=rate, batch_size=16)
    sentences = " ".join(task.fit("dnn", (x, y), verbose=False, units=(8,), dropout=0.0).diagnose())
    assert rate == 1e-6 or "Raise" not in sentences
    assert expected is None or expected in sentences, sentences


@pytest.mark.parametrize(
    ("count", "size"), [(0, 32), (5, 4), (41, 4), (64, 8), (127, 8), (128, 16), (256, 32), (300, 32), (9000, 32)]
)
def test_the_default_batch_size_gives_eight_steps(count, size):
    assert default_batch_size(count) == size


def test_only_the_default_batch_size_depends_on_the_data():
    x, y = np.arange(180, dtype="float32").reshape(60, 3), np.arange(60) % 2
    data = recipes.load((x, y))
    assert recipes.Classification().with_batch_size(data).batch_size == 4
    assert recipes.Classification(batch_size=32).with_batch_size(data).batch_size == 32
    assert recipes.Generation().examples_per_step(4000) == 64 and recipes.NextFrame().examples_per_step(4000) == 16


CURVES = json.loads((Path(__file__).parents[1] / "golden" / "learning_curves.json").read_text())
EXPECTED = {  # state in the name of a curve -> beginnings of the sentences that name it
    "overfit": ("Overfitting", "Some overfitting"),
    "underfit": ("Underfitting", TOO_LOW, TOO_SHORT),
    "diverges": (TOO_HIGH,),
    "noisy": (HEALTHY,),
    "fine": (HEALTHY,),
}


def is_right(curve):
    sentences = diagnose(curve["history"], **curve["arguments"])
    return any(s.startswith(EXPECTED[curve["name"].partition(",")[0]]) for s in sentences)


def test_28_of_30_learning_curves_of_real_trainings_are_diagnosed_and_none_that_is_fine_has_an_alarm():
    wrong = [curve["name"] for curve in CURVES if not is_right(curve)]
    assert len(CURVES) == 30 and len(wrong) <= 2
    assert not [name for name in wrong if name.startswith("fine")]
    states = [curve["name"].partition(",")[0] for curve in CURVES]
    assert {state: states.count(state) for state in EXPECTED} == dict.fromkeys(EXPECTED, 6)
