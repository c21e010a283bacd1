"""The command line `zoo`. Exit codes: 0, 1 (failed, or stopped with ctrl-c) and 2 (wrong use)."""

import importlib.metadata
import os
import sys
import warnings
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must be set before TensorFlow is imported

import typer

from recipes.cli.command import TensorFlowCommand
from recipes.cli.cross_validate import cross_validate
from recipes.cli.data import data
from recipes.cli.describe import describe, list_
from recipes.cli.detect import detect
from recipes.cli.errors import describe_error
from recipes.cli.explain import digits, explain
from recipes.cli.gallery import gallery
from recipes.cli.labels import combine_labels, find_label_errors, label
from recipes.cli.output import print_note
from recipes.cli.predict import evaluate, join_shards, predict, predict_raster
from recipes.cli.search import find_learning_rate, search
from recipes.cli.serve import export, serve
from recipes.cli.species_map import predict_species_map
from recipes.cli.suggestions import NearestNameGroup
from recipes.cli.train import train
from recipes.cli.train_help import TrainCommand

INTERRUPTED = 130  # Typer's code of ctrl-c
app = typer.Typer(
    cls=NearestNameGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train, evaluate, explain and export models for ecology and geography.\n\n"
    "To start: zoo train lenet5_mnist --out runs/digits\n\n"
    "Your photos, one folder per class: zoo train fine_tuning --model efficientnet_lite0 --data folder:photos",
)
app.command("list")(list_)
app.command()(describe)
app.command(cls=TrainCommand)(train)
for function in (evaluate, predict, detect, explain, digits, export, serve, gallery):
    app.command(cls=TensorFlowCommand)(function)
app.command(cls=TensorFlowCommand)(search)
app.command("find-learning-rate", cls=TensorFlowCommand)(find_learning_rate)
app.command(cls=TensorFlowCommand)(label)
app.command("combine-labels", cls=TensorFlowCommand)(combine_labels)
app.command("find-label-errors", cls=TensorFlowCommand)(find_label_errors)
app.command("join-shards", cls=TensorFlowCommand)(join_shards)
app.command("predict-raster", cls=TensorFlowCommand)(predict_raster)
app.command("predict-species-map", cls=TensorFlowCommand)(predict_species_map)
app.command("cross-validate", cls=TensorFlowCommand)(cross_validate)
app.add_typer(data, name="data")


def _print_version(is_wanted):
    if is_wanted:
        print(f"zoo {importlib.metadata.version('fieldzoo')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
):
    """Options of `zoo` itself."""


def main(arguments=None):
    """Runs the command line; errors become one line on stderr and an exit code.

    Args:
        arguments: list of strings; default those of the process.
    """
    command = typer.main.get_command(app)
    arguments = sys.argv[1:] if arguments is None else arguments
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)  # notes are shown whatever the environment's filters are
        warnings.showwarning = lambda message, *args, **kwargs: print_note(f"note: {message}")
        try:
            code = command.main(arguments, prog_name="zoo", standalone_mode=False)
            sys.stdout.flush()
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except BrokenPipeError:  # `zoo list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 0
        except Exception as error:
            sentence, code = describe_error(error)
            print_note(f"zoo: {sentence}")
            if os.environ.get("ZOO_TRACEBACK"):
                raise
    if code == INTERRUPTED:
        writes = any(str(a).startswith("--out") for a in arguments)
        is_resumed = arguments[:1] in (["predict-raster"], ["predict-species-map"]) or (
            arguments[:1] in (["predict"], ["detect"], ["search"]) and writes
        )
        print_note(f"zoo: stopped{'; the same command resumes' * is_resumed}")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
