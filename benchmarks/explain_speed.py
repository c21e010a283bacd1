"""How fast explanations are, as ratios in one run: against the loops over single inputs that one writes by hand.

    python benchmarks/explain_speed.py [ROUNDS [MODEL]]          writes benchmarks/explain_speed.csv

5 rounds by default; with a MODEL, only those whose name begins so, and nothing is written.

Each side explains the same image, in turns; figures are medians over the rounds. Ours includes compiling, which each
call does anew; the loops' first call (tracing) is left out. Of the loops only PART of the steps are run, and the time
is scaled to all of them.
- predict: `model.predict` of one hidden input after the other, what a person writes first.
- call: `model(...)` of one after the other, the fastest loop without a compiled function.
- tape: a `tf.GradientTape` around `model(...)` of one after the other, for integrated gradients and SmoothGrad.
"""

import csv
import itertools
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

import zoo
from recipes.training import accelerate
from zoo import explain

PART = 40  # single inputs that a loop is timed on
MODELS = {
    "lenet5 28": lambda: zoo.lenet5((28, 28, 1), 10),
    "resnet18 96": lambda: zoo.resnet18((96, 96, 3), 10),
    "efficientnet_lite0 224": lambda: zoo.efficientnet_lite0((224, 224, 3), 1000),
}
STEPS, SAMPLES = 64, 50  # of integrated gradients and SmoothGrad, their defaults


def seconds(work):
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def hidden(x):
    """The image (H, W, C) with each of occlusion's default patches hidden, one at a time."""
    sides = x.shape[:2]
    patch = [-(-side // 8) for side in sides]
    starts = [
        [*range(0, s - p, -(-p // 2)), s - p] for s, p in zip(sides, patch, strict=True)
    ]  # the last one ends at the border
    for row, column in itertools.product(*starts):
        covered = x.copy()
        covered[row : row + patch[0], column : column + patch[1]] = 0
        yield covered


def loop(work, inputs):
    """Seconds that `work` takes for all of the inputs, by the first PART of them."""
    some = inputs[:PART]
    took = seconds(lambda: [work(x[None]) for x in some])
    return took * len(inputs) / len(some)


def taped(model, target):
    """A function that differentiates one logit of one input."""

    def gradient(x):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            answer = model(x, training=False)[:, target]
        return tape.gradient(answer, x).numpy()

    return gradient


def main(rounds, only=""):
    rows = []
    for name, build in MODELS.items():
        if not name.startswith(only):
            continue
        model = build()
        x = np.random.default_rng(0).normal(size=model.input_shape[1:]).astype("float32")
        covered = list(hidden(x))
        way = [np.float32((i + 0.5) / STEPS) * x for i in range(STEPS)]
        noisy = [x + np.random.default_rng(i).normal(0, 0.15, x.shape).astype("float32") for i in range(SAMPLES)]
        gradient = taped(model, 0)
        model.predict(x[None], verbose=0)
        gradient(x[None])
        subjects = {
            "occlusion": lambda: seconds(lambda: explain.occlusion(model, x[None], 0)),  # noqa: B023 (called at once)
            "predict": lambda: loop(lambda one: model.predict(one, verbose=0), covered),  # noqa: B023
            "call": lambda: loop(lambda one: model(one, training=False).numpy(), covered),  # noqa: B023
            "integrated gradients": lambda: seconds(
                lambda: explain.integrated_gradients(model, x[None], 0, steps=STEPS, tolerance=1e9)  # noqa: B023
            ),
            "tape, way": lambda: loop(gradient, way),  # noqa: B023
            "SmoothGrad": lambda: seconds(lambda: explain.smoothgrad(model, x[None], 0, samples=SAMPLES)),  # noqa: B023
            "tape, noise": lambda: loop(gradient, noisy),  # noqa: B023
        }
        took = {subject: [] for subject in subjects}
        for turn in range(rounds):
            for subject, work in subjects.items():
                took[subject].append(work())
            line = ", ".join(f"{subject} {values[-1]:.2f} s" for subject, values in took.items())
            print(f"{name}, round {turn + 1}/{rounds}: {line}", file=sys.stderr)
        for slow, fast in (
            ("predict", "occlusion"),
            ("call", "occlusion"),
            ("tape, way", "integrated gradients"),
            ("tape, noise", "SmoothGrad"),
        ):
            ratio = statistics.median(a / b for a, b in zip(took[slow], took[fast], strict=True))
            rows.append((name, f"{slow} / {fast}", ratio, statistics.median(took[fast])))
    for name, figure, ratio, _ in rows:
        print(f"{name}\t{figure}\t{ratio:.2f}")
    if only:
        return
    machine = accelerate.machine_info()
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["model", "figure", "ratio", "seconds of ours", "rounds", "cores", "tensorflow", "keras"])
        for name, figure, ratio, ours in rows:
            told = (rounds, machine["cores"], machine["tensorflow"], machine["keras"])
            table.writerow([name, figure, f"{ratio:.2f}", f"{ours:.2f}", *told])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, *sys.argv[2:3])
