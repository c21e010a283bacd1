"""Training speed of the demo recipe relative to plain `model.fit` and to itself without an input pipeline.

    python benchmarks/demo_speed.py          writes benchmarks/demo_speed.csv

All trainings run in turns, each with its own model. The first epoch (tracing) is not measured, and the ratios are
medians over the rounds.
- recipe: `lenet5_mnist` as `zoo train` runs it, with augmentation.
- plain: the same architecture and data with Keras' defaults: arrays, Adam, batch size 32, no augmentation.
- plain, same batch: the same with the recipe's batch size.
- no input: the recipe's compiled model, trained on one repeated batch. The difference is the total cost of the input
  pipeline, including the CPU time that it takes from the training step.
- input's fraction of a training step: fraction of the time that the compiled training loop waits for the recipe's next
  batch, including the start of the iterator.
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
    """Measures the training time of each epoch [s], without validation."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def waiting_fraction(batches, model):
    """Returns the fraction of one epoch's time that the compiled training loop waits for the next batch."""

    @tf.function
    def epoch(iterator):
        waiting, step_end = tf.zeros((), "float64"), tf.zeros((), "float64")
        for _ in tf.range(batches.cardinality()):
            with tf.control_dependencies([step_end]):
                request = tf.timestamp()
            with tf.control_dependencies([request]):
                batch = iterator.get_next()
            with tf.control_dependencies(tf.nest.flatten(batch)):
                waiting += tf.timestamp() - request
            with tf.control_dependencies([waiting]):
                logs = model.train_step(batch)
            with tf.control_dependencies([*tf.nest.flatten(logs), *(v.value for v in model.trainable_variables)]):
                step_end = tf.timestamp()  # the next batch is requested after the step
        return waiting

    epoch(iter(batches))
    start = time.perf_counter()
    iterator = iter(batches)
    startup = time.perf_counter() - start
    waiting = float(epoch(iterator))
    return (startup + waiting) / (time.perf_counter() - start)


def main():
    reference = REFERENCE["lenet5_mnist"]
    recipe, data = reference.task, load(reference.data)
    preprocess = preprocessing(data)
    x, y = np.asarray(preprocess(data.train.inputs)), data.train.targets
    steps = len(y) // recipe.batch_size
    batches = recipe.pipeline(data.train, True, preprocess, len(data.classes))
    repeated_batch = tf.data.Dataset.from_tensors(next(iter(batches))).repeat(steps)

    def plain(batch_size):
        model = zoo.build(reference.model, (28, 28, 1), 10)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return lambda clock: model.fit(x, y, batch_size=batch_size, epochs=EPOCHS, verbose=0, callbacks=[clock])

    def with_recipe(dataset):
        model = zoo.build(reference.model, (28, 28, 1), 10)
        recipe.compile(model, steps * recipe.epochs, **accelerate.choose_acceleration(model, steps).settings)

        def fit(clock):
            model.fit(dataset, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[clock])

        fit.model = model
        return fit

    trainings = {
        "recipe": with_recipe(batches),
        "plain": plain(32),
        "plain, same batch": plain(recipe.batch_size),
        "no input": with_recipe(repeated_batch),
    }
    epochs = {name: [] for name in trainings}
    for i in range(ROUNDS):
        for name, fit in trainings.items():
            clock = Clock()
            fit(clock)
            epochs[name].append(statistics.median(clock.seconds[1:]))
            print(f"round {i + 1}/{ROUNDS}: {name}: {epochs[name][-1]:.3f} s per epoch", file=sys.stderr)

    waiting = statistics.median(waiting_fraction(batches, with_recipe(batches).model) for _ in range(ROUNDS))

    def ratio(a, b):
        return statistics.median(p / q for p, q in zip(epochs[a], epochs[b], strict=True))

    rows = [
        ("plain / recipe", ratio("plain", "recipe")),
        ("plain, same batch / recipe", ratio("plain, same batch", "recipe")),
        ("recipe / no input", ratio("recipe", "no input")),
        ("input's fraction of a training step", waiting),
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
