"""Semi-supervised learning on animal silhouettes with 4 and 25 labels per class, beside the labels alone.

    nice -n 10 python benchmarks/few_labels.py          writes benchmarks/few_labels.csv, a row as each run ends

The test split (1,457 silhouettes, split with seed 0) is the same for all rows and is used once per row. A row has the
labels drawn with its seed; the labels of all other training and validation images are hidden. All networks are the
architecture `cnn` with three convolutions of 16, 32 and 64 filters, trained for 1,200 steps of 16 labelled images, with
48 unlabelled ones in two views; the other settings are below or the papers'. Network, strong augmentation (geometric,
as silhouettes have no colors), threshold momentum and optimizer were chosen with the label draw of seed 10, which no
row has, on the validation split; the test split was not looked at.

Rows:
    logistic regression         of the pixels, with the labels alone
    supervised                  the network with the labels alone, weak augmentation; also with 2 and 4 times the labels
    supervised, strong          the same with the strong augmentation
    pseudo_label, fixmatch, freematch

`above_threshold` is the fraction of the unlabelled images whose pseudo-label is used, in the last epoch, and
`pseudo_label_accuracy` the accuracy of those by the hidden labels. One thread each, TF_NUM_INTRAOP_THREADS=1. Rows that
the file has already are not computed again. `python benchmarks/few_labels.py --summary` prints means over the seeds.
"""

import csv
import os
import sys
import time
from pathlib import Path

os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")

import keras
import numpy as np

import recipes
from recipes.tasks.few_labels_baselines import fit_probe

PATH = Path(__file__).with_suffix(".csv")
DATA, SEEDS, LABELS, MORE = "bundled:animal-silhouettes?seed=0", range(5), (25, 4), (4, 2)
NETWORK = {"filters": (16, 32, 64), "convolutions": 1, "units": (64,), "dropout": 0.0, "max_norm": None}
WEAK = ("flip", "shift:0.125")
STRONG = (*WEAK, "rotate:0.1", "shear:0.3", "zoom:0.25", "cutout:0.4")
SETTINGS = {
    "epochs": 10,
    "steps_per_epoch": 120,
    "batch_size": 16,
    "unlabelled_ratio": 3,  # 7 in the papers, whose trainings have 800 times as many steps
    "augment": WEAK,
    "strong_augment": STRONG,
    "threshold_momentum": 0.99,  # of 1,200 steps; the paper's 0.999 is for 2 ** 20
    "baselines": False,
    "report_examples": 0,
}
METHODS = {
    "supervised": {"method": "supervised"},
    "fixmatch": {"method": "fixmatch"},
    "freematch": {"method": "freematch"},
    "supervised, strong": {"method": "supervised", "augment": STRONG},
    "pseudo_label": {"method": "pseudo_label"},
}
PROBE, FIRST = "logistic regression", ("supervised", "fixmatch")
FIELDS = (
    "labels_per_class", "method", "labels_used", "seed", "test_accuracy", "test_error", "steps", "above_threshold",
    "pseudo_label_accuracy", "cpu_seconds",
)  # fmt: skip


def rows_to_compute():
    """Yields (labels per class of the comparison, method, labels per class that it uses, seed)."""
    for methods in ((PROBE,), FIRST, [name for name in METHODS if name not in FIRST]):
        yield from ((count, method, count, seed) for count in LABELS for seed in SEEDS for method in methods)
    for factor in MORE:
        yield from ((count, "supervised", factor * count, seed) for count in LABELS for seed in SEEDS)


def compute(data, method, labels, seed):
    """Returns the values of one row from the test accuracy on."""
    keras.backend.clear_session()
    start = time.process_time()
    settings = METHODS.get(method, {**METHODS["supervised"], "epochs": 1, "steps_per_epoch": 1})
    task = recipes.FewLabels(labels_per_class=labels, seed=seed, **{**SETTINGS, **settings})
    run = task.fit("cnn", data, verbose=False, **NETWORK)
    if method == PROBE:  # the network only says which pixels; its size is that of the others
        correct = fit_probe(run).predict(data.test).argmax(-1) == data.test.targets
        return [correct.mean(), 1 - correct.mean(), "", "", "", time.process_time() - start]
    accuracy, seconds = run.evaluate("test")["accuracy"], time.process_time() - start
    last = [run.history.get(name, [""])[-1] for name in ("above_threshold", "pseudo_label_accuracy")]
    return [accuracy, 1 - accuracy, run.record["steps_trained"], *last, seconds]


def read():
    """Returns the rows that were computed before."""
    if not PATH.is_file():
        return []
    with PATH.open(newline="") as file:
        return list(csv.DictReader(file))


def summary(rows):
    """Prints mean and standard deviation of the test error over the seeds, and its ratio to the supervised error."""
    errors = {}
    for row in rows:
        key = int(row["labels_per_class"]), row["method"], int(row["labels_used"])
        errors.setdefault(key, []).append(float(row["test_error"]))
    for (count, method, labels), values in sorted(errors.items()):
        supervised = np.mean(errors[count, "supervised", count])
        ratio = np.mean(values) / supervised
        deviation = np.std(values, ddof=1) if len(values) > 1 else float("nan")
        print(
            f"{count}\t{method} ({labels})\t{np.mean(values):.3f} +- {deviation:.3f}\t{ratio:.2f}\t{len(values)} seeds"
        )


def main():
    rows = read()
    if "--summary" in sys.argv:
        summary(rows)
        return
    done = {(r["labels_per_class"], r["method"], r["labels_used"], r["seed"]) for r in rows}
    data = recipes.load(DATA)
    with PATH.open("a", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if not rows:
            table.writerow(FIELDS)
        for key in rows_to_compute():
            if tuple(map(str, key)) in done:
                continue
            values = compute(data, *key[1:])
            table.writerow([*key, *(v if isinstance(v, str | int) else f"{v:.4g}" for v in values)])
            file.flush()
            print(*key, *values, sep="\t", flush=True)
    summary(read())


if __name__ == "__main__":
    main()
