"""The commands `zoo list` and `zoo describe`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.architecture_list import architectures, docstring
from recipes.cli.options import Json
from recipes.cli.output import format_value, import_tensorflow, print_json, print_note, print_rows


def list_(
    what: Annotated[str, typer.Argument(metavar="[models|recipes|data]", help="What to list.")] = "models",
    task: Annotated[str | None, typer.Option(help="Only models of this task: tabular, classify, ...")] = None,
    as_json: Json = False,
):
    """List the models, the reference recipes, or the bundled data."""
    if what == "models":
        rows = architectures()
        if task is not None:
            rows = [row for row in rows if row["task"] == task] or _unknown_task(task)
        columns = None if as_json else ("name", "task", "parameters", "input", "summary")
        print_rows(rows, as_json, columns)
        return
    import_tensorflow()
    from recipes.data import sources
    from recipes.reference.recipes import reference_recipes

    tables = {"recipes": reference_recipes, "data": sources}
    if what not in tables:
        from zoo.arguments import suggestion

        names = ["models", *tables]
        raise ValueError(f"list: must be one of {', '.join(names)}, got {what!r}.{suggestion(what, names)}")
    print_rows(tables[what](), as_json)


def describe(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Name of a model, as printed by `zoo list`.")],
    draw: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Also draw the model to a file.")] = None,
    as_json: Json = False,
):
    """Describe a model: parameters, operations, receptive field, arguments, paper.

    zoo describe unet --draw unet.svg
    """
    row = next((row for row in architectures() if row["name"] == name), None) or _unknown_name(name)
    if draw is not None:
        import_tensorflow()
        import zoo

        print_note(f"drawing: {zoo.draw(name).save(draw)}")
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        print(f"{key:16}{'' if value is None else format_value(value)}")
    print(f"\n{docstring(row)}")


def _unknown_task(task):
    """Raises the error of `zoo.names`."""
    import_tensorflow()
    import zoo

    return zoo.names(task)


def _unknown_name(name):
    """Raises the error of `zoo.describe`."""
    import_tensorflow()
    import zoo

    return zoo.describe(name)
