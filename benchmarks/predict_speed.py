"""Speed of `run.predict_files` relative to the model alone, and its memory.

    python benchmarks/predict_speed.py [PHOTOS ROWS ROUNDS]          writes benchmarks/predict_speed.csv

Photos: PHOTOS (400) JPEG files of 500 x 375 pixels, `mobilenet_v2` at 224 x 224 trained on such files; relative to
`predict_on_batch` of a ready batch in a loop, in photos per second. Rows: a CSV of ROWS (1,000,000) rows with eight
columns of numbers and two of categories, a `dnn` of two layers with 128 units; relative to `pandas.read_csv` of the
file and `model.predict` of the ready array in batches of the same size. The first side also writes a CSV file. The two
run in turns, ROUNDS (5) times after a first one; ratio is the median of the ratios, beside the lowest and the highest.
memory_mib: largest resident set of a process that predicts all inputs, less that of one for a tenth of them [MiB].
Required: photos 0.8, rows 0.6, and flat memory.
"""

import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from PIL import Image

import recipes
from recipes.prediction.predict import batch_size, file_batch_size
from zoo.inputs import match

COLUMNS = ["inputs", "count", "rounds", "per_second", "ratio", "lowest", "highest", "memory_mib", "cores"]


def save_photos(folder, count):
    """Saves photos of the detail of a usual JPEG, about 35 kB each."""
    rng = np.random.default_rng(0)
    for i in range(count):
        path = Path(folder) / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (45, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=85)
    return sorted(map(str, Path(folder).rglob("*.jpg")))


def table(rows):
    rng = np.random.default_rng(0)
    numbers = {f"x{i}": rng.normal(size=rows).astype("float32") for i in range(8)}
    levels = {"site": rng.choice(list("abcdefgh"), rows), "soil": rng.choice(["clay", "loam", "sand"], rows)}
    frame = pd.DataFrame({**numbers, **levels})
    return frame.assign(species=np.where(frame["x0"] + (frame["soil"] == "clay") > 0.5, "oak", "pine"))


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def predict_and_print_peak(run, paths, out):
    """Predicts the files in a list and prints the largest resident set of this process [MiB]."""
    recipes.load_run(run).predict_files(Path(paths).read_text().splitlines(), out, progress=False)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak_in_process(run, folder, files):
    run.save(folder / "run")
    (folder / "list").write_text("\n".join(map(str, files)))
    command = [sys.executable, __file__, "peak", folder / "run", folder / "list", folder / "peak.csv"]
    return float(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)


def row(name, count, rounds, predict, alone, memory):
    """Returns a row of the table; `predict` predicts all inputs, `alone` returns seconds per input."""
    predict(), alone()
    pairs = [(seconds(predict) / count, alone()) for _ in range(rounds)]
    ratios = sorted(model / whole for whole, model in pairs)
    speed = 1 / statistics.median(whole for whole, _ in pairs)
    figures = [f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f}", f"{ratios[-1]:.2f}", f"{memory:.0f}"]
    return [name, count, rounds, f"{speed:.0f}", *figures, os.cpu_count()]


def photo_row(folder, count, rounds):
    files = save_photos(folder / "photos", count)
    save_photos(folder / "training", 24)
    task = recipes.Classification(epochs=1, batch_size=8, report_examples=0)
    run = task.fit("mobilenet_v2", f"folder:{folder / 'training'}", input_shape=(224, 224, 3), verbose=False)
    batch = np.zeros((file_batch_size(run), 224, 224, 3), "float32")
    calls = max(1, count // len(batch))

    def predict():
        run.predict_files(files, folder / "out.csv", progress=False)

    def alone():
        return seconds(lambda: [run.model.predict_on_batch(batch) for _ in range(calls)]) / (calls * len(batch))

    memory = peak_in_process(run, folder, files) - peak_in_process(run, folder, files[: count // 10])
    return row("photos", count, rounds, predict, alone, memory)


def table_row(folder, count, rounds):
    run = recipes.Classification(epochs=1, report_examples=0).fit(
        "dnn", recipes.load(table(2000), target="species"), units=(128, 128), verbose=False
    )
    frame, size = table(count).drop(columns="species"), batch_size(run)
    small, path = folder / "small.csv", folder / "all.csv"
    frame.head(count // 10).to_csv(small, index=False)
    frame.to_csv(path, index=False)
    memory = peak_in_process(run, folder, [path]) - peak_in_process(run, folder, [small])
    raw = match(run.schema, frame).batch
    starts = range(0, count, size)
    batches = [run.preprocessing.predict_on_batch({c: v[i : i + size] for c, v in raw.items()}) for i in starts]
    features = np.concatenate(batches)
    del frame, raw, batches

    def predict():
        run.predict_files(path, folder / "out.csv", progress=False)

    def alone():
        def work():
            pd.read_csv(path)
            run.model.predict(features, batch_size=size, verbose=0)

        return seconds(work) / count

    return row("table rows", count, rounds, predict, alone, memory)


def main(photos=400, rows=1_000_000, rounds=5):
    results = []
    for measure, count in ((table_row, rows), (photo_row, photos)):
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(Path(folder), count, rounds))
        print(*(f"{name}={value}" for name, value in zip(COLUMNS, results[-1], strict=True)), flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *results])


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        predict_and_print_peak(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
