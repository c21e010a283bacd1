"""What tf.data's search for parallelism costs a training, as ratios in one run.

    python benchmarks/epoch_speed.py          writes benchmarks/epoch_speed.csv

Worked rows are trained with the search, as tf.data has it unless told otherwise, and without it, as recipes do
(`recipes.training.pipeline.at_ease`), in turns; figures are medians over the rounds of (seconds with / seconds without). `cpu`
counts what the process computed. Both reach the same result, which is checked.
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
ROWS = ("cnn_satimage", "lstm_co2", "dnn_breast_cancer")


def trained(row):
    """Seconds (wall, cpu) of a training, and what it reached on the test part."""
    wall, cpu = time.perf_counter(), time.process_time()
    run = row.task.fit(row.model, row.data, verbose=False, **(row.arguments or {}))
    took = time.perf_counter() - wall, time.process_time() - cpu
    return took, run.evaluate("test")[row.task.headline]


def main():
    rows = []
    for name in ROWS:
        row, found = recipes.REFERENCE[name], []
        for turn in range(ROUNDS + 1):  # the first warms up
            without = trained(row)
            with mock.patch.object(pipeline, "at_ease", lambda data: data):
                searched = trained(row)
            if without[1] != searched[1]:
                raise RuntimeError(f"{name}: {searched[1]} with the search and {without[1]} without.")
            found += [[a / b for a, b in zip(searched[0], without[0], strict=True)]] if turn else []
            print(f"{name} round {turn}/{ROUNDS}: {searched[0]}, {without[0]}", file=sys.stderr)
        rows.append([name, *(f"{statistics.median(r[i] for r in found):.3f}" for i in (0, 1)), ROUNDS])
        print(*rows[-1][:3], sep="\t")
    about = accelerate.machine_info()
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        table.writerows([*row, *(about[key] for key in ("cores", "python", "tensorflow", "keras"))] for row in rows)


if __name__ == "__main__":
    main()
