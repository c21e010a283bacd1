"""How fast a training step of `zoo.unet` is beside two other libraries' U-Nets, as ratios in one run.

    pip install --no-deps keras-unet-collection segmentation-models image-classifiers efficientnet keras-applications
    python benchmarks/unet_speed.py [ROUNDS] [PYTHON]          writes benchmarks/unet_speed.csv

PYTHON is an interpreter that has these besides this project's dependencies; this one where it is left out. Subjects
take turns in one process and train on the same batches of 8 images of 128 x 128 x 3 with 2 classes, each compiled by
Keras with Adam and cross-entropy, without XLA. Figures are medians over ROUNDS (5) of the other's seconds for each step
divided by ours: above 1 ours is faster. `cpu` counts what the process computed and says more than `wall` on a machine
that others use too. Parameters stand beside them, as no two libraries build the very same network:

- plain: filters of 16, 32, 64 and 128, two convolutions at each scale, no normalisation, no dropout. `unet_2d` of
  keras-unet-collection has a third convolution at each scale on the way up.
- resnet18: a ResNet-18 under a decoder of 256, 128, 64, 32 and 16 filters with batch normalisation. `Unet` of
  segmentation_models enlarges without weights where ours has transposed convolutions.
"""

import csv
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["SM_FRAMEWORK"] = "tf.keras"

import keras
import numpy as np

import zoo
from recipes.training import accelerate

SHAPE, BATCH, STEPS = (128, 128, 3), 8, 4
ROUNDS = 5


def plain():
    """Ours and keras-unet-collection's."""
    from keras_unet_collection import models

    widths = [16, 32, 64, 128]
    theirs = models.unet_2d(
        SHAPE, widths, 2, stack_num_down=2, stack_num_up=2, activation="ReLU", output_activation="Softmax",
        batch_norm=False, pool=True, unpool=False,
    )  # fmt: skip
    return {"ours": zoo.unet(SHAPE, 2, filters=widths, dropout=0.0), "keras-unet-collection": theirs}


def residual():
    """Ours and segmentation_models'."""
    import segmentation_models

    widths = (256, 128, 64, 32, 16)
    theirs = segmentation_models.Unet(
        "resnet18", input_shape=SHAPE, classes=2, activation="softmax", encoder_weights=None, decoder_filters=widths
    )
    mine = zoo.unet(SHAPE, 2, encoder="resnet18", filters=widths[::-1], batch_norm=True, dropout=0.0)
    return {"ours": mine, "segmentation_models": theirs}


class Fit:
    """Some steps of a compiled model's training."""

    def __init__(self, model):
        import tensorflow as tf

        rng = np.random.default_rng(0)
        x = rng.random((BATCH * STEPS, *SHAPE), dtype="float32")
        y = np.eye(2, dtype="float32")[rng.integers(0, 2, (BATCH * STEPS, *SHAPE[:2]))]
        self.data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).cache()
        self.model = model
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="categorical_crossentropy", jit_compile=False)

    def run(self):
        """Seconds of a step: (wall, cpu)."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.fit(self.data, shuffle=False, verbose=0)
        return (time.perf_counter() - wall) / STEPS, (time.process_time() - cpu) / STEPS


def turns(subjects, rounds):
    """Seconds (wall, cpu) of every subject in each round; the first one of each, with its tracing, is left out."""
    taken = {name: [] for name in subjects}
    for turn in range(rounds + 1):
        for name, subject in subjects.items():
            seconds = subject.run()
            if turn:
                taken[name].append(seconds)
            print(f"round {turn}/{rounds}: {name}: {seconds[0]:.3f} s, cpu {seconds[1]:.3f} s", file=sys.stderr)
    return taken


def main(rounds=ROUNDS):
    """Lets the subjects take turns and writes the table."""
    rows = []
    for label, networks in (("plain", plain), ("resnet18", residual)):
        models = networks()
        taken = turns({name: Fit(model) for name, model in models.items()}, rounds)
        other = next(name for name in models if name != "ours")
        pairs = list(zip(taken[other], taken["ours"], strict=True))
        wall, cpu = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        seconds = statistics.median(own[1] for own in taken["ours"])
        sizes = [models[name].count_params() for name in (other, "ours")]
        rows.append([f"{label}: {other} / ours", f"{wall:.3f}", f"{cpu:.3f}", f"{seconds:.3f}", *sizes, rounds])
    machine = accelerate.machine_info()
    columns = ["figure", "wall", "cpu", "our_cpu_seconds", "their_parameters", "our_parameters", "rounds"]
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*columns, "cores", "python", "tensorflow", "keras"])
        for row in rows:
            table.writerow([*row, machine["cores"], machine["python"], machine["tensorflow"], machine["keras"]])
            print(*row, sep="\t")


if __name__ == "__main__":
    if len(sys.argv) > 2:  # the project stands beside what that interpreter has
        root = str(Path(__file__).parents[1])
        there = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        command = [sys.argv[2], __file__, sys.argv[1]]
        sys.exit(subprocess.run(command, env={**os.environ, "PYTHONPATH": there}, check=False).returncode)
    main(*map(int, sys.argv[1:]))
