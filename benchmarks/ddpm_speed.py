"""How fast DDPM trains and samples, as ratios in one run.

    python benchmarks/ddpm_speed.py [PYTHON]          writes benchmarks/ddpm_speed.csv

PYTHON is an interpreter that has PyTorch; without it the row of PyTorch is left out. Subjects take turns on the same
shapes, in an order drawn anew for each round; the first steps (tracing, compiling) are left out; figures are medians
over the rounds. Each subject has one thread, as two of PyTorch's spin where something else wants a core.
- fit: `zoo.ddpm` as the recipe `Generation` compiles it, with several steps in one call; its `fit` clips, skips what is
  not finite and averages the weights. single steps: the same with one step in a call, as `compile()` leaves it.
- keras.io: the same network, of Keras' own group normalisation, enlargement and dropout, in a `keras.Model` with the
  `train_step` of Keras' examples: a second one is the average.
- PyTorch: the same network, step and average in eager PyTorch, in a process of its own.
- loop: `sample`, 50 steps in one compiled loop. predict: the same arithmetic in NumPy around 50 calls of `predict`.
"""

import csv
import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo
from recipes.training import accelerate
from recipes.training.pipeline import at_ease

ROUNDS, STEPS, SIDE, BATCH, DEPTH, FILTERS, MADE, THREADS = 9, 24, 16, 16, 1, (32, 64), 4, 1


class KerasIo(keras.Model):
    """The customary form: a network, a clone that follows it, a train_step."""

    def __init__(self, network, average, kept):
        super().__init__()
        self.network, self.average = network, average
        self.kept = tf.constant(kept, "float32")

    def train_step(self, images):
        batch = tf.shape(images)[0]
        step = tf.random.uniform((batch,), 0, 1000, "int32")
        noise = tf.random.normal(tf.shape(images))
        share = tf.gather(self.kept, step)[:, None, None, None]
        with tf.GradientTape() as tape:
            answer = self.network([tf.sqrt(share) * images + tf.sqrt(1 - share) * noise, step], training=True)
            loss = self.loss(noise, answer)
        gradients = tape.gradient(loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights, strict=True))
        for weight, copy in zip(self.network.weights, self.average.weights, strict=True):
            copy.assign(0.9999 * copy + (1 - 0.9999) * weight)
        return {"loss": loss}


def build():
    return zoo.ddpm((SIDE, SIDE, 1), filters=FILTERS, depth=DEPTH)


def training(model):
    """Function of a number of steps -> seconds of training on one batch."""
    images = np.random.default_rng(0).uniform(-1, 1, (BATCH, SIDE, SIDE, 1)).astype("float32")

    def run(steps):
        data = at_ease(tf.data.Dataset.from_tensors(images).repeat(steps))
        began = time.perf_counter()
        model.fit(data, shuffle=False, verbose=0)
        return time.perf_counter() - began

    return run


def plain(layer):
    """The layer as a Keras example has it."""
    if isinstance(layer, zoo.layers.GroupNorm):
        return keras.layers.GroupNormalization.from_config(layer.get_config())
    if isinstance(layer, zoo.layers.Dropout16Bit):
        return keras.layers.Dropout.from_config(layer.get_config())
    if isinstance(layer, zoo.layers.UpsampleConv2D):
        conv = keras.layers.Conv2D.from_config({**layer.get_config(), "kernel_size": 3, "padding": "same"})
        return keras.Sequential([keras.layers.UpSampling2D(2), conv], name=layer.name)
    return type(layer).from_config(layer.get_config())


def network():
    """The same network of Keras' own normalisation."""
    ours = build()
    return keras.models.clone_model(keras.Model(ours.input, ours.output), clone_function=plain)


def customary(ours):
    model = KerasIo(network(), network(), ours.schedule.kept)
    model.average.set_weights(model.network.get_weights())
    model.compile(keras.optimizers.Adam(2e-4, global_clipnorm=1.0), keras.losses.MeanSquaredError(), jit_compile=False)
    return model


def by_predict(model, path):
    """The deterministic way as it is often written: a call of `predict` for each step."""
    levels = np.append(1.0, model.schedule.kept)
    x = np.random.default_rng(0).standard_normal((MADE, SIDE, SIDE, 1)).astype("float32")
    for old, new in itertools.pairwise(path):
        a, b = levels[old + 1], levels[new + 1]
        noise = model.predict([x, np.full(MADE, old, "int32")], verbose=0)
        image = np.clip((x - np.sqrt(1 - a) * noise) / np.sqrt(a), -1, 1)
        noise = (x - np.sqrt(a) * image) / np.sqrt(1 - a)
        x = (np.sqrt(b) * image + np.sqrt(1 - b) * noise).astype("float32")
    return x


def timed(function):
    def run():
        began = time.perf_counter()
        function()
        return time.perf_counter() - began

    return run


def torch_steps(python):
    """PyTorch's process, as a function of a number of steps -> seconds."""
    place = Path(__file__).with_name("ddpm_torch.py")
    command = [python, str(place), *map(str, (SIDE, BATCH, DEPTH, THREADS, *FILTERS))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if int(process.stdout.readline()) != build().count_params():
        raise RuntimeError("the PyTorch network has not as many parameters as this one.")

    def run(steps):
        process.stdin.write(f"{steps}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    run.close = process.stdin.close
    return run


def main():
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(0)
    machine = accelerate.machine_info()
    ours, single = build(), build()
    ours.compile(**accelerate.choose_acceleration(ours, STEPS).settings)
    single.compile()
    steps = {"fit": training(ours), "single steps": training(single), "keras.io": training(customary(ours))}
    if len(sys.argv) > 1:
        steps["PyTorch"] = torch_steps(sys.argv[1])
    path = ours.path(50, "sample")
    subjects = {name: lambda run=run: run(STEPS) for name, run in steps.items()}
    subjects["loop"] = timed(lambda: ours.sample(MADE, steps=50, seed=0))
    subjects["predict"] = timed(lambda: by_predict(ours, path))
    for run in subjects.values():
        run()
    seconds, order = {name: [] for name in subjects}, np.random.default_rng(0)
    for turn in range(ROUNDS):
        for name in order.permutation(list(subjects)).tolist():
            seconds[name].append(subjects[name]())
        told = "  ".join(f"{name} {found[-1]:.3f}" for name, found in seconds.items())
        print(f"round {turn + 1}/{ROUNDS} [s]: {told}", file=sys.stderr)
    if "PyTorch" in steps:
        steps["PyTorch"].close()

    pairs = [("keras.io", "fit"), ("keras.io", "single steps"), ("PyTorch", "fit"), ("predict", "loop")]
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "ratio", "lowest", "highest", "rounds", "threads", "python", "tensorflow", "keras"])
        for slow, quick in pairs:
            if slow in seconds:
                each = [p / q for p, q in zip(seconds[slow], seconds[quick], strict=True)]
                ratio = statistics.median(each)
                numbers = [f"{value:.3f}" for value in (ratio, min(each), max(each))]
                versions = [machine[key] for key in ("python", "tensorflow", "keras")]
                table.writerow([f"{slow} / {quick}", *numbers, ROUNDS, THREADS, *versions])
                print(f"{slow} / {quick}\t{ratio:.3f}")


if __name__ == "__main__":
    main()
