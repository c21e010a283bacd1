"""Training time with and without tf.data's parallelism autotuning.

    python benchmarks/epoch_speed.py          writes benchmarks/epoch_speed.csv

Reference recipes are trained with autotuning, tf.data's default, and without it, as recipes do
(`recipes.training.pipeline.without_autotuning`), in turns. The ratios are medians over the rounds of (seconds with
autotuning / seconds without). `cpu` is the process' CPU time. Both give the same test metric, which is checked.
"""

import csv
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

import recipes
from recipes.training import accelerate, pipeline

ROUNDS = 3
NAMES = ("cnn_satimage", "lstm_co2", "dnn_breast_cancer")


def train(reference):
    """Trains a reference recipe; returns its seconds (wall, cpu) and its test metric."""
    wall, cpu = time.perf_counter(), time.process_time()
    arguments = reference.arguments or {}
    run = reference.task.fit(reference.model, reference.data, verbose=False, **arguments)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    return seconds, run.evaluate("test")[reference.task.main_metric]


def main():
    rows = []
    for name in NAMES:
        reference, ratios = recipes.REFERENCE[name], []
        for i in range(ROUNDS + 1):  # round 0 is a warm-up
            seconds, metric = train(reference)
            with mock.patch.object(pipeline, "without_autotuning", lambda data: data):
                autotuned_seconds, autotuned_metric = train(reference)
            if metric != autotuned_metric:
                raise RuntimeError(
                    f"{name}: the test metric must not depend on autotuning, got {autotuned_metric} with it and "
                    f"{metric} without."
                )
            if i:
                ratios.append([a / b for a, b in zip(autotuned_seconds, seconds, strict=True)])
            print(f"{name} round {i}/{ROUNDS}: {autotuned_seconds}, {seconds}", file=sys.stderr)
        rows.append([name, *(f"{statistics.median(ratio[k] for ratio in ratios):.3f}" for k in (0, 1)), ROUNDS])
        print(*rows[-1][:3], sep="\t")
    machine = accelerate.machine_info()
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        table.writerows([*row, *(machine[key] for key in ("cores", "python", "tensorflow", "keras"))] for row in rows)


if __name__ == "__main__":
    main()
