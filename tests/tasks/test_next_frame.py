"""The next frames: digits that bounce as told, figures beside what needs no model, and what is left behind."""

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.data.images.moving_digits import moving_digits, moving_mnist
from recipes.tasks.next_frame import baseline_frames, cross_entropy, metrics_by_frame, sequence_figure
from tests.tolerance import assert_close

TINY = {"filters": (8,), "kernel_size": 3, "recurrent_kernel_size": 3}


def squares(count=40, seed=0):
    """Made-up digits: bright rectangles of 28 x 28."""
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
    found = moving_digits(np.full((1, 28, 28, 1), 200, np.uint8), 3, frames=60, side=64, per_frame=1, seed=1)
    assert found.shape == (3, 60, 64, 64, 1)
    for sequence in found:
        rows = np.array([np.flatnonzero(f.any((1, 2)))[[0, -1]] for f in sequence])
        columns = np.array([np.flatnonzero(f.any((0, 2)))[[0, -1]] for f in sequence])
        assert (rows[:, 1] - rows[:, 0] == 27).all() and (columns[:, 1] - columns[:, 0] == 27).all()
        steps = np.hypot(np.diff(rows[:, 0]), np.diff(columns[:, 0]))
        assert steps.max() <= 3.6 + 1.5  # a tenth of the room of 36 pixels, and rounding
        assert np.median(steps) == pytest.approx(3.6, abs=1)
        turns = np.diff(np.sign(np.diff(rows[:, 0])[np.abs(np.diff(rows[:, 0])) > 0]))
        assert (turns != 0).any() or np.ptp(rows[:, 0]) < 36


def test_where_digits_overlap_the_brighter_counts_and_the_seed_decides():
    one = moving_digits(squares(), 4, frames=5, side=16, seed=3)
    assert (one == moving_digits(squares(), 4, frames=5, side=16, seed=3)).all()
    assert (one != moving_digits(squares(), 4, frames=5, side=16, seed=4)).any()
    assert one.max() <= squares().max()


def test_parts_have_digits_of_their_own():
    shade = np.arange(40, dtype=np.uint8)[:, None, None, None] + 100
    digits = recipes.load((np.broadcast_to(shade, (40, 28, 28, 1)).copy(), np.arange(40) % 2))
    made = moving_mnist(digits, past=2, ahead=1, side=16, counts=(60, 30, 30))
    shades = [set(np.unique(p.inputs)) - {0} for p in (made.train, made.validation, made.test)]
    assert not shades[0] & shades[1] and not shades[0] & shades[2] and not shades[1] & shades[2]


def test_overfits_one_small_batch(data):
    few = data.train.take(np.arange(4))
    recipe = recipes.NextFrame(epochs=1, batch_size=4, learning_rate=0.02, accelerate="off")
    model = recipe.compile(recipe.build_model("convlstm", data, **TINY), 60)
    x, y = few.inputs.astype("float32") / 255, few.targets.astype("float32") / 255
    floor = cross_entropy(y, y).mean()  # of grey pixels
    first = model.evaluate(x, y, verbose=0)
    last = model.fit(x, y, epochs=60, batch_size=4, verbose=0).history["loss"][-1]
    assert last - floor < 0.35 * (first - floor)


def test_figures_stand_beside_the_last_frame_and_the_mean(run):
    found, data = run.evaluate(), run.data
    assert set(found["baselines"]) == {"mean frame", "last frame"}
    least = min(r["cross_entropy"] for r in found["baselines"].values())
    assert found["skill"] == pytest.approx(1 - found["cross_entropy"] / least)
    truth = data.test.targets / 255
    by_hand = -(truth * np.log(run.predict_split()) + (1 - truth) * np.log(1 - run.predict_split()))
    assert found["cross_entropy"] == pytest.approx(by_hand.sum((2, 3, 4)).mean(), rel=1e-3)
    assert found["by_lead"]["frame +2"]["cross_entropy"] == pytest.approx(by_hand.sum((2, 3, 4)).mean(0)[1], rel=1e-3)
    shown = baseline_frames(data, data.test)["last frame"][1]
    assert (shown[:, 0] * 255 == data.test.inputs[:, -1]).all()
    assert found["baselines"]["last frame"]["ssim"] == pytest.approx(
        metrics_by_frame(truth, shown)["ssim"].mean(), abs=1e-5
    )
    assert metrics_by_frame(truth, truth)["ssim"] == pytest.approx(1, rel=1e-5)


def test_the_calibrated_last_frame_is_at_least_as_good_as_the_mean_brightness(data):
    truth = data.train.targets / 255
    found = metrics_by_frame(truth, *baseline_frames(data, data.train)["last frame"])
    flat = cross_entropy(truth, truth.mean((0, 2, 3, 4), keepdims=True)).sum((2, 3, 4)).mean(0)
    assert (found["cross_entropy"] <= flat + 1e-6).all()


def test_comes_back_exports_and_reports(run, tmp_path):
    run.export(tmp_path / "saved")
    run.save(tmp_path / "run")
    assert "Past, target and prediction" in run.report(tmp_path / "report.html").read_text()
    assert len(sequence_figure(run.data.test, run.predict_split(), run.data.outputs).axes) == 3 * 3 * 2
    saved, raw = recipes.load_run(tmp_path / "run"), run.data.test.head(2)
    assert_close(saved.model.predict(saved.preprocessing(raw), verbose=0), run.predict(raw))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: moving_digits(squares(), 2, side=48), "`side` must be 16, 32 or 64"),
        (lambda d: moving_digits(squares()[:, ::2], 2), r"must be \(N, 28, 28, 1\) uint8"),
        (lambda d: moving_mnist(d, counts=(1, 2)), "`counts` must be of training"),
        (lambda d: recipes.NextFrame(augment=("flip",)), r"`augment` must be \(\) for sequences"),
        (lambda d: recipes.NextFrame().fit("lstm", d, verbose=False), "must be an architecture that answers frames"),
        (lambda d: recipes.NextFrame().fit(zoo.cnn((16, 16, 1), 2), d, verbose=False), r"answer \(2, 16, 16, 1\)"),
        (lambda d: recipes.Classification().fit("cnn", d, verbose=False), "the recipe for that is `next_frame`"),
    ],
)
def test_what_does_not_fit_is_refused(data, make, message):
    with pytest.raises(ValueError, match=message):
        make(data)


def test_the_bundled_set_takes_lengths_from_the_source():
    try:
        found = recipes.load("bundled:moving-mnist?window=3&horizon=2&tile=16")
    except ValueError as error:
        pytest.skip(f"mnist-5k is not at hand: {error}")
    assert found.train.inputs.shape == (2000, 3, 16, 16, 1) and found.test.targets.shape == (400, 2, 16, 16, 1)
    assert keras.ops.max(found.train.inputs) > 200
