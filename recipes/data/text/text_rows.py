"""Names of the rows of a table of texts, for errors and notes."""

from pathlib import Path

from recipes.data.tables.column_texts import MISSING_NOTE
from recipes.data.tables.csv_dialect import detect_dialect
from recipes.data.tables.csv_rows import line_of_row
from recipes.data.tables.excel import SUFFIXES
from recipes.data.tables.table_files import FEATHER, PARQUET
from recipes.data.tables.table_format import as_table_format


def row_namer(source, table_format, rows=None):
    """Returns a function from a row, from 0, to its name: "row 3 (line 4)" where the source is a file of lines.

    Args:
        source: path of a table, or a data frame.
        table_format: `TableFormat` or dict of its fields.
        rows: numbers of the rows in the whole table, from 0; None where there are no others.
    """
    if not isinstance(source, str | Path) or Path(source).suffix.lower() in (*SUFFIXES, *PARQUET, *FEATHER):
        return lambda row: f"row {_number(rows, row) + 1}"
    path = Path(source).expanduser()

    def row_name(row):
        number = _number(rows, row)
        line = line_of_row(path, detect_dialect(path, as_table_format(table_format)), number)
        return f"row {number + 1} (line {line})"

    return row_name


def missing_advice(notes, advice):
    """Returns the end of an error on missing texts: which texts were read as missing, and the advice.

    Args:
        notes: of the reader of the table.
        advice: sentence on what to do.
    """
    words = next((f" ({note})" for note in notes if note.startswith(MISSING_NOTE)), "")
    return f"{words}; {advice}"


def _number(rows, row):
    return row if rows is None else int(rows[row])
