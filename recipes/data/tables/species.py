"""Presences of a species with background points or absences, in a table or with a stack of environmental rasters."""

from typing import Literal

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import Data
from recipes.data.rasters.stack import read_stack
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions
from recipes.data.tables.columns import existing_columns
from recipes.data.tables.table import from_frames
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from zoo.arguments import Count, Fraction, NonNegative, Whole, checked

CLASSES = ("background", "presence")
BACKGROUND = 10_000  # points, the default of Maxent
COORDINATES = (
    ("decimallongitude", "decimallatitude"), ("longitude", "latitude"), ("lon", "lat"), ("long", "lat"),
    ("easting", "northing"), ("x", "y"),
)  # fmt: skip
PRESENT = frozenset(("1", "1.0", "true", "yes", "presence", "present", "occurrence"))
ABSENT = frozenset(("0", "0.0", "false", "no", "absence", "absent", "background", "pseudo-absence", "pseudoabsence"))
BLOCKS = 10  # of the longer side of the extent, where `block` is not given
SHOWN = 5  # rows that a sentence lists


@checked
@takes_table_format
def read_species(
    source,
    target: tuple[str, ...] = (),
    *,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    rasters: tuple[str, ...] = (),
    background: Count | None = None,
    columns: tuple[str, ...] = (),
    drop_columns: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    missing: Literal["error", "drop", "impute"] | None = None,
    block: NonNegative | None = None,
    clusters: Count | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    table_format: TableFormat,
) -> Data:
    """Reads points where a species is present, with background points or absences.

    The environment of a point stands in the table's columns, or is read from `rasters` at its coordinates. Where the
    table has presences only, background points are drawn at random from the cells without nodata. Square spatial blocks
    stay in one split, as nearby points are alike. Points at one place stay together too.

    Args:
        source: path of a CSV, Excel, Parquet or Feather file, a data frame or a dict of columns, with a row per point.
        target: column of 1, true or presence for presences, 0, false, absence or background for others; where empty,
            all points are presences.
        x, y: columns of the coordinates; names such as lon and lat, decimalLongitude and decimalLatitude, or x and y
            are found where None. A table without coordinates is not divided into blocks.
        crs: CRS of the coordinates, such as EPSG:4326; None for that of the rasters.
        rasters: files, folders or patterns of environmental rasters on one grid; a variable has the name of its file,
            or of its band where a file has several.
        background: background points to draw; None is 10,000 where the table has presences only, else none.
        columns: variables; all but the coordinates where empty. It may name the coordinates too.
        drop_columns: variables to leave out.
        categorical: variables of numbers that are codes, not amounts.
        missing: error, drop (the point) or impute (tables without rasters); None is error. Points on nodata and beyond
            the rasters' border are gaps.
        block: side of the square blocks, in the unit of the coordinates; None is a tenth of the longer side of the
            extent, 0 is no blocks.
        clusters: number of clusters of environments that stay in one split instead of blocks, as `read_table` has them.
        validation, test: fractions of the points, 0 to 1.
        seed: seed of the background and of the split.
        table_format: options of reading the file, as `read_table` has them.
    Returns:
        `Data` of kind table with the classes background and presence.
    Raises:
        ValueError: if a column does not exist, a value of the target is neither, a point lies on nodata (it names the
            row) and `missing` is error, or rasters are not on one grid (it names the file).
    """
    arguments = {name: value for name, value in locals().items() if name != "table_format"}
    options = {"checked": _columns_read(target, x, y)} if rasters else {"unchecked": (*categorical, *drop_columns)}
    frame, facts, resolved = read_frame(source, table_format, **options)
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    notes = list(facts.pop("notes"))
    coordinates = _coordinate_columns(frame, x, y)
    presence, name = _presences(frame, target)
    if rasters:
        if missing == "impute":
            raise ValueError("read_species: `missing` must be error or drop with `rasters`, got impute.")
        if coordinates is None:
            raise ValueError(
                f"read_species: `x` and `y` must name the coordinates, got none, and the table has {', '.join(frame)}."
            )
        facts.pop("units", None)
        paths = tuple(absolute_path(path) for path in rasters)
        stack = read_stack(paths)
        frame, presence = _with_environment(
            frame, presence, stack, coordinates, name, crs=crs, background=background, missing=missing, seed=seed,
            categorical=categorical, notes=notes,
        )  # fmt: skip
        arguments["rasters"] = paths
    elif background is not None or crs is not None:
        option = "background" if background is not None else "crs"
        raise ValueError(f"read_species: `{option}` must be None without `rasters`, got {arguments[option]}.")
    _verify_both_classes(presence)
    frame = frame.assign(**{name: np.array(CLASSES)[presence.astype(int)]})
    size = _block_size(frame, coordinates, 0.0 if clusters is not None and block is None else block)
    if coordinates is None and clusters is None:
        notes.append("the table has no coordinates, so that the splits are drawn at random, not in spatial blocks")
    data = from_frames(
        [frame], SplitOptions(validation, test, seed), target=(name,), task="classification", columns=columns,
        drop_columns=(*drop_columns, *(c for c in coordinates or () if c not in columns)), categorical=categorical,
        missing=missing, block=(*coordinates, size) if size else None, clusters=clusters, location=coordinates or (),
        notes=notes, **facts,
    )  # fmt: skip
    x, y = coordinates or (None, None)
    block = size if size or coordinates is None else 0.0
    choices = {**resolved.options(), "rasters": arguments["rasters"], "x": x, "y": y, "block": block}
    return with_source_spec(data, "species", arguments, detected=resolved.detected_by(table_format), **choices)


def _columns_read(target, x, y):
    """Returns the columns of a table that are read where the environment is that of rasters."""
    names = {c for pair in COORDINATES for c in pair}
    return (*target, *(c for c in (x, y) if c), *names, *(n.title() for n in names), *(n.upper() for n in names),
            "decimalLongitude", "decimalLatitude")  # fmt: skip


def _coordinate_columns(frame, x, y):
    """Returns the names of the columns of x and y, or None where there are none."""
    if (x is None) != (y is None):
        raise ValueError(f"read_species: `x` and `y` must both name a column, got {x!r} and {y!r}.")
    if x is not None:
        existing_columns("x", [x], frame)
        existing_columns("y", [y], frame)
        pair = (x, y)
    else:
        by_name = {name.casefold().strip(): name for name in frame}
        pair = next(((by_name[a], by_name[b]) for a, b in COORDINATES if a in by_name and b in by_name), None)
        if pair is None:
            return None
    from pandas.api.types import is_numeric_dtype

    for name in pair:
        if not is_numeric_dtype(frame[name]):
            raise ValueError(f"read_species: coordinates must be numbers, got text in `{name}`.")
        gaps = ~np.isfinite(frame[name].to_numpy(np.float64, na_value=np.nan))
        if gaps.any():
            raise ValueError(
                f"read_species: every point must have coordinates, got a gap in `{name}` in {_rows(gaps)}."
            )
    return pair


def _presences(frame, target):
    """Returns ((N,) bool, name of the target column)."""
    if not target:
        name = "presence"
        if name in frame:
            raise ValueError(
                "read_species: `target` must name the column of presences where the table has one, got none beside the "
                "column `presence`."
            )
        return np.ones(len(frame), bool), name
    if len(target) > 1:
        raise ValueError(f"read_species: `target` must be one column, got {', '.join(target)}.")
    (name,) = existing_columns("target", target, frame)
    words = frame[name].map(lambda value: str(value).strip().casefold()).to_numpy()
    present, absent = np.isin(words, list(PRESENT)), np.isin(words, list(ABSENT))
    wrong = ~present & ~absent
    if wrong.any():
        raise ValueError(
            f"read_species: `{name}` must have 1, true or presence, or 0, false, absence or background in each row, "
            f"got {frame[name].iloc[int(wrong.argmax())]!r} in {_rows(wrong)}."
        )
    return present, name


def _with_environment(
    frame, presence, stack, coordinates, target, *, crs, background, missing, seed, categorical, notes
):
    """Returns (data frame of coordinates and variables, (N,) bool) of the points, then of the background."""
    import pandas as pd

    clash = {target, *coordinates} & set(stack.names)
    if clash:
        raise ValueError(
            f"read_species: variables of `rasters` must have other names than the table's columns, got {clash.pop()!r}."
        )
    x, y = _in_crs(*(frame[name].to_numpy(np.float64) for name in coordinates), crs, stack.grid.crs)
    values, valid = stack.values_at(x, y)
    if not valid.all():
        outside = ~stack.cells(x, y)[2]
        where = f"{_rows(~valid)}; {outside.sum():,} of them lie beyond the rasters' border"
        if not valid.any() or (missing or "error") == "error":
            raise ValueError(
                f"read_species: points must lie on cells without nodata, got {(~valid).sum():,} of {len(valid):,} that "
                f"do not: {where}. missing='drop' leaves them out; `crs` is the CRS of the coordinates, here "
                f"{crs or stack.grid.crs}."
            )
        notes.append(warn_and_note(f"left out {(~valid).sum():,} of {len(valid):,} points on nodata: {where}"))
        x, y, values, presence = x[valid], y[valid], values[valid], presence[valid]
    rows, cells, _ = stack.cells(x, y)
    repeated = presence.sum() - len(np.unique(np.stack([rows, cells], 1)[presence], axis=0))
    if repeated:
        notes.append(f"{repeated:,} of {presence.sum():,} presences lie in a cell that another has too")
    count = background if background is not None else 0 if not presence.all() else BACKGROUND
    if count:
        rows, cells, sampled = stack.sample(count, seed)
        notes.append(f"{len(sampled):,} background points drawn from the cells without nodata, seed {seed}")
        at_x, at_y = stack.centers(rows, cells)
        x, y = np.concatenate([x, at_x]), np.concatenate([y, at_y])
        values = np.concatenate([values, sampled])
        presence = np.concatenate([presence, np.zeros(len(sampled), bool)])
    variables = {
        name: values[:, i].astype(np.int64) if name in categorical else values[:, i]
        for i, name in enumerate(stack.names)
    }
    return pd.DataFrame({coordinates[0]: x, coordinates[1]: y, **variables}), presence


def _in_crs(x, y, crs, raster_crs):
    """Returns coordinates in the CRS of the rasters."""
    if crs is None:
        return x, y
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    if raster_crs is None:
        raise ValueError(f"read_species: `crs` must be None for rasters without a CRS, got {crs}.")
    try:
        points = CRS.from_user_input(crs)
    except CRSError as error:
        raise ValueError(f"read_species: `crs` must be a CRS such as EPSG:4326, got {crs!r}: {error}") from None
    return tuple(map(np.asarray, transform(points, raster_crs, x, y)))


def _verify_both_classes(presence):
    for lacking, name in ((presence.all(), "background or absence"), (not presence.any(), "presence")):
        if lacking:
            hint = "; `rasters` draw a background" if name.startswith("background") else ""
            raise ValueError(f"read_species: the points must have a {name}, got none{hint}.")


def _block_size(frame, coordinates, block):
    """Returns the side of the blocks, None for no blocks."""
    if coordinates is None:
        if block:
            raise ValueError(f"read_species: `block` must be None for a table without coordinates, got {block:g}.")
        return None
    if block is not None:
        return block or None
    sides = [float(np.ptp(frame[name])) for name in coordinates]
    return float(f"{max(sides) / BLOCKS:.3g}") or None


def _rows(mask):
    """Returns "row 3", or "rows 3, 7 and 12 more", counted from 1."""
    numbers = [f"{i + 1:,}" for i in np.flatnonzero(mask)]
    more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
    return f"row{'s' * (len(numbers) > 1)} {', '.join(numbers[:SHOWN])}{more}"
