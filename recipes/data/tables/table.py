"""Tables: CSV, Excel or Parquet files, data frames, dicts of columns as R sends them, and (data frame, y) pairs."""

import os
from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.examples import Data
from recipes.data.in_memory import named_splits, without_names
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions, content_keys, environment_labels, square_blocks
from recipes.data.streams import read_stream
from recipes.data.tables.column_checks import doubtful_values
from recipes.data.tables.column_texts import MISSING_NOTE
from recipes.data.tables.columns import existing_columns, input_columns, row_weights, target_columns
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from zoo.arguments import Count, Fraction, Positive, Whole, checked
from zoo.inputs.columns import column_values, plain_names
from zoo.inputs.frames import frame_of

SHOWN = 10  # renamed columns that a note lists


@checked
@takes_table_format
def read_table(
    source,
    target: tuple[str, ...] = (),
    *,
    task: Literal["classification", "multilabel", "regression"] | None = None,
    columns: tuple[str, ...] = (),
    drop_columns: tuple[str, ...] = (),
    categorical: tuple[str, ...] = (),
    missing: Literal["error", "drop", "impute"] | None = None,
    group=None,
    block: tuple[str, str, Positive] | None = None,
    clusters: Count | None = None,
    weight: str | None = None,
    classes: tuple[str, ...] = (),
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    table_format: TableFormat,
) -> Data:
    """Reads a table whose rows are examples.

    Numbers stay numbers, everything else is a category; a column that is mostly numbers with some text is an error.
    Left out, with a note, are columns of one value, identifiers (text with a distinct value in each row, or row
    numbers), dates and the column of groups, unless `columns` names the inputs. Column names become plain (a-z, 0-9,
    _), as a served model can have no others.

    Args:
        source: path of a CSV (any separator, also gzipped), Excel, Parquet or Feather file, a data frame or a dict of
            columns; or (x, y) with x a data frame or a dict, two or three splits of such, or a tf.data.Dataset of
            dicts.
        target: target column, or columns; not used where the targets are given as y.
        task: classification, multilabel or regression; inferred from the targets if None.
        columns: input columns; all suitable ones where empty.
        drop_columns: columns to leave out.
        categorical: columns of numbers that are codes, not amounts.
        missing: error, drop (the row) or impute (medians of the training split, with an indicator; a category of its
            own); None is error. A target is never imputed.
        group: column whose groups stay in one split, or one label per row.
        block: (x column, y column, size): square spatial blocks of that size stay in one split.
        clusters: number of clusters of the rows by their numbers (k-means on standardized inputs, gaps as the median),
            which stay in one split, so that a split has environments that the others lack; not with `block`.
        weight: column of numbers, 0 or larger, that multiply each row's loss in training, validation and the fit of
            the baselines, divided by their mean; no input. Metrics count each row once.
        classes: names of the classes, where the targets have their index from 0.
        validation, test: fractions of the rows, 0 to 1.
        seed: seed of the split.
        table_format: options of reading the file, each an argument of its own, such as `separator`, `decimal`,
            `encoding`, `sheet`, `missing_values` and `keep_default_missing`: the fields of `TableFormat`.
    Returns:
        `Data` of kind table.
    Raises:
        ValueError: if a column does not exist (the nearest is offered), has gaps and `missing` is error, or is mostly
            numbers with some text.
    """
    arguments = {name: value for name, value in locals().items() if name != "table_format"}
    import pandas as pd

    source = without_names(source)
    split_options = SplitOptions(validation, test, seed)
    options = {
        "task": task, "columns": columns, "drop_columns": drop_columns, "categorical": categorical, "missing": missing,
        "group": group, "block": block, "clusters": clusters, "weight": weight, "classes": classes,
    }  # fmt: skip
    if isinstance(source, str | os.PathLike | dict | pd.DataFrame):
        groups = (group,) if isinstance(group, str) else ()
        weights = (weight,) if weight else ()
        used = (*columns, *target, *weights, *(block[:2] if block else ())) if columns else None
        unchecked = (*categorical, *drop_columns, *groups)
        frame, facts, resolved = read_frame(source, table_format, unchecked=unchecked, checked=used)
        data = from_frames([frame], split_options, target=target, **options, **facts)
        detected = resolved.detected_by(table_format)
        return with_source_spec(data, "table", arguments, detected=detected, **resolved.options())
    import tensorflow as tf

    pools = []
    for split, entry in named_splits(source):
        if isinstance(entry, tf.data.Dataset):
            pools.append(read_stream(entry, split))
            continue
        x, y = entry
        y = y if isinstance(y, pd.DataFrame | pd.Series | pd.Categorical) else np.asarray(y)
        pool = Pool({c: np.asarray(x[c]) for c in x}, y, split)
        rows = len(next(iter(pool.inputs.values()))) if isinstance(x, dict) else len(x)
        if rows != len(y):
            raise ValueError(f"x and y must have as many examples, got {rows:,} and {len(y):,}.")
        pools.append(pool)
    return from_table_pools(pools, split_options, name="arrays", **options)


def from_table_pools(pools, split_options, **options):
    """Returns `Data` from pools whose inputs are dicts of columns, with the options of `from_frames`."""
    import pandas as pd

    frames = [pd.DataFrame({c: _as_strings(v) for c, v in pool.inputs.items()}) for pool in pools]
    return from_frames(frames, split_options, targets=[p.y for p in pools], splits=[p.split for p in pools], **options)


def _as_strings(values):
    if values.dtype.kind in "OS" and len(values) and isinstance(values[0], bytes):
        return np.array([v.decode() for v in values], dtype=object)
    return values


def from_frames(
    frames,
    split_options,
    *,
    name,
    target=(),
    targets=None,
    splits=(None,),
    task=None,
    columns=(),
    drop_columns=(),
    categorical=(),
    missing=None,
    group=None,
    block=None,
    clusters=None,
    location=(),
    weight=None,
    classes=(),
    notes=(),
    **facts,
):
    """Returns `Data` of kind table from data frames.

    Args:
        frames: data frames or dicts of columns, one for each split.
        split_options: `SplitOptions`.
        name: of the data set.
        target: target columns, unless `targets` is given.
        targets: for each frame its targets, where they are no columns.
        splits: train, validation or test for each frame, or None where it is to be split.
        task, columns, drop_columns, categorical, missing, group, block, clusters, weight, classes: as `read_table`
            has them.
        location: columns of one frame, of which rows with equal values stay in one split, instead of equal inputs.
        notes: sentences of the reader.
        **facts: source, license, description, as `Data` has them.
    Raises:
        ValueError: as `read_table` documents.
    """
    import pandas as pd

    frame, split_index, rows = _joined(frames)
    notes = list(notes)
    if targets is None:
        outputs = target_columns(target, frame)
        y = frame[list(outputs)]
    else:
        outputs = ("target",)
        y = pd.DataFrame(
            np.concatenate([np.asarray(t).reshape(len(f), -1) for t, f in zip(targets, frames, strict=True)])
        )
    groups, blocks = group_labels(frame, group), block_labels(frame, block)
    places = content_keys({c: frame[c].to_numpy() for c in location}) if location else None
    weights = row_weights(frame, weight, outputs)
    names = input_columns(
        frame, () if targets is not None else outputs, notes,
        columns=columns, drop_columns=drop_columns, categorical=categorical, group=group, block=block,
        weight=weight,
    )  # fmt: skip
    inputs = frame[names]
    notes += doubtful_values(inputs, y, outputs, categorical)
    complete = _rows_without_gaps(inputs, y, missing or "error", notes)
    if targets is None and not classes:
        classes = _factor_levels(y[complete], notes)
    plain = plain_names(inputs.columns)
    renamed = [f"{old!r} is `{new}`" for old, new in plain.items() if old != new]
    if renamed:
        more = f" and {len(renamed) - SHOWN} more" if len(renamed) > SHOWN else ""
        notes.append(f"columns renamed: {', '.join(renamed[:SHOWN])}{more}")
    kinds, arrays = {}, {}
    column_names = {new: old for old, new in plain.items()}
    for old, new in plain.items():
        kinds[new], arrays[new] = column_values(inputs[old][complete], old in categorical, old, notes)
    if clusters is not None:
        _verify_clusters(clusters, block, kinds)
        numbers = [arrays[name] for name, kind in kinds.items() if kind == "number"]
        environments = environment_labels(np.stack(numbers, axis=1), clusters, split_options.seed)
    y = y[complete].to_numpy() if y.shape[1] > 1 else y[complete].iloc[:, 0].to_numpy()
    pools = []
    for i, split in enumerate(splits):
        mask = split_index[complete] == i
        pool = Pool({c: v[mask] for c, v in arrays.items()}, y[mask], split, rows[complete][mask])
        pool.weights = None if weights is None else weights[complete][mask]
        if split in (None, "train"):
            pool.groups = None if groups is None else groups[complete][mask]
            pool.blocks = None if blocks is None else blocks[complete][mask]
            pool.blocks = pool.blocks if clusters is None else environments[mask]
            pool.keys = None if places is None else places[complete][mask]
        pools.append(pool)
    return assemble(
        pools, split_options, name=name, kind="table", shape=None, dtype="mixed", task=task, classes=classes,
        missing=missing, outputs=outputs, columns=kinds, column_names=column_names, notes=notes, group=group,
        block=block, clusters=clusters, **facts,
    )  # fmt: skip


def _verify_clusters(clusters, block, kinds):
    """Raises a ValueError where the rows cannot be divided into clusters."""
    if block is not None:
        raise ValueError(f"`clusters` must be None with `block`, got {clusters}.")
    if "number" not in kinds.values():
        raise ValueError(f"`clusters` must be None for a table without numbers, got {clusters}.")


def _joined(frames):
    """Returns (one data frame, (N,) index of the split, (N,) row labels) of the frames of all splits."""
    import pandas as pd

    frames = [frame_of(frame) for frame in frames]
    split_index = np.repeat(np.arange(len(frames)), [len(f) for f in frames])
    frame = pd.concat(frames) if len(frames) > 1 else frames[0]
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    rows = frame.index.to_numpy()
    frame = frame.reset_index(drop=True).infer_objects()
    if not len(frame):
        raise ValueError(f"the table has no rows, only the columns {', '.join(frame)}.")
    if frame.columns.has_duplicates:
        raise ValueError(f"the table must have distinct names of columns, got {list(frame)}.")
    return frame, split_index, rows


def _factor_levels(y, notes):
    """Returns the levels of a target that is a factor, in its order, as the names of the classes; else ()."""
    import pandas as pd

    dtype = y.dtypes.iloc[0]
    if y.shape[1] > 1 or not isinstance(dtype, pd.CategoricalDtype):
        return ()
    levels = dtype.categories.tolist()
    used = set(y.iloc[:, 0])
    unused = [level for level in levels if level not in used]
    if not all(isinstance(level, str) for level in levels):
        return ()
    if unused:
        notes.append(f"levels without an example: {', '.join(map(repr, unused))}")
    return tuple(level for level in levels if level in used)


def group_labels(frame, group):
    """Returns (N,) labels of groups that stay in one split, from a column or from one label per row, or None."""
    if group is None:
        return None
    if isinstance(group, str):
        labels = frame[existing_columns("group", [group], frame)[0]]
        if labels.isna().any():
            raise ValueError(f"`group` must have a value in every row, got {labels.isna().sum():,} gaps.")
        return labels.astype(str).to_numpy()
    labels = np.asarray(group)
    if labels.shape != (len(frame),):
        raise ValueError(f"`group` must have one label for each of {len(frame):,} rows, got {labels.shape}.")
    return labels


def block_labels(frame, block):
    """Returns (N,) labels of spatial blocks that stay in one split, from (x column, y column, size), or None."""
    from pandas.api.types import is_numeric_dtype

    if block is None:
        return None
    x, y, size = block
    coordinates = frame[list(existing_columns("block", [x, y], frame))]
    if not all(is_numeric_dtype(t) for t in coordinates.dtypes) or coordinates.isna().any(axis=None):
        raise ValueError(f"`block` must name two columns of numbers without gaps, got {x!r} and {y!r}.")
    return square_blocks(coordinates[x], coordinates[y], size)


def _rows_without_gaps(inputs, y, missing, notes):
    """Returns (N,) bool: the rows to use under `missing`."""
    counts = {f"`{c}`": int(n) for c, n in inputs.isna().sum().items() if n}
    without_target = y.isna().any(axis=1).to_numpy()
    gaps = ", ".join(f"{c} ({n:,})" for c, n in counts.items())
    if missing == "error" and (counts or without_target.any()):
        words = next((f" ({note})" for note in notes if note.startswith(MISSING_NOTE)), "")
        target_gaps = f"the target ({without_target.sum():,})" if without_target.any() else ""
        raise ValueError(
            f"the table has gaps in {', '.join(filter(None, [gaps, target_gaps]))}{words}; missing='drop' leaves those "
            "rows out, missing='impute' fills the inputs (numbers with the training split's median and an indicator, "
            "categories as a level of their own)."
        )
    if missing == "drop":
        dropped = without_target | inputs.isna().any(axis=1).to_numpy()
        notes += [f"left out {dropped.sum():,} of {len(y):,} rows with gaps"] * bool(dropped.any())
    else:
        dropped = without_target
        notes += [f"left out {dropped.sum():,} of {len(y):,} rows without a target"] * bool(dropped.any())
        notes += [f"gaps to impute: {gaps}"] * bool(counts)
    if dropped.all():
        raise ValueError(f"the table must have rows without gaps, got none; gaps are in {gaps}.")
    return ~dropped
