"""Time and memory of `predict_raster`, and its speed relative to a plain loop over tiles.

    python benchmarks/raster_speed.py [SIDE] [ROUNDS]          writes benchmarks/raster_speed.csv

A compressed GeoTIFF of SIDE x SIDE pixels (4096) and 4 bands of 16 bits is written, with one repeated pattern. A U-Net
of 16, 32 and 64 filters predicts it in tiles of 256 pixels that overlap by 64. Each method runs in its own process, in
turns, ROUNDS times (3). Values are medians.
- fraction_in_model: fraction of the total seconds of a call spent in the model, including its compilation.
- loop_ratio: seconds of a plain loop / seconds of `predict_raster`. The loop reads, predicts and writes the same tiles
  one after the other with rasterio and `model.predict`, without blending.
- memory_mib: largest resident set of the process [MiB]; memory_small_mib is that of a raster of 512 x 512 pixels,
  mostly TensorFlow itself.
With sides of 10000 pixels and more, such as 20000, the loop is omitted and its cell is empty. Rows of other sides are
kept.
"""

import csv
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import rasterio
import tensorflow as tf
from rasterio.windows import Window

import recipes
import zoo

SMALL, LARGE = 512, 10_000  # sides [pixels]
TILE, OVERLAP = 256, 64
COLUMNS = ["side", "rounds", "seconds", "fraction_in_model", "loop_ratio", "memory_mib", "memory_small_mib"]


def write(path, side):
    """Writes a raster of one repeated block."""
    pattern = np.random.default_rng(0).integers(0, 3000, (4, 256, 256)).astype("uint16")
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "BIGTIFF": "IF_SAFER"}
    georeference = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    size = {"width": side, "height": side, "count": 4, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **layout, **georeference, **size) as file:
        for row in range(0, side, 256):
            for column in range(0, side, 256):
                height, width = min(256, side - row), min(256, side - column)
                file.write(pattern[:, :height, :width], window=Window(column, row, width, height))


def build_model():
    """Returns the model with its initial weights."""
    keras.utils.set_random_seed(0)
    return zoo.unet((None, None, 4), 4, filters=(16, 32, 64))


def predict_in_loop(model, path, out):
    """Predicts one tile after the other, without blending."""
    margin, step = OVERLAP // 2, TILE - OVERLAP
    with rasterio.open(path) as source:
        profile = {**source.profile, "count": 1, "dtype": "uint8"}
        with rasterio.open(out, "w", **profile) as file:
            for row in range(0, source.height, step):
                for column in range(0, source.width, step):
                    window = Window(column - margin, row - margin, TILE, TILE)
                    pixels = source.read(window=window, boundless=True, fill_value=0)
                    output = model.predict(np.moveaxis(pixels, 0, -1)[None].astype("float32"), verbose=0)[0]
                    height, width = min(step, source.height - row), min(step, source.width - column)
                    labels = output.argmax(-1)[margin : margin + height, margin : margin + width].astype("uint8")
                    file.write(labels, 1, window=Window(column, row, width, height))


def measure(method, path):
    """Prints the seconds, the fraction of them in the model and the memory [MiB] of one method."""
    model, out, fraction = build_model(), f"{path}.{method}.tif", 1.0
    start = time.perf_counter()
    if method == "loop":
        predict_in_loop(model, path, out)
    else:
        result = recipes.predict_raster(model, path, out, tile=TILE, overlap=OVERLAP, batch_size=8, verbose=False)
        fraction = result.model_fraction
    seconds = time.perf_counter() - start
    os.remove(out)
    print(seconds, fraction, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure_in_process(method, path):
    """Runs `measure` in another process and returns its numbers."""
    process = subprocess.run([sys.executable, __file__, method, path], capture_output=True, text=True, check=True)
    return [float(value) for value in process.stdout.split()]


def main(side=4096, rounds=3):
    """Measures all methods in turns and writes the table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.tif", Path(folder) / "large.tif"
        write(small, SMALL)
        write(large, side)
        results = {"raster": [], "loop": [], "small": []}
        for _ in range(rounds):
            results["raster"].append(measure_in_process("raster", large))
            results["small"].append(measure_in_process("raster", small))
            if side < LARGE:
                results["loop"].append(measure_in_process("loop", large))
    medians = [statistics.median(column) for column in zip(*results["raster"], strict=True)]
    ratios = [loop[0] / raster[0] for loop, raster in zip(results["loop"], results["raster"], strict=False)]
    ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
    small_memory = statistics.median(memory for *_, memory in results["small"])
    row = [side, rounds, f"{medians[0]:.1f}", f"{medians[1]:.3f}", ratio, f"{medians[2]:.0f}", f"{small_memory:.0f}"]
    versions = [os.cpu_count(), platform.python_version(), tf.__version__, keras.__version__, rasterio.__version__]
    path = Path(__file__).with_suffix(".csv")
    with path.open(newline="", encoding="utf-8") as file:
        other_rows = [line for line in list(csv.reader(file))[1:] if int(line[0]) != side]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, "cores", "python", "tensorflow", "keras", "rasterio"])
        writer.writerows(sorted([*other_rows, [*row, *versions]], key=lambda line: int(line[0])))
    print(*(f"{name}={value}" for name, value in zip(COLUMNS, row, strict=True)))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("raster", "loop"):
        measure(*sys.argv[1:])
    else:
        main(*map(int, sys.argv[1:]))
