"""The commands `zoo evaluate`, `zoo predict` and `zoo predict-raster`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recipes.cli.options import Json, RunFolder
from recipes.cli.output import print_baselines, print_frames, print_json, print_metrics, print_note


def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Option(help="Data with the same classes or targets; default the run's test split.")
    ] = None,
    as_json: Json = False,
):
    """Print the metrics of a trained model and of the baseline on held-out or other data."""
    from recipes.runs.load import load_run
    from recipes.runs.predict_files import evaluate_run

    loaded = load_run(run)
    metrics = evaluate_run(loaded, data)
    if as_json:
        print_json(metrics)
        return
    print_metrics(metrics, metrics["baseline"])
    if data is None:  # the fitted baselines were measured on the run's test split
        print_baselines(loaded.record)


def predict(
    run: RunFolder,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="Images, folders of images at any depth, or tables.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .csv, .tsv, .parquet or .jsonl; default the screen.")
    ] = None,
    files_from: Annotated[
        str | None, typer.Option(metavar="LIST", help="Text file with a path per line; - for stdin.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Predict the I-th of N shards, from 1; see `zoo join-shards`.")
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="ray|ray://HOST:PORT",
            help="Predict with several processes of this machine, or of a Ray cluster that sees the same folders.",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Only the K most probable classes; default all."),
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also the intervals of numbers, or the sets of classes.")
    ] = False,
    features: Annotated[
        bool, typer.Option("--features", help="The inputs of the model's head instead of its predictions.")
    ] = False,
    engine: Annotated[
        str | None, typer.Option(help="Predict by the run's export: auto, tensorflow, openvino, onnx or litert.")
    ] = None,
    overlap: Annotated[
        float | None, typer.Option(help="Of recordings: fraction of a window that the next one has too; default 0.5.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Of recordings: score from which a window has a call; default 0.5.")
    ] = None,
    background: Annotated[
        list[str] | None, typer.Option(metavar="CLASS", help="Of recordings: class that is no call; may be repeated.")
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option(metavar="FORMAT", help="Of recordings: raven, audacity or birdnet tables in OUT_FORMAT/; repeat."),
    ] = None,
    hours: Annotated[
        Path | None,
        typer.Option(help="Of recordings: CSV of the calls per day and hour; a plot is beside it."),
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of texts of the tables; default that of the training.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew instead of continuing an interrupted prediction.")
    ] = False,
    as_json: Json = False,
):
    """Predict images or the rows of tables: one row each, with class and probabilities, or with numbers.

    A run of `detection` predicts a row per box; `zoo detect` has its options.

    A run on sound predicts a row per call in recordings of any length: start and end [s], low and high [Hz], class,
    confidence, and the time where the file's name has one.

    A run of `forecasting` predicts the steps after the last row of a table. A file that cannot be read is named on
    stderr, the others are predicted, and the exit code is 1. With --out, the same command continues a prediction that
    was stopped, and each input is predicted once.

    zoo predict runs/photos new_photos --out predictions.csv

    find /archive -name "*.jpg" | zoo predict runs/photos --files-from - --out predictions.parquet

    zoo predict runs/photos new_photos --out predictions.csv --shard 3/8

    zoo predict runs/birds recordings --out calls.csv --tables raven --hours hours.csv
    """
    from recipes.prediction.file_prediction import predict_frames
    from recipes.runs.load import load_run
    from recipes.runs.text_column import with_text_column

    loaded, counts = load_run(run), {"rows": 0, "failures": 0}
    if text:
        loaded = with_text_column(loaded, text)
    if engine and not (run / "saved_model").is_dir():
        raise ValueError(f"--engine needs an export of the run, and {run} has none: zoo export {run} {run}/saved_model")
    options = {"files_from": files_from, "shard": shard, "strict": strict, "top_k": top_k, "features": features}
    options |= {
        "uncertainty": uncertainty,
        "engine": engine,
        "export": run if engine else None,
        "progress": not as_json,
    }
    calls = {"overlap": overlap, "threshold": threshold, "background": tuple(background or ()) or None}
    calls = {name: value for name, value in calls.items() if value is not None}
    options |= {"calls": calls} if calls else {}
    if (tables or hours) and (loaded.schema.kind != "sound" or not out):
        raise ValueError("--tables and --hours are for a run on sound with --out, the file of its calls")
    if workers and not out:
        raise ValueError("--workers needs --out, the file that the workers' predictions are joined to")
    if out:
        result = loaded.predict_files(files or [], out, workers=workers, overwrite=overwrite, **options)
        counts = {"rows": result.rows, "failures": result.failures}
        if as_json:
            print_json(result._asdict())
        else:
            print(f"{result.rows} rows\t{result.path}")
        write_call_files(out, tables or (), hours)
    else:
        print_frames(counted_frames(predict_frames(loaded, files or [], **options), counts), as_json)
    if counts["failures"]:
        print_note(f"zoo: {counts['failures']} files could not be read")
        raise typer.Exit(1)


def write_call_files(out, table_formats, hours):
    """Writes the tables of calls for other programs, and the calls per day and hour.

    Args:
        out: path of the file of calls.
        table_formats: raven, audacity or birdnet.
        hours: path of the CSV file of the counts, or None.
    """
    if not table_formats and not hours:
        return
    from recipes.prediction.call_tables import count_calls, count_figure, read_calls, write_call_tables
    from zoo.arguments import convert

    calls = read_calls(out)
    for table_format in table_formats:
        paths = write_call_tables(calls, out.with_name(f"{out.stem}_{table_format}"), table_format)
        print_note(f"{len(paths)} {table_format} tables in {out.with_name(f'{out.stem}_{table_format}')}")
    if hours:
        convert(hours.suffix, Literal[".csv"], "predict: the ending of `hours`")
        frame = count_calls(calls)
        frame.to_csv(hours, index=False, lineterminator="\n")
        if len(frame):
            count_figure(frame).savefig(hours.with_suffix(".png"), dpi=120)
        print_note(f"calls per day and hour: {hours}")


def counted_frames(frames, counts):
    """Yields data frames, and adds their numbers of rows and of failures to `counts`."""
    for frame in frames:
        counts["rows"] += len(frame)
        counts["failures"] += int(frame["error"].notna().sum()) if "error" in frame else 0  # tables have no such column
        yield frame


def join_shards(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The --out of the shards, which lie beside it.")],
    as_json: Json = False,
):
    """Join the shards that `zoo predict --out OUT --shard I/N` wrote, in the order of the inputs; the shards stay."""
    from recipes.prediction import shards

    rows, failures = shards.join_shards(out)
    if as_json:
        print_json({"path": str(out), "rows": rows, "failures": failures})
    else:
        print(f"{rows} rows\t{out}")


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
