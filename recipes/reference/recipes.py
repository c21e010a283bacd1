"""Worked recipes: a task recipe with its numbers, a model's name and a data source, one row each."""

import dataclasses
import json
import typing
from pathlib import Path

from recipes.reference import image_classifiers
from recipes.reports.card import card
from recipes.tasks.classification import Classification
from recipes.tasks.fine_tuning import FineTuning
from recipes.tasks.forecasting import Forecasting
from recipes.tasks.generation import Generation
from recipes.tasks.language_model import LanguageModel
from recipes.tasks.motion import Motion
from recipes.tasks.next_frame import NextFrame
from recipes.tasks.regression import Regression
from recipes.tasks.restoration import Restoration
from recipes.tasks.segmentation import Segmentation
from recipes.tasks.series_classification import SeriesClassification
from recipes.tasks.text_classification import TextClassification
from recipes.tasks.translation import Translation
from recipes.training.task import Recipe
from zoo.arguments import suggestion
from zoo.weights import RESULTS_FOLDER

TASKS = {
    "classification": Classification,
    "fine_tuning": FineTuning,
    "regression": Regression,
    "segmentation": Segmentation,
    "restoration": Restoration,
    "motion": Motion,
    "forecasting": Forecasting,
    "series_classification": SeriesClassification,
    "text_classification": TextClassification,
    "language_model": LanguageModel,
    "next_frame": NextFrame,
    "generation": Generation,
    "translation": Translation,
}


class ReferenceRecipe(typing.NamedTuple):
    """One row: what `zoo train NAME` does."""

    recipe: Recipe
    model: str
    data: str
    arguments: dict | None = None  # of the builder
    record: str | None = None  # bundled data that the committed record is of, where `data` are a download


REFERENCE = {
    # Light geometry takes a LeNet-5 beyond 0.98 on 3,500 digits; drawn anew every 3 epochs, as moving the images costs
    # half as much as the step itself
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
    **{name: ReferenceRecipe(*row) for name, row in image_classifiers.ROWS.items()},
    # ImageNet's photos taught the backbone enough that 300 pictures do; the record has a random start beside it
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
    "lstm_seattle": ReferenceRecipe(
        Forecasting(epochs=30, batch_size=32, learning_rate=3e-3, quantiles=(0.1, 0.5, 0.9), patience=8),
        "lstm",
        "bundled:seattle-weather",
        {"units": (32,)},
    ),
    # The gas only rises: what training saw is below all that the test part holds, so changes are learnt
    "lstm_co2": ReferenceRecipe(
        Forecasting(epochs=15, batch_size=32, learning_rate=3e-3, quantiles=(0.1, 0.5, 0.9), patience=5, relative=True),
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
    "transformer_reuters": ReferenceRecipe(
        TextClassification(epochs=10, batch_size=32, learning_rate=1e-3, warmup=0.1),
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
    # For minutes on a processor: half the resolution, two narrow scales, five times the paper's rate. The average that
    # is sampled from looks back over a tenth of the steps, as the paper's 0.9999 is only reached after 90,000
    "ddpm_mnist": ReferenceRecipe(
        Generation(epochs=30, batch_size=32, sample_every=10, learning_rate=1e-3),
        "ddpm",
        "bundled:mnist-5k",
        {"image_shape": (14, 14, 1), "filters": (32, 64), "depth": 1, "attention": (), "dropout": 0.0},
    ),
    # Animals of their outlines; a network for 256 x 256 pixels, two stages of it, at a rate for a short training
    "pix2pix_silhouettes": ReferenceRecipe(
        Translation(epochs=8, batch_size=16, learning_rate=1e-3, sample_every=2),
        "pix2pix",
        "bundled:animal-silhouettes",
        {"filters": 32, "patch_depth": 2},
    ),
    # Micrographs of their masks
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
    # Some forty buildings in one image: what so little gives, not what a U-Net can do
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
    # Four photos are enough: what is learnt is local, and holds for others. In so few steps normalisation only hinders
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
    # Unrolled TV-L1 finds motions before it learns: training only adapts the derivatives in its steps
    "tvnet_photos": ReferenceRecipe(
        Motion(epochs=4, batch_size=8, learning_rate=1e-3, samples=1, global_clipnorm=1.0),
        "tvnet",
        "bundled:photos?test=0.3",
        {"scales": 4, "warps": 3, "iterations": 8},
    ),
}


def reference_recipe(name):
    """The row of that name; a ValueError that offers the nearest where there is none."""
    if name not in REFERENCE:
        known = [*REFERENCE, *TASKS]
        raise ValueError(f"no recipe is called {name!r}.{suggestion(name, known)} There are {', '.join(known)}.")
    return REFERENCE[name]


def train(name, *, data=None, out=None, verbose=True, **changes):
    """Runs a worked recipe: the demo is `recipes.train("lenet5_mnist", out="runs/lenet5_mnist")`.

    Args:
        name: one of `recipes.REFERENCE`.
        data: other data for the same recipe, as `recipes.load` takes them; None for the row's own.
        out: folder for model, metrics, SavedModel and report.html; None leaves nothing.
        verbose: whether to show progress (on stderr).
        **changes: numbers of the recipe to change, such as epochs=5.
    Returns:
        `Run`.
    """
    row = reference_recipe(name)
    data = row.data if data is None else data
    return complete(row.recipe.replace(**changes), row.model, data, out, verbose, row.arguments)


def complete(recipe, model, data, out, verbose=True, arguments=None):
    """Fit, and where there is a folder: export with its proof, report, metrics, card."""
    run = recipe.fit(model, data, out=out, verbose=verbose, **(arguments or {}))
    if out:
        out = Path(out).expanduser()
        run.export(out / "saved_model")
        run.report(out / "report.html")
        run.save(out)
        (out / "card.md").write_text(card(out))
    return run


RESULTS = RESULTS_FOLDER  # committed records of the rows, as `zoo train` wrote them


def reference_recipes():
    """The worked recipes as rows: name, task, model, data, the numbers that differ from the task's defaults, results.

    Results are those of the committed saved_models/NAME/metrics.json, on the test part; they are left blank where that
    is not there, as in an installed wheel. Where a row's data are a download, the data that the record is of are named.
    """
    rows = []
    for name, row in REFERENCE.items():
        plain = type(row.recipe)()
        numbers = {f.name: getattr(row.recipe, f.name) for f in dataclasses.fields(row.recipe)}
        changed = {k: v for k, v in numbers.items() if v != getattr(plain, k)}
        record = RESULTS / name / "metrics.json"
        found = json.loads(record.read_text()) if record.is_file() else {}
        key = row.recipe.headline
        rows.append(
            {
                "name": name,
                "task": type(row.recipe).__name__,
                "model": row.model,
                "data": row.data + (f" (result: {row.record})" if row.record else ""),
                "numbers": ", ".join(f"{k}={v}" for k, v in changed.items()),
                "metric": key,
                "result": f"{found['test'][key]:.3f}" if found else "",
                "trivial": f"{found['test']['baseline'][key]:.3f}" if found else "",
                "training": f"{found['energy']['seconds']:.0f} s" if found else "",
            }
        )
    return rows
