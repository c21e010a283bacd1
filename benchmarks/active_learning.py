"""Accuracy against the number of labels: photos that the model is unsure of, beside random ones.

    python benchmarks/active_learning.py [SEEDS]          writes benchmarks/active_learning.csv

For each of SEEDS (5) seeds, labels of the training split of the animal silhouettes are asked for in steps of 10, as
`zoo label` does it (`recipes.choose_to_label`) and at random. The model is what `zoo label` fits: a logistic regression
on the features of EfficientNet-Lite0 that was trained on ImageNet. Accuracy is that on the test split.
"""

import csv
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import recipes
import zoo
from recipes.data.images.image_files import resize_image
from recipes.labels.active import predict_labels

DATA, MODEL, STEP, MOST, CHUNK = "bundled:animal-silhouettes", "efficientnet_lite0", 10, 200, 256
POOL, TEST = 3_000, 1_000  # images of which labels are asked for, and of the test split


def features_of(images):
    """Returns (N, F) features of (N, 28, 28, 1) images."""
    parts = []
    for start in range(0, len(images), CHUNK):
        batch = [resize_image(np.repeat(x, 3, axis=-1), (224, 224)) for x in images[start : start + CHUNK]]
        parts.append(zoo.extract_features(MODEL, np.stack(batch)))
    return np.concatenate(parts)


def curve(pool, labels, test, test_labels, strategy, seed):
    """Yields (number of labels, accuracy) while labels are asked for."""
    rng, labelled = np.random.default_rng(seed), np.array([], int)
    while len(labelled) < MOST:
        if strategy == "random":
            new_labels = rng.choice(np.setdiff1d(np.arange(len(pool)), labelled), STEP, replace=False)
        else:
            new_labels = recipes.choose_to_label(pool, labelled, labels[labelled], count=STEP, seed=seed)
        labelled = np.concatenate([labelled, new_labels])
        classes, probabilities = predict_labels(pool[labelled], labels[labelled], test, seed)
        yield len(labelled), float((classes[probabilities.argmax(1)] == test_labels).mean())


def main(seeds=5):
    data = recipes.load(DATA)
    pool, test = data.train.take(slice(0, POOL)), data.test.take(slice(0, TEST))
    features, test_features = features_of(pool.inputs), features_of(test.inputs)
    results = {}
    for seed in range(seeds):
        for strategy in ("random", "zoo label"):
            for count, accuracy in curve(features, pool.targets, test_features, test.targets, strategy, seed):
                results.setdefault((strategy, count), []).append(accuracy)
            print(seed, strategy, results[strategy, MOST][-1], sep="\t", flush=True)
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["chosen by", "labels", "accuracy", "lowest", "highest", "seeds"])
        for (strategy, count), values in results.items():
            numbers = (f"{v:.4f}" for v in (np.mean(values), min(values), max(values)))
            table.writerow([strategy, count, *numbers, seeds])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
