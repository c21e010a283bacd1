"""A training that is killed and resumed equals the uninterrupted one bit for bit, for each kind of task."""

from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.training.backup import Backup
from recipes.training.fit import train_run


class Killed(Exception):
    """Stands for the end of the process: nothing after it runs."""


def train(task, model, data, out, **arguments):
    """Trains without metrics, export and report, which follow from the weights."""
    return train_run(task, model, data, out, False, False, arguments, lambda folder, run: None)


def train_killed(task, model, data, out, *, after, **arguments):
    """Trains until `after` epochs were saved, then raises `Killed`."""
    save = Backup.save

    def save_and_stop(self, epoch):
        save(self, epoch)
        if self.epochs == after:
            raise Killed

    with mock.patch.object(Backup, "save", save_and_stop), pytest.raises(Killed):
        train(task, model, data, out, **arguments)


def optimizer_variables(model):
    optimizers = [v for v in vars(model).values() if isinstance(v, keras.optimizers.Optimizer)]
    return [v for optimizer in optimizers for v in optimizer.variables]


def assert_same_run(resumed, whole):
    """Compares variables, random states, optimizers and history bit for bit."""
    pairs = [(resumed.model.variables, whole.model.variables)]
    pairs.append((optimizer_variables(resumed.model), optimizer_variables(whole.model)))
    for variables, expected in pairs:
        assert len(variables) == len(expected)
        for one, other in zip(variables, expected, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other), err_msg=other.path)
    assert resumed.history == whole.history
    assert len(set(whole.history["loss"])) > 1  # otherwise equality would show nothing


def images(count=24, side=8, classes=2):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 1)).astype("uint8"), np.arange(count) % classes


def table(count=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 4)).astype("float32"), np.arange(count) % 2


def masks(count=16, side=8):
    x = np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype("uint8")
    return recipes.load((x, (x[..., 0] > 127).astype("uint8")), task="segmentation", validation=0.25, test=0.25)


def wave(count=90):
    t = np.arange(count)
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=count), "flow": np.sin(t / 5) + t % 7})
    return recipes.load(frame, time="day", target="flow", window=8, horizon=(1, 2))


def backbone():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, name="stage0_conv")(inputs)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pool")(x), name="tiny")


SMALL_CNN = {"filters": (4,), "units": (8,), "dropout": 0.3}
SMALL_UNET = {"filters": (4, 8), "batch_norm": True, "dropout": 0.2}
OFF = {"batch_size": 8, "accelerate": "off"}  # compiles faster
# (task, model, data, arguments of the model, epochs before the kill)
CASES = {
    "steps per execution": (
        recipes.Classification(epochs=3, batch_size=8, warmup=0.2),
        "cnn",
        images,
        {"filters": (4,), "units": (8,), "dropout": 0.3},
        1,
    ),
    "patience": (
        recipes.Regression(epochs=8, patience=2, learning_rate=0.3, schedule="constant", **OFF),
        "dnn",
        lambda: (table()[0], table()[0][:, :1] ** 2),
        {"units": (8,), "dropout": 0.5},
        2,
    ),
    "augmentation": (
        recipes.Classification(epochs=4, augment=("flip", "rotate:0.1", "mixup"), **OFF),
        "cnn",
        images,
        {"filters": (4,), "units": (8,)},
        2,
    ),
    "data echoing": (
        recipes.Classification(epochs=5, augment=("shift:0.2",), echo_epochs=2, **OFF),
        "cnn",
        images,
        {"filters": (4,), "units": (8,)},
        3,
    ),
    "segmentation": (
        recipes.Segmentation(epochs=3, augment=("flip",), accelerate="off", batch_size=4),
        "unet",
        masks,
        {"filters": (4, 8), "batch_norm": True, "dropout": 0.2},
        2,
    ),
    "forecasting": (recipes.Forecasting(epochs=3, **OFF), "lstm", wave, {"units": (4,)}, 1),
    "fine-tuning, first phase": (
        recipes.FineTuning(epochs=2, head_epochs=2, stages=None, **OFF), backbone, images, {}, 1,
    ),
    "fine-tuning, second phase": (
        recipes.FineTuning(epochs=2, head_epochs=2, stages=None, **OFF), backbone, images, {}, 3,
    ),
    "vae": (recipes.Generation(epochs=3, **OFF), "vae", images, {"latent": 2, "units": (8,)}, 1),
    "ddpm": (
        recipes.Generation(epochs=3, learning_rate=1e-3, **OFF),
        "ddpm",
        images,
        {"filters": (8, 8), "depth": 1, "attention": (), "dropout": 0.1},
        2,
    ),
    "gan": (
        recipes.Generation(epochs=3, **OFF),
        "gan",
        images,
        {"latent": 4, "units": (8, 8), "maxout": (8, 8), "maxout_pieces": 2},
        1,
    ),
    "dbn, second level": (recipes.Generation(epochs=2, **OFF), "dbn", images, {"latent": 4, "units": (6,)}, 3),
}  # fmt: skip
FAST = ("patience", "data echoing")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_a_resumed_training_equals_the_uninterrupted_one(name, tmp_path):
    task, model, data, arguments, after = CASES[name]
    build = model if callable(model) else lambda: model
    whole = train(task, build(), data(), tmp_path / "whole", **arguments)
    train_killed(task, build(), data(), tmp_path / "run", after=after, **arguments)
    assert_same_run(train(task, build(), data(), tmp_path / "run", **arguments), whole)


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 4])
def test_the_best_weights_of_a_fine_tuning_survive_a_kill(tmp_path, after):
    task = recipes.FineTuning(
        epochs=3, head_epochs=3, stages=None, schedule="constant", learning_rate=0.1, head_learning_rate=0.1, seed=2,
        **OFF,
    )  # fmt: skip

    def seeded_backbone():  # the logistic head is fitted again when a training resumes
        keras.utils.set_random_seed(0)
        return backbone()

    whole = train(task, seeded_backbone(), images(), tmp_path / "whole")
    assert (
        whole.record["logistic_head"]["epoch_kept"] == 2
    )  # the epoch before the kill, or one of the phase before; all later ones are worse
    train_killed(task, seeded_backbone(), images(), tmp_path / "run", after=after)
    resumed = train(task, seeded_backbone(), images(), tmp_path / "run")
    assert resumed.record["logistic_head"] == whole.record["logistic_head"]
    assert_same_run(resumed, whole)
