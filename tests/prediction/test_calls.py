"""Calls in recordings of any length: windows, merging, bounds, tables of other programs, broken files and resuming."""

import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

import recipes
from recipes.cli.main import main
from recipes.data.sound.label_tables import read_label_table
from recipes.data.sound.sound_files import read_samples
from recipes.data.sound.sound_windows import windows
from recipes.prediction.call_predictor import CallPredictor
from recipes.prediction.call_tables import count_calls, read_calls
from recipes.prediction.calls import CallMerger
from recipes.runs.load import load_run

RATE = 2000
RNG = np.random.default_rng(0)


def tone(hertz, seconds, rate=RATE):
    samples = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return 0.3 * samples * np.hanning(len(samples))


def noise(seconds, rate=RATE):
    return 0.01 * RNG.normal(size=round(seconds * rate))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on calls of 0.5 s in clips of 1 s, with a background."""
    root = tmp_path_factory.mktemp("birds")
    for name, hertz in (("low", 200), ("high", 800), ("background", None)):
        (root / "clips" / name).mkdir(parents=True)
        for i in range(30):
            samples = noise(1)
            if hertz:
                start = int(RNG.integers(0, RATE // 2))
                samples[start : start + RATE // 2] += tone(hertz + 3 * i, 0.5)
            soundfile.write(root / "clips" / name / f"{i}.wav", samples, RATE)
    task = recipes.SoundClassification(
        epochs=20, batch_size=8, learning_rate=1e-2, baselines=False, spectrogram={"bands": 16, "hop": 0.02}
    )
    small = {"backbone_arguments": {"filters": (4, 8), "convolutions": 1}, "pooling": "time"}
    run = task.fit("cnn", f"sound:{root / 'clips'}?seconds=1", out=root / "run", verbose=False, **small)
    assert run.evaluate("test")["accuracy"] == 1
    return root


@pytest.fixture(scope="module")
def recordings(folder):
    """Two recordings of 40 s with calls at 5, 15.3 and 30 s, one of them at another rate in two channels."""
    place = folder / "recordings"
    place.mkdir()
    for name, rate in (("S1_20240501_053000.wav", RATE), ("S1_20240502_055950.flac", 4410)):
        samples = noise(40, rate)
        for hertz, start in ((210, 5), (830, 15.3), (230, 30)):
            first = round(start * rate)
            samples[first : first + rate // 2] += tone(hertz, 0.5, rate)
        soundfile.write(place / name, samples if rate == RATE else np.stack([samples] * 2, 1), rate)
    (place / "broken.wav").write_bytes(b"")
    return place


@pytest.mark.parametrize(("seconds", "hop"), [(1.0, 0.5), (1.0, 1.0), (0.7, 0.3), (45.0, 10.0), (200.0, 1.0)])
def test_windows_are_the_parts_of_the_recording(tmp_path, seconds, hop):
    path = tmp_path / "a.wav"
    soundfile.write(path, RNG.uniform(-0.5, 0.5, round(95.3 * RATE)), RATE, subtype="FLOAT")
    result = list(windows(path, RATE, seconds, hop))
    if seconds > 95:
        assert len(result) == 1 and result[0][1].shape == (400_000, 1)
        assert result[0][0] == pytest.approx(-(200 - 95.3) / 2)  # the place of its padding
        return
    for start, window in result:
        np.testing.assert_array_equal(window[:, 0], read_samples(path, start, seconds, RATE))
    starts = [start for start, _ in result]
    np.testing.assert_allclose(np.diff(starts)[:-1], hop, atol=1e-9)
    assert starts[0] == 0 and starts[-1] == pytest.approx(95.3 - seconds)


def test_windows_of_another_rate_are_resampled_as_a_stream(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.5 * np.sin(np.arange(70 * 4410) * 0.05), 4410)
    result = list(windows(path, RATE, 1.0, 1.0))
    whole = np.concatenate([window[:, 0] for _, window in result[:70]])
    expected = read_samples(path, 0, 70, RATE)
    assert abs(len(result) - 70) <= 1
    np.testing.assert_allclose(whole[100 : len(expected) - 100], expected[100:-100], atol=2e-3)


def test_neighboring_windows_of_a_class_are_one_call():
    merger, calls = CallMerger([0, 2], 0.5, 1.0), []
    clip = np.zeros((4, 1))
    scores = [(0.9, 0, 0), (0.6, 0, 0.7), (0.2, 0, 0.8), (0.2, 1, 0.1), (0.7, 0, 0), (0, 0, 0)]
    for i, row in enumerate(scores):
        calls += merger.add(i * 0.5, np.array(row), clip)
    calls += merger.finish()
    assert [(c.label, c.start, c.last, c.confidence) for c in calls] == [
        (0, 0.0, 0.5, 0.9), (2, 0.5, 1.0, 0.8), (0, 2.0, 2.0, 0.7),
    ]  # fmt: skip


def test_calls_have_start_end_frequencies_and_time(folder, recordings):
    predictor = CallPredictor(load_run(folder / "run"), background=("background",))
    for name, day in (("S1_20240501_053000.wav", "2024-05-01 05:30:"), ("S1_20240502_055950.flac", "2024-05-02 0")):
        rows = predictor.calls(recordings / name)
        assert [row["class"] for row in rows] == ["low", "high", "low"]
        for row, start, hertz in zip(rows, (5, 15.3, 30), (210, 830, 230), strict=True):
            assert start - 0.1 <= row["start"] < row["end"] <= start + 0.6
            assert row["low"] <= hertz <= row["high"] and row["high"] - row["low"] < 400
            assert row["confidence"] > 0.5 and row["time"].startswith(day)


def test_a_call_in_a_recording_shorter_than_a_window_lies_within_it(folder, tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.concatenate([noise(0.1), tone(210, 0.4) + noise(0.4), noise(0.1)]), RATE)
    (row,) = CallPredictor(load_run(folder / "run"), threshold=0.1, background=("background", "high")).calls(path)
    assert 0 <= row["start"] < row["end"] <= 0.6 and row["low"] <= 210 <= row["high"]


def test_the_command_writes_calls_tables_and_counts_and_names_broken_files(folder, recordings, tmp_path, capsys):
    out = tmp_path / "calls.csv"
    arguments = ["--out", str(out), "--background", "background", "--hours", str(tmp_path / "hours.csv")]
    arguments += [x for name in ("raven", "audacity", "birdnet") for x in ("--tables", name)]
    with pytest.raises(SystemExit, match="1"):
        main(["predict", str(folder / "run"), str(recordings), *arguments])
    messages = capsys.readouterr().err
    assert "broken.wav cannot be read: the file has zero bytes" in messages and "zoo: 1 files could not" in messages
    calls = read_calls(out)
    assert len(calls) == 7 and calls["error"].notna().sum() == 1
    expected = calls[calls["class"].notna()]
    for name in ("raven", "audacity", "birdnet"):
        tables = sorted((tmp_path / f"calls_{name}").iterdir())
        assert len(tables) == 2
        rows = [row for table in tables for row in read_label_table(table)]
        assert [row.label for row in rows] == list(expected["class"])
        np.testing.assert_allclose([row.start for row in rows], expected["start"], atol=1e-3)
    counts = pd.read_csv(tmp_path / "hours.csv")
    assert counts["calls"].sum() == 6 and set(counts["hour"]) == {5, 6}
    assert (tmp_path / "hours.png").stat().st_size > 5000


def test_an_interrupted_prediction_is_continued_with_each_recording_once(folder, recordings, tmp_path, monkeypatch):
    many = tmp_path / "many"
    many.mkdir()
    for i in range(4):
        shutil.copy(recordings / "S1_20240501_053000.wav", many / f"{i}.wav")
    run, whole = load_run(folder / "run"), tmp_path / "whole.csv"
    run.predict_files([many], whole, calls={"background": "background"}, progress=False)
    calls, counted = CallPredictor.calls, []

    def stop_at_the_third(self, path, checks=None):
        counted.append(path)
        if len(counted) == 3:
            raise KeyboardInterrupt
        return calls(self, path, checks)

    monkeypatch.setattr(CallPredictor, "calls", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run.predict_files([many], tmp_path / "calls.csv", calls={"background": "background"}, progress=False)
    with pytest.warns(UserWarning, match="calls.csv.part is continued after 2 inputs"):
        result = run.predict_files([many], tmp_path / "calls.csv", calls={"background": "background"}, progress=False)
    assert result.resumed_inputs == 2 and (tmp_path / "calls.csv").read_text() == whole.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calls": {"overlap": 1}}, "`overlap` must be a fraction from 0 to below 1, got 1"),
        ({"calls": {"threshold": 2}}, "`threshold` must be above 0 and at most 1, got 2"),
        ({"calls": {"background": "lowe"}}, "`background` must be one of .* got 'lowe'. Did you mean `low`"),
        ({"calls": {"overlp": 0.2}}, "unknown argument `overlp`. Did you mean `overlap`"),
        ({"top_k": 2}, "`top_k` must be unset for sound"),
    ],
)
def test_wrong_options_are_refused(folder, recordings, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load_run(folder / "run").predict_files([recordings], tmp_path / "calls.csv", **options)


def test_calls_without_times_cannot_be_counted():
    with pytest.raises(ValueError, match="the calls have no times: the recordings must have date and time"):
        count_calls(pd.DataFrame({"class": ["low"], "time": [""]}))


def test_zoo_explain_draws_the_clips_of_a_recording(folder, tmp_path):
    clip = folder / "clips" / "low" / "0.wav"
    with pytest.raises(SystemExit, match="0"):
        main(["explain", str(folder / "run"), str(clip), "--out", str(tmp_path / "why.png")])
    assert (tmp_path / "why.png").stat().st_size > 5000


ODD_SOUNDS = {
    "silent": (np.zeros(2 * RATE), RATE, "is silent"),
    "quiet": (
        0.002 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE),
        RATE,
        "is very quiet: its largest value is",
    ),
    "constant": (np.full(2 * RATE, 0.4), RATE, "is silent"),
    "cancelling": (np.stack([tone(800, 2), -tone(800, 2)], axis=1), RATE, "its channels cancel each other"),
    "unscaled": (tone(800, 2) * 32768, RATE, "has samples of up to 9,"),
    "clipped": (np.clip(tone(200, 2) * 40, -1, 1), RATE, "is clipped: "),
    "slow": (tone(200, 2, 1000), 1000, "it has nothing above 500 Hz"),
    "short": (tone(200, 0.05), RATE, "has 0.05 s of a window of 1 s"),
}


@pytest.mark.parametrize("name", ODD_SOUNDS)
def test_odd_recordings_are_noted_and_silence_has_no_call(folder, tmp_path, name):
    samples, rate, message = ODD_SOUNDS[name]
    path, run = tmp_path / f"{name}.wav", load_run(folder / "run")
    soundfile.write(path, samples, rate, subtype="FLOAT")
    with pytest.warns(UserWarning, match=message):
        run.predict_files([path], tmp_path / "calls.csv", progress=False)
    with pytest.warns(UserWarning, match=message.replace("its channels cancel each other", "is silent")):
        run.predict(path)
    if name in ("silent", "constant", "cancelling"):
        assert not len(read_calls(tmp_path / "calls.csv"))
