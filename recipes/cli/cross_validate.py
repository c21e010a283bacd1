"""The command `zoo cross-validate`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.errors import check_folder
from recipes.cli.options import Json, parse_setting, parse_space
from recipes.cli.output import print_json


def cross_validate(
    what: Annotated[str, typer.Argument(metavar="TASK", help="A task for tables, such as species_distribution.")],
    model: Annotated[str, typer.Option(help="Name of a model.")],
    data: Annotated[str, typer.Option(help="READER:SOURCE?OPTION=VALUE, as `zoo train` has it.")],
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Folder for a run per fold, cross_validation.csv and .json; default none.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any argument of the task: --set epochs=50.")
    ] = None,
    nested: Annotated[
        int | None,
        typer.Option(metavar="TRIALS", min=1, help="Choose settings in each fold, of TRIALS and the defaults."),
    ] = None,
    space: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUES", help="What --nested searches, as `zoo search` has it.")
    ] = None,
    inner_folds: Annotated[int, typer.Option(min=2, help="Number of inner folds of --nested.")] = 3,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the runs in --out.")] = False,
    as_json: Json = False,
):
    """Train and test a model on each fold of a table, beside the baselines: mean and standard deviation of the metrics.

    Spatial blocks, groups and identical rows are in one fold. With --nested settings are chosen by inner folds, so that
    the metrics are those of the search and the model together.

    zoo cross-validate species_distribution --model maxent_features --data "species:points.csv?rasters=climate"
    """
    from recipes.tasks import TASKS
    from recipes.tasks.cross_validation import cross_validate
    from zoo.arguments import suggestion

    if what not in TASKS:
        raise ValueError(f"TASK must be one of {', '.join(TASKS)}, got {what!r}.{suggestion(what, TASKS)}")
    if out is not None:
        check_folder("--out", out)
    task = TASKS[what]().replace(**dict(parse_setting(text) for text in settings or []))
    arguments = {"folds": folds, "out": out, "verbose": not as_json, "overwrite": overwrite}
    if nested is None:
        if space:
            raise ValueError("--space must be used with --nested TRIALS.")
        result = cross_validate(task, model, data, **arguments)
    else:
        from recipes.tuning.nested import nested_cross_validate

        dimensions = dict(parse_space(text) for text in space or []) or None
        arguments |= {"space": dimensions, "trials": nested, "inner_folds": inner_folds}
        result = nested_cross_validate(task, model, data, **arguments)
    if as_json:
        content = {"description": result.description, "summary": result.summary(), "folds": result.folds}
        print_json(content | ({"values": list(result.values)} if result.values else {}))
        return
    print(result.description)
    summary = result.summary()
    names = list(summary["network"])
    print("\t".join(["method", *names]))
    for method, metrics in summary.items():
        cells = ["{:.3g} ± {:.2g}".format(*metrics[name]) if name in metrics else "" for name in names]
        print("\t".join([method, *cells]))
