"""Tables in files: CSV with any usual separator, also gzipped, and Parquet."""

import gzip
import os
import re
from pathlib import Path

from zoo.arguments import suggestion
from zoo.inputs.frames import frame_of

HEAD = 20  # lines of a CSV file that its separator and decimal mark are read from


def read_frame(source):
    """Returns (data frame, facts) of a file, a data frame or a dict of columns.

    Args:
        source: path, data frame or dict.
    Returns:
        The frame, and a dict of name, notes and, for a file, source, as `Data` has them.
    Raises:
        ValueError: if there is no such file (the nearest is offered), or it cannot be read as a table.
    """
    if not isinstance(source, str | os.PathLike):
        return frame_of(source), {"name": "table", "notes": []}
    path = Path(source).expanduser()
    if not path.is_file():
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"there is no file {path}.{nearest}")
    frame, notes = read_table_file(path)
    return frame, {"name": path.name.split(".")[0], "notes": notes, "source": str(path)}


def read_table_file(path):
    """Returns (data frame, notes) of a file; the separator and a decimal comma are read from its first lines."""
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path), []
        opener = gzip.open if path.suffix.lower() == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig") as file:
            lines = [file.readline() for _ in range(HEAD)]
        separator = max(",;\t", key=lines[0].count)
        decimal = "," if separator != "," and any(re.search(r"\d,\d", line) for line in lines[1:]) else "."
        notes = [f"decimal commas, columns separated by {separator!r}"] if decimal == "," else []
        return pd.read_csv(path, sep=separator, decimal=decimal, encoding="utf-8-sig", skipinitialspace=True), notes
    except (ValueError, OSError) as error:  # pandas' and Arrow's own are ValueErrors
        raise ValueError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
