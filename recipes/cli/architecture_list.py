"""The table of architectures and their docstrings, read from the files of `zoo` without importing it.

`zoo` imports TensorFlow, which takes much longer than to print a table.
"""

import ast
import csv
import importlib.util
import inspect
from pathlib import Path

NUMBERS = ("parameters", "trainable", "macs", "receptive_field")


def architectures():
    """Returns a dict per architecture with the columns of `zoo.describe()`; unknown numbers are None."""
    with (_folder() / "architectures.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["example"]
        row |= {name: int(row[name]) if row[name] else None for name in NUMBERS}
    return rows


def docstring(row):
    """Returns the docstring of the builder of an architecture, as its function in `zoo` has it.

    Args:
        row: dict of `architectures`.
    """
    builder = row["parent"] or row["name"]
    for path in sorted((_folder() / row["task"]).glob("*.py")):
        text = path.read_text("utf-8")
        if f"def {builder}(" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name == builder:
                doc = inspect.cleandoc(ast.get_docstring(node, clean=False))
                return f"{row['summary']}\n\n{doc}" if row["parent"] else doc
    raise LookupError(f"the builder of {row['name']} must be in zoo/{row['task']}, and is not there")


def _folder():
    return Path(importlib.util.find_spec("zoo").origin).parent
