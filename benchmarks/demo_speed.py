"""How fast the demo trains, as ratios in one run: against plain `model.fit`, and against itself without its input.

    python benchmarks/demo_speed.py          writes benchmarks/demo_speed.csv

Subjects take turns, each in its own model; the first epoch (tracing) is left out; figures are medians over the rounds.
- recipe: `lenet5_mnist` as `zoo train` runs it, with augmentation.
- plain: the same architecture and data with Keras' defaults: arrays, Adam, batches of 32, no augmentation.
- plain, same batch: likewise with the recipe's batch size.
- waiting: share of the time that the compiled loop of training steps is blocked on the recipe's next batch, an epoch's
  opening included; this is the input's share of a training step. What the pipeline takes from the cores meanwhile is in
  `no input`.
- no input: the recipe's compiled model fed one batch again and again; what it is faster by is all that the input costs.
"""

import csv
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo
from recipes import REFERENCE, load
from recipes.data.preprocessing import preprocessing
from recipes.training import accelerate

ROUNDS, EPOCHS = 7, 6


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch's training, without its validation."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)


def blocked(batches, model):
    """Share of one epoch's time that the compiled loop of training steps is blocked on the next batch."""

    @tf.function
    def epoch(iterator):
        waited, before = tf.zeros((), "float64"), tf.zeros((), "float64")
        for _ in tf.range(batches.cardinality()):
            with tf.control_dependencies([before]):
                asked = tf.timestamp()
            with tf.control_dependencies([asked]):
                batch = iterator.get_next()
            with tf.control_dependencies(tf.nest.flatten(batch)):
                waited += tf.timestamp() - asked
            with tf.control_dependencies([waited]):
                logs = model.train_step(batch)
            with tf.control_dependencies([*tf.nest.flatten(logs), *(v.value for v in model.trainable_variables)]):
                before = tf.timestamp()  # the next question comes after the step
        return waited

    epoch(iter(batches))
    began = time.perf_counter()
    iterator = iter(batches)
    opened = time.perf_counter() - began
    waited = float(epoch(iterator))
    return (opened + waited) / (time.perf_counter() - began)


def main():
    import tensorflow as tf

    row = REFERENCE["lenet5_mnist"]
    recipe, data = row.task, load(row.data)
    prepare = preprocessing(data)
    x, y = np.asarray(prepare(data.train.inputs)), data.train.targets
    steps = len(y) // recipe.batch_size
    fed = recipe.pipeline(data.train, True, prepare, len(data.classes))
    one = next(iter(fed))
    same = tf.data.Dataset.from_tensors(one).repeat(steps)

    def plain(batch):
        model = zoo.build(row.model, (28, 28, 1), 10)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return lambda clock: model.fit(x, y, batch_size=batch, epochs=EPOCHS, verbose=0, callbacks=[clock])

    def ours(dataset):
        model = zoo.build(row.model, (28, 28, 1), 10)
        recipe.compile(model, steps * recipe.epochs, **accelerate.choose_acceleration(model, steps).settings)

        def fit(clock):
            model.fit(dataset, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[clock])

        fit.model = model
        return fit

    subjects = {
        "recipe": ours(fed),
        "plain": plain(32),
        "plain, same batch": plain(recipe.batch_size),
        "no input": ours(same),
    }
    epochs = {name: [] for name in subjects}
    for turn in range(ROUNDS):
        for name, fit in subjects.items():
            clock = Clock()
            fit(clock)
            epochs[name].append(statistics.median(clock.seconds[1:]))
            print(f"round {turn + 1}/{ROUNDS}: {name}: {epochs[name][-1]:.3f} s an epoch", file=sys.stderr)

    waiting = statistics.median(blocked(fed, ours(fed).model) for _ in range(ROUNDS))

    def ratio(a, b):
        return statistics.median(p / q for p, q in zip(epochs[a], epochs[b], strict=True))

    rows = [
        ("plain / recipe", ratio("plain", "recipe")),
        ("plain, same batch / recipe", ratio("plain, same batch", "recipe")),
        ("recipe / no input", ratio("recipe", "no input")),
        ("input's share of a training step", waiting),
    ]
    machine = accelerate.machine_info()
    with (Path(__file__).with_suffix(".csv")).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "ratio", "rounds", "cores", "python", "tensorflow", "keras"])
        for name, value in rows:
            table.writerow(
                [
                    name,
                    f"{value:.3f}",
                    ROUNDS,
                    machine["cores"],
                    machine["python"],
                    machine["tensorflow"],
                    machine["keras"],
                ]
            )
            print(f"{name}\t{value:.3f}")


if __name__ == "__main__":
    main()
