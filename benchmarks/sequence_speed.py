"""Speed of a training step on sequences, relative to plain Keras and PyTorch.

    python benchmarks/sequence_speed.py [PYTHON [ROUNDS]]          writes benchmarks/sequence_speed.csv

PYTHON is an interpreter with PyTorch; by default the rows of PyTorch are omitted. The subjects take turns and train
networks of the same shapes on the same batches. Figures are medians over the rounds of the other's seconds divided by
ours: above 1, ours is faster. `cpu` is process time, which is more reliable than `wall` on a shared machine. The first
epoch, which includes tracing, is omitted from the medians; `first_ours` and `first_other` are its seconds.

- ours: a network of the zoo, compiled as in a recipe (`recipes.training.accelerate`).
- keras: the same layers in plain Keras, with `compile(optimizer="adam", loss="mse")` and `fit`.
- PyTorch: `nn.LSTM`, and `nn.TransformerEncoder` with sinusoidal positions; eager. Idle threads do not spin.

Networks, all with Adam and the squared error:
- lstm: two layers of 128 cells on 100 steps of 32 numbers, batches of 32.
- transformer: two blocks of 128 with four heads and 512 hidden units on 100 tokens of 1,000, batches of 32.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

import zoo
from recipes.training import accelerate

ROUNDS, STEPS, BATCH = 7, 8, 32


def plain_lstm():
    return keras.Sequential(
        [layers.Input((100, 32)), layers.LSTM(128, return_sequences=True), layers.LSTM(128), layers.Dense(1)]
    )


def plain_transformer():
    """Blocks as in https://keras.io/examples/nlp/text_classification_with_transformer/, two of them."""
    inputs = layers.Input((100,), dtype="int32")
    positions = layers.Embedding(100, 128)(keras.ops.arange(100))
    x = layers.Dropout(0.1)(layers.Embedding(1000, 128)(inputs) + positions)
    for _ in range(2):
        attention = layers.Dropout(0.1)(layers.MultiHeadAttention(4, 32)(x, x))
        x = layers.LayerNormalization(epsilon=1e-6)(x + attention)
        mlp = layers.Dropout(0.1)(layers.Dense(128)(layers.Dense(512, activation="relu")(x)))
        x = layers.LayerNormalization(epsilon=1e-6)(x + mlp)
    return keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))


def our_lstm():
    return zoo.lstm((100, 32), 1, units=(128, 128))


def our_transformer():
    return zoo.transformer_encoder((100,), 1, vocabulary=1000, depth=2, width=128, units=512, heads=4)


class Fit:
    """Trains a model for one epoch."""

    def __init__(self, model, x, y, settings):
        import tensorflow as tf

        self.data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH, drop_remainder=True).cache()
        self.model = model
        model.compile(optimizer="adam", loss="mse", **settings)

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.fit(self.data, shuffle=False, verbose=0)
        return time.perf_counter() - wall, time.process_time() - cpu


class Torch:
    """Runs the same steps in PyTorch, in a separate process that waits for its turn."""

    def __init__(self, python, kind):
        program = [python, str(Path(__file__).with_name("sequence_torch.py")), kind, str(BATCH), str(STEPS)]
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self):
        print("go", file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure_in_turns(subjects, rounds):
    """Returns the (wall, cpu) seconds of every subject in each round, including the first one with tracing."""
    timings = {name: [] for name in subjects}
    for turn in range(rounds + 1):
        for name, subject in subjects.items():
            timings[name].append(subject.run())
            wall, cpu = timings[name][-1]
            print(f"round {turn}/{rounds}: {name}: {wall:.3f} s, cpu {cpu:.3f} s", file=sys.stderr)
    return timings


def main(python=None, rounds=ROUNDS):
    rng, rows = np.random.default_rng(0), []
    series = rng.normal(size=(BATCH * STEPS, 100, 32)).astype("float32")
    tokens = rng.integers(1, 1000, (BATCH * STEPS, 100), dtype="int32")
    y = rng.normal(size=(BATCH * STEPS, 1)).astype("float32")
    for kind, x, ours, plain in (
        ("lstm", series, our_lstm, plain_lstm),
        ("transformer", tokens, our_transformer, plain_transformer),
    ):
        model = ours()
        choice = accelerate.choose_acceleration(model, STEPS)
        subjects = {"ours": Fit(model, x, y, choice.settings), "keras": Fit(plain(), x, y, {})}
        if python:
            subjects["PyTorch"] = Torch(python, kind)
        timings = measure_in_turns(subjects, int(rounds))
        for name in list(subjects)[1:]:
            pairs = list(zip(timings[name][1:], timings["ours"][1:], strict=True))
            wall, cpu = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
            first = [f"{timings[n][0][0]:.1f}" for n in ("ours", name)]
            rows.append([f"{kind}: {name} / ours", f"{wall:.3f}", f"{cpu:.3f}", *first, rounds])
        if python:
            subjects["PyTorch"].close()
    machine = accelerate.machine_info()
    with (Path(__file__).with_suffix(".csv")).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        head = [
            "figure",
            "wall",
            "cpu",
            "first_ours",
            "first_other",
            "rounds",
            "cores",
            "python",
            "tensorflow",
            "keras",
        ]
        table.writerow(head)
        for row in rows:
            table.writerow([*row, machine["cores"], machine["python"], machine["tensorflow"], machine["keras"]])
            print(*row[:3], sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
