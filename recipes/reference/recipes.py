"""Reference recipes: named tasks with their numbers, a model and a data source, and committed results."""

import dataclasses
import json
import typing

from recipes.reference import image_classifiers, sound
from recipes.reports.card import card
from recipes.tasks import (
    TASKS,
    Classification,
    FineTuning,
    Forecasting,
    Generation,
    LanguageModel,
    Motion,
    NextFrame,
    Regression,
    Restoration,
    Segmentation,
    SeriesClassification,
    SpeciesDistribution,
    TextClassification,
    Translation,
)
from recipes.training.fit import observed, train_run
from recipes.training.task import Task
from zoo.arguments import suggestion
from zoo.atomic_write import write_text
from zoo.weights import RESULTS_FOLDER


class ReferenceRecipe(typing.NamedTuple):
    """Everything that `zoo train NAME` needs.

    Args:
        task: with its numbers, such as `Classification(epochs=20)`.
        model: name of the architecture.
        data: source, as `recipes.load` takes it.
        arguments: of the architecture's builder, or None.
        results_data: source of the committed results, where `data` must be downloaded; else None.
    """

    task: Task
    model: str
    data: str
    arguments: dict | None = None
    results_data: str | None = None


REFERENCE = {
    # Slight geometric augmentation raises LeNet-5 above 0.98 with 3,500 training digits. echo_epochs=3, as augmenting
    # takes half as long as the training step
    "lenet5_mnist": ReferenceRecipe(
        Classification(
            epochs=90,
            batch_size=64,
            learning_rate=3e-3,
            augment=("rotate:0.03", "shift:0.08", "zoom:0.1", "shear:0.1"),
            echo_epochs=3,
        ),
        "lenet5",
        "bundled:mnist-5k",
    ),
    "cnn_silhouettes": ReferenceRecipe(
        Classification(
            epochs=20, batch_size=64, learning_rate=2e-3, augment=("flip", "rotate:0.03", "shift:0.1", "zoom:0.1")
        ),
        "cnn",
        "bundled:animal-silhouettes",
        {"filters": (16, 32), "units": (128,), "dropout": 0.1},
    ),
    **{name: ReferenceRecipe(*row) for name, row in image_classifiers.IMAGE_CLASSIFIERS.items()},
    # With a backbone trained on ImageNet 300 training images are enough; compare_untrained also trains it from scratch
    "lite0_silhouettes": ReferenceRecipe(
        FineTuning(
            epochs=8,
            learning_rate=2e-4,
            head_epochs=4,
            head_learning_rate=3e-3,
            warmup=0.1,
            train_examples=300,
            compare_untrained=True,
            augment=("flip", "rotate:0.03", "shift:0.1", "zoom:0.1"),
        ),
        "efficientnet_lite0",
        "bundled:animal-silhouettes?validation=0.02&test=0.1",
        {"input_shape": (64, 64, 3)},
    ),
    "cnn_satimage": ReferenceRecipe(
        Classification(epochs=40, batch_size=64, learning_rate=3e-3),
        "cnn",
        "bundled:satimage",
        {"filters": (64,), "units": (128,), "max_norm": None},
    ),
    "dnn_penguins": ReferenceRecipe(
        Classification(epochs=60, batch_size=16, learning_rate=3e-3),
        "dnn",
        "bundled:penguins",
        {"units": (32, 16), "l2": 1e-3},
    ),
    "dnn_breast_cancer": ReferenceRecipe(
        Classification(epochs=40, batch_size=16, learning_rate=1e-3),
        "dnn",
        "bundled:breast-cancer",
        {"units": (32,), "l2": 1e-2},
    ),
    "dnn_diabetes": ReferenceRecipe(
        Regression(epochs=60, batch_size=16, learning_rate=1e-3),
        "dnn",
        "bundled:diabetes",
        {"units": (16,), "l2": 1e-1},
    ),
    "maxent_bradypus": ReferenceRecipe(
        SpeciesDistribution(epochs=60, learning_rate=3e-2),
        "maxent_features",
        "bundled:bradypus",
    ),
    "lstm_seattle": ReferenceRecipe(
        Forecasting(epochs=30, learning_rate=3e-3, quantiles=(0.1, 0.5, 0.9), patience=8),
        "lstm",
        "bundled:seattle-weather",
        {"units": (32,)},
    ),
    # CO2 only increases, so the test split is outside the range of the training split; relative=True forecasts changes
    "lstm_co2": ReferenceRecipe(
        Forecasting(epochs=15, learning_rate=3e-3, quantiles=(0.1, 0.5, 0.9), patience=5, relative=True),
        "lstm",
        "bundled:co2",
        {"units": (32,)},
    ),
    "gru_sunspots": ReferenceRecipe(
        Forecasting(epochs=80, batch_size=16, learning_rate=3e-3, patience=20),
        "gru",
        "bundled:sunspots",
        {"units": (32,)},
    ),
    "lstm_vowels": ReferenceRecipe(
        SeriesClassification(epochs=40, batch_size=16, learning_rate=5e-3),
        "lstm",
        "bundled:japanese-vowels",
        {"units": (32,), "bidirectional": True, "mask_value": 0.0},
    ),
    **{name: ReferenceRecipe(*row) for name, row in sound.SOUND.items()},
    "transformer_reuters": ReferenceRecipe(
        TextClassification(epochs=10, learning_rate=1e-3, warmup=0.1),
        "transformer_encoder",
        "bundled:reuters-r8",
        {"depth": 1, "width": 64, "units": 128, "heads": 4, "dropout": 0.3},
    ),
    "lstm_topics": ReferenceRecipe(
        LanguageModel(epochs=8, batch_size=16, learning_rate=4e-3, warmup=0.05),
        "lstm",
        "bundled:python-topics",
        {"units": (256,), "dropout": 0.2},
    ),
    "convlstm_mnist": ReferenceRecipe(
        NextFrame(epochs=16, batch_size=8, learning_rate=3e-3, warmup=0.05),
        "convlstm",
        "bundled:moving-mnist?window=5&horizon=5",
        {"filters": (64,), "kernel_size": 3, "recurrent_kernel_size": 3},
    ),
    "vae_mnist": ReferenceRecipe(Generation(epochs=60, sample_every=20), "vae", "bundled:mnist-5k", {"latent": 20}),
    "dcgan_mnist": ReferenceRecipe(
        Generation(epochs=36, batch_size=32, sample_every=6), "dcgan", "bundled:mnist-5k", {"filters": 32}
    ),
    "dcgan_silhouettes": ReferenceRecipe(
        Generation(epochs=24, batch_size=32, sample_every=6), "dcgan", "bundled:animal-silhouettes", {"filters": 32}
    ),
    # Trains in minutes on a CPU: half the resolution, two narrow scales, five times the paper's learning rate. Samples
    # use weights averaged over a tenth of the steps; the paper's decay of 0.9999 needs 90,000 steps
    "ddpm_mnist": ReferenceRecipe(
        Generation(epochs=30, batch_size=32, sample_every=10, learning_rate=1e-3),
        "ddpm",
        "bundled:mnist-5k",
        {"image_shape": (14, 14, 1), "filters": (32, 64), "depth": 1, "attention": (), "dropout": 0.0},
    ),
    # Animals from their outlines. Two stages of the network for 256 x 256 pixels; learning rate for a short training
    "pix2pix_silhouettes": ReferenceRecipe(
        Translation(epochs=8, batch_size=16, learning_rate=1e-3, sample_every=2),
        "pix2pix",
        "bundled:animal-silhouettes",
        {"filters": 32, "patch_depth": 2},
    ),
    # Micrographs from their masks
    "pix2pix_nuclei": ReferenceRecipe(
        Translation(epochs=60, batch_size=16, learning_rate=1e-3, sample_every=20),
        "pix2pix",
        "bundled:nuclei?test=0.25",
        {"filters": 32, "patch_depth": 2},
    ),
    "unet_nuclei": ReferenceRecipe(
        Segmentation(epochs=30, batch_size=8, learning_rate=2e-3, augment=("flip", "flip_vertical", "rotate:0.5")),
        "unet",
        "bundled:nuclei?test=0.25",
        {"filters": (16, 32, 64), "batch_norm": True, "dropout": 0.0},
    ),
    # About forty buildings in one image: shows the result of very little data, not the potential of a U-Net
    "unet_footprints": ReferenceRecipe(
        Segmentation(
            epochs=70,
            batch_size=8,
            learning_rate=3e-3,
            loss="cross_entropy+dice",
            augment=("flip", "shift:0.2", "zoom:0.2", "contrast:0.3"),
        ),
        "unet",
        "bundled:footprints?test=0.25",
        {"filters": (16, 32, 64, 64), "batch_norm": True, "dropout": 0.2},
    ),
    # Four photos are enough for local features, which transfer to other photos. No batch normalization: it makes such a
    # short training worse
    "dncnn_photos": ReferenceRecipe(
        Restoration(epochs=80, batch_size=8, learning_rate=2e-3),
        "dncnn",
        "bundled:photos?test=0.3",
        {"depth": 7, "filters": 32, "batch_norm": False},
    ),
    "edsr_photos": ReferenceRecipe(
        Restoration(epochs=100, batch_size=16, learning_rate=2e-3, degradation="bicubic", scale=2, loss="mae"),
        "edsr",
        "bundled:photos?test=0.3",
        {"depth": 4, "filters": 32, "residual_scale": 1.0},
    ),
    # Unrolled TV-L1 estimates motion without training, which only adapts the derivatives in its iterations
    "tvnet_photos": ReferenceRecipe(
        Motion(epochs=4, batch_size=8, learning_rate=1e-3, samples=1, global_clipnorm=1.0),
        "tvnet",
        "bundled:photos?test=0.3",
        {"scales": 4, "warps": 3, "iterations": 8},
    ),
}


def reference_recipe(name):
    """Returns the `ReferenceRecipe` of that name.

    Raises:
        ValueError: if there is none; the message suggests the nearest name.
    """
    if name not in REFERENCE:
        names = [*REFERENCE, *TASKS]
        raise ValueError(f"No recipe is called {name!r}.{suggestion(name, names)} There are {', '.join(names)}.")
    return REFERENCE[name]


def train(name, *, data=None, out=None, verbose=True, overwrite=False, distribute=None, **changes):
    """Trains a reference recipe, as in `recipes.train("lenet5_mnist", out="runs/lenet5_mnist")`.

    Args:
        name: one of `recipes.REFERENCE`.
        data: other data for the same recipe, as `recipes.load` takes them; None for the recipe's own.
        out: folder for model, metrics, SavedModel, report.html and card.md; None writes nothing. A run that was killed
            resumes there.
        verbose: whether to show progress (on stderr).
        overwrite: whether to replace the files of another run in `out`.
        distribute: mirrored, multi_worker or None, as `recipes.fit` has it.
        **changes: the task's numbers to change, such as epochs=5.
    Returns:
        `Run`.
    """
    recipe = reference_recipe(name)
    data = recipe.data if data is None else data
    task = recipe.task.replace(**changes)
    return train_and_export(task, recipe.model, data, out, verbose, recipe.arguments, overwrite, distribute)


def train_and_export(
    task, model, data, out, verbose=True, arguments=None, overwrite=False, distribute=None, track=None
):
    """Trains a model; with a folder `out` also exports it with a parity check and writes report, metrics and card.

    A command that was killed at any step resumes there when it is repeated.

    Args:
        task, model, data: as `recipes.fit` takes them.
        out: folder of the run, or None.
        verbose: whether to show progress (on stderr).
        arguments: of the model's builder, or None.
        overwrite: whether to replace the files of another run in `out`.
        distribute: mirrored, multi_worker or None, as `recipes.fit` has it.
        track: wandb, mlflow, trackio, tensorboard or None, as `recipes.fit` has it.
    Returns:
        `Run`.
    """
    observers = observed((), track, out)
    return train_run(
        task, model, data, out, verbose, overwrite, arguments or {}, _export_and_save, distribute, observers
    )


def _export_and_save(folder, run):
    folder.remove_exports()
    run.export(folder.path / "saved_model")
    run.report(folder.path / "report.html")
    folder.save(run)
    write_text(folder.path / "card.md", card(folder.path))


def reference_recipes():
    """Returns a dict per reference recipe: name, task, model, data, numbers that differ from the defaults, and results.

    Results are those of the committed saved_models/NAME/metrics.json, on the test split; they are empty if that file is
    missing, as in an installed package. Where `data` must be downloaded, the data of the results are named too.
    """
    rows = []
    for name, recipe in REFERENCE.items():
        defaults = type(recipe.task)()
        numbers = {f.name: getattr(recipe.task, f.name) for f in dataclasses.fields(recipe.task)}
        changed = {k: v for k, v in numbers.items() if v != getattr(defaults, k)}
        path = RESULTS_FOLDER / name / "metrics.json"
        metrics = json.loads(path.read_text()) if path.is_file() else {}
        key = recipe.task.main_metric
        rows.append(
            {
                "name": name,
                "task": type(recipe.task).__name__,
                "model": recipe.model,
                "data": recipe.data + (f" (results: {recipe.results_data})" if recipe.results_data else ""),
                "numbers": ", ".join(f"{k}={v}" for k, v in changed.items()),
                "metric": key,
                "result": f"{metrics['test'][key]:.3f}" if metrics else "",
                "baseline": f"{metrics['test']['baseline'][key]:.3f}" if metrics else "",
                "training": f"{metrics['energy']['seconds']:.0f} s" if metrics else "",
            }
        )
    return rows
