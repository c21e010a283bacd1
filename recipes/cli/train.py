"""The command `zoo train`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recipes.cli.errors import check_folder, naming_full_disk
from recipes.cli.options import Json, check_size, parse_setting, parse_size
from recipes.cli.output import print_baselines, print_json, print_metrics, print_note


def train(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|TASK",
            help="A reference recipe (`zoo list recipes`), or a task, as listed below.",
        ),
    ],
    model: Annotated[str | None, typer.Option(help="Name of a model; default the recipe's.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="READER:SOURCE?OPTION=VALUE&OPTION=VALUE, such as folder:photos; all are listed below."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for model, metrics, SavedModel, report.html; default runs/RECIPE.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(metavar="<int>", help="Passes over the training split.")] = None,
    batch_size: Annotated[float | None, typer.Option(metavar="<int>", help="Examples per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[
        float | None,
        typer.Option(metavar="<int>", help="Seed of the split, the weights, the order and the augmentation."),
    ] = None,
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH to resize images to, such as 64x64.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other argument of the task: --set optimizer=sgd."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in --out; other files in that folder stay.")
    ] = False,
    distribute: Annotated[
        Literal["mirrored", "multi_worker"] | None,
        typer.Option(help="All GPUs of this machine, or the machines of TF_CONFIG; the first one writes --out."),
    ] = None,
    track: Annotated[
        Literal["wandb", "mlflow", "trackio", "tensorboard"] | None,
        typer.Option(help="A tracker of experiments, which gets settings, metrics, figures and the model."),
    ] = None,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Skip the linear model, forest and boosting that a table's run has.")
    ] = False,
    strict: Annotated[bool, typer.Option(help="Fail if an image is unreadable, instead of skipping it.")] = False,
    as_json: Json = False,
):
    """Train a model, export it, check the export, and write a report.

    zoo train fine_tuning --model efficientnet_lite0 --data folder:photos --out runs/photos

    zoo train lenet5_mnist --out runs/digits

    zoo train classification --model dnn --data "table:plots.csv?target=species" --out runs/plots
    """
    from recipes.data import load
    from recipes.reference.recipes import train_and_export
    from recipes.reports.report import describe_steps
    from recipes.training.distribute import distribution
    from recipes.training.run_folder import RunFolder
    from zoo.registry import entry

    out = out or Path("runs") / what
    check_folder("--out", out)
    image_size = parse_size(size) if size else None
    recipe = chosen_recipe(what, model, data)
    entry(recipe.model)
    options = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    options |= {"baselines": False if no_baselines else None}
    options = {name: value for name, value in options.items() if value is not None}
    settings = dict(parse_setting(text) for text in settings or [])
    twice = [name for name in options if name in settings]
    if twice:
        flag = "--no-baselines" if twice[0] == "baselines" else f"--{twice[0].replace('_', '-')}"
        raise ValueError(f"{twice[0]} must be set once, got {flag} and --set {twice[0]}=....")
    if no_baselines and not hasattr(recipe.task, "baselines"):
        raise ValueError(
            f"--no-baselines is for classification and regression, and {type(recipe.task).__name__} fits no baselines; "
            "leave it out."
        )
    task = recipe.task.replace(**options, **settings)
    distributed = distribution(distribute)  # before TensorFlow computes anything
    if distributed.is_chief:
        RunFolder(out, overwrite).check()
    loaded = load(recipe.data, seed=task.seed, **({"strict": True} if strict else {}))
    arguments = dict(recipe.arguments or {})
    if image_size:
        check_size(loaded)
        weights = getattr(task, "weights", None)
        # Backbones of photos take three bands, and the preprocessing repeats a gray one
        is_photo_backbone = weights is not None and not Path(weights).is_dir()
        bands = 3 if loaded.shape[-1] == 1 and is_photo_backbone else loaded.shape[-1]
        arguments["input_shape"] = (*image_size, bands)
    print_note(
        f"{what}: {recipe.model} on {loaded.name}: {len(loaded.train)} training, {len(loaded.validation)} validation, "
        f"{len(loaded.test)} test examples"
    )
    for note in loaded.notes:
        print_note(f"note: {note}")
    with naming_full_disk(out):
        run = train_and_export(task, recipe.model, loaded, out, True, arguments, overwrite, distribute, track)
    if not distributed.is_chief:
        print_note("trained; the first worker writes the run")
        return
    split = "test" if len(loaded.test) else "validation"
    metrics = run.evaluate(split)
    if as_json:
        print_json(run.metrics)
        return
    verdict = metrics.get("verdict")
    print_metrics({**metrics, "verdict": verdict}, metrics["baseline"])
    print_baselines(run.record)
    if "pretrained_weights" in run.record:
        print(f"weights\t{run.record['pretrained_weights']}")
    print(f"steps\t{describe_steps(run)}")
    for sentence in run.diagnose():
        print(f"diagnosis\t{sentence}")
    print(f"export\tdiffers from predict by at most {run.record['export']['largest_difference']:.2g}")
    print(f"report\t{out / 'report.html'}")


def chosen_recipe(what, model, data):
    """Returns the `ReferenceRecipe` of that name or of a task, with another model or other data if given."""
    from recipes.reference.recipes import ReferenceRecipe, reference_recipe
    from recipes.tasks import TASKS

    if what in TASKS:
        if not model or not data:
            raise ValueError(f"{what}: --model and --data must be given, got {model or data or 'neither'}.")
        return ReferenceRecipe(TASKS[what](), model, data)
    recipe = reference_recipe(what)
    arguments = recipe.arguments if model in (None, recipe.model) else None
    return ReferenceRecipe(recipe.task, model or recipe.model, data or recipe.data, arguments)
