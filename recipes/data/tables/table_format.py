"""How the file of a table is written: separator, number marks, encoding, sheet, and the texts that mean missing."""

import dataclasses
import functools
import inspect
import typing

from zoo.arguments import Count
from zoo.inputs.missing_values import missing_numbers, missing_texts

SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
THOUSANDS = {"space": " ", "comma": ",", "point": ".", "apostrophe": "'"}


@dataclasses.dataclass(frozen=True)
class TableFormat:
    """Options of reading the file of a table. What is None is detected from the file.

    Args:
        separator: character between the fields of a line: "," ";" "|", or the words tab and space.
        decimal: decimal mark of numbers, "." or ",".
        thousands: mark between thousands: "," "." "'" or the word space.
        encoding: encoding of the text, such as utf-8, utf-16 or cp1252.
        comment: text with which lines begin that are left out; "" where there are none.
        header_row: line of the file with the names of the columns, from 1.
        row_names: whether the first field of each line is the name of the row, which the header does not name.
        sheet: name of the sheet of an Excel file; if None the first that is a table.
        missing_values: texts and numbers that mean missing, beside empty fields.
        keep_default_missing: whether NA, N/A, NaN, NULL, None and the like mean missing too.
    """

    separator: str | None = None
    decimal: typing.Literal[".", ","] | None = None
    thousands: str | None = None
    encoding: str | None = None
    comment: str | None = None
    header_row: Count | None = None
    row_names: bool | None = None
    sheet: str | None = None
    missing_values: tuple[str | float, ...] = ()
    keep_default_missing: bool = True

    def __post_init__(self):
        for name, words in (("separator", SEPARATORS), ("thousands", THOUSANDS)):
            value = getattr(self, name)
            value = words.get(value, value)
            if value is not None and len(value) != 1:
                raise ValueError(f"`{name}` must be one character or {', '.join(words)}, got {value!r}.")
            object.__setattr__(self, name, value)
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError:
                raise ValueError(
                    f"`encoding` must be an encoding such as utf-8, utf-16 or cp1252, got {self.encoding!r}."
                ) from None
        if self.thousands is not None and self.thousands == (self.decimal or ""):
            raise ValueError(f"`decimal` and `thousands` must differ, got {self.decimal!r} for both.")

    @property
    def missing_texts(self):
        """Texts that mean missing, as a frozenset; the empty text is not among them, as it always does."""
        return missing_texts(self.missing_values, self.keep_default_missing)

    @property
    def missing_numbers(self):
        """Numbers that mean missing, as a tuple of floats."""
        return missing_numbers(self.missing_values)

    def options(self):
        """Returns the fields as a dict of JSON values, as a `SourceSpec` saves them."""
        return {**dataclasses.asdict(self), "missing_values": list(self.missing_values)}

    def replace(self, **changes):
        """Returns the format with other values."""
        return dataclasses.replace(self, **changes)

    def detected_by(self, explicit):
        """Returns the names of the fields that are None in `explicit`, but not here."""
        return tuple(n for n in FIELDS if getattr(explicit, n) is None and getattr(self, n) is not None)


FIELDS = tuple(field.name for field in dataclasses.fields(TableFormat))


def as_table_format(options):
    """Returns the `TableFormat` of a dict of options, of which those of other kinds are not used.

    Args:
        options: dict, such as the options of a `SourceSpec`; or a `TableFormat`, or None for the defaults.
    """
    if isinstance(options, TableFormat):
        return options
    values = {name: value for name, value in (options or {}).items() if name in FIELDS}
    return TableFormat(**{**values, "missing_values": tuple(values.get("missing_values", ()))})


def takes_table_format(reader):
    """Decorates a reader: its argument `table_format` becomes the fields of `TableFormat` as keyword options.

    Args:
        reader: function with the keyword-only argument `table_format`.
    """
    signature = inspect.signature(reader)
    fields = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
        for f in dataclasses.fields(TableFormat)
    ]
    parameters = [p for p in signature.parameters.values() if p.name != "table_format"]

    @functools.wraps(reader)
    def wrapper(*args, **kwargs):
        values = {name: kwargs.pop(name) for name in FIELDS if name in kwargs}
        return reader(*args, table_format=TableFormat(**values), **kwargs)

    wrapper.__signature__ = signature.replace(parameters=[*parameters, *fields])
    annotations = {n: a for n, a in reader.__annotations__.items() if n != "table_format"}
    wrapper.__annotations__ = {**annotations, **{f.name: f.type for f in dataclasses.fields(TableFormat)}}
    return wrapper
