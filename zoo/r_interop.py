"""Values that pass between Python and R: whether R is the caller, how R writes values, and which values it can read."""

import os
import sys

R_NA = -(2**31)  # how R's missing whole number arrives
R_MAX_INTEGER = 2**31 - 1  # reticulate turns a larger int into another number without an error


def called_from_r():
    """Whether R runs this Python, that is, reticulate has loaded its own module `rpytools`."""
    return "rpytools" in sys.modules


def format_value(value):
    """Returns a value as the caller writes it: its `repr`, or R's notation such as c(1, 2), NULL, TRUE."""
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
    """Returns a list index in brackets, counted from 0, or from 1 when called from R."""
    return f"[{index + called_from_r()}]"


def to_r(value):
    """Returns a value in types that R reads: integers beyond R's range as floats, paths as strings, also in lists."""
    if isinstance(value, int) and abs(value) > R_MAX_INTEGER:
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value) in (list, tuple):
        return type(value)(map(to_r, value))
    if type(value) is dict:
        return {key: to_r(v) for key, v in value.items()}
    return value


def refuse_r_function(function, name):
    """Raises a ValueError for an R function that another thread would call, because that ends the R session."""
    if callable(function) and (getattr(function, "__module__", None) or "").startswith("rpytools"):
        raise ValueError(
            f"{name} must not be an R function, as another thread calls it, which ends the R session; leave it out."
        )
