"""Next-frame prediction: moving digits, metrics beside the baselines, saving and export, errors."""

import numpy as np
import pytest

import recipes
import zoo
from recipes.data.images.moving_digits import moving_digits, moving_mnist
from recipes.tasks.next_frame import baseline_frames, cross_entropy, metrics_by_frame, sequence_figure
from tests.tolerance import assert_close

TINY = {"filters": (8,), "kernel_size": 3, "recurrent_kernel_size": 3}


def squares(count=40, seed=0):
    """Returns bright squares of 28 x 28 pixels in the place of digits."""
    rng = np.random.default_rng(seed)
    digits = np.zeros((count, 28, 28, 1), np.uint8)
    for digit in digits:
        top, left = rng.integers(0, 16, 2)
        digit[top : top + 12, left : left + 12] = rng.integers(150, 255)
    return digits


@pytest.fixture(scope="module")
def data():
    digits = recipes.load((squares(), np.arange(40) % 4))
    return moving_mnist(digits, past=2, ahead=2, side=16, counts=(64, 8, 8))


@pytest.fixture(scope="module")
def run(data):
    return recipes.NextFrame(epochs=3, batch_size=16, learning_rate=0.02).fit("convlstm", data, verbose=False, **TINY)


def test_a_digit_moves_straight_on_and_bounces_off_the_edges():
    sequences = moving_digits(np.full((1, 28, 28, 1), 200, np.uint8), 3, frames=60, side=64, per_frame=1, seed=1)
    assert sequences.shape == (3, 60, 64, 64, 1)
    for sequence in sequences:
        rows = np.array([np.flatnonzero(f.any((1, 2)))[[0, -1]] for f in sequence])
        columns = np.array([np.flatnonzero(f.any((0, 2)))[[0, -1]] for f in sequence])
        assert (rows[:, 1] - rows[:, 0] == 27).all() and (columns[:, 1] - columns[:, 0] == 27).all()
        steps = np.hypot(np.diff(rows[:, 0]), np.diff(columns[:, 0]))
        assert steps.max() <= 3.6 + 1.5  # a tenth of the free 36 pixels, and rounding
        assert np.median(steps) == pytest.approx(3.6, abs=1)
        turns = np.diff(np.sign(np.diff(rows[:, 0])[np.abs(np.diff(rows[:, 0])) > 0]))
        assert (turns != 0).any() or np.ptp(rows[:, 0]) < 36


def test_overlapping_digits_show_the_brighter_pixel_and_equal_seeds_equal_sequences():
    sequences = moving_digits(squares(), 4, frames=5, side=16, seed=3)
    assert (sequences == moving_digits(squares(), 4, frames=5, side=16, seed=3)).all()
    assert (sequences != moving_digits(squares(), 4, frames=5, side=16, seed=4)).any()
    assert sequences.max() <= squares().max()


def test_splits_share_no_digits():
    shade = np.arange(40, dtype=np.uint8)[:, None, None, None] + 100
    digits = recipes.load((np.broadcast_to(shade, (40, 28, 28, 1)).copy(), np.arange(40) % 2))
    data = moving_mnist(digits, past=2, ahead=1, side=16, counts=(60, 30, 30))
    shades = [set(np.unique(split.inputs)) - {0} for split in (data.train, data.validation, data.test)]
    assert not shades[0] & shades[1] and not shades[0] & shades[2] and not shades[1] & shades[2]


@pytest.mark.slow
def test_overfits_one_small_batch(data):
    few = data.train.take(np.arange(4))
    task = recipes.NextFrame(epochs=1, batch_size=4, learning_rate=0.02, accelerate="off")
    model = task.compile(task.build_model("convlstm", data, **TINY), 60)
    x, y = few.inputs.astype("float32") / 255, few.targets.astype("float32") / 255
    lowest = cross_entropy(y, y).mean()  # above 0, as pixels are grey
    first = model.evaluate(x, y, verbose=0)
    last = model.fit(x, y, epochs=60, batch_size=4, verbose=0).history["loss"][-1]
    assert last - lowest < 0.35 * (first - lowest)


def test_metrics_are_computed_for_the_model_and_both_baselines(run):
    metrics, data = run.evaluate(), run.data
    assert set(metrics["baselines"]) == {"mean frame", "last frame"}
    lowest = min(baseline["cross_entropy"] for baseline in metrics["baselines"].values())
    assert metrics["skill"] == pytest.approx(1 - metrics["cross_entropy"] / lowest)
    targets, p = data.test.targets / 255, run.predict_split()
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum((2, 3, 4)).mean(0)
    assert metrics["cross_entropy"] == pytest.approx(expected.mean(), rel=1e-3)
    assert metrics["by_lead"]["frame +2"]["cross_entropy"] == pytest.approx(expected[1], rel=1e-3)
    last_frames = baseline_frames(data, data.test)["last frame"][1]
    assert (last_frames[:, 0] * 255 == data.test.inputs[:, -1]).all()
    ssim = metrics_by_frame(targets, last_frames)["ssim"].mean()
    assert metrics["baselines"]["last frame"]["ssim"] == pytest.approx(ssim, abs=1e-5)
    assert metrics_by_frame(targets, targets)["ssim"] == pytest.approx(1, rel=1e-5)


def test_the_calibrated_last_frame_is_at_least_as_good_as_the_mean_brightness(data):
    targets = data.train.targets / 255
    calibrated = metrics_by_frame(targets, *baseline_frames(data, data.train)["last frame"])
    constant = cross_entropy(targets, targets.mean((0, 2, 3, 4), keepdims=True)).sum((2, 3, 4)).mean(0)
    assert (calibrated["cross_entropy"] <= constant + 1e-6).all()


def test_a_run_is_exported_reported_saved_and_loaded(run, tmp_path):
    run.export(tmp_path / "saved")
    run.save(tmp_path / "run")
    assert "Past, target and prediction" in run.report(tmp_path / "report.html").read_text()
    assert len(sequence_figure(run.data.test, run.predict_split(), run.data.outputs).axes) == 3 * 3 * 2
    saved, raw = recipes.load_run(tmp_path / "run"), run.data.test.head(2)
    assert_close(saved.model.predict(saved.preprocessing(raw), verbose=0), run.predict(raw))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: moving_digits(squares(), 2, side=48), "`side` must be 16, 32 or 64"),
        (lambda d: moving_digits(squares()[:, ::2], 2), r"must be \(N, 28, 28, 1\) uint8"),
        (lambda d: moving_mnist(d, counts=(1, 2)), "`counts` must be of training"),
        (lambda d: recipes.NextFrame(augment=("flip",)), r"`augment` must be \(\) for sequences"),
        (lambda d: recipes.NextFrame().fit("lstm", d, verbose=False), "must be an architecture that predicts frames"),
        (lambda d: recipes.NextFrame().fit(zoo.cnn((16, 16, 1), 2), d, verbose=False), r"predict \(2, 16, 16, 1\)"),
        (lambda d: recipes.Classification().fit("cnn", d, verbose=False), "train it with NextFrame"),
    ],
)
def test_arguments_models_and_data_that_do_not_fit_are_refused(data, call, message):
    with pytest.raises(ValueError, match=message):
        call(data)


def test_bundled_moving_mnist_has_the_numbers_of_frames_that_the_source_names():
    try:
        data = recipes.load("bundled:moving-mnist?window=3&horizon=2&tile=16")
    except ValueError as error:
        pytest.skip(f"mnist-5k is not available: {error}")
    assert data.train.inputs.shape == (2000, 3, 16, 16, 1) and data.test.targets.shape == (400, 2, 16, 16, 1)
    assert data.train.inputs.max() > 200
