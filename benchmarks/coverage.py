"""Coverage of conformal intervals and sets on held-out rows of tables, over trainings and splits.

    python benchmarks/coverage.py [TRAININGS]       writes benchmarks/coverage.csv; 1 takes minutes on one core

`dnn` with 32 units is trained on each table for 40 epochs with each of TRAININGS (3) seeds, which change the split
and the weights: on 60 % of the rows. The others are halved at random 1,000 times: on one half intervals and sets are
calibrated, on the other one their coverage is measured. The tables are those of scikit-learn and the penguins of
palmerpenguins; of five a number is predicted from all other columns, by the mean (interval), by the mean of three
networks (interval, ensemble) and by quantiles (interval of quantiles). `coverage` is the mean over trainings and
halves of the fraction of the rows whose target is in the interval or set, and `error` is the standard error of the
mean over the trainings. `size` is the mean width of the intervals as a fraction of the range of the targets, or the
mean number of classes in a set. A set has the most probable class at least, so that its coverage is not below
`accuracy`.
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

TRAININGS = 3
HALVES = 1000
LEVELS = (0.8, 0.9)
SET, INTERVAL, ENSEMBLE, QUANTILES = "set", "interval", "interval, ensemble", "interval of quantiles"
SETTINGS = {
    SET: {"report_examples": 0},
    INTERVAL: {},
    ENSEMBLE: {"ensemble": 3},
    QUANTILES: {"loss": "quantile", "quantiles": (0.05, 0.1, 0.5, 0.9, 0.95)},
}
COLUMNS = ["table", "target", "method", "rows", "nominal", "trainings", "coverage", "error", "size", "accuracy"]
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


def measure(frame, target, method, seed):
    """Returns for each of `LEVELS` (coverage, size, accuracy or NaN), means over the halves, of one training."""
    data = recipes.load(frame, target=target, validation=0.2, test=0.2, seed=seed)
    is_class = method == SET
    task = recipes.Classification if is_class else recipes.Regression
    settings = {"epochs": 40, "baselines": False, "accelerate": "off", **SETTINGS[method]}
    run = task(seed=seed, **settings).fit("dnn", data, units=(32,), verbose=False)
    targets, predictions = (
        np.concatenate(parts)
        for parts in (
            (data.validation.targets, data.test.targets),
            (run.predict_split("validation"), run.predict_split("test")),
        )
    )
    rng, results = np.random.default_rng(seed), []
    for nominal in LEVELS:
        levels = predictions
        calibrate = Conformal.of_classes if is_class else Conformal.of_numbers
        if method == QUANTILES:
            calibrate, outer = Conformal.from_quantiles, LEVELS[::-1].index(nominal)
            levels = predictions[..., outer : predictions.shape[-1] - outer]
        for _ in range(HALVES):
            first, second = np.array_split(rng.permutation(len(targets)), 2)
            conformal = calibrate(targets[first], levels[first], nominal)
            metrics = coverage_metrics(conformal, targets[second], levels[second], data.classes or data.outputs)
            if is_class:
                accuracy = (levels[second].argmax(-1) == targets[second]).mean()
                results.append((metrics["set_coverage"], metrics["set_size"], accuracy))
            else:
                width = metrics["interval_width"][target] / np.ptp(frame[target])
                results.append((metrics["interval_coverage"], width, np.nan))
    keras.utils.clear_session()
    return np.reshape(results, (len(LEVELS), HALVES, 3)).mean(1)


def main(trainings=TRAININGS):
    info = accelerate.machine_info()
    machine = [info[name] for name in ("processor", "tensorflow", "keras")]
    rows = []
    for name, frame, target in tables():
        methods = (INTERVAL, ENSEMBLE, QUANTILES) if pd.api.types.is_numeric_dtype(frame[target]) else (SET,)
        for method in methods:
            results = np.array([measure(frame, target, method, seed) for seed in range(trainings)])
            for nominal, of_level in zip(LEVELS, results.transpose(1, 0, 2), strict=True):
                coverage, size, accuracy = of_level.mean(axis=0)
                error = of_level[:, 0].std(ddof=1) / np.sqrt(trainings) if trainings > 1 else np.nan
                texts = ["" if np.isnan(number) else f"{number:.4f}" for number in (coverage, error, size, accuracy)]
                rows.append([name, target, method, len(frame), nominal, trainings, *texts, *machine])
                print(*rows[-1], sep="\t", flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
