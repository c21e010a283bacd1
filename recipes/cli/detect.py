"""The command `zoo detect`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.options import Json
from recipes.cli.output import print_frames, print_json, print_note
from recipes.cli.predict import counted_frames


def detect(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Folder written by `zoo train detection --out`; of a classification with --proposals."
        ),
    ],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Images, rasters, folders of images at any depth.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write: .csv, .tsv, .parquet, .jsonl, .json, .geojson or .gpkg; default the screen."),
    ] = None,
    document: Annotated[
        str | None, typer.Option("--format", help="Format of a .json file: coco or megadetector; default coco.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Smallest score of a box; default 0.5, and the run's smallest for .json."),
    ] = None,
    tile_size: Annotated[
        int | None,
        typer.Option(min=1, help="Side of the tiles that images are cut into, in pixels; default whole images."),
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Overlap of neighboring tiles in pixels; default a quarter of a tile.")
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(help="Run of a classification that names the class of each box.")
    ] = None,
    proposals: Annotated[
        Path | None, typer.Option(help="MegaDetector's JSON file, whose boxes RUN, a classification, names.")
    ] = None,
    files_from: Annotated[
        str | None, typer.Option(metavar="LIST", help="Text file with a path per line; - for stdin.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the I-th of N shards, from 1; see `zoo join-shards`.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew instead of continuing an interrupted detection.")
    ] = False,
    as_json: Json = False,
):
    """Detect objects in images: one row per box, and one per image without a box.

    A file that cannot be read is named on stderr, the others are predicted, and the exit code is 1. With --out, the
    same command continues a detection that was stopped.

    zoo detect runs/boxes photos --out boxes.csv

    zoo detect runs/boxes photos --out boxes.json --format megadetector

    zoo detect runs/trees scene.tif --tile-size 640 --out trees.gpkg

    zoo detect runs/species photos --proposals megadetector.json --out species.csv
    """
    from recipes.runs.detect_files import detect_files, detect_frames

    options = {"threshold": threshold, "tile_size": tile_size, "overlap": overlap, "classifier": classifier}
    options |= {"proposals": proposals, "files_from": files_from, "shard": shard, "strict": strict}
    options |= {"progress": not as_json}
    counts = {"rows": 0, "failures": 0}
    if out:
        result = detect_files(run, files or [], out, format=document, overwrite=overwrite, **options)
        counts["failures"] = result.failures
        if as_json:
            print_json(result._asdict())
        else:
            print(f"{result.inputs} images\t{result.rows} rows\t{result.path}")
    elif document:
        raise ValueError("--format needs --out, a .json file")
    else:
        print_frames(counted_frames(detect_frames(run, files or [], **options), counts), as_json)
    if counts["failures"]:
        print_note(f"zoo: {counts['failures']} files could not be read")
        raise typer.Exit(1)
