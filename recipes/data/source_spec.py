"""Reader, source and options of a data set, as a value that fits in JSON and in one string."""

import dataclasses
import inspect
import os
import types
import typing
from pathlib import Path
from urllib.parse import quote

import numpy as np

DEFAULT_SPLIT = {"validation": 0.15, "test": 0.15, "seed": 0}
DEFAULTS = {
    **DEFAULT_SPLIT,
    "keep_default_missing": True,
    "labels": True,
    "row_names": None,
}  # where False is not the default


@dataclasses.dataclass(frozen=True)
class SourceSpec:
    """Where a data set was read from and with which options, so that the same data can be read again.

    `str` of it is a string that `recipes.load` takes: "table:/home/me/trees.csv?target=species". Options that are None,
    empty, False, detected or the default of the split are left out of it, as every reader has these defaults.

    Args:
        reader: name of the reader: table for `read_table`, raster for `read_raster`, ...
        source: absolute path, pattern or name.
        options: all other arguments of the reader, as resolved; JSON values only.
        detected: names of the options that were detected from the source, such as a file's separator. Other sources
            are read with `explicit_options`.
    """

    reader: str
    source: str
    options: dict
    detected: tuple = ()

    @property
    def explicit_options(self):
        """The options without those that were detected, as a dict."""
        return {name: value for name, value in self.options.items() if name not in self.detected}

    def __str__(self):
        options = [
            f"{name}={','.join(_quoted(v) for v in (value if isinstance(value, list | tuple) else [value]))}"
            for name, value in self.explicit_options.items()
            if value is not None and value not in ((), [])
            if (value != DEFAULTS[name] if name in DEFAULTS else value is not False)
        ]
        source = self.source.replace("%3F", "%253F").replace("?", "%3F")
        return f"{self.reader}:{source}{'?' * bool(options)}{'&'.join(options)}"

    def to_json(self):
        """Returns a dict of JSON values, of which `SourceSpec(**values)` is the same spec."""
        spec = {"reader": self.reader, "source": self.source, "options": _json_values(self.options)}
        return {**spec, "detected": list(self.detected)} if self.detected else spec

    def matches(self, other):
        """Whether reader and source are those of `other`, and so is every option that `other` has."""
        options, expected = _json_values(self.options), _json_values(other.options)
        same_source = (self.reader, self.source) == (other.reader, other.source)
        return same_source and all(options.get(name) == value for name, value in expected.items())


def with_source_spec(data, reader, arguments, *, is_path=True, detected=(), **resolved):
    """Returns `data` with the resolved options of its reader and, where the source is a path, its spec.

    Args:
        data: `Data` as read.
        reader: name of the reader.
        arguments: all arguments of the reader, the source first.
        is_path: whether the source is a path, which the spec has absolute.
        detected: names of the options that the reader detected from the source.
        **resolved: values of options that the reader chose itself.
    Returns:
        `Data`.
    """
    (_, source), *options = arguments.items()
    options = {**dict(options), **resolved}
    for name in ("task", "missing"):  # read from the data where they are not given
        if name in options and options[name] is None:
            options[name] = getattr(data, name)
    if not isinstance(source, str | os.PathLike):
        in_memory = {name: value for name, value in options.items() if name != "group" or isinstance(value, str)}
        return dataclasses.replace(data, options=_json_values(in_memory))
    source, options = absolute_path(source) if is_path else str(source), _json_values(options)
    return dataclasses.replace(data, options=options, source_spec=SourceSpec(reader, source, options, tuple(detected)))


def absolute_path(path):
    """Returns a path, or a pattern of paths, as an absolute string; ~ is the home folder."""
    return os.path.abspath(Path(path).expanduser())


def _quoted(value):
    return str(value).lower() if isinstance(value, bool) else quote(str(value), safe="/:()[]{}^$\\*")


def _json_values(value):
    """Returns nested options as JSON values: tuples and arrays become lists."""
    if isinstance(value, dict):
        return {name: _json_values(v) for name, v in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_json_values(v) for v in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def reader_options(reader):
    """Returns name -> (type, default) of the arguments of a reader but the first; str is the type where none is given.

    The default is `inspect.Parameter.empty` for an argument that must be given.
    """
    annotations = {name: kind for name, kind in reader.__annotations__.items() if name != "return"}
    hints = typing.get_type_hints(
        types.SimpleNamespace(__annotations__=annotations), inspect.unwrap(reader).__globals__, include_extras=True
    )
    parameters = list(inspect.signature(reader).parameters.items())[1:]
    return {name: (hints.get(name, str), parameter.default) for name, parameter in parameters}
