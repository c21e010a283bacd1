"""How fast a GAN's training step is, as ratios in one run: against keras.io's form, and against PyTorch where it is.

    python benchmarks/gan_speed.py [PYTHON]          writes benchmarks/gan_speed.csv

PYTHON is an interpreter that has PyTorch, for its rows; without it they are left out. Subjects take turns, in an order
drawn anew for each round, and train the same networks on the same batches; figures are medians over the rounds of (the
other's seconds / ours). `cpu` counts what the process computed and says more than `wall` on a machine that others use
too. Both forms are compiled by `fit`.

- ours: `Adversarial.train_step`. The generator makes one batch a step, which the discriminator learns to refuse and
  then the generator to pass off, as PyTorch's example of DCGAN has it; real and made images are normalised apart.
- keras.io: a `train_step` as in https://keras.io/examples/generative/dcgan_overriding_train_step/: a tape for each
  network, real and made images as one batch of the discriminator's, and other noise for the generator's own turn;
  batch normalisation and convolutions as Keras has them.
- PyTorch: the step of its example, eager, channels last. Its threads wait without spinning, which on busy cores costs
  it several times its own work.

Both orders are algorithm 1 of Goodfellow et al. 2014; it draws noise anew for the generator's turn, where ours and
PyTorch's take the same. Networks:
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
from norm_speed import keras_own

import zoo
from recipes.training import accelerate
from recipes.training.pipeline import at_ease
from zoo.generate.adversarial import Adversarial

ROUNDS = 9


def adam():
    return keras.optimizers.Adam(2e-4, beta_1=0.5)


class Example(keras.Model):
    """The two networks in keras.io's form."""

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.seed = keras.random.SeedGenerator()
        self.judged, self.made = keras.metrics.Mean("d_loss"), keras.metrics.Mean("g_loss")

    def compile(self):
        super().compile()
        self.of_generator, self.of_discriminator = adam(), adam()
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.judged, self.made]

    def train_step(self, images):
        import tensorflow as tf

        size, latent = ops.shape(images)[0], self.generator.input.shape[-1]
        made = self.generator(keras.random.normal((size, latent), seed=self.seed), training=True)
        both = ops.concatenate([made, images])
        labels = ops.concatenate([ops.ones((size, 1)), ops.zeros((size, 1))])
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed)
        with tf.GradientTape() as tape:
            judged = self.entropy(labels, self.discriminator(both, training=True))
        weights = self.discriminator.trainable_weights
        self.of_discriminator.apply_gradients(zip(tape.gradient(judged, weights), weights, strict=True))
        noise = keras.random.normal((size, latent), seed=self.seed)
        with tf.GradientTape() as tape:
            answers = self.discriminator(self.generator(noise, training=True), training=True)
            fooled = self.entropy(ops.zeros((size, 1)), answers)
        weights = self.generator.trainable_weights
        self.of_generator.apply_gradients(zip(tape.gradient(fooled, weights), weights, strict=True))
        self.judged.update_state(judged)
        self.made.update_state(fooled)
        return {"d_loss": self.judged.result(), "g_loss": self.made.result()}


def digits():
    model = zoo.dcgan((28, 28, 1))
    return model.generator, model.discriminator


def plain(network):
    """The network of Keras' own layers and steps."""
    twins = {zoo.layers.NarrowConv2DTranspose: layers.Conv2DTranspose, zoo.layers.DownsampleConv2D: layers.Conv2D}

    def own(layer):
        fixed = {"kernel_size": 4, "strides": 2, "padding": "same"} if type(layer) in twins else {}
        return twins.get(type(layer), type(layer)).from_config({**layer.get_config(), **fixed})

    return keras_own(keras.models.clone_model(network, clone_function=own))


def faces():
    """The networks of keras.io's example."""
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


def ours(networks):
    generator, discriminator = networks()
    return Adversarial(
        generator, discriminator, optimizer={"class_name": "Adam", "config": {"learning_rate": 2e-4, "beta_1": 0.5}}
    )


class Fit:
    """One epoch of a compiled model's training."""

    def __init__(self, model, shape, batch, steps):
        import tensorflow as tf

        images = np.random.default_rng(0).uniform(-1, 1, (batch * steps, *shape)).astype("float32")
        self.data = at_ease(tf.data.Dataset.from_tensor_slices(images).batch(batch).cache())
        self.model = model
        model.compile()

    def run(self):
        wall, cpu = time.perf_counter(), time.process_time()
        self.model.fit(self.data, shuffle=False, verbose=0)
        return time.perf_counter() - wall, time.process_time() - cpu


class Torch:
    """The same steps in PyTorch, in a process of its own that waits for its turn."""

    def __init__(self, python, batch, steps):
        program = [python, str(Path(__file__).with_name("gan_torch.py")), str(batch), str(steps)]
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


def turns(subjects):
    """Seconds (wall, cpu) of every subject in each round; the first epoch of each, with its tracing, is left out."""
    taken, order = {name: [] for name in subjects}, np.random.default_rng(0)
    for turn in range(ROUNDS + 1):
        for name in order.permutation(list(subjects)).tolist():
            seconds = subjects[name].run()
            if turn:
                taken[name].append(seconds)
            print(f"round {turn}/{ROUNDS}: {name}: {seconds[0]:.3f} s, cpu {seconds[1]:.3f} s", file=sys.stderr)
    return taken


def main(*python):
    rows = []
    for label, networks, shape, batch, steps in (
        ("dcgan 28", digits, (28, 28, 1), 64, 24),
        ("keras.io 64", faces, (64, 64, 3), 4, 6),
    ):
        subjects = {
            "ours": Fit(ours(networks), shape, batch, steps),
            "keras.io": Fit(Example(*map(plain, networks())), shape, batch, steps),
        }
        if python and networks is digits:
            subjects["PyTorch"] = Torch(python[0], batch, steps)
        taken = turns(subjects)
        for name in list(subjects)[1:]:
            pairs = list(zip(taken[name], taken["ours"], strict=True))
            wall, cpu = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
            rows.append([f"{label}: {name} / ours", f"{wall:.3f}", f"{cpu:.3f}", ROUNDS])
        if "PyTorch" in subjects:
            subjects["PyTorch"].close()
    machine = accelerate.machine_info()
    with (Path(__file__).with_suffix(".csv")).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "wall", "cpu", "rounds", "cores", "python", "tensorflow", "keras"])
        for row in rows:
            table.writerow([*row, machine["cores"], machine["python"], machine["tensorflow"], machine["keras"]])
            print(*row[:3], sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
