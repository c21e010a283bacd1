"""The commands `zoo evaluate`, `zoo predict` and `zoo predict-raster`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.options import Files, Json, RunFolder
from recipes.cli.output import print_frames, print_json, print_metrics, print_note


def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Option(help="Data with the same classes or targets; default the run's test split.")
    ] = None,
    as_json: Json = False,
):
    """Print the metrics of a trained model and of the baseline on held-out or other data."""
    from recipes.runs.predict_files import evaluate_run

    metrics = evaluate_run(run, data)
    if as_json:
        print_json(metrics)
    else:
        print_metrics(metrics, metrics["baseline"])


def predict(
    run: RunFolder,
    files: Files,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .csv, .tsv, .parquet or .jsonl; default the screen.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")] = False,
    as_json: Json = False,
):
    """Predict images or the rows of a table: one row each, with class and probabilities, or with numbers.

    A run of `forecasting` predicts the steps after the last row of a table. A file that cannot be read is named on
    stderr, the others are predicted, and the exit code is 1.
    """
    from recipes.runs.load import load_run
    from recipes.runs.predict_files import predict_files
    from recipes.runs.prediction_file import write_frames

    frames, unreadable = predict_files(load_run(run), files), []

    def report_unreadable():
        for frame in frames:
            failed = frame[frame["error"].notna()] if "error" in frame else None  # tables have no such column
            for name, reason in () if failed is None else zip(failed["input"], failed["error"], strict=True):
                if strict:
                    raise ValueError(f"predict: every file must be readable under --strict, got {name}: {reason}")
                print_note(f"note: {name} cannot be read: {reason}")
                unreadable.append(name)
            yield frame

    if out:
        print(f"{write_frames(report_unreadable(), out)} rows\t{out}")
    else:
        print_frames(report_unreadable(), as_json)
    if unreadable:
        print_note(f"zoo: {len(unreadable)} files could not be read")
        raise typer.Exit(1)


def predict_raster(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by `zoo train segmentation --out`.")],
    raster: Annotated[Path, typer.Argument(metavar="RASTER", help="A GeoTIFF, or any raster that GDAL reads.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="GeoTIFF to write; named OUT.part until it is complete.")],
    tile: Annotated[
        int | None, typer.Option(help="Side of a tile in pixels; default 512, or the model's size.")
    ] = None,
    overlap: Annotated[int | None, typer.Option(help="Overlap of neighboring tiles in pixels; default 64.")] = None,
    blend: Annotated[str, typer.Option(help="Transition between tiles: cosine, linear or none.")] = "cosine",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write one band of probabilities per class.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Tiles per batch.")] = 4,
    bands: Annotated[
        str | None, typer.Option(help="Band numbers or names, such as 1,2,B08; default the run's.")
    ] = None,
    as_json: Json = False,
):
    """Write the class of every pixel of a raster as a GeoTIFF; the same command resumes an interrupted one."""
    from recipes.raster import predict as raster_prediction

    band_list = tuple(int(b) if b.isdigit() else b for b in bands.split(",")) if bands else ()
    result = raster_prediction.predict_raster(
        run,
        raster,
        out,
        tile=tile,
        overlap=overlap,
        blend=blend,
        probabilities=probabilities,
        batch_size=batch_size,
        bands=band_list,
    )
    if as_json:
        print_json(result._asdict())
    else:
        print(f"{result.path}\t{result.tiles} tiles\t{result.seconds:.0f} s\t{result.model_fraction:.0%} in the model")
