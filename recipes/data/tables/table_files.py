"""Tables in files: CSV in any usual dialect, Excel, Parquet and Feather; data frames and dicts of columns."""

import os
from pathlib import Path

from recipes.data.tables.column_texts import ColumnReader
from recipes.data.tables.csv_dialect import detect_dialect, separator_word
from recipes.data.tables.csv_rows import arrange_columns, line_of_row, text_blocks
from recipes.data.tables.excel import SUFFIXES, cell_text, read_sheet, typed_values
from recipes.data.tables.table_format import as_table_format
from zoo.arguments import suggestion
from zoo.inputs.frames import frame_of

PARQUET, FEATHER = (".parquet", ".pq"), (".feather", ".arrow")
OTHER_SUFFIXES = {
    ".xls": "an old Excel file; save it as .xlsx or CSV",
    ".ods": "an OpenDocument sheet; save it as .xlsx or CSV",
    ".rds": "an R data file; write it by write.csv",
    ".rdata": "an R data file; write it by write.csv",
    ".dbf": "a dBASE file; save it as CSV",
    ".zip": "a ZIP archive; unpack it",
}
TABLE_SUFFIXES = (".csv", ".tsv", ".gz", *SUFFIXES, *PARQUET, *FEATHER)  # files that are tables by their names


def read_frame(source, table_format=None, *, unchecked=(), checked=None):
    """Returns (data frame, facts, format) of a file, a data frame or a dict of columns.

    Args:
        source: path, data frame or dict.
        table_format: `TableFormat`; None detects all.
        unchecked: columns whose texts may be mixed with numbers: categories, and columns that are not used.
        checked: the columns that are used; None for all.
    Returns:
        The frame; a dict of name, notes and, for a file, source and units, as `Data` has them; the `TableFormat` with
        what was detected.
    Raises:
        ValueError: if there is no such file (the nearest is offered), or it cannot be read as a table.
    """
    table_format = as_table_format(table_format)
    options = {"unchecked": unchecked, "checked": checked}
    if not isinstance(source, str | os.PathLike):
        frame, notes = _checked_frame(frame_of(source), table_format, "the table", options)
        return frame, {"name": "table", "notes": notes}, table_format
    path = existing_file(source)
    frame, notes, resolved = _read_file(path, table_format, options)
    facts = {"name": path.name.split(".")[0], "notes": notes, "source": str(path)}
    return frame, {**facts, "units": frame.attrs.get("units", {})}, resolved


def read_table_file(path, table_format=None, *, unchecked=(), checked=None):
    """Returns (data frame, notes) of a file.

    Args:
        path: of a CSV (any separator, also gzipped), Excel, Parquet or Feather file.
        table_format: `TableFormat` or dict of its fields; None detects all.
        unchecked, checked: as `read_frame` has them.
    Returns:
        The data frame, which may have no rows; a list of sentences on what was decided.
    Raises:
        ValueError: if there is no such file, or it cannot be read as a table.
    """
    options = {"unchecked": unchecked, "checked": checked}
    return _read_file(existing_file(path), as_table_format(table_format), options)[:2]


def table_chunks(path, table_format=None, *, rows=100_000, unchecked=(), checked=None):
    """Yields (data frame, number of its first row, notes) of a file, in constant memory for CSV, Parquet and Feather.

    The first chunk decides on separator, number marks and kinds of columns; it is an error if a later one differs.

    Args:
        path, table_format, unchecked, checked: as `read_table_file` has them.
        rows: rows in a chunk, at most.
    Raises:
        ValueError: if there is no such file, or it cannot be read as a table.
    """
    path, table_format = existing_file(path), as_table_format(table_format)
    options, first = {"unchecked": unchecked, "checked": checked}, 0
    if _suffix(path) in PARQUET + FEATHER:
        for frame in _arrow_chunks(path, rows):
            frame, notes = _checked_frame(frame, table_format, str(path), options, first)
            yield frame, first, notes
            first += len(frame)
        return
    if _suffix(path) in SUFFIXES:
        frame, notes, _ = _read_file(path, table_format, options)
        for first in range(0, max(len(frame), 1), rows):
            yield frame.iloc[first : first + rows].reset_index(drop=True), first, notes
            notes = []
        return
    for frame, first, notes, _ in _csv_chunks(path, table_format, options, rows):
        yield frame, first, notes


def existing_file(source):
    """Returns the path of a file that exists.

    Raises:
        ValueError: if there is none (the nearest is offered), or it is a folder or a kind that is not read.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        tables = sorted(p.name for p in path.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
        hint = f" It has {', '.join(tables[:5])}." if tables else " For a folder of images use folder:PATH."
        raise ValueError(f"{path} must be the file of a table, got a folder.{hint}")
    if not path.is_file():
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"there is no file {path}.{nearest}")
    if _suffix(path) in OTHER_SUFFIXES:
        raise ValueError(f"{path} cannot be read as a table: it is {OTHER_SUFFIXES[_suffix(path)]}.")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty: a table must have a line with the names of its columns, and rows.")
    return path


def _suffix(path):
    return path.suffix.lower()


def _read_file(path, table_format, options):
    """Returns (data frame, notes, format with what was detected) of a file."""
    import pandas as pd

    if _suffix(path) in SUFFIXES:
        return _read_excel(path, table_format, options)
    if _suffix(path) in PARQUET + FEATHER:
        try:
            frame = pd.read_parquet(path) if _suffix(path) in PARQUET else pd.read_feather(path)
        except (ValueError, OSError) as error:  # Arrow's own are ValueErrors
            raise ValueError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
        return *_checked_frame(frame, table_format, str(path), options), table_format
    frame, _, notes, resolved = next(_csv_chunks(path, table_format, options, None))
    return frame, notes, resolved


def _csv_chunks(path, table_format, options, rows):
    """Yields (data frame, number of its first row, notes, format with what was detected) of a CSV file."""
    import pandas as pd

    dialect = detect_dialect(path, table_format)
    notes, first, arrangement = list(dialect.notes), 0, None
    reader = ColumnReader(table_format, separator=dialect.separator, source=str(path), **options)
    for columns in text_blocks(path, dialect, rows, notes):
        columns, empty_rows = _without_empty_rows(columns)
        if empty_rows:
            notes.append(f"left out {empty_rows:,} rows whose fields are all empty")
        if arrangement is None:
            arrangement = arrange_columns(path, dialect, table_format, columns, notes)
        columns = arrangement.select(path, columns)
        reader.row_name = lambda row, first=first: f"line {line_of_row(path, dialect, first + row)}"
        values = reader.read(arrangement.names, columns, notes)
        frame = pd.DataFrame(values, index=pd.RangeIndex(len(columns[0])), copy=False)
        if dialect.separator not in ",\t" or reader.decimal == ",":
            notes.insert(0, f"columns separated by {separator_word(dialect.separator)}")
        resolved = table_format.replace(
            separator=dialect.separator, encoding=dialect.encoding, comment=dialect.comment,
            header_row=dialect.header_row, decimal=table_format.decimal or reader.decimal,
            thousands=table_format.thousands or reader.thousands,
        )  # fmt: skip
        frame.attrs["units"] = _units(reader)
        yield frame, first, list(notes), resolved
        first, notes[:] = first + len(frame), []
    if arrangement is None:
        names = arrange_columns(path, dialect, table_format, [_no_texts() for _ in dialect.names], notes).names
        yield pd.DataFrame({name: [] for name in names}), 0, notes, table_format


def _units(reader):
    """Returns the units behind the numbers of columns, as a `ColumnReader` read them."""
    return {name: writing.unit for name, (_, writing) in reader.decisions.items() if writing and writing.unit}


def _no_texts():
    import pyarrow as pa

    return pa.chunked_array([], pa.string())


def _without_empty_rows(columns):
    """Returns (columns without the rows whose fields are all empty, number of those rows)."""
    import pyarrow.compute as pc

    mask = None
    for column in columns:
        is_empty = pc.equal(column, "")
        if mask is None and not pc.any(is_empty).as_py():
            return columns, 0
        mask = is_empty if mask is None else pc.and_(mask, is_empty)
        if not pc.any(mask).as_py():
            return columns, 0
    rows = pc.sum(mask).as_py()
    return [column.filter(pc.invert(mask)) for column in columns], rows


def _read_excel(path, table_format, options):
    import pandas as pd
    import pyarrow as pa

    names, columns, header_row, sheet, lines, notes = read_sheet(path, table_format)
    reader = ColumnReader(table_format, source=str(path), row_name=lambda row: f"row {lines[row]}", **options)
    typed = {name: typed_values(values) for name, values in zip(names, columns, strict=True)}
    texts = {
        name: pa.chunked_array([pa.array([cell_text(v) for v in values], pa.string())])
        for name, values in zip(names, columns, strict=True)
        if typed[name] is None
    }
    read = reader.read(list(texts), list(texts.values()), notes)
    frame = pd.DataFrame({name: read[name] if name in read else typed[name] for name in names})
    _mask_numbers(frame, table_format, notes)
    frame.attrs["units"] = _units(reader)
    return frame, notes, table_format.replace(sheet=sheet, header_row=header_row)


def _arrow_chunks(path, rows):
    """Yields data frames of a Parquet or Feather file."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        if _suffix(path) in PARQUET:
            for batch in parquet.ParquetFile(path).iter_batches(rows):
                yield batch.to_pandas()
            return
        table = feather.read_table(path, memory_map=True)
        for first in range(0, max(len(table), 1), rows):
            yield table.slice(first, rows).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None


def _checked_frame(frame, table_format, source, options, first=0):
    """Returns (frame, notes) of typed columns: texts without surrounding blanks, and `missing_values` as gaps."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    notes, padded, changes = [], [], {}
    names = [str(c) for c in frame.columns]
    twice = sorted({c for c in names if names.count(c) > 1})
    if twice:
        raise ValueError(f"{source} must have distinct names of columns, got {twice[0]!r} twice; rename one of them.")
    reader = ColumnReader(table_format, source=source, row_name=lambda row: f"row {first + row + 1}", **options)
    words = [str(v).strip() for v in table_format.missing_values]
    for c in frame:
        column = frame[c]
        if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
            continue
        if pd.api.types.infer_dtype(column, skipna=True) not in ("string", "mixed-integer", "mixed"):
            continue
        present = column.dropna()
        if not present.map(lambda v: isinstance(v, str | int | float)).all():
            continue
        texts = pa.chunked_array(
            [pa.array([None if g else str(v) for v, g in zip(column, column.isna(), strict=True)], pa.string())]
        )
        trimmed = pc.utf8_trim_whitespace(texts)
        is_padded = pc.any(pc.not_equal(trimmed, texts)).as_py() is True
        is_word = pc.fill_null(pc.is_in(trimmed, pa.array([*words, ""], pa.string())), False)
        if is_padded or pc.any(is_word).as_py():
            padded += [f"`{c}`"] * is_padded
            trimmed = pc.if_else(is_word, None, trimmed)
            changes[c] = pd.Series(pd.array(trimmed, dtype="str"), index=frame.index)
        notes += filter(None, [reader.check(str(c), trimmed)])
    if padded:
        notes.append(f"blanks around texts are left out in {', '.join(padded)}")
    frame = frame.copy(deep=False)
    for c, values in changes.items():
        frame[c] = values
    _mask_numbers(frame, table_format, notes)
    return frame, notes


def _mask_numbers(frame, table_format, notes):
    """Replaces the numbers of `missing_values` by gaps, in place."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    for c in frame if table_format.missing_numbers else ():
        if is_numeric_dtype(frame[c]) and not is_bool_dtype(frame[c]):
            gaps = frame[c].isin(table_format.missing_numbers)
            if gaps.any():
                frame[c] = frame[c].mask(gaps)
                notes.append(f"{gaps.sum():,} values of `{c}` read as missing")
