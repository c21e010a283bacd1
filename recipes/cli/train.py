"""The command `zoo train`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.options import Json, parse_setting, parse_size
from recipes.cli.output import print_json, print_metrics, print_note


def train(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|TASK", help="A reference recipe (`zoo list recipes`), or a task such as classification."
        ),
    ],
    model: Annotated[str | None, typer.Option(help="Name of a model; default the recipe's.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="bundled:NAME, folder:PATH, masks:IMAGES?labels=MASKS, table:FILE?target=COLUMN, tfds:NAME."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for model, metrics, SavedModel, report.html; default runs/RECIPE.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training split.")] = None,
    batch_size: Annotated[float | None, typer.Option(help="Examples per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[
        float | None, typer.Option(help="Seed of the split, the weights, the order and the augmentation.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH to resize images to, such as 64x64.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other argument of the task: --set optimizer=sgd."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Fail if an image is unreadable, instead of skipping it.")] = False,
    as_json: Json = False,
):
    """Train a model, export it, check the export, and write a report.

    zoo train lenet5_mnist --out runs/digits

    zoo train classification --model lenet5 --data folder:photos --out runs/photos
    """
    from recipes.data import load
    from recipes.reference.recipes import train_and_export
    from recipes.reports.report import describe_steps
    from recipes.reports.verdict import verdict_without_interval
    from zoo.registry import entry

    recipe = _recipe(what, model, data)
    entry(recipe.model)
    options = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    options = {name: value for name, value in options.items() if value is not None}
    task = recipe.task.replace(**options, **dict(parse_setting(text) for text in settings or []))
    loaded = load(recipe.data, seed=task.seed, **({"strict": True} if strict else {}))
    arguments = dict(recipe.arguments or {})
    if size:
        arguments["input_shape"] = (*parse_size(size), loaded.shape[-1])
    out = out or Path("runs") / what
    print_note(
        f"{what}: {recipe.model} on {loaded.name}: {len(loaded.train)} training, {len(loaded.validation)} validation, "
        f"{len(loaded.test)} test examples"
    )
    for note in loaded.notes:
        print_note(f"note: {note}")
    run = train_and_export(task, recipe.model, loaded, out, True, arguments)
    split = "test" if len(loaded.test) else "validation"
    metrics = run.evaluate(split)
    if as_json:
        print_json(run.metrics)
        return
    verdict = metrics.get("verdict") or verdict_without_interval(task.main_metric, metrics, split)
    print_metrics({**metrics, "verdict": verdict}, metrics["baseline"])
    print(f"steps\t{describe_steps(run)}")
    for sentence in run.diagnose():
        print(f"diagnosis\t{sentence}")
    print(f"export\tdiffers from predict by at most {run.record['export']['largest_difference']:.2g}")
    print(f"report\t{out / 'report.html'}")


def _recipe(what, model, data):
    """Returns the `ReferenceRecipe` of that name or of a task, with another model or other data if given."""
    from recipes.reference.recipes import ReferenceRecipe, reference_recipe
    from recipes.tasks import TASKS

    if what in TASKS:
        if not model or not data:
            raise ValueError(f"train {what}: --model and --data must be given, got {model or data or 'neither'}.")
        return ReferenceRecipe(TASKS[what](), model, data)
    recipe = reference_recipe(what)
    arguments = recipe.arguments if model in (None, recipe.model) else None
    return ReferenceRecipe(recipe.task, model or recipe.model, data or recipe.data, arguments)
