"""Trains a tiny model in a process of its own, with any `distribute`, and prints the history and the weights as JSON.

`python -m tests.training.train_worker OPTIONS`, where OPTIONS is JSON: distribute, out, devices (logical CPU devices),
epochs, kill_after (epochs, after which the process kills itself), seed.
"""

import json
import os
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

import recipes
from recipes.training.fit import train_run

EXAMPLES = 61


class Kill(keras.callbacks.Callback):
    """Kills this process in the middle of an epoch."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2 and self.model.optimizer.iterations.numpy() > self.epochs * self.params["steps"]:
            os.kill(os.getpid(), signal.SIGKILL)


class Classification(recipes.Classification):
    """`recipes.Classification` with further callbacks."""

    def callbacks(self, model, out, data):
        return [Kill(OPTIONS["kill_after"])] if OPTIONS.get("kill_after") else []


def train(distribute, out=None):
    recipes.distribution(distribute)  # before the model is made
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (EXAMPLES, 8, 8, 1)).astype("uint8"), np.arange(EXAMPLES) % 2
    task = Classification(
        epochs=OPTIONS.get("epochs", 3),
        batch_size=8,
        augment=("flip", "rotate:0.1"),
        global_clipnorm=0.05,
        class_weight="balanced",
        seed=OPTIONS.get("seed", 0),
    )
    run = train_run(task, model(), (x, y), out, False, False, {}, lambda folder, run: None, distribute)
    weights = [float(np.abs(w).sum()) for w in run.model.get_weights()]
    return {"history": run.history, "weights": weights, "record": run.record.get("distribute")}


def model():
    """A network with batch normalization, which depends on the whole batch."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(x))
    outputs = keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(x))
    return keras.Model(inputs, outputs, name="tiny")


if __name__ == "__main__":
    OPTIONS = json.loads(sys.argv[1])
    if OPTIONS.get("devices"):
        cpu, devices = tf.config.list_physical_devices("CPU")[0], OPTIONS["devices"]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    results = [train(distribute, OPTIONS.get("out")) for distribute in OPTIONS["distribute"]]
    print("RESULT" + json.dumps(results))
