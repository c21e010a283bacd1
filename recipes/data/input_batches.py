"""Raw batches for prediction, checked against the training data."""

import numpy as np

from recipes.data.tables.columns import column_values, plain_names
from recipes.data.tables.frames import frame_of, verify_doubles
from recipes.data.targets import R_NA
from recipes.data.text.labelled_texts import text_batch

R_HINT = "in R keep the first dimension of a single one: x[1, , drop = FALSE]"


def read_batch(inputs, data, shape):
    """Returns a raw batch for the run's preprocessing, from arrays of any order and number type, lists or tables.

    Args:
        inputs: array, list of numbers or of rows; for a table a data frame or a dict of columns.
        data: the `Data` of the training.
        shape: of one raw input, as the run's preprocessing takes it, None for any size; not used for tables.
    Returns:
        (N, *shape) array of data.dtype; for a table a dict of (N,) arrays.
    Raises:
        ValueError: if the shape differs, if fractions come where training had whole numbers, or if a table lacks a
            column.
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
            _verify_gaps(gaps, data, f"the column {c!r}")
        return batch
    if data.kind == "text":
        return text_batch(inputs)
    if data.kind not in ("vector", "series", "image") or not isinstance(inputs, np.ndarray | list | tuple):
        return inputs
    x = np.asarray(inputs)
    dtype = np.dtype(data.dtype)
    if x.dtype == np.float64:
        verify_doubles(x, "predict: `inputs`")
    if x.ndim == len(shape) and shape[-1] == 1 and (x.ndim == 1 or _sizes_fit(x.shape[1:], shape[:-1])):
        x = x[..., None]  # one band, or one feature, without an axis of its own
    if x.dtype.kind not in "biuf" or x.ndim != len(shape) + 1 or not _sizes_fit(x.shape[1:], shape):
        sizes = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(
            f"predict: `inputs` must be numbers of shape (N, {sizes}), as in training, got {x.dtype} of shape "
            f"{x.shape}; {R_HINT}."
        )
    if x.dtype.kind == "i" and (x == R_NA).any():
        x = np.where(x == R_NA, np.nan, x)
    if dtype.kind in "iu" and x.dtype != dtype:
        limits = np.iinfo(dtype)
        invalid = ~((x == np.round(x)) & (x >= limits.min) & (x <= limits.max))
        if invalid.any():
            raise ValueError(
                f"predict: `inputs` must be whole numbers from {limits.min} to {limits.max}, as in training, got "
                f"{x[invalid][0]:g}; multiply images from 0 to 1 by {limits.max} and round them."
            )
    if x.dtype.kind == "f":
        _verify_gaps(np.isnan(x).reshape(len(x), -1).any(1), data, "it")
    with np.errstate(invalid="ignore"):  # R's NA is a signaling NaN
        return np.ascontiguousarray(x, dtype=dtype)


def _verify_gaps(gaps, data, where):
    """Raises a ValueError where there are no examples, or gaps although training had none.

    Args:
        gaps: (N,) bool, which examples have one.
        data: the `Data` of the training.
        where: where the error says that they are.
    """
    if not len(gaps):
        raise ValueError("predict: `inputs` must have an example or more, got none.")
    if gaps.any() and data.missing in ("error", "drop"):
        raise ValueError(
            f"predict: `inputs` must have no gaps, as training had none (or `missing='impute'`), got {gaps.sum():,} of "
            f"{len(gaps):,} examples with NaN or NA in {where}."
        )


def _sizes_fit(shape, expected):
    """Whether sizes are the expected ones; None is any size."""
    return len(shape) == len(expected) and all(e in (None, s) for s, e in zip(shape, expected, strict=True))


def table_batch(frame, columns, argument):
    """Returns the raw batch of a model on a table: a dict of arrays, of the columns that it was trained on.

    Args:
        frame: data frame; columns that training did not have are left out.
        columns: from column to number or category, as `Data.columns` has them.
        argument: what an error calls the frame.
    Raises:
        ValueError: if a column is missing, or has text where training had numbers.
    """
    frame = frame.rename(columns=plain_names([str(c) for c in frame.columns]))
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ValueError(f"`{argument}` must be one table with {', '.join(columns)}, got without {', '.join(missing)}.")
    batch = {}
    for c, expected in columns.items():
        kind, batch[c] = column_values(frame[c], expected == "category", c, [])
        if kind != expected:
            raise ValueError(f"`{argument}` must have numbers in the column {c!r}, got text such as {batch[c][0]!r}.")
    return batch
