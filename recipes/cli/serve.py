"""The commands that put a trained model to use: `zoo export`, `zoo serve` and `zoo predict-raster`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `zoo train --out` wrote.")],
    out: Annotated[Path, typer.Argument(help="Folder to serve from; the model lands in OUT/1, OUT/2, ...")],
    data: Annotated[
        str | None, typer.Option(help="Where the raw inputs that prove it come from; the run's own data else.")
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            help="A faster form, proved too: folded, bfloat16, int8, litert_float, litert_dynamic, litert_int8, onnx."
        ),
    ] = None,
    skew: Annotated[
        bool, typer.Option("--skew", help="Also answer how far an input lies outside what training saw.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")] = False,
):
    """Write a SavedModel that takes raw inputs, proved in a process of its own to answer as predict does."""
    from recipes.runs.predict_files import on_data

    revived = on_data(run, data)
    done = revived.export(out, formats=tuple(form or ()), training_statistics=revived.seen() if skew else None)
    if as_json:
        print(json.dumps(done._asdict(), indent=1, default=str))
    else:
        print(f"{done.path}\tdiffers from predict by at most {done.difference:.2g}")


def serve(
    folder: Annotated[Path, typer.Argument(help="Exports to serve: FOLDER/NAME/VERSION, or FOLDER/VERSION.")],
    port: Annotated[int, typer.Option(help="REST's port.")] = 8501,
    grpc_port: Annotated[int, typer.Option(help="gRPC's port.")] = 8500,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is seen from other machines.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(help="Requests at work side by side.")] = 2,
    queue: Annotated[int, typer.Option(help="Requests that may wait; the next is refused as busy.")] = 64,
):
    """Serve exports over TensorFlow Serving's own REST and gRPC interfaces, for development.

    curl localhost:8501/v1/models/NAME; in production the stock tensorflow/serving image serves the same folder.
    """
    from zoo.serving import DEVELOPMENT_NOTE, Server

    def note(sentence):
        print(sentence, file=sys.stderr, flush=True)

    with Server(
        folder, rest_port=port, grpc_port=grpc_port, host=host, workers=workers, queue=queue, note=note
    ) as server:
        note(DEVELOPMENT_NOTE)
        note("stop it with ctrl-c")
        print(f"{server.rest_address}\t{server.grpc_address}", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            note("stopped")


def predict_raster(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `zoo train segmentation --out` wrote.")],
    raster: Annotated[Path, typer.Argument(metavar="RASTER", help="A GeoTIFF, or what else GDAL reads.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The GeoTIFF to write; called OUT.part until it is whole.")
    ],
    tile: Annotated[int | None, typer.Option(help="Side of a tile in pixels; 512, or the model's own.")] = None,
    overlap: Annotated[int | None, typer.Option(help="Pixels that neighbouring tiles share; 64.")] = None,
    blend: Annotated[str, typer.Option(help="How tiles pass into each other: cosine, linear or none.")] = "cosine",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write a band of probabilities per class.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Tiles that go through the model at once.")] = 4,
    bands: Annotated[str | None, typer.Option(help="Numbers or names, as in 1,2,B08; the run's own else.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")] = False,
):
    """Write the class of every pixel of a raster of any size as a GeoTIFF; the same command goes on after a stop."""
    import recipes

    chosen = tuple(int(b) if b.isdigit() else b for b in bands.split(",")) if bands else ()
    done = recipes.predict_raster(
        run, raster, out, tile=tile, overlap=overlap, blend=blend, probabilities=probabilities, batch_size=batch_size,
        bands=chosen,
    )  # fmt: skip
    if as_json:
        print(json.dumps(done._asdict(), indent=1))
    else:
        print(f"{done.path}\t{done.tiles} tiles\t{done.seconds:.0f} s\t{done.model:.0%} in the model")
