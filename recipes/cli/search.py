"""The commands `zoo search` and `zoo find-learning-rate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recipes.cli.errors import check_folder, naming_full_disk
from recipes.cli.options import Json, parse_setting, parse_space
from recipes.cli.output import print_json, print_note
from recipes.cli.train import chosen_recipe

What = Annotated[
    str,
    typer.Argument(metavar="RECIPE|TASK", help="A reference recipe (`zoo list recipes`), or a task of `zoo train`."),
]
Model = Annotated[str | None, typer.Option(help="Name of a model; default the recipe's.")]
Source = Annotated[str | None, typer.Option("--data", help="As `zoo train --data` takes it.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An argument of the task that is not searched: --set epochs=20."),
]


def search(
    what: What,
    model: Model = None,
    data: Source = None,
    budget: Annotated[
        str | None, typer.Option(help="Time for the trials: 90s, 30min, 2h; 30min where --trials is not set.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials.")] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="What is searched: learning_rate=1e-4:1e-2:log, batch_size=16,32,64, units=[32],[64,64]; may be "
            "repeated. Default: learning rate, batch size, and dropout where the model has it.",
        ),
    ] = None,
    sampler: Annotated[Literal["tpe", "random", "grid"], typer.Option(help="tpe learns from earlier trials.")] = "tpe",
    seeds: Annotated[int, typer.Option(help="Trainings of the winner and of the defaults on the test split.")] = 3,
    workers: Annotated[int, typer.Option(help="Processes that run trials at the same time.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder; default runs/search_RECIPE.")] = None,
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the search in --out.")] = False,
    as_json: Json = False,
):
    """Search for better hyperparameters, and say whether the gain is more than noise.

    zoo search regression --model dnn --data "table:plots.csv?target=biomass" --budget 10min --out runs/search

    The same command resumes a search that was stopped. The run of the winner is in OUT/best.
    """
    from recipes.tuning.search import search as search_space

    out = out or Path("runs") / f"search_{what}"
    check_folder("--out", out)
    recipe, task = _recipe_and_task(what, model, data, settings)
    dimensions = dict(parse_space(text) for text in space or []) or None
    with naming_full_disk(out):
        result = search_space(
            task, recipe.model, recipe.data, space=dimensions, budget=budget, trials=trials, sampler=sampler,
            seeds=seeds, workers=workers, out=out, overwrite=overwrite, **(recipe.arguments or {}),
        )  # fmt: skip
    if as_json:
        print_json(
            {
                "values": result.values,
                "metric": result.metric,
                "score": result.score,
                "default_score": result.default_score,
                "trials": len(result.trials),
                "comparison": result.comparison,
                "sentence": result.sentence,
            }
        )
        return
    print(f"validation {result.metric}\t{result.score:.4g}\tdefaults {result.default_score:.4g}")
    for name, value in result.values.items():
        print(f"{name}\t{value:.4g}" if isinstance(value, float) else f"{name}\t{value}")
    print(f"result\t{result.sentence}")
    print(f"run\t{out / 'best'}")
    print(f"trials\t{out / 'trials.csv'}\t{out / 'search.png'}")


def find_learning_rate(
    what: What,
    model: Model = None,
    data: Source = None,
    low: Annotated[float, typer.Option(help="First learning rate.")] = 1e-6,
    high: Annotated[float, typer.Option(help="Last learning rate.")] = 1.0,
    steps: Annotated[int, typer.Option(help="Training steps.")] = 200,
    out: Annotated[Path | None, typer.Option(help="PNG file for a figure of the loss.")] = None,
    settings: Settings = None,
    as_json: Json = False,
):
    """Train some steps with a rising learning rate, and print where the loss falls fastest.

    zoo find-learning-rate lenet5_mnist --out learning_rate.png
    """
    from recipes.tuning.learning_rate import find_learning_rate as find

    recipe, task = _recipe_and_task(what, model, data, settings)
    result = find(task, recipe.model, recipe.data, low=low, high=high, steps=steps, out=out, **(recipe.arguments or {}))
    if as_json:
        names = ("steepest", "largest", "default", "learning_rates", "losses")
        print_json({name: getattr(result, name) for name in names})
        return
    print(f"steepest\t{result.steepest:.2g}\twhere the loss falls fastest")
    print(f"largest\t{result.largest:.2g}\ta tenth of the one with the least loss")
    print(f"default\t{result.default:.2g}\tof the task")
    if out:
        print_note(f"figure: {out}")


def _recipe_and_task(what, model, data, settings):
    """Returns the `ReferenceRecipe` and its task with the settings of `--set`."""
    recipe = chosen_recipe(what, model, data)
    return recipe, recipe.task.replace(**dict(parse_setting(text) for text in settings or []))
