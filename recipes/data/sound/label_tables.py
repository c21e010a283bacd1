"""Tables of labelled parts of recordings: plain CSV, Raven's selections, Audacity's labels and BirdNET's results."""

import io
import re
import typing
from pathlib import Path

from zoo.arguments import suggestion

COLUMNS = {  # field -> names of its column, lower case, the first one that the table has
    "file": ("file", "filename", "begin path", "begin file", "recording", "path", "audio", "filepath"),
    "start": ("start", "begin time (s)", "start (s)", "start_time", "start time", "begin", "onset"),
    "end": ("end", "end time (s)", "end (s)", "end_time", "end time", "offset"),
    "label": ("label", "species", "common name", "annotation", "scientific name", "class", "tag", "species code"),
}
LABEL_SUFFIXES = (".csv", ".tsv", ".txt")
TOOL_ENDINGS = re.compile(
    r"(\.table\.\d+)?\.selections$|\.birdnet\.(results|selection\.table)$|[._-]labels?$", re.IGNORECASE
)
AUDACITY = re.compile(r"^\s*-?\d+([.,]\d+)?\t-?\d+([.,]\d+)?(\t|$)")


class LabelRow(typing.NamedTuple):
    """A labelled part of a recording.

    Args:
        file: as the table names it, or the stem of the table where it has no such column.
        start, end: [s]; None where the whole recording has the label.
        label: the class; "" for a part without any.
        place: table and line, for messages.
    """

    file: str
    start: float | None
    end: float | None
    label: str
    place: str


def read_label_table(path, label=None):
    """Reads the labelled parts of one table.

    Args:
        path: a CSV or TSV file with columns for file, start, end and label; Raven's selection table; BirdNET's CSV; or
            Audacity's labels, which have no header. Without a column of files the table is of the recording of its
            name.
        label: name of the column with the class; None for the first of label, Species, Common Name, Annotation, ...
    Returns:
        List of `LabelRow`.
    Raises:
        ValueError: naming file and line, if a column is absent, a time is no number, or an end is before its start.
    """
    import pandas as pd

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="cp1252")
    lines = text.splitlines()
    if not any(line.strip() for line in lines):
        raise ValueError(f"the table of labels must have rows, got an empty file: {path}.")
    stem = TOOL_ENDINGS.sub("", path.stem)
    if AUDACITY.match(lines[0]):
        return _audacity_rows(path, lines, stem)
    separator = max("\t;,", key=lines[0].count)
    table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False)
    names = _column_names(path, list(table.columns), label)
    rows, selections = [], set()
    for i, record in enumerate(table.to_dict("records")):
        place = f"{path} line {i + 2}"
        if not any(str(value).strip() for value in record.values()):
            continue
        selection = record.get("Selection"), record.get("Begin File"), record.get("View")
        if selection[2] and selection[:2] in selections:  # Raven may have a row for each view of a selection
            continue
        selections.add(selection[:2])
        start, end = (_time(record[names[name]], name, place) if name in names else None for name in ("start", "end"))
        file = record[names["file"]].strip() if "file" in names else stem
        rows.append(_checked_row(LabelRow(file, start, end, record[names["label"]].strip(), place)))
    return rows


def _column_names(path, columns, label):
    by_lower = {str(name).strip().lower(): name for name in columns}
    names = {field: next((by_lower[n] for n in options if n in by_lower), None) for field, options in COLUMNS.items()}
    if label is not None:
        names["label"] = label if label in columns else None
    names = {field: name for field, name in names.items() if name is not None}
    missing = "label" if "label" not in names else "start" if ("start" in names) != ("end" in names) else None
    if missing:
        expected = repr(label) if label and missing == "label" else " or ".join(COLUMNS[missing][:4])
        listed = ", ".join(map(str, columns))
        raise ValueError(
            f"the table of labels must have a column {expected}, got {listed} in {path}."
            f"{suggestion(label or missing, columns)}"
        )
    return names


def _audacity_rows(path, lines, stem):
    """Returns the rows of Audacity's labels; lines that begin with a backslash have frequencies."""
    rows = []
    for i, line in enumerate(lines):
        if not line.strip() or line.startswith("\\"):
            continue
        place, entries = f"{path} line {i + 1}", line.rstrip("\r\n").split("\t")
        if len(entries) < 2:
            raise ValueError(f"a label must have start, end and text with tabs between them, got {line!r} in {place}.")
        start, end = (_time(text, name, place) for text, name in zip(entries, ("start", "end"), strict=False))
        rows.append(_checked_row(LabelRow(stem, start, end, "\t".join(entries[2:]).strip(), place)))
    return rows


def _time(text, name, place):
    try:
        return float(str(text).strip().replace(",", "."))
    except ValueError:
        raise ValueError(f"`{name}` must be a number of seconds, got {text!r} in {place}.") from None


def _checked_row(row):
    if row.start is not None and not 0 <= row.start <= row.end:
        raise ValueError(f"a label must end after its start, and not before 0 s, got {row.start:g} to {row.end:g} s in "
                         f"{row.place}.")  # fmt: skip
    return row
