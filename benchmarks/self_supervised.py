"""Self-supervised learning on animal silhouettes: 4 and 25 labels per class, beside the labels alone.

    nice -n 10 python benchmarks/self_supervised.py --short    one seed, 10 epochs of pre-training; about 5 minutes
    nice -n 10 python benchmarks/self_supervised.py            five seeds, 200 epochs

Both write benchmarks/self_supervised.csv, a row as each method ends, and do not compute again what it has. `--summary`
prints the mean error of each method.

The test split (split with seed 0) is the same for all rows. Pre-training uses the images of the training split
without their labels. A row has the labels drawn with its seed.

Methods:
    pixels                          logistic regression on the pixels
    supervised                      `cnn` with the labels alone, flips and shifts, for 600 steps of 16 images
    contrastive, probe              logistic regression on the frozen features of that `cnn` after SimCLR
    contrastive, untrained probe    the same on its features before the training
    contrastive, fine-tuning        all stages, from a logistic regression on the features
    masked, ...                     the same of `mae_small` of a smaller width

No setting was chosen by an error of this file. `pretraining_epochs` is 0 where there is none. One thread each.
"""

import csv
import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")

import keras
import numpy as np

import recipes
from recipes.data.unlabelled import hide_labels
from recipes.tasks.logistic_head import fit_logistic

PATH = Path(__file__).with_suffix(".csv")
DATA, LABELS = "bundled:animal-silhouettes?seed=0", (4, 25)
CNN = {"filters": (16, 32, 64), "convolutions": 1, "units": (64,), "dropout": 0.0, "max_norm": None}
MAE = {"depth": 4, "width": 96, "units": 384, "decoder_depth": 1, "decoder_width": 48}
VIEWS = ("resized_crop:0.2", "flip", "brightness:0.3", "contrast:0.5")
PRETRAINING = {
    "contrastive": (recipes.Contrastive(batch_size=256, augment=VIEWS, baselines=False), "cnn", CNN),
    "masked": (recipes.MaskedImageModelling(batch_size=128, baselines=False), "mae_small", MAE),
}
WEAK = ("flip", "shift:0.125")
FIELDS = ("labels_per_class", "method", "seed", "pretraining_epochs", "test_error", "cpu_seconds")


def with_labels(data, count, seed):
    """Returns the data with that number of labelled training images of each class, and no others."""
    data = hide_labels(data, count, seed)
    return dataclasses.replace(data, train=dataclasses.replace(data.train, unlabelled=None))


def probe_error(data, train, test):
    """Returns the test error of a logistic regression on features (N, F)."""
    fitted = fit_logistic(train, data.train.targets, len(data.classes), choices=(0.01, 0.1, 1.0))
    return float((fitted.probabilities(test).argmax(1) != data.test.targets).mean())


def pretrain(name, data, epochs, seed, folder):
    """Trains without labels; returns (folder of the run, model with its initial weights, processor seconds)."""
    task, model, arguments = PRETRAINING[name]
    task, start = task.replace(epochs=epochs, seed=seed), time.process_time()
    run = task.fit(model, data, out=Path(folder, f"{name}{seed}"), verbose=False, **arguments)
    seconds = time.process_time() - start
    untrained = task.build_model(model, data, **arguments)
    untrained = untrained.encoder() if name == "masked" else untrained
    return Path(folder, f"{name}{seed}"), untrained, seconds, run


def rows_of_pretraining(name, data, epochs, seed):
    """Yields (labels per class, method, test error, processor seconds), the pre-training's in those of the probe."""
    with tempfile.TemporaryDirectory() as folder:
        path, untrained, spent, run = pretrain(name, data, epochs, seed, folder)
        model = PRETRAINING[name][1]
        for count in LABELS:
            labelled = with_labels(data, count, seed)
            raw = [x.inputs for x in (labelled.train, labelled.test)]
            start = time.process_time()
            error = probe_error(labelled, *(run.predict(x) for x in raw))
            yield count, f"{name}, probe", error, spent + time.process_time() - start
            start = time.process_time()
            error = probe_error(labelled, *(untrained.predict(x.astype("float32") / 255, verbose=0) for x in raw))
            yield count, f"{name}, untrained probe", error, time.process_time() - start
            start = time.process_time()
            task = recipes.FineTuning(
                weights=str(path), stages=None, head_epochs=5, epochs=20, batch_size=16, learning_rate=3e-4, seed=seed,
                augment=WEAK, report_examples=0,
            )  # fmt: skip
            error = 1 - task.fit(model, labelled, verbose=False).evaluate("test")["accuracy"]
            yield count, f"{name}, fine-tuning", error, time.process_time() - start


def rows_of_labels(data, seed):
    """Yields (labels per class, method, test error, processor seconds) of the labels alone."""
    for count in LABELS:
        labelled, start = with_labels(data, count, seed), time.process_time()
        pixels = [x.inputs.reshape(len(x), -1) / 255 for x in (labelled.train, labelled.test)]
        yield count, "pixels", probe_error(labelled, *pixels), time.process_time() - start
        start = time.process_time()
        task = recipes.FewLabels(
            method="supervised", epochs=5, steps_per_epoch=120, batch_size=16, augment=WEAK, seed=seed, baselines=False,
            report_examples=0,
        )  # fmt: skip
        error = 1 - task.fit("cnn", labelled, verbose=False, **CNN).evaluate("test")["accuracy"]
        yield count, "supervised", error, time.process_time() - start


def read():
    """Returns the rows that were computed before."""
    if not PATH.is_file():
        return []
    with PATH.open(newline="") as file:
        return list(csv.DictReader(file))


def summary(rows):
    """Prints the mean test error of each method over the seeds."""
    errors = {}
    for row in rows:
        key = int(row["labels_per_class"]), row["method"], int(row["pretraining_epochs"])
        errors.setdefault(key, []).append(float(row["test_error"]))
    for key, values in sorted(errors.items()):
        print(*key, f"{np.mean(values):.3f}", f"{len(values)} seeds", sep="\t")


def main():
    if "--summary" in sys.argv:
        summary(read())
        return
    seeds, epochs = ((0,), 10) if "--short" in sys.argv else (range(5), 200)
    data, done = recipes.load(DATA), {(row["seed"], row["pretraining_epochs"], row["method"]) for row in read()}
    with PATH.open("a", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if not done:
            table.writerow(FIELDS)
        for seed in seeds:
            for name, length in (("supervised", 0), ("contrastive", epochs), ("masked", epochs)):
                last = name if length == 0 else f"{name}, fine-tuning"
                if (str(seed), str(length), last) in done:
                    continue
                keras.backend.clear_session()
                rows = rows_of_pretraining(name, data, length, seed) if length else rows_of_labels(data, seed)
                for count, method, error, seconds in list(rows):
                    table.writerow([count, method, seed, length, f"{error:.4f}", f"{seconds:.1f}"])
                file.flush()
                print(seed, name, flush=True)
    summary(read())


if __name__ == "__main__":
    main()
