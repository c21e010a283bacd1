"""Texts with labels: a column of a table, or an array of strings."""

from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble
from recipes.data.examples import Data
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions, content_keys
from recipes.data.tables.columns import existing_columns, target_columns
from recipes.data.tables.table import group_labels
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from recipes.data.targets import gaps
from recipes.data.text.text_rows import missing_advice, row_namer
from zoo.arguments import Fraction, Whole, checked
from zoo.inputs.texts import SHOWN, as_texts, empty_texts, listed_rows, normalize_text

DROP_ADVICE = "missing='drop' leaves them out"


@checked
@takes_table_format
def read_labelled_text(
    source,
    text: str,
    target: tuple[str, ...],
    *,
    task: Literal["classification", "multilabel", "regression"] | None = None,
    missing: Literal["error", "drop"] | None = None,
    group=None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    table_format: TableFormat,
) -> Data:
    """Reads a table with a column of texts, which are the only inputs.

    Args:
        source: path of a CSV, Excel, Parquet or Feather file, a data frame or a dict of columns.
        text: column of texts.
        target: target column, or columns.
        task: classification, multilabel or regression; inferred from the targets if None.
        missing: error or drop, for rows with an empty text or without a target; None is error.
        group: column whose groups stay in one split, or one label per row.
        validation, test: fractions of the rows, 0 to 1.
        seed: seed of the split.
        table_format: options of reading the file, each an argument of its own, such as `separator`, `encoding` and
            `keep_default_missing`: the fields of `TableFormat`.
    Returns:
        `Data` of kind text.
    Raises:
        ValueError: if a column does not exist (the nearest is offered), or naming the rows, if a text is empty, is no
            string, or has no target.
    """
    arguments = {name: value for name, value in locals().items() if name != "table_format"}
    unchecked = (text, *([group] if isinstance(group, str) else []))
    frame, facts, resolved = read_frame(source, table_format, unchecked=unchecked, checked=target)
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    rows, frame = frame.index.to_numpy(), frame.reset_index(drop=True).infer_objects()
    outputs = target_columns(target, frame)
    y = frame[list(outputs)]
    (column,) = existing_columns("text", (text,), frame)
    y = y.to_numpy() if y.shape[1] > 1 else y.iloc[:, 0].to_numpy()
    pool = Pool(frame[column].to_numpy(object), y, None, rows, groups=group_labels(frame, group))
    data = from_texts(
        [pool], SplitOptions(validation, test, seed), task=task, missing=missing, group=group, outputs=outputs,
        row_name=row_namer(source, resolved), **facts,
    )  # fmt: skip
    detected = resolved.detected_by(table_format)
    return with_source_spec(data, "labelled_text", arguments, detected=detected, **resolved.options())


def from_texts(
    pools,
    split_options,
    *,
    name,
    task=None,
    classes=(),
    missing=None,
    group=None,
    outputs=("target",),
    notes=(),
    row_name=None,
    **facts,
):
    """Returns `Data` of kind text from pools whose inputs are strings, which are normalized by `normalize_text`.

    Args:
        pools: a `Pool` for each split.
        split_options: `SplitOptions`.
        name: of the data set.
        task, classes, missing, group: as `read_arrays` has them; texts cannot be imputed.
        outputs: names of the target columns.
        notes: sentences of the reader.
        row_name: function from a row, from 0, to what an error calls it; None for "row 1", ...
        **facts: source, license, description, as `Data` has them.
    Returns:
        `Data` whose inputs are (N,) arrays of str.
    Raises:
        ValueError: naming the rows, if a text is empty or no string, or has no label; or as `assemble` documents.
    """
    if missing == "impute":
        raise ValueError("`missing` must be error or drop for texts, which cannot be imputed, got 'impute'.")
    notes = list(notes)
    for pool in pools:
        pool.inputs = as_texts(pool.inputs, "the texts")
        if len(pool.inputs) != len(pool.y):
            raise ValueError(f"there must be as many texts as targets, got {len(pool.inputs):,} and {len(pool.y):,}.")
        pool.names = np.arange(len(pool.y)) if pool.names is None else pool.names
        empty, without_target = empty_texts(pool.inputs), gaps(pool.y)
        dropped = empty | without_target
        if dropped.any() and missing != "drop":
            what = "empty or missing texts" if empty.any() else "texts without a target"
            raise ValueError(
                f"every row must have a text and a target, got {what} in "
                f"{listed_rows(empty if empty.any() else without_target, row_name)}"
                f"{missing_advice(notes, DROP_ADVICE)}."
            )
        if dropped.any():
            notes.append(f"left out {dropped.sum():,} of {len(dropped):,} texts that are empty or have no target")
        pool.inputs = np.array([normalize_text(text) for text in pool.inputs], object)
        pool.inputs, pool.y, pool.names = pool.inputs[~dropped], np.asarray(pool.y)[~dropped], pool.names[~dropped]
        pool.groups = None if pool.groups is None else pool.groups[~dropped]
        pool.keys = content_keys({"text": pool.inputs})
    if not any(len(pool.inputs) for pool in pools):
        raise ValueError("there must be texts, got none.")
    _refuse_labels(np.concatenate([pool.inputs for pool in pools]))
    return assemble(
        pools, split_options, name=name, kind="text", shape=(), dtype="string", task=task, classes=classes,
        missing=missing, outputs=outputs, notes=notes, group=group, **facts,
    )  # fmt: skip


def _refuse_labels(texts):
    """Raises a ValueError where the texts look like labels: single words, each of them twice or more on average."""
    levels = list(dict.fromkeys(texts))
    if 2 * len(levels) > len(texts) or any(len(level.split()) > 1 for level in levels):
        return
    listed = ", ".join(map(repr, levels[:SHOWN])) + ", ..." * (len(levels) > SHOWN)
    raise ValueError(
        f"x must be numbers or texts, got {len(levels):,} repeated labels in {len(texts):,} rows ({listed}). Text and "
        "factors are columns of a data frame."
    )
