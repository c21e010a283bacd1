"""How `predict_raster` spends its time and memory, and against a plain loop, in one run.

    python benchmarks/raster_speed.py [SIDE] [ROUNDS]          writes benchmarks/raster_speed.csv

A GeoTIFF of SIDE x SIDE pixels (4096) and 4 bands of 16 bits is written, compressed, one pattern again and again; it is
answered in processes of their own, which take turns ROUNDS times (3), by a U-Net of 16, 32 and 64 filters, in tiles of
256 pixels that overlap by 64. Figures are medians.
- share in the model: of the seconds that a call takes in all, compiling the model included.
- loop / predict_raster: seconds, against `model.predict` on one tile after another, read, cut and written with rasterio
  as most scripts do it: without blending, by the same tiles.
- memory: the largest resident set of the process [MiB]; that of a raster of 512 x 512 pixels is what TensorFlow takes.
With a large side, such as 20000, the loop is left out, and its cells stay empty. The rows of
other sides are kept.
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
COLUMNS = ["side", "rounds", "seconds", "share_in_model", "loop_ratio", "memory_mib", "memory_small_mib"]


def write(path, side):
    """A raster whose blocks are one pattern."""
    pattern = np.random.default_rng(0).integers(0, 3000, (4, 256, 256)).astype("uint16")
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "BIGTIFF": "IF_SAFER"}
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    size = {"width": side, "height": side, "count": 4, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **layout, **place, **size) as file:
        for row in range(0, side, 256):
            for column in range(0, side, 256):
                height, width = min(256, side - row), min(256, side - column)
                file.write(pattern[:, :height, :width], window=Window(column, row, width, height))


def network():
    """The model, with the weights that it starts with."""
    keras.utils.set_random_seed(0)
    return zoo.unet((None, None, 4), 4, filters=(16, 32, 64))


def loop(model, path, out):
    """What a script does: one tile after another."""
    margin, step = OVERLAP // 2, TILE - OVERLAP
    with rasterio.open(path) as source:
        profile = {**source.profile, "count": 1, "dtype": "uint8"}
        with rasterio.open(out, "w", **profile) as file:
            for row in range(0, source.height, step):
                for column in range(0, source.width, step):
                    place = Window(column - margin, row - margin, TILE, TILE)
                    pixels = source.read(window=place, boundless=True, fill_value=0)
                    answer = model.predict(np.moveaxis(pixels, 0, -1)[None].astype("float32"), verbose=0)[0]
                    height, width = min(step, source.height - row), min(step, source.width - column)
                    kept = answer.argmax(-1)[margin : margin + height, margin : margin + width].astype("uint8")
                    file.write(kept, 1, window=Window(column, row, width, height))


def one(way, path):
    """(seconds, share in the model, memory [MiB]) of one way, printed for `asked`."""
    model, out, share = network(), f"{path}.{way}.tif", 1.0
    began = time.perf_counter()
    if way == "loop":
        loop(model, path, out)
    else:
        done = recipes.predict_raster(model, path, out, tile=TILE, overlap=OVERLAP, batch_size=8, verbose=False)
        share = done.model_fraction
    seconds = time.perf_counter() - began
    os.remove(out)
    print(seconds, share, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def asked(way, path):
    """What a process of its own says of one way."""
    done = subprocess.run([sys.executable, __file__, way, path], capture_output=True, text=True, check=True)
    return [float(value) for value in done.stdout.split()]


def main(side=4096, rounds=3):
    """Lets the ways take turns and writes the table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.tif", Path(folder) / "large.tif"
        write(small, SMALL)
        write(large, side)
        found = {"raster": [], "loop": [], "small": []}
        for _ in range(rounds):
            found["raster"].append(asked("raster", large))
            found["small"].append(asked("raster", small))
            if side < LARGE:
                found["loop"].append(asked("loop", large))
    ours = [statistics.median(column) for column in zip(*found["raster"], strict=True)]
    ratios = [theirs[0] / mine[0] for theirs, mine in zip(found["loop"], found["raster"], strict=False)]
    ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
    base = statistics.median(memory for *_, memory in found["small"])
    row = [side, rounds, f"{ours[0]:.1f}", f"{ours[1]:.3f}", ratio, f"{ours[2]:.0f}", f"{base:.0f}"]
    installed = [os.cpu_count(), platform.python_version(), tf.__version__, keras.__version__, rasterio.__version__]
    path = Path(__file__).with_suffix(".csv")
    with path.open(newline="", encoding="utf-8") as file:
        kept = [line for line in list(csv.reader(file))[1:] if int(line[0]) != side]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, "cores", "python", "tensorflow", "keras", "rasterio"])
        writer.writerows(sorted([*kept, [*row, *installed]], key=lambda line: int(line[0])))
    print(*(f"{name}={value}" for name, value in zip(COLUMNS, row, strict=True)))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("raster", "loop"):
        one(*sys.argv[1:])
    else:
        main(*map(int, sys.argv[1:]))
