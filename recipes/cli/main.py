"""The command line `zoo`. Exit codes: 0, 1 (failed) and 2 (wrong use)."""

import os
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must be set before TensorFlow is imported

import typer

from recipes.cli.data import data
from recipes.cli.describe import describe, list_
from recipes.cli.explain import digits, explain
from recipes.cli.output import print_note
from recipes.cli.predict import evaluate, predict, predict_raster
from recipes.cli.serve import export, serve
from recipes.cli.train import train

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train, evaluate, explain and export models for ecology and geography.\n\n"
    "To start: zoo train lenet5_mnist --out runs/digits",
)
app.command("list")(list_)
app.command()(describe)
app.command()(train)
app.command()(evaluate)
app.command()(predict)
app.command()(explain)
app.command()(digits)
app.command()(export)
app.command()(serve)
app.command("predict-raster")(predict_raster)
app.add_typer(data, name="data")


def main(arguments=None):
    """Runs the command line; errors become one line on stderr and an exit code.

    Args:
        arguments: list of strings; default those of the process.
    """
    command = typer.main.get_command(app)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *args, **kwargs: print_note(f"note: {message}")
        try:
            if not {"--help", "-h"} & set(sys.argv[1:] if arguments is None else arguments):
                import_tensorflow()
            code = command.main(arguments, prog_name="zoo", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            print_note("zoo: stopped; the same command resumes from the last epoch")
            code = 1
        except BrokenPipeError:  # `zoo list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 0
        except Exception as error:
            usage = getattr(error, "format_message", None)  # of the parser's errors
            print_note(f"zoo: {usage() if usage else one_line(error)}")
            wrong_use = usage or isinstance(error, ValueError | FileNotFoundError | IsADirectoryError)
            code = 2 if wrong_use else 1
            if os.environ.get("ZOO_TRACEBACK"):
                raise
    sys.exit(code if isinstance(code, int) else 0)


def import_tensorflow():
    """Imports TensorFlow without its messages on stderr."""
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        import tensorflow as tf

        tf.config.list_logical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def one_line(error):
    """Returns an error's message without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
