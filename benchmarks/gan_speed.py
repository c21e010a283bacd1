"""Speed of a GAN's training step relative to the keras.io example and to PyTorch.

    python benchmarks/gan_speed.py [PYTHON]          writes benchmarks/gan_speed.csv

PYTHON is an interpreter with PyTorch; without it the PyTorch rows are omitted. All implementations train the same
networks on the same batches, in turns and in a random order per round. The ratios are medians over the rounds of (the
other implementation's seconds / ours). `cpu` is the process' CPU time, which is more reliable than `wall` on a shared
machine. Both Keras implementations are compiled by `fit`.

- ours: `Adversarial.train_step`. Both networks are updated on the same generated batch, as in PyTorch's DCGAN example;
  real and generated images are normalized separately.
- keras.io: a `train_step` as in https://keras.io/examples/generative/dcgan_overriding_train_step/: one tape per
  network, real and generated images in one batch of the discriminator, and new noise for the generator's update; batch
  normalization and convolutions are Keras' own.
- PyTorch: the step of its example, eager, channels last. Its threads wait passively; with spinning threads it takes
  several times as long on busy cores.

Both orders are algorithm 1 of Goodfellow et al. 2014. The paper samples new noise for the generator's update; ours
and PyTorch's reuse the batch. Networks:
- dcgan 28: `zoo.dcgan((28, 28, 1))`, batches of 64.
- keras.io 64: the networks of keras.io's example, 64 x 64 x 3, batches of 4.
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
from keras import layers, ops
from norm_speed import without_patch

import zoo
from recipes.training import accelerate
from recipes.training.pipeline import without_autotuning
from zoo.generate.adversarial import Adversarial

ROUNDS = 9


def adam():
    return keras.optimizers.Adam(2e-4, beta_1=0.5)


class Example(keras.Model):
    """The two networks with the training step of keras.io's example."""

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.seed = keras.random.SeedGenerator()
        self.discriminator_loss, self.generator_loss = keras.metrics.Mean("d_loss"), keras.metrics.Mean("g_loss")

    def compile(self):
        super().compile()
        self.generator_optimizer, self.discriminator_optimizer = adam(), adam()
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.discriminator_loss, self.generator_loss]

    def train_step(self, images):
        import tensorflow as tf

        size, latent = ops.shape(images)[0], self.generator.input.shape[-1]
        generated = self.generator(keras.random.normal((size, latent), seed=self.seed), training=True)
        both = ops.concatenate([generated, images])
        labels = ops.concatenate([ops.ones((size, 1)), ops.zeros((size, 1))])
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed)
        with tf.GradientTape() as tape:
            discriminator_loss = self.entropy(labels, self.discriminator(both, training=True))
        weights = self.discriminator.trainable_weights
        self.discriminator_optimizer.apply_gradients(
            zip(tape.gradient(discriminator_loss, weights), weights, strict=True)
        )
        noise = keras.random.normal((size, latent), seed=self.seed)
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(noise, training=True), training=True)
            generator_loss = self.entropy(ops.zeros((size, 1)), logits)
        weights = self.generator.trainable_weights
        self.generator_optimizer.apply_gradients(zip(tape.gradient(generator_loss, weights), weights, strict=True))
        self.discriminator_loss.update_state(discriminator_loss)
        self.generator_loss.update_state(generator_loss)
        return {"d_loss": self.discriminator_loss.result(), "g_loss": self.generator_loss.result()}


def dcgan_28():
    """Generator and discriminator of `zoo.dcgan` for 28 x 28 pixels."""
    model = zoo.dcgan((28, 28, 1))
    return model.generator, model.discriminator


def with_keras_layers(network):
    """Returns a clone of the network with Keras' own layers."""
    keras_layers = {
        zoo.layers.NarrowConv2DTranspose: layers.Conv2DTranspose,
        zoo.layers.DownsampleConv2D: layers.Conv2D,
    }

    def clone(layer):
        arguments = {"kernel_size": 4, "strides": 2, "padding": "same"} if type(layer) in keras_layers else {}
        return keras_layers.get(type(layer), type(layer)).from_config({**layer.get_config(), **arguments})

    return without_patch(keras.models.clone_model(network, clone_function=clone))


def keras_io_64():
    """Generator and discriminator of keras.io's example."""
    noise = layers.Input((128,))
    x = layers.Reshape((8, 8, 128))(layers.Dense(8 * 8 * 128)(noise))
    for width in (128, 256, 512):
        x = layers.LeakyReLU(0.2)(layers.Conv2DTranspose(width, 4, 2, "same")(x))
    generator = keras.Model(noise, layers.Conv2D(3, 5, padding="same", activation="sigmoid")(x))
    x = image = layers.Input((64, 64, 3))
    for width in (64, 128, 128):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(width, 4, 2, "same")(x))
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    return generator, keras.Model(image, layers.Dense(1)(x))


def adversarial(networks):
    """Returns an `Adversarial` model with Adam."""
    generator, discriminator = networks()
    return Adversarial(
        generator, discriminator, optimizer={"class_name": "Adam", "config": {"learning_rate": 2e-4, "beta_1": 0.5}}
    )


class KerasTraining:
    """Trains a Keras model for one epoch per `run`."""

    def __init__(self, model, shape, batch_size, steps):
        import tensorflow as tf

        images = np.random.default_rng(0).uniform(-1, 1, (batch_size * steps, *shape)).astype("float32")
        self.data = without_autotuning(tf.data.Dataset.from_tensor_slices(images).batch(batch_size).cache())
        self.model = model
        model.compile()

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.fit(self.data, shuffle=False, verbose=0)
        return time.perf_counter() - wall, time.process_time() - cpu


class TorchTraining:
    """Trains the PyTorch model for one epoch per `run`, in another process."""

    def __init__(self, python, batch_size, steps):
        command = [python, str(Path(__file__).with_name("gan_torch.py")), str(batch_size), str(steps)]
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self):
        print("go", file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(trainings):
    """Returns the seconds (wall, cpu) of every training in each round, without the first epoch, which traces."""
    durations, rng = {name: [] for name in trainings}, np.random.default_rng(0)
    for i in range(ROUNDS + 1):
        for name in rng.permutation(list(trainings)).tolist():
            seconds = trainings[name].run()
            if i:
                durations[name].append(seconds)
            print(f"round {i}/{ROUNDS}: {name}: {seconds[0]:.3f} s, cpu {seconds[1]:.3f} s", file=sys.stderr)
    return durations


def main(*python):
    rows = []
    for label, networks, shape, batch_size, steps in (
        ("dcgan 28", dcgan_28, (28, 28, 1), 64, 24),
        ("keras.io 64", keras_io_64, (64, 64, 3), 4, 6),
    ):
        trainings = {
            "ours": KerasTraining(adversarial(networks), shape, batch_size, steps),
            "keras.io": KerasTraining(Example(*map(with_keras_layers, networks())), shape, batch_size, steps),
        }
        if python and networks is dcgan_28:
            trainings["PyTorch"] = TorchTraining(python[0], batch_size, steps)
        durations = measure(trainings)
        for name in list(trainings)[1:]:
            pairs = list(zip(durations[name], durations["ours"], strict=True))
            wall, cpu = (statistics.median(other[i] / ours[i] for other, ours in pairs) for i in (0, 1))
            rows.append([f"{label}: {name} / ours", f"{wall:.3f}", f"{cpu:.3f}", ROUNDS])
        if "PyTorch" in trainings:
            trainings["PyTorch"].close()
    machine = accelerate.machine_info()
    with (Path(__file__).with_suffix(".csv")).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        for row in rows:
            table.writerow([*row, machine["cores"], machine["python"], machine["tensorflow"], machine["keras"]])
            print(*row[:3], sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
