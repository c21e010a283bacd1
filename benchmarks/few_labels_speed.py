"""Time of a FixMatch step beside a supervised step of the same labelled batch, and where it goes.

    python benchmarks/few_labels_speed.py          writes benchmarks/few_labels_speed.csv

A step has 16 labelled silhouettes, 28 x 28, and for FixMatch 112 unlabelled ones in two views: 240 images, 15 times as
many. The network is `cnn` with the filters of benchmarks/few_labels.py. `milliseconds` is the processor time of one
thread (TF_NUM_INTRAOP_THREADS=1), the median of five rounds of 20 steps, in which all parts take turns; so other work
on the machine hardly counts. `ratio` is to the supervised step. The rows:

    supervised step, fixmatch step       the compiled training steps
    forward, weak views                  112 images, without gradients
    forward and backward                 16 labelled images and 112 strong views
    optimizer and average                the rest of the FixMatch step
    input, ...                           augmented batches from memory, which tf.data makes in other threads
"""

import csv
import os
import time
from pathlib import Path

os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")

import keras
import numpy as np
import tensorflow as tf
from few_labels import DATA, STRONG, WEAK

import recipes

ROUNDS, STEPS, LABELLED = 5, 20, 16
NETWORK = {"filters": (16, 32, 64), "convolutions": 1, "units": (64,)}


def prepared(method, strong):
    """Returns (`SemiSupervised` model, a training batch, iterator of batches)."""
    task = recipes.FewLabels(
        method=method, labels_per_class=4, batch_size=LABELLED, steps_per_epoch=10_000, augment=WEAK,
        strong_augment=strong,
    )  # fmt: skip
    data = task.open_data(DATA)
    model = task.build_model("cnn", data, **NETWORK)
    preprocessing = task.preprocessing(data, model)
    model = task.wrap_model(model, data)
    task.compile(model, 1000, data)
    batches = iter(task.pipeline(data.train, True, preprocessing, len(data.classes)))
    return model, next(batches), batches


def parts():
    """Returns name -> function of no arguments that runs one step of it, and name -> images."""
    supervised, labelled, labelled_batches = prepared("supervised", None)
    fixmatch, batch, batches = prepared("fixmatch", STRONG)
    _, _, rand_augment_batches = prepared("fixmatch", None)
    both = tf.concat([batch[0]["labelled"], batch[0]["strong"]], 0)
    labels = tf.zeros(len(both), "int64")

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = fixmatch.labelled_loss(fixmatch.log_probabilities(both), labels)
        return tape.gradient(loss, [w.value for w in fixmatch.classifier.trainable_weights])

    steps = [tf.function(model.train_step) for model in (supervised, fixmatch)]
    forward = tf.function(lambda: fixmatch.log_probabilities(batch[0]["weak"]))
    functions = {
        "supervised step": (lambda: steps[0](labelled), LABELLED),
        "fixmatch step": (lambda: steps[1](batch), 15 * LABELLED),
        "forward, weak views": (forward, 7 * LABELLED),
        "forward and backward": (gradients, 8 * LABELLED),
        "input, supervised": (lambda: next(labelled_batches), LABELLED),
        "input, fixmatch with geometric steps": (lambda: next(batches), 15 * LABELLED),
        "input, fixmatch with RandAugment": (lambda: next(rand_augment_batches), 15 * LABELLED),
    }
    return {name: function for name, (function, _) in functions.items()}, {n: i for n, (_, i) in functions.items()}


def main():
    keras.utils.set_random_seed(0)
    functions, images = parts()
    times = {name: [] for name in functions}
    for round_ in range(ROUNDS + 1):  # the first one compiles
        for name, function in functions.items():
            start = time.process_time()
            for _ in range(STEPS):
                function()
            if round_:
                times[name].append(1000 * (time.process_time() - start) / STEPS)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    rest = medians["fixmatch step"] - medians["forward, weak views"] - medians["forward and backward"]
    medians["optimizer and average"], images["optimizer and average"] = rest, 0
    with Path(__file__).with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["part", "images", "milliseconds", "ratio"])
        for name, value in medians.items():
            table.writerow([name, images[name], f"{value:.3g}", f"{value / medians['supervised step']:.3g}"])
            print(name, images[name], f"{value:.3g}", f"{value / medians['supervised step']:.3g}", sep="\t")


if __name__ == "__main__":
    main()
