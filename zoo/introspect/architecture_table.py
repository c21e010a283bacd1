"""The registry as a table: every architecture with its size, cost and receptive field."""

import csv
import importlib.resources
import inspect

from zoo.arguments import checked
from zoo.introspect.cost import macs, parameters
from zoo.introspect.graph import outline
from zoo.introspect.receptive_field import receptive_field
from zoo.published_weights import weight_names
from zoo.registry import entry, names

NUMBERS = ("parameters", "trainable", "macs", "receptive_field")
COLUMNS = ("name", "task", *NUMBERS, "input", "parent", "weights", "source", "summary")


@checked
def describe(name: str | None = None):
    """Returns the registry as a data frame: one row per architecture and variant, for its paper's main variant.

    The numbers come from the table in the package, `zoo/architectures.csv`. A single `name` is measured anew, and so
    are rows that the table lacks or has for other arguments.

    Args:
        name: one of `zoo.names()`, or None for all.
    Returns:
        `pandas.DataFrame` with the columns name, task, parameters, trainable (parameters), macs (multiply-accumulates
        for one input), receptive_field [pixels], input, parent ("" unless it is a variant), weights (names of
        pretrained ones, as `zoo.weights.names` lists them), source and summary. Numbers
        are floats, NaN where unknown, so that R gets doubles.
    Raises:
        ValueError: if there is no such name.
    """
    import pandas

    table = {} if name else read_table()
    rows = []
    for n in [name] if name else names():
        rows.append({**registry_row(n), **(table.get((n, example_text(n))) or measure(n))})
    frame = pandas.DataFrame(rows, columns=COLUMNS, dtype=object)
    return frame.astype(dict.fromkeys(NUMBERS, "float64"))


def registry_row(name):
    """Returns the columns that come from the registry: name, task, parent, weights, source, summary."""
    record = entry(name)
    summary = inspect.getdoc(record.build).split("\n")[0]
    return {
        "name": name,
        "task": record.task,
        "parent": record.parent or "",
        "weights": ", ".join(weight_names(name)),
        "source": record.source,
        "summary": summary,
    }


def measure(name):
    """Returns the columns measured on the model's outline: `NUMBERS`, None where unknown, and the input as text."""
    model = outline(name)
    total, trainable = parameters(model)
    shapes = (" x ".join("any" if side is None else str(side) for side in t.shape[1:]) for t in model.inputs)
    return {
        "parameters": total,
        "trainable": trainable,
        "macs": macs(model),
        "receptive_field": receptive_field(model),
        "input": ", ".join(shapes),
    }


def example_text(name):
    """Returns the arguments that `measure` builds a model with, as text. A row with other arguments is out of date."""
    return repr(entry(name).example)


def read_table():
    """Returns {(name, arguments as text): result of `measure`} from `zoo/architectures.csv`."""
    text = (importlib.resources.files("zoo") / "architectures.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        (row["name"], row["example"]): {
            **{n: int(row[n]) if row[n] else None for n in NUMBERS},
            "input": row["input"],
        }
        for row in rows
    }
