"""Speed of a training step of `zoo.unet` relative to U-Nets of two other libraries.

    pip install --no-deps keras-unet-collection segmentation-models image-classifiers efficientnet keras-applications
    python benchmarks/unet_speed.py [ROUNDS] [PYTHON]          writes benchmarks/unet_speed.csv

PYTHON is an interpreter with these libraries and this project's dependencies; by default the current one. The models
take turns in one process and train on the same batches of 8 images of 128 x 128 x 3 with 2 classes. Each is compiled by
Keras with Adam and cross-entropy, without XLA. Figures are medians over ROUNDS (5) of the other model's seconds per
step divided by ours: above 1, ours is faster. `cpu` is process time, which is more reliable than `wall` on a shared
machine. Parameters are listed too, since the networks are not identical:

- plain: filters of 16, 32, 64 and 128, two convolutions at each scale, no normalization, no dropout. `unet_2d` of
  keras-unet-collection has a third convolution at each scale of the decoder.
- resnet18: a ResNet-18 under a decoder of 256, 128, 64, 32 and 16 filters with batch normalization. `Unet` of
  segmentation_models upsamples without weights, ours by transposed convolutions.
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
    """Returns our plain U-Net and that of keras-unet-collection."""
    from keras_unet_collection import models

    widths = [16, 32, 64, 128]
    theirs = models.unet_2d(
        SHAPE, widths, 2, stack_num_down=2, stack_num_up=2, activation="ReLU", output_activation="Softmax",
        batch_norm=False, pool=True, unpool=False,
    )  # fmt: skip
    return {"ours": zoo.unet(SHAPE, 2, filters=widths, dropout=0.0), "keras-unet-collection": theirs}


def residual():
    """Returns our U-Net with a ResNet-18 encoder and that of segmentation_models."""
    import segmentation_models

    widths = (256, 128, 64, 32, 16)
    theirs = segmentation_models.Unet(
        "resnet18", input_shape=SHAPE, classes=2, activation="softmax", encoder_weights=None, decoder_filters=widths
    )
    ours = zoo.unet(SHAPE, 2, encoder="resnet18", filters=widths[::-1], batch_norm=True, dropout=0.0)
    return {"ours": ours, "segmentation_models": theirs}


class Fit:
    """Trains a compiled model for some steps."""

    def __init__(self, model):
        import tensorflow as tf

        rng = np.random.default_rng(0)
        x = rng.random((BATCH * STEPS, *SHAPE), dtype="float32")
        y = np.eye(2, dtype="float32")[rng.integers(0, 2, (BATCH * STEPS, *SHAPE[:2]))]
        self.data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).cache()
        self.model = model
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="categorical_crossentropy", jit_compile=False)

    def run(self):
        """Returns the (wall, cpu) seconds per step."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.fit(self.data, shuffle=False, verbose=0)
        return (time.perf_counter() - wall) / STEPS, (time.process_time() - cpu) / STEPS


def measure_in_turns(subjects, rounds):
    """Returns the (wall, cpu) seconds of every subject in each round but the first, which includes tracing."""
    timings = {name: [] for name in subjects}
    for turn in range(rounds + 1):
        for name, subject in subjects.items():
            seconds = subject.run()
            if turn:
                timings[name].append(seconds)
            print(f"round {turn}/{rounds}: {name}: {seconds[0]:.3f} s, cpu {seconds[1]:.3f} s", file=sys.stderr)
    return timings


def main(rounds=ROUNDS):
    """Measures all models and writes the table."""
    rows = []
    for label, networks in (("plain", plain), ("resnet18", residual)):
        models = networks()
        timings = measure_in_turns({name: Fit(model) for name, model in models.items()}, rounds)
        other = next(name for name in models if name != "ours")
        pairs = list(zip(timings[other], timings["ours"], strict=True))
        wall, cpu = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        seconds = statistics.median(cpu_seconds for _, cpu_seconds in timings["ours"])
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
    if len(sys.argv) > 2:  # that interpreter needs this project on its path
        root = str(Path(__file__).parents[1])
        python_path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        command = [sys.argv[2], __file__, sys.argv[1]]
        sys.exit(subprocess.run(command, env={**os.environ, "PYTHONPATH": python_path}, check=False).returncode)
    main(*map(int, sys.argv[1:]))
