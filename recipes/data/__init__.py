"""Data doors: one call takes every source, by a string or an object, from Python, R and the command line."""

import dataclasses
import inspect
import typing
from typing import Literal
from urllib.parse import parse_qsl

from recipes.data.assemble import Options
from recipes.data.examples import Data, Examples
from recipes.data.images.image_files import Files
from zoo.arguments import Count, Fraction, Whole, checked, suggestion

__all__ = ["Data", "Examples", "Files", "load", "sources"]

SPLIT = ("validation", "test", "seed")
TABLE = (*SPLIT, "task", "group", "block", "missing", "category", "drop", "keep")
DOORS = "bundled:, tfds:, folder:, masks:, pairs:, raster:, table:, text: or cifar56eco:"
SERIES = ("time", "window", "horizon", "gap", "step", "calendar", "season", "until", "target")
NUMBERS = (*SPLIT, "window", "gap", "season", "until", "tile")
MASKS = ("tile", "bands", "instances")
TAKES = {  # which options each door reads
    "bundled": (*SPLIT, "group", "block", "missing", "category", "drop", "keep", *SERIES, "tile"),
    "tfds": TABLE,
    "cifar56eco": SPLIT,
    "folder": (*SPLIT, "group", "strict"),
    "masks": (*SPLIT, "group", "classes", "labels", *MASKS),
    "pairs": (*SPLIT, "labels", "tile"),
    "raster": (*SPLIT, "group", "classes", "labels", "tile", "bands", "ignore"),
    "table": (*TABLE, *SERIES, "text"),
    "text": (*SPLIT, "window"),
    "arrays": (*TABLE, "classes", "tile", "instances"),
}


@checked
def load(
    source,
    *,
    target: tuple[str, ...] = (),
    text: str | None = None,
    task: Literal["classification", "multilabel", "regression", "segmentation"] | None = None,
    classes: tuple[str, ...] = (),
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    group=None,
    block=None,
    missing: Literal["error", "drop", "impute"] | None = None,
    categorical: tuple[str, ...] = (),
    drop_columns: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    strict: bool = False,
    time: str | None = None,
    window: Count | None = None,
    horizon: tuple[int, ...] = (1,),
    gap: Whole = 0,
    step: str | None = None,
    calendar: tuple[Literal["hour", "day_of_week", "day_of_year", "month"], ...] = (),
    season_length: Count | None = None,
    time_fraction: Fraction | None = None,
    labels: str | None = None,
    tile: Count | None = None,
    bands: tuple[Count | str, ...] = (),
    ignore: tuple[int, ...] = (),
    instances: Literal["foreground", "separated", "boundary"] | None = None,
) -> Data:
    """Data from wherever they are, split in three parts that share nothing.

    A string may carry the options after a question mark: "table:trees.csv?target=species&missing=impute&drop=id".

    Args:
        source: "bundled:NAME" (`sources()` lists them), "tfds:NAME", "folder:PATH" (a folder per class),
            "cifar56eco:keras" or "cifar56eco:tfds" (the ecology lecture's 56 classes of CIFAR-100, downloaded once),
            "masks:IMAGES?labels=MASKS" (folders of equal names, or one file each),
            "pairs:IMAGES?labels=PHOTOS" (what is given, and what is to be made of it), "raster:IMAGES?labels=MASKS"
            (GeoTIFFs, read by tiles; files, folders or patterns such as scenes/*.tif),
            "table:FILE" (CSV or Parquet); "text:PATH" (a text, or a folder of them, to be learnt letter by letter); (x,
            y) arrays, where x may be texts; (train, test) or (train, validation, test) of such pairs; a
            data frame or a dict of columns; a tf.data.Dataset of (x, y), single or in batches; or `Data`, as it is.
        target: column, or columns, of a table to be answered.
        text: column of a table that holds texts: they are the inputs, and no other column is.
        task: classification, multilabel, regression or segmentation (a class for every pixel: (N, H, W) targets);
            read from the targets if None.
        classes: names of the classes, where arrays or masks give their index from 0; of masks also NAME=VALUE. The
            value 255 of a mask is no class: those pixels do not count.
        validation: share of the examples that training is watched with.
        test: share of the examples that are kept for the end.
        seed: of the split.
        group: column whose groups stay on one side, one label per example for arrays, or for a folder a regular
            expression that finds the group in a photo's path.
        block: (x column, y column, size): squares of land of that size stay on one side.
        missing: error, drop (the row) or impute (the training part's medians, with an indicator); a target is never
            imputed. None is error, except for bundled sets that state a policy.
        categorical: columns of numbers that are codes, not amounts.
        drop_columns: columns of a table to leave out.
        columns: columns of a table to take, and no others.
        strict: whether a photo that cannot be read is an error; else it is skipped, counted and named.
        time: column of a table's times: then its rows are series, examples are windows of them, and the parts follow
            each other in time. `group` names the column that tells series apart.
        window: rows of the past that an example has; of texts to be learnt, characters (128 if None).
        horizon: how many steps ahead are answered, from the next one; or several, those steps.
        gap: steps left out between the parts.
        step: time between rows, such as 1D or 1h, where they are irregular: they are put on that grid.
        calendar: cycles of the calendar to add to the inputs, each as sine and cosine.
        season_length: steps after which the series repeats, for the seasonal naive forecast; by the calendar if None.
        time_fraction: share of the times that is known; what comes later is left out, for tests at several origins in time.
        labels: folder (or file) of the masks, or of pairs the other images, that belong to the images.
        tile: side of the squares that images are cut into, without overlap [pixels]; needed where they differ in size;
            256 for rasters; of bundled:moving-mnist the side of a frame.
        bands: bands to take, counted from 1, or of rasters by name; all where empty.
        ignore: values of a raster of labels that do not count, beside 255, those below 0 and its nodata.
        instances: where the numbers of a mask are things, such as cells, not classes: foreground, separated (without
            the pixels that touch another thing) or boundary (each thing's rim is a class of its own).
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

    from recipes.data.arrays import read_arrays, without_names

    source = without_names(source)
    if isinstance(source, pd.DataFrame | dict):
        if options["time"]:
            from recipes.data.series.windows import read_windows
            from recipes.data.tables.frames import frame_of

            return read_windows(frame_of(source), _options("table", options), name="table")
        from recipes.data.tables.table import from_frames

        return from_frames([source], _options("table", options), name="table")
    import tensorflow as tf

    if not isinstance(source, tuple | list | tf.data.Dataset):
        raise ValueError(
            "load: `source` must be a string, (x, y), a data frame, a dict of columns or a tf.data.Dataset, got "
            f"{type(source).__name__}."
        )
    return read_arrays(source, _options("arrays", options))


def sources():
    """The bundled data sets.

    Returns:
        List of dicts: name, task, examples, classes (0 for numbers), licence, source.
    """
    from recipes.data.bundled.sets import SETS

    kept = ("task", "examples", "classes", "licence", "source")
    return [{"name": name, **{k: getattr(known, k) for k in kept}} for name, known in SETS.items()]


def _load_string(source, options):
    """What `load` does with a string: DOOR:PLACE?OPTION=VALUE&..."""
    door, _, place = source.partition(":")
    if door not in TAKES or door == "arrays" or not place:
        raise ValueError(
            f"load: `source` must begin with {DOORS}, got {source!r}."
            f"{suggestion(door, TAKES)} For a folder of photos say folder:PATH, for a CSV file table:FILE?target=COLUMN."
        )
    place, _, query = place.partition("?")
    if query:
        return load(f"{door}:{place}", **{**options, **_parsed(query)})
    options = _options(door, options)
    if door == "bundled":
        from recipes.data.bundled.sets import read_bundled as read
    elif door == "tfds":
        from recipes.data.tfds import read_tfds as read
    elif door == "cifar56eco":
        from recipes.data.bundled.cifar56eco import read_cifar56eco as read
    elif door == "folder":
        from recipes.data.images.folder import read_folder as read
    elif door == "masks":
        from recipes.data.images.masks import read_masks as read
    elif door == "pairs":
        from recipes.data.images.pairs import read_pairs as read
    elif door == "raster":
        from recipes.data.rasters.raster import read_raster as read
    elif door == "text":
        from recipes.data.text.documents import read_text as read
    else:
        from recipes.data.tables.table import read_table as read
    return read(place, options)


def _parsed(query):
    """Options from a query; numbers and truth become what `load` takes, a repeated option a tuple."""
    known = [p for p in inspect.signature(load).parameters if p != "source"]
    hints = typing.get_type_hints(load, include_extras=True)
    found = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise ValueError(f"load: unknown option `{name}` in the source.{suggestion(name, known)}")
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if name in ("horizon", "ignore"):
            found[name] = tuple(_number(name, v) for v in ",".join(values).split(","))
        elif name == "bands":
            found[name] = tuple(int(v) if v.isdigit() else v for v in ",".join(values).split(","))
        if typing.get_origin(hints.get(name)) is tuple:
            continue
        value = ",".join(values) if name == "block" else values[-1]
        if name in NUMBERS:
            value = _number(name, value)
        elif name == "strict" and value.lower() in ("true", "false", "1", "0"):
            value = value.lower() in ("true", "1")
        elif name == "block":
            value = value.split(",")
        found[name] = value
    return found


def bands_of(origin):
    """The bands that a source's string names, or () where it names none or there is no string."""
    _, _, query = (origin or "").partition("?")
    return tuple(_parsed(query).get("bands", ())) if query else ()


def _number(name, value):
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"load: `{name}` must be a number, got {value!r}.") from None


def _options(door, options):
    """`Options` from what `load` was given; a ValueError for what the door does not read."""
    default = Options()
    for name, value in options.items():
        unset = value is None if getattr(default, name) is None else value == getattr(default, name)
        if name not in TAKES[door] and not unset:
            raise ValueError(f"load: `{name}` is not for {door}; it takes {', '.join(TAKES[door])}.")
    named = [b for b in options["bands"] if isinstance(b, str)]
    if named and door != "raster":
        raise ValueError(f"load: `bands` must be numbers from 1 for {door}, got {named[0]!r}.")
    if options["time"] and not options["window"]:
        raise ValueError("load: `window` must be given with `time`, as in window=14, got None.")
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
