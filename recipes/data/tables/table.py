"""Tables: CSV or Parquet files, data frames, and dicts of columns as R sends them."""

import dataclasses
import gzip
import re
import unicodedata
from pathlib import Path

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.split import square_blocks
from recipes.data.tables.frames import frame_of
from zoo.arguments import suggestion

ROWS = 20  # from so many rows on, a column with another value in each is taken for an identifier
NAMED = 10  # columns that a note names
LEVELS = 100  # a category with more levels than this is noted


def read_table(path, options):
    """`Data` from a CSV (comma, semicolon or tab; also gzipped) or Parquet file, as `from_frames` reads its rows."""
    path = Path(path).expanduser()
    if not path.is_file():
        near = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"load: there is no file {path}.{near}")
    frame, notes = read_file(path)
    if options.time:
        from recipes.data.series.windows import read_windows

        return read_windows(frame, options, name=path.name.split(".")[0], source=str(path), notes=notes)
    return from_frames([frame], options, name=path.name.split(".")[0], source=str(path), notes=notes)


def read_file(path):
    """(data frame, notes) of a file; the separator and a decimal comma are read from its first lines."""
    import pandas as pd

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pd.read_parquet(path), []
        opener = gzip.open if path.suffix.lower() == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig") as file:
            lines = [file.readline() for _ in range(20)]
        separator = max(",;\t", key=lines[0].count)
        decimal = "," if separator != "," and any(re.search(r"\d,\d", line) for line in lines[1:]) else "."
        notes = [f"decimal commas, columns separated by {separator!r}"] if decimal == "," else []
        return pd.read_csv(path, sep=separator, decimal=decimal, encoding="utf-8-sig", skipinitialspace=True), notes
    except (ValueError, OSError) as error:  # pandas' and Arrow's own are ValueErrors
        raise ValueError(f"load: {path} cannot be read as a table: {str(error).splitlines()[0]}") from None


def read_pools(pools, options, *, name, **told):
    """`Data` from pools whose inputs are dicts of columns and whose targets stand apart."""
    import pandas as pd

    frames = [pd.DataFrame({c: _decoded(v) for c, v in pool.inputs.items()}) for pool in pools]
    return from_frames(frames, options, name=name, targets=[p.y for p in pools], parts=[p.part for p in pools], **told)


def _decoded(values):
    if values.dtype.kind in "OS" and len(values) and isinstance(values[0], bytes):
        return np.array([v.decode() for v in values], dtype=object)
    return values


def from_frames(frames, options, *, name, targets=None, parts=(None,), notes=(), **told):
    """`Data` from data frames: which columns are inputs, of what kind, and what becomes of their gaps.

    Numbers stay numbers, all else is a category; `options.category` names the numbers that are codes. Left out, and
    noted, are columns that hold one value only, identifiers (text with another value in each row, or row numbers),
    dates, and the column of groups; `options.keep` names the inputs instead. Column names become plain (a-z, 0-9, _),
    as a served model can have no others.

    Args:
        frames: data frames or dicts of columns, one for each part.
        options: `Options`; `target` names columns unless `targets` is given.
        name: of the data set.
        targets: for each frame its targets, where they stand apart.
        parts: train, validation or test for each frame, or None where it is to be split.
        notes: what the door has to say.
        **told: source, licence, description, as `Data` has them.
    Returns:
        `Data` of kind table.
    Raises:
        ValueError: if a column is not there (the nearest is offered), or has gaps without a policy.
    """
    import pandas as pd

    frames = [frame_of(frame) for frame in frames]
    part = np.repeat(np.arange(len(frames)), [len(f) for f in frames])
    frame = pd.concat(frames) if len(frames) > 1 else frames[0]
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    rows, notes = frame.index.to_numpy(), list(notes)
    frame = frame.reset_index(drop=True).infer_objects()
    if not len(frame) or frame.columns.has_duplicates:
        raise ValueError(f"load: the table must have rows and a name of its own for each column, got {list(frame)}.")
    if targets is None:
        outputs = _columns("target", options.target, frame)
        y = frame[list(outputs)]
    else:
        outputs = ("target",)
        y = pd.DataFrame(
            np.concatenate([np.asarray(t).reshape(len(f), -1) for t, f in zip(targets, frames, strict=True)])
        )
    groups, blocks = _kept_whole(frame, options)
    if options.text:
        from recipes.data.text.labelled_texts import from_texts

        (column,) = _columns("text", (options.text,), frame)
        y, pools = y.to_numpy() if y.shape[1] > 1 else y.iloc[:, 0].to_numpy(), []
        for i, given in enumerate(parts):
            pool = Pool(frame[column].to_numpy(object)[part == i], y[part == i], given, rows[part == i])
            pool.groups = None if groups is None or given not in (None, "train") else groups[part == i]
            pools.append(pool)
        return from_texts(pools, options, name=name, outputs=outputs, notes=notes, **told)
    inputs = frame[_inputs(frame, options, () if targets is not None else outputs, notes)]
    kept = _without_gaps(inputs, y, options, notes)
    if targets is None and not options.classes:
        options = dataclasses.replace(options, classes=_levels(y[kept], notes))
    plain = plain_names(inputs.columns)
    renamed = [f"{old!r} is `{new}`" for old, new in plain.items() if old != new]
    if renamed:
        more = f" and {len(renamed) - NAMED} more" if len(renamed) > NAMED else ""
        notes.append(f"columns renamed: {', '.join(renamed[:NAMED])}{more}")
    columns, arrays = {}, {}
    for old, new in plain.items():
        columns[new], arrays[new] = column_values(inputs[old][kept], old in options.categorical, old, notes)
    y = y[kept].to_numpy() if y.shape[1] > 1 else y[kept].iloc[:, 0].to_numpy()
    pools = []
    for i, given in enumerate(parts):
        mine = part[kept] == i
        pool = Pool({c: v[mine] for c, v in arrays.items()}, y[mine], given, rows[kept][mine])
        if given in (None, "train"):
            pool.groups = None if groups is None else groups[kept][mine]
            pool.blocks = None if blocks is None else blocks[kept][mine]
        pools.append(pool)
    return assemble(
        pools, options, name=name, kind="table", shape=None, dtype="mixed", outputs=outputs, columns=columns,
        notes=notes, **told,
    )  # fmt: skip


def _columns(argument, names, frame):
    """The columns that an argument names; a ValueError that offers the nearest for one that is not there."""
    if argument == "target" and not names:
        raise ValueError(f"load: `target` must name a column of the table: {', '.join(frame)}.")
    for name in names:
        if name not in frame:
            raise ValueError(
                f"load: `{argument}` must name columns of the table, got {name!r}.{suggestion(name, frame)} "
                f"It has {', '.join(frame)}."
            )
    return tuple(names)


def _levels(y, notes):
    """The levels of a target that is a factor, in its own order, which then is that of the classes; else ()."""
    import pandas as pd

    kind = y.dtypes.iloc[0]
    if y.shape[1] > 1 or not isinstance(kind, pd.CategoricalDtype):
        return ()
    levels = kind.categories.tolist()
    used = set(y.iloc[:, 0])
    unused = [level for level in levels if level not in used]
    if not all(isinstance(level, str) for level in levels):
        return ()
    if unused:
        notes.append(f"levels without an example: {', '.join(map(repr, unused))}")
    return tuple(level for level in levels if level in used)


def _kept_whole(frame, options):
    """(labels of groups, labels of blocks), each (N,) or None."""
    from pandas.api.types import is_numeric_dtype

    groups = options.group
    if isinstance(groups, str):
        groups = frame[_columns("group", [groups], frame)[0]]
        if groups.isna().any():
            raise ValueError(f"load: `group` must be known for every row, got {groups.isna().sum():,} gaps.")
        groups = groups.astype(str).to_numpy()
    elif groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(frame),):
            raise ValueError(f"load: `group` must have one label for each of {len(frame):,} rows, got {groups.shape}.")
    if options.block is None:
        return groups, None
    x, y, size = options.block
    places = frame[list(_columns("block", [x, y], frame))]
    if not all(is_numeric_dtype(t) for t in places.dtypes) or places.isna().any(axis=None):
        raise ValueError(f"load: `block` must name two columns of numbers without gaps, got {x!r} and {y!r}.")
    return groups, square_blocks(places[x], places[y], size)


def _inputs(frame, options, targets, notes):
    """The names of the input columns."""
    from pandas.api import types

    for argument in ("drop", "keep", "category"):
        _columns(argument, getattr(options, argument), frame)
    names = [c for c in options.columns or frame if c not in (*targets, *options.drop_columns)]
    if not names:
        raise ValueError("load: the table must have an input column beside the target, got none.")
    if options.columns:
        return names
    if isinstance(options.group, str) and options.group in names:
        names.remove(options.group)
        notes.append(f"left out `{options.group}`: it names the groups")
    if options.block:
        notes += [f"`{c}` is an input too; `drop` leaves it out" for c in options.block[:2] if c in names]
    for c in list(names):
        column, why = frame[c], None
        distinct = column.nunique()
        whole = types.is_integer_dtype(column)
        if distinct <= 1 and len(frame) > 1:
            why = "it has the same value in every row" if distinct else "it has no values"
        elif types.is_datetime64_any_dtype(column):
            why = "a date is no number; derive one, such as the day of the year"
        elif not types.is_numeric_dtype(column) and len(frame) >= ROWS and distinct >= 0.95 * column.count():
            why = "it is text with another value in almost every row"
        elif whole and len(frame) >= ROWS and distinct == len(frame) == column.max() - column.min() + 1:
            why = "it numbers the rows"
        if why:
            names.remove(c)
            notes.append(warn_and_note(f"left out `{c}`: {why}; `keep` names the inputs instead"))
    if not names:
        raise ValueError("load: the table must have an input column that tells rows apart, got none.")
    return names


def _without_gaps(inputs, y, options, notes):
    """(N,) bool: the rows to keep under the policy."""
    policy = options.missing or "error"
    counts = {f"`{c}`": int(n) for c, n in inputs.isna().sum().items() if n}
    unknown = y.isna().any(axis=1).to_numpy()
    told = ", ".join(f"{c} ({n:,})" for c, n in counts.items())
    if policy == "error" and (counts or unknown.any()):
        told = ", ".join(filter(None, [told, f"the target ({unknown.sum():,})" if unknown.any() else ""]))
        raise ValueError(
            f"load: the table has gaps in {told}; missing='drop' leaves those rows out, missing='impute' fills the "
            "inputs (numbers with the training part's median and an indicator, categories as a level of their own)."
        )
    if policy == "drop":
        out = unknown | inputs.isna().any(axis=1).to_numpy()
        notes += [f"left out {out.sum():,} of {len(y):,} rows with gaps"] * bool(out.any())
    else:
        out = unknown
        notes += [f"left out {out.sum():,} of {len(y):,} rows without a target"] * bool(out.any())
        notes += [f"gaps to impute: {told}"] * bool(counts)
    if out.all():
        raise ValueError(f"load: the table must have rows without gaps, got none; gaps are in {told}.")
    return ~out


def column_values(column, is_category, name, notes):
    """("number", float32 array) or ("category", object array of strings, "" where there is a gap)."""
    from pandas.api import types

    if types.is_numeric_dtype(column) and not is_category:
        with np.errstate(invalid="ignore"):  # R's NA is a NaN that signals
            values = column.to_numpy(dtype=np.float32, na_value=np.nan)
        if np.isinf(values).any():
            raise ValueError(f"load: `{name}` must have finite numbers, got {np.isinf(values).sum():,} infinite.")
        return "number", values
    if types.is_float_dtype(column) and (column.dropna() == column.dropna().round()).all():
        column = column.astype("Int64")  # the code 3 is "3", also beside gaps
    values = np.array(["" if gap else str(v) for v, gap in zip(column, column.isna(), strict=True)], dtype=object)
    levels = len(np.unique(values))
    if levels > LEVELS:
        notes.append(f"`{name}` has {levels:,} categories, each an input of its own")
    return "category", values


def plain_names(columns):
    """From every column name to one of letters, digits and _: 'bill length (mm)' becomes bill_length_mm.

    Args:
        columns: names, each once.
    Returns:
        Dict in the columns' order, whose values differ from each other.
    """
    plain = {}
    for column in columns:
        ascii_only = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
        stem = re.sub(r"\W+", "_", ascii_only).strip("_") or "column"
        stem = stem if stem[0].isalpha() else f"x{stem}"
        name, n = stem, 1
        while name in plain.values():
            n += 1
            name = f"{stem}_{n}"
        plain[column] = name
    return plain
