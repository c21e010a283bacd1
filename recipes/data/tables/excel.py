"""Sheets of Excel files as columns of values or texts."""

import datetime
import numbers
import zipfile

from recipes.data.tables.csv_dialect import header_index, is_number
from recipes.data.tables.csv_rows import clean_names

SUFFIXES = (".xlsx", ".xlsm")
TEXT_TABLE, NUMBER_TABLE = 2, 3  # what a sheet looks like; 1 is any with values


def read_sheet(path, table_format):
    """Returns (names, columns, row of the header, name of the sheet, notes) of a sheet.

    Args:
        path: of the file.
        table_format: `TableFormat`, of which `sheet` and `header_row` are used.
    Returns:
        Names of columns; a list of values for each, None where a cell is empty; the header's row from 1; the sheet.
    Raises:
        ValueError: if there is no such sheet, or it is empty.
    """
    import pandas as pd

    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = list(map(str, book.sheet_names))
            if table_format.sheet is not None and table_format.sheet not in sheets:
                raise ValueError(f"`sheet` must be a sheet of {path}, got {table_format.sheet!r}. It has {sheets}.")
            sheet, rows = _choose_sheet(book, [table_format.sheet] if table_format.sheet else sheets)
    except ImportError:
        raise ValueError(f"{path} is an Excel file, for which openpyxl is needed: pip install openpyxl.") from None
    except (KeyError, OSError, TypeError, AttributeError, zipfile.BadZipFile) as error:  # openpyxl's, for broken files
        raise ValueError(f"{path} cannot be read as an Excel file: {str(error).splitlines()[0]}.") from None
    filled = [(i + 1, row) for i, row in enumerate(rows) if any(v is not None for v in row)]
    if not filled:
        raise ValueError(f"{path} is empty: the sheet {sheet!r} has no values.")
    notes = []
    if len(sheets) > 1 and table_format.sheet is None:
        notes.append(f"read the sheet {sheet!r} of {', '.join(map(repr, sheets))}; `sheet` sets another")
    if table_format.header_row:
        filled = [(i, row) for i, row in filled if i >= table_format.header_row]
    if not filled:
        raise ValueError(
            f"`header_row` must be one of the {len(rows)} rows of the sheet, got {table_format.header_row}."
        )
    texts = [(i, ["" if v is None else str(v) for v in row]) for i, row in filled[:200]]
    start = 0 if table_format.header_row else header_index(path, texts, notes)
    header_row, header = filled[start]
    columns = list(zip(*(row for _, row in filled[start + 1 :]), strict=True)) or [()] * len(header)
    written = ["" if v is None else str(v) for v in header]
    used = [i for i, name in enumerate(written) if name.strip() or any(v is not None for v in columns[i])]
    names = clean_names(path, [written[i] for i in used], written, notes)
    lines = [i for i, _ in filled[start + 1 :]]
    gaps = {(line, i + 1) for i in used for line, value in zip(lines, columns[i], strict=True) if value is None}
    notes += _formula_notes(path, sheet, gaps)
    return names, [list(columns[i]) for i in used], header_row, sheet, lines, notes


def _formula_notes(path, sheet, gaps):
    """Returns a note on cells that have a formula, but no value, in a list of one sentence or none.

    Args:
        path: of the file.
        sheet: its name.
        gaps: set of (row, column) of the cells without a value, from 1.
    """
    import openpyxl

    if not gaps:
        return []
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        cells = [
            cell.coordinate
            for row in book[sheet].iter_rows()
            for cell in row
            if cell.value is not None and cell.data_type == "f" and (cell.row, cell.column) in gaps
        ]
    finally:
        book.close()
    if not cells:
        return []
    return [
        f"{len(cells):,} cells have a formula whose value is not in the file, the first is {cells[0]}, and are gaps; "
        "open and save it in a spreadsheet program, which computes them"
    ]


def _choose_sheet(book, sheets):
    """Returns (name, rows of cells) of the first sheet with a column of numbers or dates, as a table has.

    Without such a sheet it is the first with two columns or more, else the first with values. A sheet of texts alone is
    taken before a later one with fewer rows.
    """
    import pandas as pd

    choice, best, length = (sheets[0], []), 0, 0
    for sheet in sheets:
        frame = pd.read_excel(book, sheet_name=sheet, header=None, dtype=object, na_filter=False)
        rows = [[_cell(v) for v in row] for row in frame.itertuples(index=False)]
        quality = _table_quality(rows)
        if quality > best and (best < TEXT_TABLE or len(rows) >= length):
            choice, best, length = (sheet, rows), quality, len(rows)
        if best == NUMBER_TABLE:
            break
    return choice


def _table_quality(rows):
    """Returns how much rows of cells look like a table: 0 where all are empty."""
    values = [[v for v in column if v is not None] for column in zip(*rows, strict=True)]
    filled = sum(any(v is not None for v in row) for row in rows)
    columns = [v for v in values if len(v) > max(1, 0.5 * filled)]
    if len(columns) < 2:
        return 1 if filled else 0
    measured = any(sum(map(_is_measured, v[1:])) > 0.5 * (len(v) - 1) for v in columns)
    return NUMBER_TABLE if measured else TEXT_TABLE


def _is_measured(value):
    """Whether a cell holds a number or a date, perhaps as text."""
    is_typed = isinstance(value, numbers.Real | datetime.date | datetime.time) and not isinstance(value, bool)
    return is_typed or is_number(str(value))


def _cell(value):
    """Returns the value of a cell, None where it is empty or an error."""
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        return None
    return value


def typed_values(values):
    """Returns an array of numbers, truth values or dates of cells that all have one type, else None."""
    import pandas as pd

    filled = [v for v in values if v is not None]
    if not filled or all(isinstance(v, bool) for v in filled):
        return pd.Series(values, dtype="boolean" if filled and len(filled) < len(values) else bool if filled else float)
    if all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in filled):
        return pd.to_numeric(pd.Series(values, dtype=object))
    if all(isinstance(v, datetime.datetime | datetime.date) for v in filled):
        return pd.to_datetime(pd.Series(values))
    return None


def cell_text(value):
    """Returns the text of a cell, None where it is empty."""
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
