"""Calls in a recording of 24 hours, and the speed and the memory of reading recordings.

    python benchmarks/sound.py          writes benchmarks/sound.csv

A small classifier is trained on generated clips of two kinds of calls and of background. A recording of 24 hours with
200 inserted calls, whose level, pitch and time are random, in noise with clicks and with tones that are no calls, is
predicted as `zoo predict` does. An inserted call is found where a prediction of its class overlaps it; each is found
once, and all other predictions are false. Memory is the peak of a process that predicts 1 minute, and 24 hours.
Speeds are medians over the rounds, in turns: of predicting a recording beside the classifier alone on spectrograms that
are ready, and of decoding FLAC files of 48 kHz and resampling them to 22,050 Hz beside `soundfile` with
`scipy.signal.resample_poly`.
"""

import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

import recipes
from recipes.data.sound.sound_windows import sample_blocks
from recipes.prediction.call_predictor import WINDOWS, CallPredictor
from recipes.runs.load import load_run
from recipes.training import accelerate
from zoo.introspect.spectrogram import split_at_spectrogram

RATE, SECONDS, HOURS, CALLS, ROUNDS, SEED = 8000, 2.0, 24, 200, 3, 0
CLASSES = ("chirp", "trill")
NOISE = 0.01
EVENTS = 10  # of training clips, per event of the recording
THRESHOLD = 0.95  # score of a call: with one window per second, one error in 10,000 windows is 9 false calls a day


def call(name, rng):
    """Returns the samples of a call of 0.4 to 0.8 s: a rising tone, or a series of pulses."""
    count = round(rng.uniform(0.4, 0.8) * RATE)
    t, level = np.arange(count) / RATE, NOISE * 10 ** (rng.uniform(6, 16) / 20)
    if name == "chirp":
        low, high = rng.uniform(1200, 1500), rng.uniform(2300, 2800)
        samples = np.sin(2 * np.pi * (low * t + (high - low) * t**2 / (2 * t[-1])))
    else:
        samples = np.sin(2 * np.pi * rng.uniform(700, 1000) * t) * (np.sin(2 * np.pi * rng.uniform(14, 20) * t) > 0)
    return level * samples * np.hanning(count) ** 0.3


def background(count, rng, events=1):
    """Returns noise of a changing level, with clicks and steady tones that are no calls; `events` multiplies these."""
    t = np.arange(count) / RATE
    samples = NOISE * rng.normal(size=count) * (1 + 0.4 * np.sin(2 * np.pi * (t / 97 + rng.random())))
    for _ in range(rng.poisson(events * count / RATE / 20)):
        start = rng.integers(0, max(1, count - 200))
        samples[start : start + 160] += NOISE * rng.uniform(3, 20) * rng.normal(size=len(samples[start : start + 160]))
    for _ in range(rng.poisson(events * count / RATE / 60)):
        start, length = rng.integers(0, count), round(rng.uniform(0.3, 3) * RATE)
        part = t[start : start + length]
        samples[start : start + length] += NOISE * rng.uniform(1, 4) * np.sin(2 * np.pi * rng.uniform(200, 3600) * part)
    return samples


def write_clips(folder, rng, number=260):
    """Writes training clips, one folder per class; half of a call or more lies in its clip."""
    count = round(SECONDS * RATE)
    for name in (*CLASSES, "background"):
        (folder / name).mkdir(parents=True)
        for i in range(number * (3 if name == "background" else 1)):
            samples = background(3 * count, rng, EVENTS)
            if name != "background":
                sound = call(name, rng)
                start = count + rng.integers(-len(sound) // 2, count - len(sound) // 2)
                samples[start : start + len(sound)] += sound
            soundfile.write(folder / name / f"{i}.wav", samples[count : 2 * count], RATE)


def write_recording(path, hours, calls, rng):
    """Writes a recording minute by minute; returns the inserted (start, end, class), which lie within minutes."""
    minutes, inserted = round(hours * 60), []
    places = rng.choice(minutes, calls, replace=False) if calls else []
    with soundfile.SoundFile(str(path), "w", RATE, 1, "PCM_16") as file:
        for minute in range(minutes):
            samples = background(60 * RATE, rng)
            if minute in places:
                name = CLASSES[rng.integers(len(CLASSES))]
                sound, start = call(name, rng), int(rng.integers(RATE, 58 * RATE))
                samples[start : start + len(sound)] += sound
                begin = minute * 60 + start / RATE
                inserted.append((begin, begin + len(sound) / RATE, name))
            file.write(samples)
    return inserted


def count_hits(rows, inserted):
    """Returns (number of inserted calls that are found, number of false predictions)."""
    left = list(inserted)
    for row in rows:
        match = next(
            (c for c in left if c[2] == row["class"] and c[0] < row["end"] and row["start"] < c[1]), None
        )  # fmt: skip
        if match:
            left.remove(match)
    hits = len(inserted) - len(left)
    return hits, len(rows) - hits


def predict(folder, path):
    """Prints what a process of its own measures: the calls in a recording, seconds, and the peak of its memory."""
    predictor = CallPredictor(load_run(folder), threshold=THRESHOLD)
    start = time.perf_counter()
    rows = predictor.calls(path)
    seconds = time.perf_counter() - start
    print(
        json.dumps({"rows": rows, "seconds": seconds, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})
    )


def predict_in_process(folder, path):
    """Returns what `predict` prints."""
    command = [sys.executable, __file__, "--predict", str(folder), str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def median_ratio(reference, measured):
    """Returns the median over the rounds of (seconds of the reference / seconds of what is measured)."""
    ratios = []
    for i in range(ROUNDS + 1):  # round 0 is a warm-up
        seconds = []
        for function in (reference, measured):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
        if i:
            ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def speed_ratio(run, path):
    """Returns the speed on a recording as a fraction of the classifier's own on ready spectrograms."""
    predictor, parts = CallPredictor(run), split_at_spectrogram(run.model)
    clips = [clip for _, _, clip in predictor.scores(path)]
    groups = [np.stack(clips[i : i + WINDOWS]) for i in range(0, len(clips) - WINDOWS + 1, WINDOWS)]
    spectrograms = [parts.front.predict_on_batch(group) for group in groups]

    def classify():
        for spectrogram in spectrograms:
            parts.classifier.predict_on_batch(spectrogram)

    return median_ratio(classify, lambda: predictor.calls(path)) * len(clips) / (WINDOWS * len(groups))


def decoding_ratio(path):
    """Returns the speed of decoding and resampling as a fraction of that of soundfile and resample_poly."""

    def alone():
        for block in soundfile.blocks(str(path), 30 * 48_000, dtype="float32"):
            resample_poly(block, 147, 320)

    return median_ratio(alone, lambda: [None for _ in sample_blocks(path, 22_050)])


def main():
    rng, rows = np.random.default_rng(SEED), []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_clips(folder / "clips", rng)
        task = recipes.SoundClassification(
            epochs=16, batch_size=32, learning_rate=3e-3, baselines=False, spectrogram={"bands": 40, "hop": 0.016}
        )
        arguments = {"backbone_arguments": {"filters": (16, 32, 64), "convolutions": 1, "dropout": 0.0}}
        source = f"sound:{folder / 'clips'}?seconds={SECONDS:g}"
        run = task.fit("cnn", source, verbose=False, out=folder / "run", pooling="time", **arguments)
        run.record["data"]["options"]["background"] = "background"
        run.save(folder / "run")
        rows.append(("test accuracy of the classifier", run.evaluate("test")["accuracy"]))
        write_recording(folder / "minute.wav", 1 / 60, 0, rng)
        inserted = write_recording(folder / "day.wav", HOURS, CALLS, rng)
        minute, day = (predict_in_process(folder / "run", folder / f"{name}.wav") for name in ("minute", "day"))
        hits, false = count_hits(day["rows"], inserted)
        rows += [("calls inserted in 24 hours", CALLS), ("calls found", hits), ("false calls", false)]
        rows += [("seconds for 24 hours", day["seconds"]), ("hours per second", HOURS / day["seconds"])]
        rows += [("peak memory for 1 minute, MiB", minute["mib"]), ("peak memory for 24 hours, MiB", day["mib"])]
        write_recording(folder / "part.wav", 1 / 6, 0, rng)
        rows.append(("speed beside the classifier alone, cnn", speed_ratio(run, folder / "part.wav")))
        resnet = task.build_model("resnet20", run.data)
        rows.append(
            ("speed beside the classifier alone, resnet20", speed_ratio(run.replace(model=resnet), folder / "part.wav"))
        )
        soundfile.write(folder / "song.flac", 0.1 * rng.normal(size=300 * 48_000), 48_000)
        rows.append(("decoding beside soundfile and resample_poly", decoding_ratio(folder / "song.flac")))
    machine = accelerate.machine_info()
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        keys = [key for key in ("processor", "cores", "python", "tensorflow", "keras") if key in machine]
        table.writerow(["figure", "value", "seed", *keys])
        for name, value in rows:
            table.writerow([name, f"{value:.4g}", SEED, *(machine[key] for key in keys)])
            print(name, f"{value:.4g}", sep="\t")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--predict"]:
        predict(*sys.argv[2:])
    else:
        main()
