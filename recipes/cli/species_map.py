"""The command `zoo predict-species-map`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.options import Json
from recipes.cli.output import print_json


def predict_species_map(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run of species_distribution, or of `zoo cross-validate`.")
    ],
    rasters: Annotated[
        list[str], typer.Argument(metavar="RASTER...", help="Rasters of the variables on one grid, or their folder.")
    ],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write; named OUT.part until it is complete.")],
    tile: Annotated[int, typer.Option(min=1, help="Side of a tile in pixels.")] = 128,
    as_json: Json = False,
):
    """Write the probability of presence in every cell, and its similarity to the training; below 0 is extrapolation.

    Of a cross-validation it is the mean of the folds, with the deviation between them. The same command resumes an
    interrupted one.

    zoo predict-species-map runs/sloth climate --out sloth.tif
    """
    from recipes.raster import species_map

    result = species_map.predict_species_map(run, tuple(rasters), out, tile=tile)
    if as_json:
        print_json(result._asdict())
    else:
        print(f"{result.path}\t{result.tiles} tiles\t{result.seconds:.0f} s\t{result.model_fraction:.0%} in the model")
