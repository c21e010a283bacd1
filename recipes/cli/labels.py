"""The commands `zoo label`, `zoo combine-labels` and `zoo find-label-errors`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recipes.cli.errors import check_folder
from recipes.cli.options import Json, parse_setting
from recipes.cli.output import print_json, print_note


def label(
    folder: Annotated[Path, typer.Argument(help="Folder of photos.")],
    classes: Annotated[str, typer.Option(help="Names of the classes: oak,ash; more can be added on the page.")],
    out: Annotated[Path, typer.Option(help="CSV file for the labels; a file of an earlier session is continued.")],
    model: Annotated[
        str, typer.Option(help="Model with bundled weights whose features are used.")
    ] = "efficientnet_lite0",
    sample: Annotated[int, typer.Option(help="Photos, drawn at random, of a larger folder.")] = 5_000,
    port: Annotated[int, typer.Option(help="Port of the page; 0 for any free one.")] = 0,
):
    """Label photos in the browser, those first that a model is least sure of; stop with ctrl-c.

    zoo label photos --classes oak,ash,beech --out labels.csv
    """
    from recipes.labels.label_page import label_photos

    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    with label_photos(folder, names, out, model=model, sample=sample, port=port) as page:
        print(page.address, flush=True)
        print_note("open it in a browser; every label is saved when its key is pressed; stop with ctrl-c")
        page.wait()
    print_note(f'labels: {out}; train with --data "image_table:{out}?target=label&images={folder}"')


def combine_labels(
    votes: Annotated[
        Path,
        typer.Argument(help="Table with a row for each label of each annotator, or with a column for each annotator."),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file for the labels; default prints them.")] = None,
    annotators: Annotated[
        Path | None, typer.Option(help="CSV file for the annotators, how often they agree and are right.")
    ] = None,
    method: Annotated[
        Literal["dawid_skene", "majority"],
        typer.Option(help="dawid_skene weighs annotators by how often they are right; majority counts votes."),
    ] = "dawid_skene",
    soft: Annotated[
        bool,
        typer.Option("--soft", help="Write a row for each class that is possible, with its probability as weight."),
    ] = False,
    item: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that names the examples.")] = None,
    annotator: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the annotators.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the classes.")] = None,
):
    """Combine the labels of several annotators into one for each example.

    zoo combine-labels votes.csv --out labels.csv --annotators annotators.csv
    """
    from recipes.labels.combine import combine_labels as combine

    combined = combine(votes, method=method, item=item, annotator=annotator, label=label)
    table = combined.soft() if soft else combined.labels
    text = table.to_csv(out, index=False, lineterminator="\n", float_format="%.4f")
    if out is None:
        print(text, end="")
    if annotators is not None:
        combined.annotators.to_csv(annotators, index=False, lineterminator="\n", float_format="%.4f")
    print_note(
        f"{len(combined.labels):,} examples, {len(combined.annotators):,} annotators, {len(combined.classes):,} classes"
    )


def find_label_errors(
    what: Annotated[str, typer.Argument(metavar="TASK", help="classification or fine_tuning.")],
    model: Annotated[str, typer.Option(help="Name of a model.")],
    data: Annotated[str, typer.Option(help="READER:SOURCE?OPTION=VALUE, as `zoo train` has it.")],
    out: Annotated[Path, typer.Option(help="Folder for label_errors.csv and, of images, label_errors.png.")],
    folds: Annotated[int, typer.Option(min=2, help="Number of folds; that many models are trained.")] = 5,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any argument of the task: --set epochs=50.")
    ] = None,
    as_json: Json = False,
):
    """List the labels that are probably wrong: those that models trained on other folds contradict.

    zoo find-label-errors fine_tuning --model efficientnet_lite0 --data folder:photos --out checks
    """
    from recipes.labels.label_errors import FILE
    from recipes.labels.label_errors import find_label_errors as find
    from recipes.tasks import TASKS
    from zoo.arguments import suggestion

    if what not in TASKS:
        raise ValueError(f"TASK must be one of {', '.join(TASKS)}, got {what!r}.{suggestion(what, TASKS)}")
    check_folder("--out", out)
    task = TASKS[what]().replace(**dict(parse_setting(text) for text in settings or []))
    errors = find(task, model, data, folds=folds, out=out, verbose=not as_json)
    count, total = int(errors.table["is_error"].sum()), len(errors.table)
    if as_json:
        print_json({"errors": count, "examples": total, "table": str(out / FILE)})
        return
    print(f"probably wrong\t{count:,} of {total:,}")
    for row in errors.table[:10].itertuples():
        print(f"{row.name}\t{row.label}\t{row.suggestion}?\t{row.probability_of_suggestion:.2f}")
    print(f"table\t{out / FILE}")
