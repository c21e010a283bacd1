"""Data frames as Python and R send them."""

import datetime

import numpy as np

from recipes.data.targets import R_NA
from zoo.r import embedded


def frame_of(source):
    """A data frame of its own from one, or from a dict of columns.

    R's ways to write are understood: a single row comes as scalars, a missing whole number as -2147483648, missing
    text as "NA" (only where R is calling), a date as one of Python's.

    Args:
        source: data frame, or dict from column to values.
    """
    import pandas as pd

    if not isinstance(source, pd.DataFrame):
        source = {c: np.ravel(v) if isinstance(v, np.ndarray) else v if np.ndim(v) else [v] for c, v in source.items()}
    frame = pd.DataFrame(source).infer_objects()
    for c in frame if frame.columns.is_unique else ():
        column, first = frame[c], frame[c].dropna().head(1).tolist()
        if pd.api.types.is_integer_dtype(column) and (column == R_NA).any():
            frame = frame.assign(**{str(c): column.where(column != R_NA)})
        elif first and isinstance(first[0], datetime.date) and column.dtype == object:
            frame = frame.assign(**{str(c): pd.to_datetime(column)})
        elif embedded() and first and isinstance(first[0], str) and (column == "NA").any():
            frame = frame.assign(**{str(c): column.where(column != "NA", None)})
    return frame
