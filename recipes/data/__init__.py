"""Data doors: one call takes every source, by a string or an object, from Python, R and the command line."""

import dataclasses
import inspect
import typing
from typing import Literal
from urllib.parse import parse_qsl

from recipes.data.examples import Data, Examples
from recipes.data.parts import Options
from recipes.data.photos import Files
from zoo.arguments import Fraction, Whole, checked, nearest

__all__ = ["Data", "Examples", "Files", "load", "sources"]

SPLIT = ("validation", "test", "seed")
TABLE = (*SPLIT, "task", "group", "block", "missing", "category", "drop", "keep")
TAKES = {  # which options each door reads
    "bundled": (*SPLIT, "group", "block", "missing", "category", "drop", "keep"),
    "tfds": TABLE,
    "folder": (*SPLIT, "group", "strict"),
    "table": (*TABLE, "target"),
    "arrays": (*TABLE, "classes"),
}


@checked
def load(
    source,
    *,
    target: tuple[str, ...] = (),
    task: Literal["classification", "multilabel", "regression"] | None = None,
    classes: tuple[str, ...] = (),
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    group=None,
    block=None,
    missing: Literal["error", "drop", "impute"] | None = None,
    category: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    keep: tuple[str, ...] = (),
    strict: bool = False,
) -> Data:
    """Data from wherever they are, split in three parts that share nothing.

    A string may carry the options after a question mark: "table:trees.csv?target=species&missing=impute&drop=id".

    Args:
        source: "bundled:NAME" (`sources()` lists them), "tfds:NAME", "folder:PATH" (a folder per class),
            "table:FILE" (CSV or Parquet); (x, y) arrays; (train, test) or (train, validation, test) of such pairs; a
            data frame or a dict of columns; a tf.data.Dataset of (x, y), single or in batches; or `Data`, as it is.
        target: column, or columns, of a table to be answered.
        task: classification, multilabel or regression; read from the targets if None.
        classes: names of the classes, where arrays give their index from 0.
        validation: share of the examples that training is watched with.
        test: share of the examples that are kept for the end.
        seed: of the split.
        group: column whose groups stay on one side, one label per example for arrays, or for a folder a regular
            expression that finds the group in a photo's path.
        block: (x column, y column, size): squares of land of that size stay on one side.
        missing: error, drop (the row) or impute (the training part's medians, with an indicator); a target is never
            imputed. None is error, except for bundled sets that state a policy.
        category: columns of numbers that are codes, not amounts.
        drop: columns of a table to leave out.
        keep: columns of a table to take, and no others.
        strict: whether a photo that cannot be read is an error; else it is skipped, counted and named.
    Returns:
        `Data`.
    Raises:
        ValueError: if the source or an option cannot be understood, or as its door says.
    """
    options = {name: value for name, value in locals().items() if name != "source"}
    if isinstance(source, Data):
        return source
    if isinstance(source, str):
        return dataclasses.replace(_load_string(source, options), origin=source)
    import pandas as pd

    if isinstance(source, pd.DataFrame | dict):
        from recipes.data.table import from_frames

        return from_frames([source], _options("table", options), name="table")
    import tensorflow as tf

    if not isinstance(source, tuple | list | tf.data.Dataset):
        raise ValueError(
            "load: `source` must be a string, (x, y), a data frame, a dict of columns or a tf.data.Dataset, got "
            f"{type(source).__name__}."
        )
    from recipes.data.arrays import read_arrays

    return read_arrays(source, _options("arrays", options))


def sources():
    """The bundled data sets.

    Returns:
        List of dicts: name, task, examples, classes (0 for numbers), licence, source.
    """
    from recipes.data.bundled import SETS

    kept = ("task", "examples", "classes", "licence", "source")
    return [{"name": name, **{k: getattr(known, k) for k in kept}} for name, known in SETS.items()]


def _load_string(source, options):
    """What `load` does with a string: DOOR:PLACE?OPTION=VALUE&..."""
    door, _, place = source.partition(":")
    if door not in ("bundled", "tfds", "folder", "table") or not place:
        raise ValueError(
            f"load: `source` must begin with bundled:, tfds:, folder: or table:, got {source!r}."
            f"{nearest(door, TAKES)} For a folder of photos say folder:PATH, for a CSV file table:FILE?target=COLUMN."
        )
    place, _, query = place.partition("?")
    if query:
        return load(f"{door}:{place}", **{**options, **_parsed(query)})
    options = _options(door, options)
    if door == "bundled":
        from recipes.data.bundled import read_bundled as read
    elif door == "tfds":
        from recipes.data.tfds import read_tfds as read
    elif door == "folder":
        from recipes.data.folder import read_folder as read
    else:
        from recipes.data.table import read_table as read
    return read(place, options)


def _parsed(query):
    """Options from a query; numbers and truth become what `load` takes, a repeated option a tuple."""
    known = [p for p in inspect.signature(load).parameters if p != "source"]
    hints = typing.get_type_hints(load, include_extras=True)
    found = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise ValueError(f"load: unknown option `{name}` in the source.{nearest(name, known)}")
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if typing.get_origin(hints.get(name)) is tuple:
            continue
        value = ",".join(values) if name == "block" else values[-1]
        if name in SPLIT:
            try:
                value = float(value)
            except ValueError:
                raise ValueError(f"load: `{name}` must be a number, got {value!r}.") from None
        elif name == "strict" and value.lower() in ("true", "false", "1", "0"):
            value = value.lower() in ("true", "1")
        elif name == "block":
            value = value.split(",")
        found[name] = value
    return found


def _options(door, options):
    """`Options` from what `load` was given; a ValueError for what the door does not read."""
    default = Options()
    for name, value in options.items():
        unset = value is None if getattr(default, name) is None else value == getattr(default, name)
        if name not in TAKES[door] and not unset:
            raise ValueError(f"load: `{name}` is not for {door}; it takes {', '.join(TAKES[door])}.")
    if options["block"] is not None:
        options = {**options, "block": _block(options["block"])}
    return Options(**options)


def _block(block):
    try:
        x, y, size = block
        size = float(size)
    except (TypeError, ValueError):
        size = 0
    if not size > 0 or not isinstance(x, str) or not isinstance(y, str):
        raise ValueError(f"load: `block` must be (x column, y column, size above 0), got {block!r}.")
    return x, y, size
