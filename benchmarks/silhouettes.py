"""What a random forest on raw pixels makes of the animal silhouettes, beside the networks' committed records.

    python benchmarks/silhouettes.py          writes benchmarks/silhouettes.csv

All have the same parts: the forest learns from the training part alone, and all are measured on the test part. Of the
networks nothing is trained here: their rows are saved_models/NAME/metrics.json. The forest has 300 trees, seed 0.
"""

import csv
import json
import time
from pathlib import Path

from scipy.stats import binomtest
from sklearn.ensemble import RandomForestClassifier

import recipes
from zoo.weights import RESULTS_FOLDER

DATA = "bundled:animal-silhouettes"


def forest(data):
    """(right answers on the test part, seconds of training)."""
    began = time.perf_counter()
    trees = RandomForestClassifier(300, random_state=0, n_jobs=-1)
    trees.fit(data.train.inputs.reshape(len(data.train), -1), data.train.targets)
    seconds = time.perf_counter() - began
    answers = trees.predict(data.test.inputs.reshape(len(data.test), -1))
    return int((answers == data.test.targets).sum()), seconds


def main():
    data = recipes.load(DATA)
    right, seconds = forest(data)
    interval = binomtest(right, len(data.test)).proportion_ci(method="wilson")
    rows = [["random forest on pixels", right / len(data.test), interval.low, interval.high, seconds]]
    for name, row in recipes.REFERENCE.items():
        record = RESULTS_FOLDER / name / "metrics.json"
        if row.data == DATA and type(row.task) is recipes.Classification and record.is_file():
            told = json.loads(record.read_text())
            assert told["test"]["examples"] == len(data.test)
            rows.append([name, told["test"]["accuracy"], *told["test"]["accuracy_interval"], told["energy"]["seconds"]])
    trivial = told["test"]["baseline"]["accuracy"]
    rows.append(["always the commonest class", trivial, "", "", ""])
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["classifier", "test accuracy", "low", "high", "training seconds", "test examples"])
        for name, *figures in rows:
            table.writerow([name, *(f if f == "" else f"{f:.4g}" for f in figures), len(data.test)])
            print(name, *(f if f == "" else f"{f:.4g}" for f in figures), sep="\t")


if __name__ == "__main__":
    main()
