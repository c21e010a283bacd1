"""A raw batch as the user has it, brought to what training saw; a ValueError where it cannot be that."""

import numpy as np

from recipes.data.tables.columns import column_values, plain_names
from recipes.data.tables.frames import frame_of, verify_doubles
from recipes.data.targets import R_NA
from recipes.data.text.labelled_texts import text_batch

KEEP = "in R keep the first dimension of a single one: x[1, , drop = FALSE]"


def read_batch(inputs, data, shape):
    """What `preprocessing` takes, from arrays of any order and number type, lists of numbers, tables.

    Args:
        inputs: array, list of numbers or of rows; for a table a data frame or a dict of columns; else as it is.
        data: the `Data` of the training.
        shape: of one raw input, as the run's preprocessing takes it; None where any size will do; of no use to tables.
    Returns:
        (N, *shape) array of data.dtype; for a table a dict of (N,) arrays.
    Raises:
        ValueError: if the shape is another, if what was trained on whole grey levels gets fractions, or if a table
            lacks a column.
    """
    import pandas as pd

    if data.kind == "table":
        if not isinstance(inputs, dict | pd.DataFrame):
            raise ValueError(
                f"predict: `inputs` must be a data frame or a dict of columns for a run on a table, got "
                f"{type(inputs).__name__}."
            )
        batch = table_batch(frame_of(inputs), data.columns, "inputs")
        for c, values in batch.items():
            gaps = np.isnan(values) if values.dtype.kind == "f" else values == ""
            _verify_whole(gaps, data, f"the column {c!r}")
        return batch
    if data.kind == "text":
        return text_batch(inputs)
    if data.kind not in ("vector", "series", "image") or not isinstance(inputs, np.ndarray | list | tuple):
        return inputs
    x = np.asarray(inputs)
    wanted = np.dtype(data.dtype)
    if x.dtype == np.float64:
        verify_doubles(x, "predict: `inputs`")
    if x.ndim == len(shape) and shape[-1] == 1 and (x.ndim == 1 or _fits(x.shape[1:], shape[:-1])):
        x = x[..., None]  # one band, or one feature, without an axis of its own
    if x.dtype.kind not in "biuf" or x.ndim != len(shape) + 1 or not _fits(x.shape[1:], shape):
        sizes = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(
            f"predict: `inputs` must be numbers of shape (N, {sizes}), as in training, got {x.dtype} of shape "
            f"{x.shape}; {KEEP}."
        )
    if x.dtype.kind == "i" and (x == R_NA).any():
        x = np.where(x == R_NA, np.nan, x)
    if wanted.kind in "iu" and x.dtype != wanted:
        limits = np.iinfo(wanted)
        wrong = ~((x == np.round(x)) & (x >= limits.min) & (x <= limits.max))
        if wrong.any():
            raise ValueError(
                f"predict: `inputs` must be whole numbers from {limits.min} to {limits.max}, as in training, got "
                f"{x[wrong][0]:g}; pictures read as 0 to 1 are to be multiplied by {limits.max} and rounded."
            )
    if x.dtype.kind == "f":
        _verify_whole(np.isnan(x).reshape(len(x), -1).any(1), data, "it")
    with np.errstate(invalid="ignore"):  # R's NA is a NaN that signals
        return np.ascontiguousarray(x, dtype=wanted)


def _verify_whole(gaps, data, where):
    """A ValueError where there are no examples, or gaps that training did not know: of NaN any class would be the best.

    Args:
        gaps: (N,) bool, which examples have one.
        data: the `Data` of the training.
        where: what the error says that they are in.
    """
    if not len(gaps):
        raise ValueError("predict: `inputs` must have an example or more, got none.")
    if gaps.any() and data.missing in ("error", "drop"):
        raise ValueError(
            f"predict: `inputs` must have no gaps, as training had none (or `missing='impute'`), got {gaps.sum():,} of "
            f"{len(gaps):,} examples with NaN or NA in {where}."
        )


def _fits(shape, wanted):
    """Whether sizes are the wanted ones; None is any."""
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))


def table_batch(frame, columns, argument):
    """The raw batch that a model on a table takes: a dict of arrays, of the columns that it was trained on.

    Args:
        frame: data frame; columns that training did not see are left out.
        columns: from column to number or category, as `Data.columns` has them.
        argument: what an error calls the frame.
    Raises:
        ValueError: if a column is not there, or has text where training saw numbers.
    """
    frame = frame.rename(columns=plain_names([str(c) for c in frame.columns]))
    lacking = [c for c in columns if c not in frame]
    if lacking:
        raise ValueError(f"`{argument}` must be one table with {', '.join(columns)}, got without {', '.join(lacking)}.")
    batch = {}
    for c, kind in columns.items():
        found, batch[c] = column_values(frame[c], kind == "category", c, [])
        if found != kind:
            raise ValueError(f"`{argument}` must have numbers in the column {c!r}, got text such as {batch[c][0]!r}.")
    return batch
