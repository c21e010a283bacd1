"""Speed of DDPM's training and sampling relative to keras.io's training step, PyTorch and a loop of `predict`.

    python benchmarks/ddpm_speed.py [PYTHON]          writes benchmarks/ddpm_speed.csv

PYTHON is an interpreter with PyTorch; without it the PyTorch row is omitted. All implementations have the same shapes
and run in turns, in a random order per round. The first steps (tracing, compiling) are not measured, and the ratios are
medians over the rounds. Each implementation has one thread, because PyTorch's threads spin on shared cores.
- fit: `zoo.ddpm` as the recipe `Generation` compiles it, with several steps per call. Its `fit` clips gradients, skips
  steps that are not finite and averages the weights. single steps: the same with one step per call, the default.
- keras.io: the same network with Keras' own group normalization, upsampling and dropout, in a `keras.Model` with the
  `train_step` of Keras' examples, and a second network as the weight average.
- PyTorch: the same network, step and average in eager PyTorch, in another process.
- loop: `sample`, 50 steps in one compiled loop. predict: the same computation in NumPy with 50 calls of `predict`.
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
from recipes.training.pipeline import without_autotuning

ROUNDS, STEPS, SIDE, BATCH_SIZE, DEPTH, FILTERS, SAMPLES, THREADS = 9, 24, 16, 16, 1, (32, 64), 4, 1


class KerasIo(keras.Model):
    """A network, a clone with its averaged weights, and a train_step."""

    def __init__(self, network, average, alphas_cumprod):
        super().__init__()
        self.network, self.average = network, average
        self.alphas_cumprod = tf.constant(alphas_cumprod, "float32")

    def train_step(self, images):
        step = tf.random.uniform((tf.shape(images)[0],), 0, 1000, "int32")
        noise = tf.random.normal(tf.shape(images))
        alpha = tf.gather(self.alphas_cumprod, step)[:, None, None, None]
        with tf.GradientTape() as tape:
            predicted = self.network([tf.sqrt(alpha) * images + tf.sqrt(1 - alpha) * noise, step], training=True)
            loss = self.loss(noise, predicted)
        gradients = tape.gradient(loss, self.network.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.network.trainable_weights, strict=True))
        for weight, copy in zip(self.network.weights, self.average.weights, strict=True):
            copy.assign(0.9999 * copy + (1 - 0.9999) * weight)
        return {"loss": loss}


def build():
    """Returns our model."""
    return zoo.ddpm((SIDE, SIDE, 1), filters=FILTERS, depth=DEPTH)


def training_timer(model):
    """Returns a function of a number of training steps that returns their seconds."""
    images = np.random.default_rng(0).uniform(-1, 1, (BATCH_SIZE, SIDE, SIDE, 1)).astype("float32")

    def run(steps):
        data = without_autotuning(tf.data.Dataset.from_tensors(images).repeat(steps))
        start = time.perf_counter()
        model.fit(data, shuffle=False, verbose=0)
        return time.perf_counter() - start

    return run


def keras_layer(layer):
    """Returns Keras' own layer in place of one of ours."""
    if isinstance(layer, zoo.layers.GroupNorm):
        return keras.layers.GroupNormalization.from_config(layer.get_config())
    if isinstance(layer, zoo.layers.Dropout16Bit):
        return keras.layers.Dropout.from_config(layer.get_config())
    if isinstance(layer, zoo.layers.UpsampleConv2D):
        conv = keras.layers.Conv2D.from_config({**layer.get_config(), "kernel_size": 3, "padding": "same"})
        return keras.Sequential([keras.layers.UpSampling2D(2), conv], name=layer.name)
    return type(layer).from_config(layer.get_config())


def keras_network():
    """Returns the same network with Keras' own layers."""
    ours = build()
    return keras.models.clone_model(keras.Model(ours.input, ours.output), clone_function=keras_layer)


def keras_io_model(ours):
    """Returns the compiled keras.io implementation."""
    model = KerasIo(keras_network(), keras_network(), ours.schedule.alphas_cumprod)
    model.average.set_weights(model.network.get_weights())
    model.compile(keras.optimizers.Adam(2e-4, global_clipnorm=1.0), keras.losses.MeanSquaredError(), jit_compile=False)
    return model


def sample_with_predict(model, timesteps):
    """Samples with deterministic DDIM and one call of `predict` per step."""
    alphas_cumprod = np.append(1.0, model.schedule.alphas_cumprod)
    x = np.random.default_rng(0).standard_normal((SAMPLES, SIDE, SIDE, 1)).astype("float32")
    for t, t_next in itertools.pairwise(timesteps):
        a, b = alphas_cumprod[t + 1], alphas_cumprod[t_next + 1]
        noise = model.predict([x, np.full(SAMPLES, t, "int32")], verbose=0)
        image = np.clip((x - np.sqrt(1 - a) * noise) / np.sqrt(a), -1, 1)
        noise = (x - np.sqrt(a) * image) / np.sqrt(1 - a)
        x = (np.sqrt(b) * image + np.sqrt(1 - b) * noise).astype("float32")
    return x


def timer(function):
    """Returns a function that calls `function` and returns its seconds."""

    def run():
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return run


def torch_timer(python):
    """Starts the PyTorch process; returns a function of a number of training steps that returns their seconds."""
    script = Path(__file__).with_name("ddpm_torch.py")
    command = [python, str(script), *map(str, (SIDE, BATCH_SIZE, DEPTH, THREADS, *FILTERS))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if int(process.stdout.readline()) != build().count_params():
        raise RuntimeError("the PyTorch network must have as many parameters as the Keras network.")

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
    steps = {
        "fit": training_timer(ours),
        "single steps": training_timer(single),
        "keras.io": training_timer(keras_io_model(ours)),
    }
    if len(sys.argv) > 1:
        steps["PyTorch"] = torch_timer(sys.argv[1])
    timesteps = ours.timesteps(50, "sample")
    timers = {name: lambda run=run: run(STEPS) for name, run in steps.items()}
    timers["loop"] = timer(lambda: ours.sample(SAMPLES, steps=50, seed=0))
    timers["predict"] = timer(lambda: sample_with_predict(ours, timesteps))
    for run in timers.values():
        run()
    seconds, rng = {name: [] for name in timers}, np.random.default_rng(0)
    for i in range(ROUNDS):
        for name in rng.permutation(list(timers)).tolist():
            seconds[name].append(timers[name]())
        line = "  ".join(f"{name} {values[-1]:.3f}" for name, values in seconds.items())
        print(f"round {i + 1}/{ROUNDS} [s]: {line}", file=sys.stderr)
    if "PyTorch" in steps:
        steps["PyTorch"].close()

    pairs = [("keras.io", "fit"), ("keras.io", "single steps"), ("PyTorch", "fit"), ("predict", "loop")]
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["figure", "ratio", "lowest", "highest", "rounds", "threads", "python", "tensorflow", "keras"])
        for slow, fast in pairs:
            if slow in seconds:
                ratios = [p / q for p, q in zip(seconds[slow], seconds[fast], strict=True)]
                ratio = statistics.median(ratios)
                numbers = [f"{value:.3f}" for value in (ratio, min(ratios), max(ratios))]
                versions = [machine[key] for key in ("python", "tensorflow", "keras")]
                table.writerow([f"{slow} / {fast}", *numbers, ROUNDS, THREADS, *versions])
                print(f"{slow} / {fast}\t{ratio:.3f}")


if __name__ == "__main__":
    main()
