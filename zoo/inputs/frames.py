"""Data frames from what Python and R send."""

import datetime

import numpy as np

from zoo.r_interop import R_NA, called_from_r

SHOWN = 10  # columns that an error lists


def frame_of(source):
    """Returns a new data frame from a data frame or from a dict of columns.

    R's conventions are read: a single row arrives as scalars, a missing whole number as -2147483648, missing text as
    "NA" (only where R is calling), a date as one of Python's. In a data frame with `attrs["exact_gaps"]`, as the R
    package fieldzoo sends, gaps are gaps already, and "NA" is a text.

    Args:
        source: data frame, or dict from column to values.
    """
    import pandas as pd

    if not isinstance(source, pd.DataFrame):
        source = {c: np.ravel(v) if isinstance(v, np.ndarray) else v if np.ndim(v) else [v] for c, v in source.items()}
        lengths = {c: len(v) for c, v in source.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{c} {n:,}" for c, n in list(lengths.items())[:SHOWN])
            raise ValueError(f"the columns must have as many values, got {listed}{', ...' * (len(lengths) > SHOWN)}.")
    frame = pd.DataFrame(source).infer_objects()
    changes, attrs = {}, dict(getattr(source, "attrs", {}))
    has_text_gaps = called_from_r() and not attrs.get("exact_gaps")
    for c in frame if frame.columns.is_unique else ():
        column = frame[c]
        if column.dtype.kind == "f":
            verify_doubles(column.to_numpy(), f"the column {c!r}")
        elif column.dtype.kind in "iu":
            if (column == R_NA).any():
                changes[c] = column.where(column != R_NA)
        elif column.dtype == object or called_from_r():
            first = column.dropna().head(1).tolist()
            if first and isinstance(first[0], datetime.date) and column.dtype == object:
                changes[c] = pd.to_datetime(column)
            elif has_text_gaps and first and isinstance(first[0], str) and (column == "NA").any():
                changes[c] = column.where(column != "NA", None)
    for c, values in changes.items():
        frame[c] = values
    frame.attrs = attrs  # such as the units in a file
    return frame


def verify_doubles(values, name):
    """Raises a ValueError where all numbers are subnormal: R's integer64, whose bits arrive as doubles.

    Args:
        values: array of floats.
        name: what the error calls them.
    """
    tiny = np.finfo("float64").tiny
    if (np.abs(values[:1]) >= tiny).any():  # most often the first one is a number of usual size
        return
    sizes = np.abs(values[(values != 0) & ~np.isnan(values)])
    if sizes.size and sizes.max() < tiny:
        raise ValueError(f"{name} must have doubles, got R's integer64, of which only the bits arrive: as.numeric(x).")
