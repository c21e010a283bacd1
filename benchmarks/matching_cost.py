"""Cost of matching new data to a run's input schema, as a fraction of the prediction.

    python benchmarks/matching_cost.py [ROWS PHOTOS]          writes benchmarks/matching_cost.csv

Tables: `run.predict` of a data frame of ROWS (100,000) rows with eight columns of numbers and two of categories, by a
`dnn` of two layers with 128 units; and `match` of the same frame alone, less the conversion of its columns to arrays of
float32 and of texts, which any prediction needs. Photos: `predict_files` of PHOTOS (1,000) JPEG
files of 250 x 333 pixels by `lenet5` at 64 x 64, and the checks of each decoded image alone. Each is the median of five
repetitions after a first one; photos of three. Required: at most 0.03.
"""

import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import recipes
from recipes.data.images.image_decoding import read_image
from recipes.data.images.image_files import fit_image
from recipes.runs.predict_files import predict_files
from zoo.inputs import match


def table(rows, rng):
    numbers = {f"x{i}": rng.normal(size=rows) for i in range(8)}
    levels = {"site": rng.choice(list("abcdefgh"), rows), "soil": rng.choice(["clay", "loam", "sand"], rows)}
    frame = pd.DataFrame({**numbers, **levels})
    return frame.assign(species=np.where(frame["x0"] + (frame["soil"] == "clay") > 0.5, "oak", "pine"))


def photos(folder, count, rng):
    for i in range(count):
        pixels = rng.integers(0, 256, (10, 13, 3), dtype=np.uint8)
        path = Path(folder) / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((333, 250), Image.Resampling.BICUBIC).save(path)
    return sorted(Path(folder).rglob("*.jpg"))


def seconds(function, repetitions):
    function()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def convert(frame):
    """The columns as arrays, without any check."""
    return {c: frame[c].to_numpy("float32" if frame[c].dtype.kind == "f" else object) for c in frame}


def table_row(rows):
    rng = np.random.default_rng(0)
    data = recipes.load(table(2000, rng), target="species")
    run = recipes.Classification(epochs=1).fit("dnn", data, units=(128, 128), verbose=False)
    frame = table(rows, rng).drop(columns="species")
    whole = seconds(lambda: run.predict(frame), 5)
    conversion = seconds(lambda: convert(frame), 15)
    return "table rows", rows, whole, max(seconds(lambda: match(run.schema, frame), 15) - conversion, 0.0)


def photo_row(count):
    with tempfile.TemporaryDirectory() as folder:
        files = photos(folder, count, np.random.default_rng(0))
        run = recipes.Classification(epochs=1).fit("lenet5", f"folder:{folder}", input_shape=(64, 64, 3), verbose=False)
        schema = run.schema
        images = [(read_image(path), str(path)) for path in files]
        whole = seconds(lambda: list(predict_files(run, files)), 3)
        checks = seconds(lambda: [fit_image(i, p, 3, schema.dtype, schema.band_names, False) for i, p in images], 3)
        return "photos", count, whole, checks


def main(rows=100_000, count=1_000):
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["inputs", "count", "predict_seconds", "matching_seconds", "fraction"])
        for name, number, whole, part in (table_row(rows), photo_row(count)):
            writer.writerow([name, number, f"{whole:.3f}", f"{part:.4f}", f"{part / whole:.4f}"])
            print(name, number, f"{whole:.3f} s", f"{part:.4f} s", f"{part / whole:.2%}", sep="\t")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
