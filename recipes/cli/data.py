"""The commands `zoo data ...`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.command import TensorFlowCommand
from recipes.cli.options import Json
from recipes.cli.output import print_json

data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Examine data before training.")


@data.callback()
def _data():
    """Examine data before training."""


@data.command(cls=TensorFlowCommand)
def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="As `zoo train --data` takes it (folder:PATH, table:FILE?target=COLUMN, raster:IMAGE?labels=MASK, "
            "bundled:NAME, ...), or the path of a folder, a table or an image.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for batch.png, a figure of a batch of examples.")] = None,
    as_json: Json = False,
):
    """Print what was read and how, without training: columns, classes, ranges, gaps, and what is suspicious.

    zoo data check "table:trees.csv?target=species" --out checks
    """
    from recipes.reports.data_check import check_data

    summary = check_data(source)
    figure = None if out is None else summary.save_figure(out)
    if as_json:
        print_json({**summary.to_json(), "figure": figure})
    else:
        print(summary)
        if figure:
            print(f"\nfigure      {figure}")
    if summary.error:
        raise ValueError(summary.error)
