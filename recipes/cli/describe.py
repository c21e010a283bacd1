"""The commands `zoo list` and `zoo describe`."""

from typing import Annotated

import typer

from recipes.cli.options import Json
from recipes.cli.output import format_value, print_json, print_rows


def list_(
    what: Annotated[str, typer.Argument(metavar="[models|recipes|data]", help="What to list.")] = "models",
    task: Annotated[str | None, typer.Option(help="Only models of this task: tabular, classify, ...")] = None,
    as_json: Json = False,
):
    """List the models, the reference recipes, or the bundled data."""
    if what == "models":
        import zoo

        table = zoo.describe()
        if task is not None:
            table = table[table["name"].isin(zoo.names(task))]
        columns = None if as_json else ("name", "task", "parameters", "input", "summary")
        print_rows(table.to_dict("records"), as_json, columns)
        return
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
    as_json: Json = False,
):
    """Describe a model: parameters, operations, receptive field, arguments, paper."""
    import inspect

    import zoo
    from zoo.registry import entry

    row = zoo.describe(name).to_dict("records")[0]
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        print(f"{key:16}{format_value(value)}")
    print(f"\n{inspect.getdoc(entry(name).build)}")
