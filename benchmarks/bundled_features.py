"""Classifiers on the frozen features of all bundled weights, with 5, 25 and 100 silhouettes per class.

    nice -n 10 python benchmarks/bundled_features.py      writes benchmarks/bundled_features.csv, in 15 minutes

Rows have the mean accuracy on the same 1,000 test images over five draws of the training examples, with the deviation
over the draws: logistic regression (its penalty chosen by cross-validation), random forest and support vector machine,
as the task Features fits them. Beside the weights stand the pixels, and the same networks with random weights (seed 0),
but not ResNet-18, which takes longest.
EfficientNet-Lite0 and MobileNetV2 get images enlarged to 96 x 96, and ResNet-18, whose stem has stride 1, to 64 x 64.
No setting was chosen on the test images.
"""

import csv
import types
from pathlib import Path

import keras
import numpy as np

import recipes
import zoo
from recipes.tasks.features import fit_others
from recipes.tasks.fine_tuning import stratified_sample
from recipes.tasks.logistic_head import fit_logistic
from zoo.registry import entry

PATH = Path(__file__).with_suffix(".csv")
DATA = ("bundled:animal-silhouettes",)
SIDES = {"efficientnet_lite0": 96, "mobilenet_v2": 96, "resnet18": 64}
COUNTS, SEEDS, TEST, POOL = (5, 25, 100), range(5), 1000, 2500
FIELDS = ("data", "features", "weights", "examples_per_class", "classifier", "accuracy", "deviation")


def main():
    rows = []
    for source in DATA:
        data = recipes.load(source, seed=0)
        train = data.train.take(stratified_sample(data.train.targets, min(POOL, len(data.train)), 0))
        test = data.test.take(np.sort(np.random.default_rng(0).permutation(len(data.test))[:TEST]))
        for features, weights, extract in extractors(data):
            x, x_test = extract(train.inputs), extract(test.inputs)
            for count in COUNTS:
                draws = [measure(data, x, train.targets, x_test, test.targets, count, seed) for seed in SEEDS]
                for classifier in draws[0]:
                    scores = [draw[classifier] for draw in draws]
                    rows.append((source, features, weights, count, classifier, np.mean(scores), np.std(scores, ddof=1)))
                    print(*rows[-1], flush=True)
            write(rows)


def extractors(data):
    """Yields (name of the features, weights, function of images that returns features)."""
    scale = 255 / float(np.max(data.train.inputs))
    yield "pixels", "none", lambda images: images.reshape(len(images), -1).astype("float32") * scale
    for name, side in SIDES.items():
        for weights in ("bundled",) if name == "resnet18" else ("bundled", None):

            def extract(images, name=name, side=side, weights=weights):
                keras.utils.set_random_seed(0)
                images = keras.ops.image.resize(images.astype("float32") * scale, (side, side))
                images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else np.asarray(images)
                if weights:
                    return zoo.extract_features(name, images, weights=weights)
                bundle = zoo.BUNDLED[name]
                shape = {"input_shape": (side, side, 3), "classes": len(data.classes)}
                model = entry(name).build(**{**bundle.arguments, **shape})
                return zoo.extract_features(model, (images - bundle.mean) / bundle.deviation)

            yield name, weights or "random", extract


def measure(data, x, y, x_test, y_test, count, seed):
    """Returns the accuracy of each classifier on the test images, trained on `count` examples of each class."""
    rng = np.random.default_rng(seed)
    sample = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:count] for c in np.unique(y)])
    task = types.SimpleNamespace(class_weights=lambda data: None, seed=seed)
    logistic = fit_logistic(x[sample], y[sample], len(data.classes), seed=seed)
    predictions = {"logistic regression": logistic.probabilities(x_test)}
    for name, baseline in fit_others(task, data, y[sample], x[sample]).items():
        predictions[name.removeprefix("the ")] = baseline.predict(x_test)
    return {name: float((p.argmax(-1) == y_test).mean()) for name, p in predictions.items()}


def write(rows):
    with open(PATH, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows([*row[:5], *(f"{value:.4f}" for value in row[5:])] for row in rows)


if __name__ == "__main__":
    main()
