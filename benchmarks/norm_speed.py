"""Speed of training with TensorFlow's fused batch normalization, as ratios to Keras' own in one run.

    python benchmarks/norm_speed.py          writes benchmarks/norm_speed.csv

Each network is trained by `model.fit` twice, with Keras' own batch normalization and with that of
`zoo.keras_patches.patch_batch_norm`, in turns. Figures are medians over the rounds of (seconds with Keras' own / with
the patch), so above 1 the patch is faster. `cpu` is processor time, which is more reliable than `wall` on a shared
machine.
"""

import csv
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

import zoo
from recipes.training.accelerate import machine_info

ROUNDS, STEPS = 9, 3
NETWORKS = {  # builder, its arguments, batch size
    "resnet50 at 160 x 160": (zoo.resnet50, {"input_shape": (160, 160, 3), "classes": 10}, 4),
    "densenet121 at 96 x 96": (zoo.densenet121, {"input_shape": (96, 96, 3), "classes": 10}, 4),
    "mobilenet_v2 at 96 x 96": (zoo.mobilenet_v2, {"input_shape": (96, 96, 3), "classes": 10}, 8),
    "resnet20 at 32 x 32": (zoo.resnet20, {"input_shape": (32, 32, 3), "classes": 10}, 32),
    "unet at 64 x 64": (
        zoo.unet,
        {"input_shape": (64, 64, 1), "classes": 2, "filters": (16, 32, 64), "batch_norm": True, "padding": "same"},
        8,
    ),
}


def without_patch(model):
    """Returns the model with Keras' own batch normalization."""
    for layer in model._flatten_layers():
        if type(layer) is layers.BatchNormalization:
            vars(layer).pop("call", None)
    return model


def training_run(model, batch_size):
    """Returns a function that trains for STEPS steps and returns their seconds, (wall, cpu)."""
    rng = np.random.default_rng(0)
    x = rng.random((STEPS * batch_size, *model.input_shape[1:]), "float32")
    y = np.zeros((STEPS * batch_size, *model.output_shape[1:-1]), int)
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", jit_compile=False)

    def run():
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
        return time.perf_counter() - wall, time.process_time() - cpu

    return run


def main():
    description = machine_info()
    versions = [description[n] for n in ("cores", "python", "tensorflow", "keras")]
    with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["network", "batch", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        for name, (builder, arguments, batch_size) in NETWORKS.items():
            models = [without_patch(builder(**arguments)), builder(**arguments)]
            runs = [training_run(model, batch_size) for model in models]
            pairs = [[run() for run in runs] for _ in range(ROUNDS + 1)][1:]  # without the first, which traces
            wall, cpu = (statistics.median(unpatched[i] / patched[i] for unpatched, patched in pairs) for i in (0, 1))
            table.writerow([name, batch_size, f"{wall:.3f}", f"{cpu:.3f}", ROUNDS, *versions])
            print(f"{name}\t{wall:.3f}\t{cpu:.3f}", file=sys.stderr)
            keras.backend.clear_session()


if __name__ == "__main__":
    main()
