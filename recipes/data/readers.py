"""The readers by name, and `load`, which chooses one by a string or by what an object is."""

import dataclasses
import importlib
import os
import types
import typing
from urllib.parse import unquote_plus

from recipes.data.examples import Data
from recipes.data.source_spec import SourceSpec, reader_options
from zoo.arguments import checked, suggestion

CLASS_OPTIONS = ("background",)  # name a class, which may be called none
READERS = {  # prefix of a source -> module of read_PREFIX
    "bundled": "recipes.data.bundled.sets",
    "tfds": "recipes.data.tfds",
    "cifar56eco": "recipes.data.bundled.cifar56eco",
    "folder": "recipes.data.images.folder",
    "image_table": "recipes.data.images.image_table",
    "masks": "recipes.data.images.masks",
    "pairs": "recipes.data.images.pairs",
    "boxes": "recipes.data.boxes.box_table",
    "coco": "recipes.data.boxes.coco",
    "voc": "recipes.data.boxes.voc",
    "yolo": "recipes.data.boxes.yolo",
    "instances": "recipes.data.boxes.instances",
    "raster": "recipes.data.rasters.raster",
    "table": "recipes.data.tables.table",
    "species": "recipes.data.tables.species",
    "series": "recipes.data.series.windows",
    "questions": "recipes.data.questions.questions",
    "sound": "recipes.data.sound.sound",
    "spoken_digits": "recipes.data.sound.spoken_digits",
    "labelled_text": "recipes.data.text.labelled_texts",
    "text": "recipes.data.text.documents",
}


@checked
def load(source, **options) -> Data:
    """Reads data with the reader that fits the source, in a training, a validation and a test split.

    Args:
        source: a string, READER:SOURCE?OPTION=VALUE&OPTION=VALUE, such as "bundled:mnist-5k" or
            "table:trees.csv?target=species&missing=impute". Readers are bundled, tfds, cifar56eco, folder,
            image_table, masks, pairs, boxes, coco, voc, yolo, instances, raster, table, species, series, questions,
            sound, spoken_digits, labelled_text and text. `table:` with the option `time` is `series:`, with the option
            `text` it is `labelled_text:`. An option with several values has them separated by commas, or is repeated;
            a comma within a value is %2C. A data frame or a dict of columns is read as a table; (x, y) arrays, two or
            three splits of such and a tf.data.Dataset by `read_arrays`, `read_table` or `read_mask_arrays`. `Data` is
            returned as it is.
        **options: of the reader; `read_table`, `read_folder`, ... document them. Options in the string come first.
    Returns:
        `Data`.
    Raises:
        ValueError: if there is no such reader or option, or as the reader documents.
    """
    if isinstance(source, Data):
        return source
    if isinstance(source, str):
        spec = parse_source(source, options)
        return reader_named(spec.reader)(spec.source, **spec.options)
    from recipes.data.in_memory import kind_of_source, without_names

    source = without_names(source)
    kind = kind_of_source(source)
    if kind == "table":
        reader, options = table_reader(options)
        return reader_named(reader)(source, **options)
    if options.get("task") == "segmentation":
        from recipes.data.images.masks import read_mask_arrays

        return read_mask_arrays(source, **{name: value for name, value in options.items() if name != "task"})
    from recipes.data.arrays import read_arrays

    return read_arrays(source, **options)


def sources():
    """Returns the bundled data sets.

    Returns:
        List of dicts: name, task, examples, classes (0 for numbers), license, source.
    """
    from recipes.data.bundled.sets import SETS

    fields = ("task", "examples", "classes", "license", "source")
    return [{"name": name, **{field: getattr(data_set, field) for field in fields}} for name, data_set in SETS.items()]


def reopen(spec, **changes) -> Data:
    """Reads data again, as `Data.source_spec` or the record of a run describes them.

    Args:
        spec: `SourceSpec`, the dict of its fields, or a string as `load` takes it.
        **changes: options with other values, such as validation=0.
    Returns:
        `Data`.
    Raises:
        ValueError: if the source is no longer there, or as the reader documents.
    """
    spec = as_source_spec(spec)
    data = reader_named(spec.reader)(spec.source, **{**spec.options, **changes})
    if spec.detected:  # what was detected once stays so
        source_spec = dataclasses.replace(data.source_spec, detected=tuple(spec.detected))
        return dataclasses.replace(data, source_spec=source_spec)
    return data


def as_source_spec(record):
    """Returns the `SourceSpec` of a run's record: a dict, a string or None, which stays None."""
    if isinstance(record, str):
        return parse_source(record)
    return SourceSpec(**record) if isinstance(record, dict) else record


def reader_named(name):
    """Returns the function read_NAME."""
    return getattr(importlib.import_module(READERS[name]), f"read_{name}")


def table_reader(options):
    """Returns the name of the reader that a table with these options is for, and the options that are set."""
    options = {name: value for name, value in options.items() if name not in ("time", "text") or value is not None}
    return "series" if "time" in options else "labelled_text" if "text" in options else "table", options


def parse_source(text, options=None):
    """Returns the `SourceSpec` of a string READER:SOURCE?OPTION=VALUE&...

    Args:
        text: the string.
        options: further options, which those of the string replace.
    Raises:
        ValueError: if there is no such reader or option (the nearest is offered), or a value has the wrong type.
    """
    reader, _, source = text.partition(":")
    source, query = _path_and_query(source)
    if reader not in READERS or not source:
        raise ValueError(
            f"load: `source` must begin with {': or '.join(READERS)}:, got {text!r}.{suggestion(reader, READERS)} For "
            "a folder of images use folder:PATH, for a CSV file table:FILE?target=COLUMN."
        )
    values = {}
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        values.setdefault(unquote_plus(name), []).append(value)
    options = {**(options or {}), **values}
    if reader == "table":
        reader, options = table_reader(options)
    hints = option_types(reader, source)
    for name, value in values.items():
        if name not in hints:
            raise ValueError(
                f"load: unknown option `{name}` in {text!r}.{suggestion(name, hints)} {reader}: takes "
                f"{', '.join(hints)}."
            )
        hint = str if name in CLASS_OPTIONS and hints[name] == str | None else hints[name]
        options[name] = _option_value(value, hint, name)
    return SourceSpec(reader, source, options)


def _path_and_query(text):
    """Returns the source and its options from PATH?OPTIONS; an existing path may have ? in it, others have %3F."""
    ends = [len(text), *sorted((i for i, c in enumerate(text) if c == "?"), reverse=True)]
    for end in ends:
        if os.path.exists(text[:end]):
            return text[:end], text[end + 1 :]
    source, _, query = text.partition("?")
    return source.replace("%3F", "?").replace("%253F", "%3F"), query


def option_types(reader, source):
    """Returns the types of a reader's options: name -> annotation.

    Args:
        reader: name of the reader.
        source: of the reader; bundled data sets have the options of their kind.
    """
    function = reader_named(reader)
    if reader == "bundled":
        from recipes.data.bundled.sets import bundled_set

        function = bundled_set(source).reader
    return {name: kind for name, (kind, _) in reader_options(function).items()}


def _option_value(texts, kind, name):
    """Returns the value of an option from the texts of a query: its values, each still percent-encoded."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kinds = [k for k in typing.get_args(kind) if k is not type(None)]
        if len(kinds) < len(typing.get_args(kind)) and texts[-1].lower() == "none":
            return None
        if len(kinds) == 1 or any(typing.get_origin(k) is tuple for k in kinds):
            return _option_value(texts, kinds[0], name)
    if typing.get_origin(kind) is tuple:
        entries = [unquote_plus(part) for text in texts for part in text.split(",") if text]
        entry_types = typing.get_args(kind)
        if entry_types[-1] is Ellipsis:
            entry_types = [entry_types[0]] * len(entries)
        if len(entries) != len(entry_types):
            raise ValueError(f"load: `{name}` must have {len(entry_types)} values, got {len(entries)}.")
        return tuple(_entry(e, k, name) for e, k in zip(entries, entry_types, strict=True))
    return _entry(unquote_plus(texts[-1]), kind, name)


def _entry(text, kind, name):
    """Returns a single value from its text: a truth value, a number or the text itself, as `kind` has it."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        numbers = [k for k in typing.get_args(kind) if _is_number(k)]
        return _entry(text, numbers[0], name) if numbers and text.isdigit() else text
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"load: `{name}` must be true or false, got {text!r}.")
        return text.lower() in ("true", "1")
    if _is_number(kind):
        try:
            return int(text) if text.isdigit() else float(text)
        except ValueError:
            raise ValueError(f"load: `{name}` must be a number, got {text!r}.") from None
    return text


def _is_number(kind):
    return kind in (int, float) or (
        typing.get_origin(kind) is typing.Annotated and typing.get_args(kind)[0] in (int, float)
    )
