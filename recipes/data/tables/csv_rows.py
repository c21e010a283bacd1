"""Rows of a CSV file as columns of texts, with the line of each row for errors."""

import csv
import itertools
import re
import typing

from recipes.data.tables.csv_dialect import separator_word
from recipes.data.tables.text_bytes import contains_character
from recipes.data.tables.text_encoding import open_text

BLOCK_ROWS = 100_000  # rows that are split before they become columns
FIELD_CHARACTERS = 1 << 30  # longest field
ID_NAME = re.compile(r"(.*[_\W])?(id|nr|no|number|index|row|plot|site)", re.IGNORECASE)


class _Lines:
    """Lines of a file after its header's line, without comments; counts them and their quotes for errors."""

    def __init__(self, file, dialect):
        self.file, self.dialect = file, dialect
        self.number, self.start, self.quotes, self.text = 0, None, 0, []
        for _ in range(dialect.header_row - 1):
            next(file)
            self.number += 1

    def __iter__(self):
        return self

    def __next__(self):
        while True:
            if self.number == self.dialect.header_row and self.dialect.lines_below:
                for _ in range(self.dialect.lines_below):
                    next(self.file)
                    self.number += 1
            line = next(self.file)
            self.number += 1
            if self.dialect.comment and not self.quotes % 2 and self.number > self.dialect.header_row:
                text = line.lstrip()
                if text.startswith(self.dialect.comment) and not text.startswith("#N/A"):
                    continue
            break
        if self.start is None:
            self.start = self.number
        self.quotes += line.count('"')
        self.text.append(line)
        return line.strip() + "\n" if self.dialect.separator == " " and not self.quotes % 2 else line


def records(path, dialect, *, with_empty=False):
    """Yields (line, fields) of the records after the header; blank lines are left out.

    Args:
        path, dialect: of the file.
        with_empty: whether lines of separators alone, whose fields are all empty, are records too.

    Raises:
        ValueError: if a quote is opened and never closed.
    """
    previous = csv.field_size_limit(FIELD_CHARACTERS)
    try:
        with open_text(path, dialect.encoding) as file:
            lines = _Lines(file, dialect)
            for n, fields in enumerate(dialect.reader(lines)):
                if lines.quotes % 2 and lines.number > lines.start:
                    raise ValueError(
                        f"{path}: the quote opened in line {lines.start} must be closed, got the end of the file."
                    )
                if lines.number > lines.start:
                    _verify_quotes(path, dialect, lines)
                if n and fields and (fields[0] or any(map(str.strip, fields)) or (with_empty and len(fields) > 1)):
                    yield lines.start, fields
                lines.start, lines.quotes, lines.text = None, 0, []
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a table: {error}.") from None
    finally:
        csv.field_size_limit(previous)


def _verify_quotes(path, dialect, lines):
    """Raises a ValueError if text follows a closing quote: a quote was opened, and closed by one of a later line."""
    try:
        list(csv.reader(lines.text, delimiter=dialect.separator, skipinitialspace=True, strict=True))
    except csv.Error:
        raise ValueError(
            f"{path}: the quote opened in line {lines.start} must be closed before the next field, got line "
            f"{lines.number} before it is."
        ) from None


def line_of_row(path, dialect, row):
    """Returns the line in the file of a row, from 0, of the columns of texts."""
    return next(itertools.islice((line for line, _ in records(path, dialect)), int(row), None), None)


def text_blocks(path, dialect, rows=None, notes=None):
    """Yields lists of columns of texts (chunked arrays of pyarrow), of `dialect.fields` columns.

    Args:
        path: of the file.
        dialect: `Dialect`.
        rows: rows in a block, at most; None yields a single block.
        notes: list that notes are added to, or None.
    Raises:
        ValueError: naming the line, if a line has too few or too many fields.
    """
    import pyarrow as pa

    done, width = 0, max(dialect.fields, len(dialect.names))
    try:
        for columns in _arrow_blocks(path, dialect, width, rows):
            yield columns
            done += len(columns[0])
        return
    except UnusualCSV:
        pass
    batches = itertools.islice(_equal_records(path, dialect, width, [] if notes is None else notes), done, None)
    parts = [[] for _ in range(width)]
    while batch := list(itertools.islice(batches, rows or BLOCK_ROWS)):
        arrays = [pa.array(values, pa.string()) for values in zip(*batch, strict=True)]
        if rows:
            yield [pa.chunked_array([a]) for a in arrays]
        else:
            for part, array in zip(parts, arrays, strict=True):
                part.append(array)
    if rows is None:
        yield [pa.chunked_array(part, pa.string()) for part in parts]


def _equal_records(path, dialect, width, notes):
    """Yields the fields of each record, all of one length: surplus empty ones are dropped or added.

    A line with a field more than the header has is the one that R writes, whose first field is the name of the row.
    """
    named = len(dialect.names)
    while named > 1 and not dialect.names[named - 1].strip():
        named -= 1
    padded = surplus = None
    cut = 0
    for line, fields in records(path, dialect, with_empty=True):
        if len(fields) > width:
            if any(f.strip() for f in fields[width:]):
                raise _unequal(path, dialect, line, fields)
            fields, cut = fields[:width], cut + 1
        if width > named and len(fields) == width and any(f.strip() for f in fields[named:]):
            surplus = surplus or (line, fields)
        if len(fields) < width:
            if len(fields) < named:
                raise _unequal(path, dialect, line, fields)
            padded = padded or (line, fields)
            fields = [*fields, *[""] * (width - len(fields))]
        if padded and surplus:
            raise _unequal(path, dialect, *max(padded, surplus))
        yield fields
    if cut:
        notes.append(f"left out the empty fields at the end of {cut:,} lines")


def _unequal(path, dialect, line, fields):
    hint = ""
    if fields and fields[0].lstrip().startswith("#"):
        hint = " Lines that begin with # are left out by comment='#'."
    elif len(fields) > len(dialect.names):
        hint = " A text with the separator must be in quotes; a number with a decimal comma needs another separator."
    return ValueError(
        f"{path}: line {line} must have {len(dialect.names)} fields separated by {separator_word(dialect.separator)}, "
        f"as the line with the names has, got {len(fields)}.{hint}"
    )


class UnusualCSV(ValueError):
    """A file needs more than Arrow offers: lines of different lengths, blanks before quotes, line ends in fields."""


def _arrow_blocks(path, dialect, width, rows):
    """Yields lists of columns of texts as Arrow reads them, the fast way: blocks of `rows` rows, or a single one.

    Raises:
        UnusualCSV: where Arrow does not do.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if dialect.separator == " " or dialect.blank_first or any("\n" in name for name in dialect.names):
        raise UnusualCSV
    names = [str(i) for i in range(width)]
    options = {
        "read_options": arrow_csv.ReadOptions(
            column_names=names, skip_rows=dialect.header_row + dialect.lines_below,
            encoding="utf8" if dialect.encoding.startswith("utf-8") else dialect.encoding,
        ),
        "parse_options": arrow_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    }  # fmt: skip
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        source = pa.CompressedInputStream(file, "gzip") if compressed else file
        try:
            if rows is None:
                yield _usual(arrow_csv.read_csv(source, **options).columns, dialect)
                return
            pending = None
            for batch in arrow_csv.open_csv(source, **options):
                table = pa.Table.from_batches([batch])
                pending = table if pending is None else pa.concat_tables([pending, table])
                while len(pending) >= rows:
                    yield _usual(pending.slice(0, rows).columns, dialect)
                    pending = pending.slice(rows)
            if pending is not None and len(pending):
                yield _usual(pending.columns, dialect)
        except (pa.ArrowInvalid, UnicodeError):
            raise UnusualCSV from None


def _usual(columns, dialect):
    """Returns columns that Arrow reads right; a line end in a field may be the work of an unclosed quote."""
    if (dialect.comment and _has_prefix(columns[0], dialect.comment)) or any(map(_has_quote_problem, columns)):
        raise UnusualCSV
    return columns


def _has_quote_problem(column):
    """Whether a field has a line end, or begins with a blank and a quote."""
    import pyarrow.compute as pc

    if contains_character(column, "\n"):
        return True
    if not contains_character(column, '"'):
        return False
    quoted = column.filter(pc.match_substring(column, '"'))
    return bool(len(quoted)) and pc.any(pc.match_substring_regex(quoted, r'^\s+"')).as_py()


def _has_prefix(column, text):
    import pyarrow.compute as pc

    return pc.any(pc.starts_with(pc.utf8_ltrim_whitespace(column), text)).as_py()


class Arrangement(typing.NamedTuple):
    """Which columns of texts are those of the table, as the first rows decide."""

    names: tuple
    selected: tuple  # indices of the columns with these names
    empty: tuple  # indices of columns that are left out because they are empty

    def select(self, path, columns):
        """Returns the selected columns; a ValueError if one that is left out as empty is not."""
        for i in self.empty:
            if not _is_empty(columns[i]):
                raise ValueError(f"{path} has values in the column {i + 1}, which is empty in the first rows.")
        return [columns[i] for i in self.selected]


def arrange_columns(path, dialect, table_format, columns, notes):
    """Returns the `Arrangement` without surplus empty columns, and without R's names of rows.

    Args:
        path, dialect: of the file.
        table_format: `TableFormat`, of which `row_names` is used.
        columns: of texts, as `text_blocks` yields them.
        notes: list that notes are added to.
    Raises:
        ValueError: if there are more columns than names, or a name is there twice.
    """
    names, selected, empty = [n.strip() for n in dialect.names], list(range(len(columns))), []
    while len(selected) > 1 and (len(selected) > len(names) or not names[-1]) and _is_empty(columns[selected[-1]]):
        empty.append(selected.pop())
        names = names[: len(selected)]
    if empty:
        notes.append("the lines end in a separator: left out the empty column after it")
    while len(names) > len(selected) and not names[-1]:
        names.pop()
    if len(selected) == len(names) + 1 and _first_is_row_name(dialect, table_format, columns[0], names):
        selected = selected[1:]
        notes.append("left out the first field of each line: it is the name of the row, which the header does not name")
    elif table_format.row_names and len(selected) == len(names):
        notes.append(f"left out the first column {names[0]!r}: it has the names of the rows")
        names, selected = names[1:], selected[1:]
    if len(selected) != len(names):
        line, fields = next(records(path, dialect))
        error = _unequal(path, dialect, line, fields)
        hint = (
            " If the first field of each line is the name of the row, set row_names=true; `header_row` sets the line "
            "with the names of the columns."
        )
        raise ValueError(f"{error}{hint * (len(selected) == len(names) + 1)}")
    unnamed = [i for i, n in zip(selected, names, strict=True) if not n and len(columns[i]) and _is_empty(columns[i])]
    if unnamed:
        notes.append(f"left out {len(unnamed)} empty column{'s' * (len(unnamed) > 1)} without a name")
        names = [n for i, n in zip(selected, names, strict=True) if i not in unnamed]
        selected = [i for i in selected if i not in unnamed]
    names = clean_names(path, names, dialect.names, notes)
    return Arrangement(tuple(names), tuple(selected), (*empty, *unnamed))


def clean_names(path, names, written, notes):
    """Returns the names of columns without surrounding blanks; one without a name is "Unnamed: 0", from its position.

    Raises:
        ValueError: if a name is there twice.
    """
    padded = [n for n in written if n != n.strip() and n.strip()]
    if padded:
        notes.append(f"blanks around the names of columns are left out: {', '.join(map(repr, padded[:5]))}")
    names = [name or f"Unnamed: {i}" for i, name in enumerate(n.strip() for n in names)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        places = [i + 1 for i, name in enumerate(names) if name == twice[0]]
        raise ValueError(
            f"{path} must have distinct names of columns, got {twice[0]!r} for the columns "
            f"{' and '.join(map(str, places))}; rename one of them."
        )
    return names


def _is_empty(column):
    import pyarrow.compute as pc

    return pc.all(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)).as_py() is not False


def _first_is_row_name(dialect, table_format, column, names):
    """Whether the first field of each line is the name of the row, as R's write.table has it."""
    import pyarrow.compute as pc

    if table_format.row_names is not None:
        return table_format.row_names
    if dialect.blank_first or pc.count_distinct(column).as_py() != len(column):
        return False
    if dialect.quoted_first or dialect.separator in " \t":
        return True
    counts_rows = column[0].as_py() == "1" and column[-1].as_py() == str(len(column))
    return counts_rows and not ID_NAME.fullmatch(names[0])
