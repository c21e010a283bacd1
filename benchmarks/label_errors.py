"""Wrong labels that are found again, and what they cost: 10 % of the training labels of two bundled sets are changed.

    python benchmarks/label_errors.py [SEEDS [DATA ...]]          writes benchmarks/label_errors.csv

For each of SEEDS (3) seeds a tenth of the labels of the training split become another class, drawn evenly.
`recipes.find_label_errors` lists the probably wrong ones by three folds of the same network: precision is the fraction
of the listed training labels that were changed, recall the fraction of the changed ones that are listed. Then the
network is trained on the changed labels, on them with each robust loss, on what is left without the listed ones, and on
the labels before the change. Validation labels are changed too, as a user's would be. The test labels are not. Each row
has means over the seeds; `lowest` and `highest` are the extremes of the test accuracy.
"""

import csv
import dataclasses
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import recipes

FRACTION, FOLDS = 0.1, 3
SETS = {
    "bundled:mnist-5k": ("lenet5", recipes.Classification(epochs=12, report_examples=0)),
    "bundled:animal-silhouettes": ("cnn", recipes.Classification(epochs=8, report_examples=0)),
}
ROBUST = ("generalized_cross_entropy", "symmetric_cross_entropy")
FIELDS = ("data", "model", "trained on", "accuracy", "lowest", "highest", "precision", "recall", "seeds")


def with_wrong_labels(examples, classes, rng):
    """Returns the examples with a tenth of the labels changed, and (N,) which were."""
    labels, changed = np.array(examples.targets), rng.random(len(examples)) < FRACTION
    labels[changed] = (labels[changed] + rng.integers(1, classes, changed.sum())) % classes
    return dataclasses.replace(examples, targets=labels), changed


def accuracies(source, model, task, seed):
    """Yields (what was trained on, test accuracy, precision, recall); the last two for the labels that were listed."""
    data, task, rng = recipes.load(source), task.replace(seed=seed), np.random.default_rng(seed)
    train, changed = with_wrong_labels(data.train, len(data.classes), rng)
    validation, _ = with_wrong_labels(data.validation, len(data.classes), rng)
    wrong = dataclasses.replace(data, train=train, validation=validation, source_spec=None)
    errors = recipes.find_label_errors(task, model, wrong, folds=FOLDS, verbose=False)
    is_listed = np.zeros(len(errors.order), bool)
    is_listed[errors.order] = errors.table["is_error"]
    is_listed = is_listed[: len(train)]
    quality = (changed[is_listed].mean(), is_listed[changed].mean())

    def accuracy(task, data):
        return recipes.fit(task, model, data, verbose=False).evaluate("test")["accuracy"]

    yield "all labels, before the change", accuracy(task, data), None, None
    yield "changed labels", accuracy(task, wrong), None, None
    for loss in ROBUST:
        yield f"changed labels, {loss}", accuracy(task.replace(loss=loss), wrong), None, None
    yield "without the listed ones", accuracy(task, errors.without_errors()), *quality


def main(seeds=3, *sources):
    path = Path(__file__).with_suffix(".csv")
    rows = []
    if path.exists():  # of the other sets
        with path.open(newline="") as file:
            rows = [row for row in list(csv.reader(file))[1:] if row[0] not in (sources or SETS)]
    for source in sources or SETS:
        model, task = SETS[source]
        by_name = {}
        for seed in range(seeds):
            for name, *numbers in accuracies(source, model, task, seed):
                by_name.setdefault(name, []).append(numbers)
                print(source, seed, name, *numbers, sep="\t", flush=True)
        for name, numbers in by_name.items():
            accuracy = [row[0] for row in numbers]
            quality = [
                f"{np.mean([row[i] for row in numbers]):.3f}" if numbers[0][1] is not None else "" for i in (1, 2)
            ]
            summary = (f"{v:.4f}" for v in (np.mean(accuracy), min(accuracy), max(accuracy)))
            rows.append([source, model, name, *summary, *quality, seeds])
        with path.open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(FIELDS)
            table.writerows(rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
