"""Speed of explanations, as ratios within one run to the loops over single inputs that one writes by hand.

    python benchmarks/explain_speed.py [ROUNDS [MODEL]]          writes benchmarks/explain_speed.csv

The default is 5 rounds. With a MODEL, only models whose name starts with it are timed, and nothing is written.

Both sides explain the same image, in alternation; figures are medians over the rounds. Our times include compilation,
which every call repeats; the first call of a loop (tracing) is excluded. Loops run only LOOP_INPUTS of their inputs,
and the time is scaled to all of them.
- predict: `model.predict` on one hidden input after the other, the naive loop.
- call: `model(...)` on one hidden input after the other, the fastest loop without a compiled function.
- tape: a `tf.GradientTape` around `model(...)` on one input after the other; for integrated gradients on the inputs of
  the path, for SmoothGrad on the noisy inputs.
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

LOOP_INPUTS = 40  # inputs that a loop is timed on
MODELS = {
    "lenet5 28": lambda: zoo.lenet5((28, 28, 1), 10),
    "resnet18 96": lambda: zoo.resnet18((96, 96, 3), 10),
    "efficientnet_lite0 224": lambda: zoo.efficientnet_lite0((224, 224, 3), 1000),
}
STEPS, SAMPLES = 64, 50  # defaults of integrated gradients and SmoothGrad


def seconds(function):
    """Returns the seconds that a call of `function` takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def occluded_images(x):
    """Yields the image (H, W, C) with each of occlusion's default patches hidden, one at a time."""
    sides = x.shape[:2]
    patch = [-(-side // 8) for side in sides]
    # The last patch ends at the border.
    starts = [[*range(0, s - p, -(-p // 2)), s - p] for s, p in zip(sides, patch, strict=True)]
    for row, column in itertools.product(*starts):
        image = x.copy()
        image[row : row + patch[0], column : column + patch[1]] = 0
        yield image


def loop_seconds(function, inputs):
    """Returns the seconds that calls of `function` on all inputs take, estimated from the first LOOP_INPUTS."""
    timed = inputs[:LOOP_INPUTS]
    duration = seconds(lambda: [function(x[None]) for x in timed])
    return duration * len(inputs) / len(timed)


def gradient_function(model, target):
    """Returns a function that computes the gradient of one logit for one input."""

    def gradient(x):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            logit = model(x, training=False)[:, target]
        return tape.gradient(logit, x).numpy()

    return gradient


def main(rounds, prefix=""):
    rows = []
    for name, build in MODELS.items():
        if not name.startswith(prefix):
            continue
        model = build()
        x = np.random.default_rng(0).normal(size=model.input_shape[1:]).astype("float32")
        occluded = list(occluded_images(x))
        path = [np.float32((i + 0.5) / STEPS) * x for i in range(STEPS)]
        noisy = [x + np.random.default_rng(i).normal(0, 0.15, x.shape).astype("float32") for i in range(SAMPLES)]
        gradient = gradient_function(model, 0)
        model.predict(x[None], verbose=0)
        gradient(x[None])
        timers = {
            "occlusion": lambda: seconds(lambda: explain.occlusion(model, x[None], 0)),  # noqa: B023
            "predict": lambda: loop_seconds(lambda x: model.predict(x, verbose=0), occluded),  # noqa: B023
            "call": lambda: loop_seconds(lambda x: model(x, training=False).numpy(), occluded),  # noqa: B023
            "integrated gradients": lambda: seconds(
                lambda: explain.integrated_gradients(model, x[None], 0, steps=STEPS, tolerance=1e9)  # noqa: B023
            ),
            "tape, path": lambda: loop_seconds(gradient, path),  # noqa: B023
            "SmoothGrad": lambda: seconds(lambda: explain.smoothgrad(model, x[None], 0, samples=SAMPLES)),  # noqa: B023
            "tape, noise": lambda: loop_seconds(gradient, noisy),  # noqa: B023
        }
        durations = {subject: [] for subject in timers}
        for number in range(rounds):
            for subject, timer in timers.items():
                durations[subject].append(timer())
            line = ", ".join(f"{subject} {values[-1]:.2f} s" for subject, values in durations.items())
            print(f"{name}, round {number + 1}/{rounds}: {line}", file=sys.stderr)
        for slow, fast in (
            ("predict", "occlusion"),
            ("call", "occlusion"),
            ("tape, path", "integrated gradients"),
            ("tape, noise", "SmoothGrad"),
        ):
            ratio = statistics.median(a / b for a, b in zip(durations[slow], durations[fast], strict=True))
            rows.append((name, f"{slow} / {fast}", ratio, statistics.median(durations[fast])))
    for name, figure, ratio, _ in rows:
        print(f"{name}\t{figure}\t{ratio:.2f}")
    if prefix:
        return
    machine = accelerate.machine_info()
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["model", "figure", "ratio", "seconds of ours", "rounds", "cores", "tensorflow", "keras"])
        for name, figure, ratio, ours in rows:
            setup = (rounds, machine["cores"], machine["tensorflow"], machine["keras"])
            table.writerow([name, figure, f"{ratio:.2f}", f"{ours:.2f}", *setup])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, *sys.argv[2:3])
