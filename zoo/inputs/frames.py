"""Data frames from what Python and R send."""

import datetime

import numpy as np

from zoo.r_interop import R_NA, called_from_r


def frame_of(source):
    """Returns a new data frame from a data frame or from a dict of columns.

    R's conventions are read: a single row arrives as scalars, a missing whole number as -2147483648, missing text as
    "NA" (only where R is calling), a date as one of Python's.

    Args:
        source: data frame, or dict from column to values.
    """
    import pandas as pd

    if not isinstance(source, pd.DataFrame):
        source = {c: np.ravel(v) if isinstance(v, np.ndarray) else v if np.ndim(v) else [v] for c, v in source.items()}
    frame = pd.DataFrame(source).infer_objects()
    for c in frame if frame.columns.is_unique else ():
        if frame[c].dtype.kind == "f":
            verify_doubles(frame[c].to_numpy(), f"the column {c!r}")
    for c in frame if frame.columns.is_unique else ():
        column, first = frame[c], frame[c].dropna().head(1).tolist()
        if pd.api.types.is_integer_dtype(column) and (column == R_NA).any():
            frame = frame.assign(**{str(c): column.where(column != R_NA)})
        elif first and isinstance(first[0], datetime.date) and column.dtype == object:
            frame = frame.assign(**{str(c): pd.to_datetime(column)})
        elif called_from_r() and first and isinstance(first[0], str) and (column == "NA").any():
            frame = frame.assign(**{str(c): column.where(column != "NA", None)})
    return frame


def verify_doubles(values, name):
    """Raises a ValueError where all numbers are subnormal: R's integer64, whose bits arrive as doubles.

    Args:
        values: array of floats.
        name: what the error calls them.
    """
    sizes = np.abs(values[(values != 0) & ~np.isnan(values)])
    if sizes.size and sizes.max() < np.finfo("float64").tiny:
        raise ValueError(f"{name} must have doubles, got R's integer64, of which only the bits arrive: as.numeric(x).")
