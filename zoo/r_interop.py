"""Who calls, Python or R: how values are shown to them in errors, and what answers R could not read."""

import os
import sys

R_INTEGERS = 2**31  # R's whole numbers lie below; reticulate hands on a larger one as another number, without a word


def called_from_r():
    """Whether R runs this Python: the package reticulate then has its own module in it."""
    return "rpytools" in sys.modules


def format_value(value):
    """A value as its reader writes it: `repr`, and where R calls c(1, 2), NULL, TRUE."""
    if not called_from_r():
        return repr(value)
    if value is None:
        return "NULL"
    if value is True:
        return "TRUE (or NA, which arrives as TRUE)"
    if value is False:
        return "FALSE"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.15g}"
    if type(value) in (list, tuple):
        return f"c({', '.join(map(format_value, value))})"
    if type(value) is dict:
        return f"list({', '.join(f'{k} = {format_value(v)}' for k, v in value.items())})"
    return repr(value)


def format_index(index):
    """The index of an entry in brackets, counted as its reader counts: from 0, and where R calls from 1."""
    return f"[{index + called_from_r()}]"


def to_r(value):
    """An answer that R reads as it is meant: whole numbers beyond its own as floats, a path as a string."""
    if isinstance(value, int) and abs(value) >= R_INTEGERS:
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value) in (list, tuple):
        return type(value)(map(to_r, value))
    if type(value) is dict:
        return {key: to_r(v) for key, v in value.items()}
    return value


def refuse_r_function(function, name):
    """A ValueError for a function of R where another thread would call it, which ends R."""
    if callable(function) and (getattr(function, "__module__", None) or "").startswith("rpytools"):
        raise ValueError(f"{name} must be no function of R, as another thread calls it, and that ends R; leave it out.")
