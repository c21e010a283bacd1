"""The registry as a table: every architecture with what was measured on its paper's main row."""

import csv
import importlib.resources
import inspect

from zoo.arguments import checked
from zoo.introspect.cost import macs, parameters
from zoo.introspect.graph import outline
from zoo.introspect.receptive_field import receptive_field
from zoo.registry import entry, names

NUMBERS = ("parameters", "trainable", "macs", "receptive_field")
COLUMNS = ("name", "task", *NUMBERS, "input", "parent", "source", "summary")


@checked
def describe(name: str | None = None):
    """The registry as a data frame: one row for each architecture and variant, measured on its paper's main row.

    The numbers come from the table in the package, `zoo/architectures.csv`; a row that it lacks, or that it has for
    another example, is measured anew, and so is a single `name`.

    Args:
        name: one of `zoo.names()`, or None for all.
    Returns:
        `pandas.DataFrame` with the columns name, task, parameters, trainable, macs (multiply-accumulates of one
        input), receptive_field [pixels], input, parent ("" for what is no variant), source, summary. The numbers are
        floats, NaN where unknown, so that R gets doubles.
    Raises:
        ValueError: if there is no such name.
    """
    import pandas

    known = {} if name else _shipped()
    rows = [{**facts(n), **(known.get((n, example(n))) or measure(n))} for n in ([name] if name else names())]
    frame = pandas.DataFrame(rows, columns=COLUMNS, dtype=object)
    return frame.astype(dict.fromkeys(NUMBERS, "float64"))


def facts(name):
    """What the registry says of it."""
    found = entry(name)
    summary = inspect.getdoc(found.build).split("\n")[0]
    parent = found.parent or ""
    return {"name": name, "task": found.task, "parent": parent, "source": found.source, "summary": summary}


def measure(name):
    """What its outline says of it: the `NUMBERS` (None where unknown) and the input as text."""
    model = outline(name)
    every, trainable = parameters(model)
    shapes = (" x ".join("any" if side is None else str(side) for side in t.shape[1:]) for t in model.inputs)
    return {
        "parameters": every,
        "trainable": trainable,
        "macs": macs(model),
        "receptive_field": receptive_field(model),
        "input": ", ".join(shapes),
    }


def example(name):
    """The arguments that it is measured with, as text; where they differ from a table's, that row is out of date."""
    return repr(entry(name).example)


def _shipped():
    """(name, example) -> what `measure` said when the table was written."""
    text = (importlib.resources.files("zoo") / "architectures.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        (row["name"], row["example"]): {
            **{n: int(row[n]) if row[n] else None for n in NUMBERS},
            "input": row["input"],
        }
        for row in rows
    }
