"""Speed of Adam with TensorFlow's fused update kernel, as ratios to Keras' own update in one run.

    python benchmarks/adam_speed.py [ROUNDS]          writes benchmarks/adam_speed.csv

Each of ROUNDS (3) builds every network twice, and trains one with `keras.optimizers.Adam` and the other with the same
optimizer after `zoo.keras_patches.patch_adam`. Figures are medians over the rounds of (seconds with Keras' own update /
with the patch), so above 1 the patch is faster. `first` is the first call of `fit` with one batch, in which the graph
is built and optimized; `later` is a call with LATER_BATCHES batches. Both compile without XLA. `cpu` is processor time.
"""

import csv
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np

import zoo
from recipes.training import accelerate
from zoo.keras_patches import patch_adam

LATER_BATCHES = 10
NETWORKS = {  # model, inputs
    "resnet20 32, 32 images": (lambda: zoo.resnet20((32, 32, 3), 10), (32, 32, 32, 3)),
    "resnet50 96, 4 images": (lambda: zoo.resnet50((96, 96, 3), 10), (4, 96, 96, 3)),
    "vit_tiny_16 96, 4 images": (lambda: zoo.vit_tiny_16((96, 96, 3), 10), (4, 96, 96, 3)),
}


def seconds(model, x, y, batches=1):
    """Returns (wall, cpu) of one call of `fit` that repeats a batch."""
    batch_size = len(x)
    x, y = np.repeat(x, batches, 0), np.repeat(y, batches, 0)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(x, y, batch_size=batch_size, verbose=0)
    return time.perf_counter() - wall, time.process_time() - cpu


def measure_ratios(build, shape):
    """Returns (first, later), each as (wall, cpu): seconds with Keras' own update / with the patch."""
    rng = np.random.default_rng(0)
    x, times = rng.normal(size=shape).astype("float32"), {}
    for name in ("keras", "patched"):
        keras.utils.clear_session()
        model, adam = build(), keras.optimizers.Adam(1e-4)
        y = rng.normal(size=(shape[0], *model.output_shape[1:])).astype("float32")
        model.compile(patch_adam(adam) if name == "patched" else adam, "mse", jit_compile=False)
        first = seconds(model, x, y)
        times[name] = first, seconds(model, x, y, LATER_BATCHES)
    return [[a / b for a, b in zip(*pair, strict=True)] for pair in zip(times["keras"], times["patched"], strict=True)]


def main(rounds=3):
    machine, rows = accelerate.machine_info(), []
    versions = [machine[key] for key in ("cores", "python", "tensorflow", "keras")]
    for name, (build, shape) in NETWORKS.items():
        ratios = []
        for i in range(rounds):
            ratios.append(measure_ratios(build, shape))
            print(f"{name}, round {i + 1}/{rounds}: {ratios[-1]}", file=sys.stderr)
        for i, figure in enumerate(("first", "later")):
            medians = [f"{statistics.median(r[i][j] for r in ratios):.3f}" for j in (0, 1)]
            rows.append([name, figure, *medians, rounds, *versions])
            print(*rows[-1][:4], sep="\t", flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["network", "figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        table.writerows(rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
