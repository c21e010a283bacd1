"""Coverage of conformal intervals and sets on held-out rows of tables, over splits.

    python benchmarks/coverage.py [SPLITS]          writes benchmarks/coverage.csv

`dnn` with 32 units is trained on each table for 40 epochs with each of SPLITS (20) seeds, which change the split and
the weights: 60 % of the rows for training, 20 % for validation, on which intervals and sets are calibrated, and 20 %
for the test. The tables are those of scikit-learn and the penguins of palmerpenguins; of five a number is predicted
from all other columns. `coverage` is the mean over the splits of the fraction of the test rows whose target is in the
interval or set, and `error` is the standard error of that mean. `size` is the mean width of the intervals as a fraction
of the range of the targets, or the mean number of classes in a set. A set has the most probable class at least, so that
its coverage is not below `accuracy`.
"""

import csv
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from sklearn import datasets

import recipes
from recipes.tasks.calibration import coverage_metrics
from recipes.training import accelerate
from zoo.conformal import Conformal

SPLITS = 20
LEVELS = (0.8, 0.9)
COLUMNS = ["table", "target", "rows", "nominal", "splits", "coverage", "error", "size", "accuracy"]
COLUMNS += ["processor", "tensorflow", "keras"]


def penguins():
    data = recipes.load("bundled:penguins")
    parts = (data.train, data.validation, data.test)
    frames = [pd.DataFrame(part.head(len(part))).assign(species=part.targets) for part in parts]
    return pd.concat(frames, ignore_index=True).replace({"species": dict(enumerate(data.classes))})


def tables():
    """Yields (name, data frame, target)."""
    of_sklearn = {name: getattr(datasets, f"load_{name}")(as_frame=True).frame for name in ("diabetes", "iris", "wine")}
    of_sklearn["breast cancer"] = datasets.load_breast_cancer(as_frame=True).frame
    frames = {name: frame.rename(columns={"target": "class"}) for name, frame in of_sklearn.items()}
    frames["diabetes"] = of_sklearn["diabetes"]
    for name in ("iris", "wine", "breast cancer"):
        frames[name]["class"] = "class " + frames[name]["class"].astype(str)
        yield name, frames[name], "class"
    yield "penguins", penguins(), "species"
    yield "diabetes", frames["diabetes"], "target"
    yield "iris", frames["iris"], "sepal length (cm)"
    yield "wine", frames["wine"], "alcohol"
    yield "breast cancer", frames["breast cancer"], "worst texture"
    yield "penguins", penguins(), "body_mass_g"


def measure(frame, target, seed):
    """Returns for each of `LEVELS` (coverage, size, accuracy or NaN) of one split."""
    data = recipes.load(frame, target=target, validation=0.2, test=0.2, seed=seed)
    is_class = data.task == "classification"
    task, options = (recipes.Classification, {"report_examples": 0}) if is_class else (recipes.Regression, {})
    run = task(epochs=40, seed=seed, baselines=False, **options).fit("dnn", data, units=(32,), verbose=False)
    validation, test = run.predict_split("validation"), run.predict_split("test")
    calibrate = Conformal.of_classes if is_class else Conformal.of_numbers
    results = []
    for nominal in LEVELS:
        conformal = calibrate(data.validation.targets, validation, nominal)
        metrics = coverage_metrics(conformal, data.test.targets, test, data.classes or data.outputs)
        if is_class:
            accuracy = (test.argmax(-1) == data.test.targets).mean()
            results.append((metrics["set_coverage"], metrics["set_size"], accuracy))
        else:
            results.append(
                (metrics["interval_coverage"], metrics["interval_width"][target] / np.ptp(frame[target]), np.nan)
            )
    keras.utils.clear_session()
    return results


def main(splits=SPLITS):
    info = accelerate.machine_info()
    machine = [info[name] for name in ("processor", "tensorflow", "keras")]
    rows = []
    for name, frame, target in tables():
        results = np.array([measure(frame, target, seed) for seed in range(splits)])
        for nominal, of_level in zip(LEVELS, results.transpose(1, 0, 2), strict=True):
            coverage, size, accuracy = of_level.mean(axis=0)
            numbers = [coverage, of_level[:, 0].std(ddof=1) / np.sqrt(splits), size, accuracy]
            texts = ["" if np.isnan(number) else f"{number:.4f}" for number in numbers]
            rows.append([name, target, len(frame), nominal, splits, *texts, *machine])
            print(*rows[-1], sep="\t", flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
