"""The command line `zoo`: progress on stderr, results on stdout; exit code 0, 1 (failed) or 2 (wrong use)."""

import json
import math
import os
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported: its start-up notes help nobody here

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.explain import digits, explain
from recipes.cli.serve import export, predict_raster, serve

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train, evaluate, explain and export the models of ecology and geography lectures.\n\n"
    "A first try: zoo train lenet5_mnist --out runs/digits",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `zoo train --out` wrote.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Photos; or one CSV or Parquet table.")]


def start():
    """Imports TensorFlow with its start-up notes on stderr held back; what else is said there comes through."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        import tensorflow as tf

        tf.config.list_logical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def show(rows, as_json, columns=None):
    """Rows on stdout: JSON, a table for a person at a terminal, or tab-separated text for a pipe."""
    rows = [{k: r[k] for k in columns or r} for r in rows]
    if as_json:
        print(json.dumps(rows, indent=1, default=str))
    elif sys.stdout.isatty() and rows:
        from rich.console import Console
        from rich.table import Table

        table = Table(*map(str, rows[0]))
        for row in rows:
            table.add_row(*(str(readable(v)) for v in row.values()))
        Console().print(table)
    else:
        for row in ([{k: k for k in rows[0]}] if rows else []) + rows:
            print("\t".join(str(v) for v in row.values()))


def readable(value):
    """Whole numbers with thousands separated, nothing for what is unknown, all else as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "" if math.isnan(value) else f"{value:,.0f}" if value == int(value) else f"{value:.4g}"
    return value


def say(line):
    """One line on stderr."""
    print(line, file=sys.stderr)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="[models|recipes|data]", help="What to list.")] = "models",
    task: Annotated[str | None, typer.Option(help="Only models of this task: tabular, classify, ...")] = None,
    as_json: Json = False,
):
    """List the models, the worked recipes, or the data that comes with the package."""
    if what == "models":
        import zoo

        table = zoo.describe()
        if task is not None:
            table = table[table["name"].isin(zoo.names(task))]
        show(table.to_dict("records"), as_json, None if as_json else ("name", "task", "parameters", "input", "summary"))
        return
    import recipes

    tables = {"recipes": recipes.reference_recipes, "data": recipes.sources}
    if what not in tables:
        from zoo.arguments import suggestion

        known = ["models", *tables]
        raise ValueError(f"list: must be one of {', '.join(known)}, got {what!r}.{suggestion(what, known)}")
    show(tables[what](), as_json)


@app.command()
def describe(name: Annotated[str, typer.Argument(help="A model's name, as `zoo list` has it.")], as_json: Json = False):
    """Say what a model is: size, cost, receptive field, arguments, paper."""
    import inspect

    import zoo
    from zoo.registry import entry

    row = zoo.describe(name).to_dict("records")[0]
    if as_json:
        print(json.dumps(row, indent=1, default=str))
        return
    for key, value in row.items():
        print(f"{key:16}{readable(value)}")
    print(f"\n{inspect.getdoc(entry(name).build)}")


@app.command()
def train(
    what: Annotated[str, typer.Argument(help="A worked recipe (`zoo list recipes`), or classification or regression.")],
    model: Annotated[str | None, typer.Option(help="A model's name; a worked recipe has its own.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="bundled:NAME, folder:PATH, masks:IMAGES?labels=MASKS, table:FILE?target=COLUMN, tfds:NAME."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for model, metrics, SavedModel, report.html.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training part.")] = None,
    batch_size: Annotated[float | None, typer.Option(help="Examples per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[
        float | None, typer.Option(help="Of the split, the weights, the order and the augmentation.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Height x width to bring photos to, as in 64x64.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any other number of the recipe, as in --set optimizer=sgd.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Refuse a folder with a broken image instead of skipping it.")] = False,
    as_json: Json = False,
):
    """Train a model, explain it, export it, check the export, and write a report.

    zoo train lenet5_mnist --out runs/digits

    zoo train classification --model lenet5 --data folder:photos --out runs/photos
    """
    import recipes
    from recipes.reference.recipes import TASKS, ReferenceRecipe, complete, reference_recipe
    from zoo.registry import entry

    changes = {
        k: v
        for k, v in {"epochs": epochs, "batch": batch_size, "rate": learning_rate, "seed": seed}.items()
        if v is not None
    }
    changes |= dict(numbers(item) for item in set_ or [])
    if what in TASKS:
        if not model or not data:
            raise ValueError(f"train {what}: --model and --data must be given, got {model or data or 'neither'}.")
        row = ReferenceRecipe(TASKS[what](), model, data)
    else:
        row = reference_recipe(what)
        arguments = row.arguments if model in (None, row.model) else None
        row = ReferenceRecipe(row.recipe, model or row.model, data or row.data, arguments)
    entry(row.model)
    recipe = row.recipe.replace(**changes)
    loaded = recipes.load(row.data, seed=recipe.seed, **({"strict": True} if strict else {}))
    arguments = dict(row.arguments or {})
    if size:
        arguments["input_shape"] = (*sides(size), loaded.shape[-1])
    out = out or Path("runs") / what
    say(
        f"{what}: {row.model} on {loaded.name}: {len(loaded.train)} training, {len(loaded.validation)} validation, "
        f"{len(loaded.test)} test examples"
    )
    for note in loaded.notes:
        say(f"note: {note}")
    run = complete(recipe, row.model, loaded, out, True, arguments)
    found = run.evaluate("test" if len(loaded.test) else "validation")
    if as_json:
        print(json.dumps(run.metrics, indent=1, default=str))
    else:
        for key, value in found.items():
            if isinstance(value, int | float):
                print(f"{key}\t{value:.4g}")
        for sentence in run.diagnosis():
            print(f"diagnosis\t{sentence}")
        print(f"export\tdiffers from predict by at most {run.record['export']['largest_difference']:.2g}")
        print(f"report\t{out / 'report.html'}")


def numbers(item):
    """`name=value` with the value read as JSON where it is JSON."""
    name, equals, value = item.partition("=")
    if not equals:
        raise ValueError(f"--set must be NAME=VALUE, got {item!r}.")
    try:
        value = json.loads(value)
    except json.JSONDecodeError:
        value = tuple(value.split(",")) if name == "augment" else value
    return name, tuple(value) if isinstance(value, list) else value


def sides(size):
    """(64, 64) from 64x64 or 64."""
    parts = size.lower().split("x")
    if len(parts) > 2 or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise ValueError(f"--size must be HEIGHTxWIDTH in pixels, as in 64x64, got {size!r}.")
    return (int(parts[0]), int(parts[-1]))


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[str | None, typer.Option(help="Other data with the same classes; its own test part else.")] = None,
    as_json: Json = False,
):
    """Measure a trained model on held-out or other data, beside the trivial answer."""
    from recipes.runs.predict_files import evaluate_run

    found = evaluate_run(run, data)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for key, value in found.items():
        if isinstance(value, int | float):
            print(f"{key}\t{value:.4g}\t{found['baseline'].get(key, '')}")


@app.command()
def predict(run: RunFolder, files: Files, as_json: Json = False):
    """Answer for photos or for the rows of a table: one row each, class and probabilities or numbers."""
    from recipes.runs.predict_files import predict_files

    show(predict_files(run, files), as_json)


app.command()(explain)
app.command()(digits)
app.command()(export)
app.command()(serve)
app.command("predict-raster")(predict_raster)


def main(arguments=None):
    """Runs the command line; the only place that turns errors into exit codes."""
    command = typer.main.get_command(app)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *rest, **kw: say(f"note: {message}")
        try:
            if not {"--help", "-h"} & set(sys.argv[1:] if arguments is None else arguments):
                start()
            code = command.main(arguments, prog_name="zoo", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            say("zoo: stopped; the same command goes on from the last epoch")
            code = 1
        except BrokenPipeError:  # `zoo list | head`: whoever read has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 0
        except Exception as error:
            usage = getattr(error, "format_message", None)  # what the parser refused
            say(f"zoo: {usage() if usage else one_line(error)}")
            wrong_use = usage or isinstance(error, ValueError | FileNotFoundError | IsADirectoryError)
            code = 2 if wrong_use else 1
            if os.environ.get("ZOO_TRACEBACK"):
                raise
    sys.exit(code if isinstance(code, int) else 0)


def one_line(error):
    """An error's text without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
