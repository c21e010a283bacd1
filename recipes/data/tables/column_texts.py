"""Columns of texts become numbers, truth values or texts: what every value of a column agrees on, never a guess."""

import collections
import dataclasses

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.tables.number_text import (
    MixedUnits,
    NumberText,
    begins_with_zero,
    has_whole_numbers,
    is_code,
    is_grouped_by_points,
    marked_number,
    number_like,
    parse_numbers,
    plain_numbers,
    split_units,
    writings,
)

MOSTLY = 0.5  # fraction of values that are numbers from which a text among them is an error
FEW_MARKS = 3  # distinct texts that are an error among more distinct numbers, however often they are there
SHOWN = 5
EXAMPLES = 3
MAX_NAMES = 10  # columns that a note lists
MISSING_NOTE = "texts read as missing: "  # how the note on them begins


@dataclasses.dataclass
class TextColumn:
    """A column of texts, and what its values agree on."""

    name: str
    texts: object  # array of pyarrow without surrounding blanks; null where a value is missing
    missing: dict  # text that was read as missing -> number of rows
    padded: bool = False  # whether there were blanks around a text
    kind: str = "text"  # number, bool, text or empty
    writing: NumberText | None = None
    choices: tuple = ()  # several `NumberText` that give other numbers
    note: str = ""
    numbers: object = None  # array of pyarrow, where all texts are plain numbers


class ColumnReader:
    """Reads columns of texts; the decisions of the first call hold for later ones, such as the blocks of a large file.

    Args:
        table_format: `TableFormat`.
        separator: of the file, which decides about commas in numbers; "" for other sources.
        unchecked: names of columns that stay texts where they are no plain numbers, without an error.
        checked: names of the columns that are read; the others are as in `unchecked`. None checks all.
        row_name: function from (row from 0) to what an error calls it.
        source: what an error calls the table.
    """

    def __init__(self, table_format, *, separator="", unchecked=(), checked=None, row_name=None, source="the table"):
        self.format, self.separator, self.source = table_format, separator, source
        self.unchecked, self.checked = set(unchecked), checked
        self.row_name = row_name or (lambda row: f"row {row + 1}")
        self.decisions = {}

    def read(self, names, columns, notes):
        """Returns dict name -> numpy array or array of pandas; adds notes.

        Args:
            names: of the columns.
            columns: arrays of texts of pyarrow.
            notes: list of sentences.
        Raises:
            ValueError: naming column, row and value, if a column is mostly numbers with some text, or can be read in
                two ways.
        """
        read = [self._read_column(name, texts) for name, texts in zip(names, columns, strict=True)]
        self._choose(read)
        values = {}
        for column in read:
            values[column.name] = self._values(column)
            self.decisions.setdefault(column.name, (column.kind, column.writing))
            if column.kind == "empty":
                del self.decisions[column.name]
        notes += _summary(read)
        notes += [warn_and_note(note) for note in map(_missing_codes, read) if note]
        return values

    @property
    def decimal(self):
        """Decimal mark of all numbers with one, or None where there are none or they differ."""
        marks = {w.decimal for _, w in self.decisions.values() if w and not w.whole}
        return marks.pop() if len(marks) == 1 else None

    @property
    def thousands(self):
        """Mark between thousands of all numbers, or None where there is none or they differ."""
        marks = {w.thousands for _, w in self.decisions.values() if w and (w.thousands or not w.whole)} - {""}
        return marks.pop() if len(marks) == 1 and self.decimal not in marks else None

    def _read_column(self, name, texts):
        import pyarrow.compute as pc

        decision = self.decisions.get(name)
        if decision in (None, ("number", NumberText()), ("number", NumberText(whole=True))):
            numbers = self._plain_column(texts)
            if numbers is not None:
                whole = str(numbers.type) == "int64"
                return TextColumn(name, texts, {}, kind="number", writing=NumberText(whole=whole), numbers=numbers)
        trimmed = pc.utf8_trim_whitespace(texts)
        padded = pc.any(pc.not_equal(trimmed, texts)).as_py() is True
        is_missing, missing = self._missing(trimmed)
        texts = pc.if_else(is_missing, None, trimmed) if pc.any(is_missing).as_py() else trimmed
        column = TextColumn(name, texts, missing, padded)
        if name in self.decisions:
            column.kind, column.writing = self.decisions[name]
        elif texts.null_count == len(texts):
            column.kind = "empty"
        else:
            self._decide(column)
        return column

    def _plain_column(self, texts):
        """Returns the numbers of a column of plain numbers only, the fast way, or None."""
        import pyarrow.compute as pc

        if not len(texts) or texts.null_count or self.format.thousands == "." or self.format.decimal == ",":
            return None
        numbers = plain_numbers(texts)
        if numbers is None or pc.any(pc.is_nan(numbers)).as_py():
            return None
        largest = max(abs(v) for v in pc.min_max(numbers).as_py().values())
        return None if (largest >= 1e15 or begins_with_zero(texts, numbers)) and is_code(texts) else numbers

    def _missing(self, texts):
        """Returns (which texts mean missing, text -> number of rows)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = sorted(self.format.missing_texts)
        is_word = pc.is_in(texts, pa.array(words, pa.string()))
        empty = pc.fill_null(pc.equal(texts, ""), True)
        missing = {}
        if pc.any(is_word).as_py():
            missing = {e["values"]: e["counts"] for e in pc.value_counts(texts.filter(is_word)).to_pylist()}
        return pc.or_(is_word, empty), missing

    def _decide(self, column):
        """Sets the kind of a column, and how its numbers are written."""
        import pyarrow.compute as pc

        texts = column.texts
        strict = column.name not in self.unchecked and (self.checked is None or column.name in self.checked)
        if is_code(texts):
            example = next(t for t in texts.to_pylist() if t and (t[0] == "0" or len(t) > 15))
            column.note = f"`{column.name}` stays text: its values are codes such as {example!r}"
            return
        point_is_decimal = self.format.thousands != "." and self.format.decimal != ","
        if point_is_decimal or not pc.any(pc.match_substring(texts, ".")).as_py():
            numbers = plain_numbers(texts)
            if numbers is not None:
                column.kind, column.writing = "number", NumberText(whole=str(numbers.type) == "int64")
                return
        if pc.all(pc.match_substring_regex(texts, r"^(?i:true|false)$")).as_py():
            column.kind = "bool"
            return
        if not strict:
            return
        choices, unit = writings(texts, self.format.decimal, self.format.thousands), ""
        if not choices:
            try:
                parts = split_units(texts)
            except MixedUnits as error:
                self._mixed_units(column, error)
            if parts:
                choices, unit = writings(parts[0], self.format.decimal, self.format.thousands), parts[1]
        choices = tuple(c._replace(unit=unit) for c in choices)
        if choices:
            column.kind, column.choices = "number", choices
            column.writing = choices[0] if len(choices) == 1 else None
        else:
            self._refuse_mixture(column)

    def check(self, name, texts):
        """Returns a note, or None, on a column whose texts stay texts, as the source's types say.

        Args:
            name: of the column.
            texts: chunked array of pyarrow; missing ones are null.
        Raises:
            ValueError: if the column is mostly numbers with some text.
        """
        column = TextColumn(name, texts, {})
        if texts.null_count == len(texts) or name in self.unchecked:
            return None
        if self.checked is not None and name not in self.checked:
            return None
        if plain_numbers(texts) is not None:
            return f"`{name}` is read as text, as its type says, though its values are numbers; convert it to use them"
        self._refuse_mixture(column)
        return column.note or None

    def _refuse_mixture(self, column):
        """Raises a ValueError where a column of texts is mostly numbers."""
        import pyarrow.compute as pc

        texts = column.texts
        is_like = pc.fill_null(number_like(texts), False)
        numbers, values = pc.sum(is_like).as_py(), len(texts) - texts.null_count
        if not numbers:
            return
        evidence = pc.sum(pc.or_(is_like, pc.fill_null(marked_number(texts), False))).as_py()
        other = np.flatnonzero(pc.and_(pc.invert(is_like), texts.is_valid()).to_numpy())
        marks = pc.count_distinct(texts.take(other)).as_py()  # a few texts among many numbers mark something
        if evidence < MOSTLY * values and not (marks <= FEW_MARKS < pc.count_distinct(texts).as_py() - 2 * marks):
            column.note = f"`{column.name}` is read as text: {numbers:,} of its {values:,} values are numbers"
            return
        if not len(other):
            raise ValueError(
                f"{self.source}: the column {column.name!r} writes its numbers in different ways, such as "
                f"{self._ways(texts)}; `decimal` and `thousands` set the marks, `categorical` reads it as categories."
            )
        distinct = list(dict.fromkeys(texts.take(other[:1000]).to_pylist()))
        more = f" and {len(other) - 1:,} more" if len(other) > 1 else ""
        raise ValueError(
            f"{self.source}: the column {column.name!r} must have numbers, as {numbers:,} of its {values:,} values "
            f"are, got {distinct[0]!r} in {self.row_name(other[0])}{more}"
            f"{' (' + ', '.join(map(repr, distinct[1:SHOWN])) + ')' if len(distinct) > 1 else ''}. If "
            f"{'it means' if len(distinct) == 1 else 'they mean'} missing, set `missing_values`; `decimal` and "
            "`thousands` set the marks of numbers; `categorical` reads the column as categories, `drop_columns` leaves "
            "it out."
        )

    def _ways(self, texts):
        """Returns examples, with their rows, of numbers that are written in different ways."""
        distinct = {}
        for row, text in enumerate(texts.to_pylist()):
            if text is not None:
                shape = "".join(c for c in text if c in ",.'’ ")[:2]
                distinct.setdefault(shape or "plain", (row, text))
            if len(distinct) > SHOWN:
                break
        distinct = {k: v for k, v in distinct.items() if k != "plain"} or distinct
        return " and ".join(f"{text!r} ({self.row_name(row)})" for row, text in list(distinct.values())[:2])

    def _mixed_units(self, column, error):
        texts = column.texts.to_pylist()
        first = next(t for t in texts if t is not None)
        row, value = next((i, t) for i, t in enumerate(texts) if t is not None and _unit(t) != _unit(first))
        raise ValueError(
            f"{self.source}: the column {column.name!r} must have one unit, got {error}: {first!r}, but {value!r} in "
            f"{self.row_name(row)}. Write all values in one unit; `categorical` reads the column as categories, "
            "`drop_columns` leaves it out."
        ) from None

    def _choose(self, columns):
        """Chooses between the ways to read numbers by the marks of the other columns, or raises a ValueError."""
        decided = {c.writing.decimal for c in columns if c.writing and not c.writing.whole and c.writing.decimal}
        for name, (_, writing) in self.decisions.items():
            if writing and not writing.whole and name not in {c.name for c in columns}:
                decided.add(writing.decimal)
        if self.format.decimal is None and self.format.thousands is None:
            self._choose_points(columns)
        for column in columns:
            if column.writing or not column.choices:
                continue
            commas = any(c.decimal == "," and not c.thousands for c in column.choices)  # such as 1,200
            others = decided or ({"."} if self.separator == "," and commas else set())
            fitting = [c for c in column.choices if {c.decimal} == others]
            if not others and not commas:  # such as 1.200 where nothing speaks of decimal commas
                fitting = [c for c in column.choices if c.decimal == "."]
            if len(fitting) != 1:
                self._refuse_ambiguous(column.name, column.texts)
            column.writing = fitting[0]

    def _choose_points(self, columns):
        """Decides what points such as that of 1.542 are, where no column has clear decimal points, or notes the choice.

        They separate thousands where whole numbers below 1,000 stand beside them and the file has decimal commas or
        semicolons between its columns.

        Raises:
            ValueError: if only the decimal commas of another column speak of it.
        """
        points = [c for c in columns if c.writing and c.writing[:2] == (".", "") and not c.writing.whole]
        grouped = [c for c in points if is_grouped_by_points(c.texts)]
        has_commas = any(c.writing and not c.writing.whole and c.writing.decimal == "," for c in columns)
        if len(grouped) < len(points) and not has_commas:
            return
        for column in grouped:
            if column.name in self.decisions or column.name in self.unchecked:
                continue
            mixed = has_whole_numbers(column.texts)
            example = next(t for t in column.texts.to_pylist() if t and "." in t).strip()
            if mixed and (has_commas or self.separator == ";"):
                column.writing, column.numbers = column.writing._replace(decimal=",", thousands=".", whole=True), None
                column.note = (
                    f"the points in `{column.name}`, such as {example}, are read as marks between thousands; "
                    "decimal='.' reads them as decimal marks"
                )
            elif has_commas:
                self._refuse_ambiguous(column.name, column.texts)
            elif mixed or self.separator == ";":
                note = (
                    f"the points in `{column.name}`, such as {example}, are read as decimal marks; thousands='.' reads "
                    "them as marks between thousands"
                )
                column.note = warn_and_note(note) if mixed else note

    def _refuse_ambiguous(self, name, texts):
        example = next(t for t in texts.to_pylist() if t and ("," in t or "." in t))
        mark = "," if "," in example else "."
        other = "." if mark == "," else ","
        raise ValueError(
            f"{self.source}: the numbers of the column {name!r}, such as {example!r}, can be read in two ways: "
            f"decimal={mark!r} reads {mark!r} as the decimal mark, thousands={mark!r} as a mark between thousands (and "
            f"decimal={other!r})."
        )

    def _values(self, column):
        """Returns the values of a column, as a data frame has them."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = column.texts
        if column.kind == "empty":
            return np.full(len(texts), np.nan)
        if column.kind == "bool":
            values = pc.equal(pc.utf8_lower(texts), "true")
            return pd.array(values.to_pandas(), "boolean") if values.null_count else values.to_numpy()
        if column.kind == "text":
            return pd.array(texts, dtype="str")
        numbers = column.numbers
        if numbers is None and column.writing[:3] == (".", "", ""):
            numbers = plain_numbers(texts)
        if numbers is None:
            numbers = parse_numbers(texts, column.writing)
        if numbers is None:
            row = next(
                i for i, t in enumerate(texts.to_pylist())
                if t is not None and parse_numbers(pa.array([t]), column.writing) is None
            )  # fmt: skip
            raise ValueError(
                f"{self.source}: the column {column.name!r} must have numbers as in the rows before, got "
                f"{texts[row].as_py()!r} in {self.row_name(row)}."
            )
        for number in self.format.missing_numbers:
            equal = pc.equal(numbers, number)
            if pc.any(equal).as_py():
                column.missing[f"{number:g}"] = column.missing.get(f"{number:g}", 0) + pc.sum(equal).as_py()
                numbers = pc.if_else(equal, None, numbers)
        if numbers.null_count:
            numbers = numbers.cast(pa.float64())
        return numbers.to_numpy()


def _missing_codes(column):
    """Returns a note on a text that was read as missing, but may be a code or a class, or None."""
    import pyarrow.compute as pc

    words = [w for w in column.missing if w in ("NA", "None", "NULL", "null")]
    if column.kind != "text" or not words:
        return None
    levels = [level for level in pc.unique(column.texts).to_pylist() if level is not None]
    are_codes = all(len(level) <= 3 and level.isupper() for level in levels)
    if words == ["NA"] and not are_codes:  # as R writes gaps
        return None
    return (
        f"`{column.name}` has {words[0]!r} beside {levels[0]!r}: it is read as missing; if it is a value, set "
        "keep_default_missing=False"
    )


def _unit(text):
    """Returns what stands in a text beside its number."""
    return text.strip("+-−0123456789., '’\u00a0\u202f").strip()


def _summary(columns):
    """Returns the notes on columns: marks of numbers, units, blanks, missing texts."""
    notes, writing = [], collections.defaultdict(list)
    for column in columns:
        if column.writing and column.writing.describe():
            writing[column.writing.describe()].append(f"`{column.name}`")
    for description, names in writing.items():
        notes.append(f"numbers with {description} in {_listed(names)}")
    padded = [f"`{c.name}`" for c in columns if c.padded and c.kind == "text"]
    if padded:
        notes.append(f"blanks around texts are left out in {_listed(padded)}")
    missing = [f"`{c.name}` {t!r} ({n:,} rows)" for c in columns for t, n in c.missing.items()]
    if missing:
        notes.append(
            f"{MISSING_NOTE}{_listed(missing)}; keep_default_missing=False keeps NA, None and the like as text"
        )
    return notes + [c.note for c in columns if c.note]


def _listed(names):
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
