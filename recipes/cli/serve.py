"""The commands `zoo export` and `zoo serve`."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.errors import check_folder, naming_full_disk
from recipes.cli.options import Json, RunFolder
from recipes.cli.output import print_json, print_note


def export(
    run: RunFolder,
    out: Annotated[Path, typer.Argument(help="Folder to serve; the model is written to OUT/1, OUT/2, ...")],
    data: Annotated[
        str | None, typer.Option(help="Source of the raw inputs of the parity check; default the run's data.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Additional format, also checked: folded, bfloat16, int8, litert_float, litert_dynamic, litert_int8, "
            "onnx.",
        ),
    ] = None,
    skew: Annotated[
        bool,
        typer.Option("--skew", help="Add the output `skew`, the distance of an input from the training data."),
    ] = False,
    as_json: Json = False,
):
    """Write a SavedModel of raw inputs and check in another process that it gives the same predictions."""
    from recipes.runs.predict_files import open_with_data

    check_folder("OUT", out)
    saved = open_with_data(run, data)
    statistics = saved.training_statistics() if skew else None
    with naming_full_disk(out):
        result = saved.export(out, formats=tuple(formats or ()), training_statistics=statistics)
    for note in result.notes:
        print_note(f"note: {note}")
    if as_json:
        print_json(result._asdict())
    else:
        print(f"{result.path}\tdiffers from predict by at most {result.difference:.2g}")


def serve(
    folder: Annotated[Path, typer.Argument(help="Exports to serve: FOLDER/NAME/VERSION, or FOLDER/VERSION.")],
    port: Annotated[int, typer.Option(help="REST port; 0 for any free one.", min=0, max=65535)] = 8501,
    grpc_port: Annotated[int, typer.Option(help="gRPC port; 0 for any free one.", min=0, max=65535)] = 8500,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 accepts other machines.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(help="Requests processed concurrently.", min=1)] = 2,
    queue: Annotated[int, typer.Option(help="Requests that may wait; further ones are refused as busy.", min=0)] = 64,
):
    """Serve exports with TensorFlow Serving's REST and gRPC interfaces, for development.

    curl localhost:8501/v1/models/NAME; in production, the tensorflow/serving image serves the same folder.
    """
    from zoo.serving import DEVELOPMENT_NOTE, Server

    with Server(
        folder, rest_port=port, grpc_port=grpc_port, host=host, workers=workers, queue=queue, note=print_note
    ) as server:
        print_note(DEVELOPMENT_NOTE)
        print_note("stop with ctrl-c")
        print(f"{server.rest_address}\t{server.grpc_address}", flush=True)
        server.wait()
        print_note("stopping: new requests are refused, those in progress get their response")
    print_note("stopped")
