"""Accuracy of a random forest on the animal silhouettes, beside the committed results of the networks.

    python benchmarks/silhouettes.py          writes benchmarks/silhouettes.csv

All classifiers have the same splits and are evaluated on the test split. The random forest is trained on the raw pixels
of the training split with 300 trees and seed 0. The networks are not trained here: their rows are from
saved_models/NAME/metrics.json. `low` and `high` are the 95 % Wilson interval of the accuracy.
"""

import csv
import json
import time
from pathlib import Path

from scipy.stats import binomtest
from sklearn.ensemble import RandomForestClassifier

import recipes

DATA = "bundled:animal-silhouettes"


def evaluate_forest(data):
    """Returns the number of correct predictions on the test split and the training time [s]."""
    start = time.perf_counter()
    forest = RandomForestClassifier(300, random_state=0, n_jobs=-1)
    forest.fit(data.train.inputs.reshape(len(data.train), -1), data.train.targets)
    seconds = time.perf_counter() - start
    predictions = forest.predict(data.test.inputs.reshape(len(data.test), -1))
    return int((predictions == data.test.targets).sum()), seconds


def main():
    data = recipes.load(DATA)
    correct, seconds = evaluate_forest(data)
    interval = binomtest(correct, len(data.test)).proportion_ci(method="wilson")
    rows = [["random forest on pixels", correct / len(data.test), interval.low, interval.high, seconds]]
    for name, reference in recipes.REFERENCE.items():
        path = RESULTS_FOLDER / name / "metrics.json"
        if reference.data == DATA and type(reference.task) is recipes.Classification and path.is_file():
            metrics = json.loads(path.read_text())
            test = metrics["test"]
            assert test["examples"] == len(data.test)
            rows.append([name, test["accuracy"], *test["accuracy_interval"], metrics["energy"]["seconds"]])
    rows.append(["most frequent class", test["baseline"]["accuracy"], "", "", ""])
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["classifier", "test accuracy", "low", "high", "training seconds", "test examples"])
        for name, *numbers in rows:
            texts = [number if number == "" else f"{number:.4g}" for number in numbers]
            table.writerow([name, *texts, len(data.test)])
            print(name, *texts, sep="\t")


if __name__ == "__main__":
    main()
