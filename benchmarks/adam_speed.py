"""What Adam in one operation gains over Keras' own update, as ratios in one run.

    python benchmarks/adam_speed.py [ROUNDS]          writes benchmarks/adam_speed.csv

Each of ROUNDS (3) builds every network twice and trains one of them with `keras.optimizers.Adam`, the other with the
same optimizer after `zoo.keras_patches.fused`; figures are medians over the rounds of (Keras' seconds / ours), so above 1
ours is faster. `first` is the first call of `fit` with one batch, in which the graph is built and optimised; `later` a
call with LATER batches. Both compile without XLA. `cpu` counts what the process computed.
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

LATER = 10
NETWORKS = {  # model, inputs
    "resnet20 32, 32 images": (lambda: zoo.resnet20((32, 32, 3), 10), (32, 32, 32, 3)),
    "resnet50 96, 4 images": (lambda: zoo.resnet50((96, 96, 3), 10), (4, 96, 96, 3)),
    "vit_tiny_16 96, 4 images": (lambda: zoo.vit_tiny_16((96, 96, 3), 10), (4, 96, 96, 3)),
}


def seconds(model, x, y, times=1):
    """(wall, cpu) of one call of `fit` with so many batches."""
    x, y, size = np.repeat(x, times, 0), np.repeat(y, times, 0), len(x)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(x, y, batch_size=size, verbose=0)
    return time.perf_counter() - wall, time.process_time() - cpu


def measured(build, shape):
    """(first, later), each (wall, cpu): Keras' seconds / ours."""
    rng = np.random.default_rng(0)
    x, times = rng.normal(size=shape).astype("float32"), {}
    for name in ("keras", "ours"):
        keras.utils.clear_session()
        model, adam = build(), keras.optimizers.Adam(1e-4)
        y = rng.normal(size=(shape[0], *model.output_shape[1:])).astype("float32")
        model.compile(patch_adam(adam) if name == "ours" else adam, "mse", jit_compile=False)
        first = seconds(model, x, y)
        times[name] = first, seconds(model, x, y, LATER)
    return [[a / b for a, b in zip(*pair, strict=True)] for pair in zip(times["keras"], times["ours"], strict=True)]


def main(rounds=3):
    machine, rows = accelerate.machine_info(), []
    versions = [machine[key] for key in ("cores", "python", "tensorflow", "keras")]
    for name, (build, shape) in NETWORKS.items():
        found = []
        for turn in range(rounds):
            found.append(measured(build, shape))
            print(f"{name}, round {turn + 1}/{rounds}: {found[-1]}", file=sys.stderr)
        for i, figure in enumerate(("first", "later")):
            ratios = [f"{statistics.median(f[i][j] for f in found):.3f}" for j in (0, 1)]
            rows.append([name, figure, *ratios, rounds, *versions])
            print(*rows[-1][:4], sep="\t", flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["network", "figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        table.writerows(rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
