"""The dialect of a CSV file, detected from its first lines: separator, comment lines, title lines and the header."""

import collections
import csv
import io
import itertools
import re
import typing

from recipes.data.tables.text_encoding import detect_encoding, open_text

HEAD_LINES = 200  # lines that the dialect is detected from
HEAD_CHARACTERS = 1 << 20
CANDIDATES = ",;\t|"
WORDS = {"\t": "tab", " ": "space"}
NUMBER = re.compile(r"\s*[+\-−<>]?\s*[.,]?\d[\d.,' \u00a0\u202f]*(e[+-]?\d+)?\s*(%|[a-z°µ²³/]{1,5})?\s*", re.IGNORECASE)
OPEN_QUOTE = re.compile(r'(^|[,;\t| ])"([^"]|"")*$')  # a field that goes on in the next line
LOGGER_FILE = re.compile(r'\ufeff?"?TOA5"?\s*[,;\t]')  # Campbell's loggers: then names, units, kinds of aggregation
LOGGER_LINES = 2  # below the names
EXCEL_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's first line, which names the separator


class Dialect(typing.NamedTuple):
    """How the lines of a CSV file are read."""

    encoding: str
    separator: str
    comment: str  # text with which lines begin that are left out; "" for none
    header_row: int  # line of the header, from 1
    lines_below: int  # lines below the header that are no rows, as those with the units
    names: tuple  # of the header, as written
    fields: int  # of most lines after the header
    quoted_first: bool  # whether the first field of each line of the head is quoted
    blank_first: bool  # whether blanks stand before quotes or texts, after a separator
    notes: tuple

    def reader(self, lines):
        """Returns a csv.reader of lines."""
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=True)


def is_number(text):
    """Whether a text looks like a number, with whatever marks and unit."""
    return NUMBER.fullmatch(text) is not None


def separator_word(separator):
    """Returns what a note calls a separator."""
    return WORDS.get(separator, repr(separator))


def detect_dialect(path, table_format):
    """Returns the `Dialect` of a file.

    Args:
        path: of a text file, which may be gzipped.
        table_format: `TableFormat`, whose fields are taken where they are not None.
    Raises:
        ValueError: if the file is empty, is no text, or its header is not clear.
    """
    encoding, notes = detect_encoding(path, table_format.encoding)
    with open_text(path, encoding) as file:
        lines = list(itertools.islice(file, HEAD_LINES))
        while sum(map(len, lines)) > HEAD_CHARACTERS and len(lines) > 2:
            lines = lines[: len(lines) // 2]
    first, separator = 0, table_format.separator
    if match := EXCEL_LINE.fullmatch(lines[0]):
        first, separator = 1, separator or match[1]
    numbered, below = _logical_lines(lines, first), 0
    if LOGGER_FILE.match(lines[first]) and table_format.header_row in (None, numbered[1:] and numbered[1][0]):
        numbered, below = _without_units(numbered, notes), LOGGER_LINES
    elif table_format.header_row:
        numbered = [(i, line) for i, line in numbered if i >= table_format.header_row]
    comment, numbered, skipped = _without_comments(numbered, table_format.comment, separator)
    if skipped:
        notes.append(f"left out comment lines, which begin with {comment!r}, such as line {skipped[0]}")
    if not numbered:
        raise ValueError(f"{path} has no line with the names of its columns.")
    separator = separator or _detect_separator([line for _, line in numbered])
    rows = [(i, _split(line, separator)) for i, line in numbered]
    start = 0 if table_format.header_row or below else header_index(path, rows, notes)
    header_row = rows[start][0]
    records = _records([line for i, line in numbered[start:]], separator)
    names = tuple(re.sub(r"^#\s*", "", name) if i == 0 else name for i, name in enumerate(records[0]))
    counts = collections.Counter(len(record) for record in records[1:] if any(record))
    fields = max(counts, key=lambda n: (counts[n], -n)) if counts else len(names)
    data_lines = [line for _, line in numbered[start + 1 :]]
    blank = re.compile(rf"{re.escape(separator)} +[^\s{re.escape(separator)}\d.+-]")
    return Dialect(
        encoding, separator, comment, header_row, below, names, fields,
        quoted_first=bool(data_lines) and all(line.lstrip().startswith('"') for line in data_lines),
        blank_first=separator != " " and any(blank.search(line) for line in lines), notes=tuple(notes),
    )  # fmt: skip


def _without_units(numbered, notes):
    """Returns the lines of a logger's file from its names on, without those of the units and aggregations below."""
    units = ", ".join(field.strip('"') for field in numbered[2][1].strip().split(",")) if numbered[2:] else ""
    notes.append(
        f"a TOA5 file of a logger: the names of the columns are in line {numbered[1:] and numbered[1][0]}; left out "
        f"the line above, and the {LOGGER_LINES} lines below with units ({units[:100]}) and aggregations"
    )
    return [*numbered[1:2], *numbered[2 + LOGGER_LINES :]]


def _logical_lines(lines, first):
    """Returns (line from 1, text) of the lines from `first` that are not blank; a quoted field joins lines."""
    numbered, in_quotes = [], False
    for i, line in enumerate(lines[first:], first):
        if in_quotes:
            numbered[-1] = (numbered[-1][0], numbered[-1][1] + line)
            in_quotes = line.count('"') % 2 == 0
        elif line.strip():
            numbered.append((i + 1, line))
            in_quotes = line.count('"') % 2 == 1 and OPEN_QUOTE.search(line) is not None
    return numbered


def _records(lines, separator):
    """Returns the records of lines; the last is left out where the lines may end within it."""
    pieces = (piece for line in lines for piece in _pieces(line, separator))
    records = list(csv.reader(pieces, delimiter=separator, skipinitialspace=True))
    return records if len(lines) < HEAD_LINES // 2 or len(records) < 3 else records[:-1]


def _pieces(line, separator):
    """Returns the lines of the file that a logical line has."""
    pieces = list(io.StringIO(line, newline=""))
    return [piece.strip() + "\n" for piece in pieces] if separator == " " else pieces


def _split(line, separator):
    """Returns the fields of a single line."""
    return next(csv.reader(_pieces(line, separator), delimiter=separator, skipinitialspace=True), [])


def _without_comments(numbered, comment, separator):
    """Returns (comment mark, the lines that are none, numbers of the comment lines).

    A line that begins with # is the header where it has as many fields as the next one, which has numbers.
    """
    if comment == "":
        return "", numbered, []
    mark = comment or "#"
    marked = list(itertools.takewhile(lambda entry: _is_comment(entry[1], mark), numbered))
    if comment is None:
        rest = numbered[len(marked) :]
        if not marked or not rest:
            return "", numbered, []
        used = separator or _detect_separator([line for _, line in rest])
        header, after = _split(marked[-1][1], used), _split(rest[0][1], used)
        names_columns = len(header) == len(after) > 1 and not any(map(is_number, header))
        if names_columns and any(map(is_number, after)):
            marked = marked[:-1]
            numbers = {i for i, _ in marked}
            return "#" if marked else "", [e for e in numbered if e[0] not in numbers], sorted(numbers)
    skipped = [i for i, line in numbered if _is_comment(line, mark)]
    return mark, [e for e in numbered if e[0] not in set(skipped)], skipped


def _is_comment(line, mark):
    text = line.lstrip("\ufeff \t")
    return text.startswith(mark) and not re.match(r"#(N/A|NA|DIV/0!|REF!|VALUE!|NUM!|NAME\?|NULL!)", text)


def _detect_separator(lines):
    """Returns the separator that splits most lines into as many fields as the first line that it splits."""
    scores = {}
    for separator in CANDIDATES:
        records = [r for r in _records(lines, separator) if any(f.strip() for f in r)]
        counts = [len(r) for r in records]
        header = next((n for n in counts if n > 1), 1)
        most = collections.Counter(counts[counts.index(header) + 1 :] if header > 1 else counts)
        fields, rows = most.most_common(1)[0] if most else (header, 1)
        if header > 1 and fields > 1:
            near = abs(header - fields) <= 1
            first = counts[0] > 1  # whether no title line stands above the names
            score = rows / max(most.total(), 1) + 0.5 * (header == fields) + 0.25 * near + 0.5 * first
            scores[separator] = (score, fields)
        elif header > 1:
            scores[separator] = (0, header)
    best = max(scores, key=scores.get, default=None)
    is_clear = best is not None and scores[best][0] > 0.5
    if is_clear and len(_split(lines[0], best)) > 1:
        return best
    counts = [len(_split(line, " ")) for line in lines]
    if counts[0] > 1 and sum(n - counts[0] in (0, 1) for n in counts) >= 0.9 * len(counts):
        return " "
    if is_clear:
        return best
    titled = collections.Counter(counts)
    fields, rows = titled.most_common(1)[0]
    titled_rows = [_split(line, " ") for line, n in zip(lines, counts, strict=True) if n == fields]
    has_numbers = any(sum(map(is_number, column)) > len(column) / 2 for column in zip(*titled_rows, strict=True))
    is_titled = fields > 1 and len(counts) > 3 and rows >= 0.8 * len(counts) and has_numbers
    if is_titled and not best and not any(":" in x for x in lines):
        return " "
    return best or ","


def _filled(fields):
    """Returns the number of fields up to the last that is not empty."""
    return max((i + 1 for i, field in enumerate(fields) if field.strip()), default=0)


def header_index(path, rows, notes):
    """Returns the index of the header among (line number, fields) of the head; notes the title lines above it."""
    start = next((n for n, (_, fields) in enumerate(rows) if sum(bool(f.strip()) for f in fields) > 1), 0)
    rest = collections.Counter(_filled(fields) for _, fields in rows[start + 1 :])
    if start and all(is_number(f) for f in rows[start][1] if f.strip()):
        start, rest = 0, collections.Counter(_filled(fields) for _, fields in rows[1:])  # few columns have names
    if start and rest and max(rest, key=rest.get) > 1:
        titles = " ".join(f for f in rows[0][1] if f.strip())
        last = rows[start][0] - 1
        notes.append(
            f"left out {'line 1' if last == 1 else f'lines 1 to {last}'} above the names of the columns, {titles!r}"
        )
    else:
        start = 0
    line, fields = rows[start]
    usual = max(rest, key=rest.get) if rest else len(fields)
    texts = [f for f in fields if f.strip()]
    if usual > 1 and len(texts) < usual - 1 and len(rows) > start + 2 and rest[usual] > 0.5 * rest.total():
        raise ValueError(
            f"{path}: line {line} must have the names of the columns, got {len(texts)} where the lines after it have "
            f"{usual} fields; `header_row` sets the line with the names."
        )
    values = [[f.strip() for f in r[1]] for r in rows[start + 1 :]]
    numeric = [f for f in texts if is_number(f)]
    columns = [{v[i] for v in values if len(v) == len(fields)} for i in range(len(fields))]
    others = [(f.strip(), c) for f, c in zip(fields, columns, strict=True) if f.strip() and not is_number(f)]
    fractions = [f for f in numeric if not f.strip().isdigit()]
    repeated = bool(others) and all(f in c for f, c in others)
    if numeric and ((repeated and len(values) > 1) or (not others and len(fractions) > 0.5 * len(texts))):
        raise ValueError(
            f"{path}: line {line} must have the names of the columns, got values such as {numeric[0]!r}; add a line "
            "with names, or set `header_row` to the line that has them."
        )
    return start
