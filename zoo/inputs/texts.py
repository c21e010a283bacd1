"""Texts as inputs: strings or bytes, one per example."""

import numpy as np

from zoo.r_interop import called_from_r

SHOWN = 5  # rows that an error lists


def as_texts(x, name):
    """Returns an (N,) object array of str from strings or bytes; what is missing becomes "".

    Args:
        x: list, array or column.
        name: what an error calls them.
    Raises:
        ValueError: naming the row, if an entry is no string.
    """
    texts = np.empty(len(x), object)
    for i, entry in enumerate(x):
        if entry is None or entry != entry or (called_from_r() and entry == "NA"):
            entry = ""
        if isinstance(entry, bytes):
            entry = entry.decode("utf-8", "replace")
        if not isinstance(entry, str):
            raise ValueError(f"{name} must be strings, got {entry!r} in row {i}.")
        texts[i] = str(entry)
    return texts


def text_batch(inputs, caller="predict"):
    """Returns a raw batch of texts from one string or several.

    Raises:
        ValueError: if they are no strings, or one of them is empty.
    """
    texts = as_texts([inputs] if isinstance(inputs, str | bytes) else inputs, f"{caller}: `inputs`")
    empty = np.array([not text for text in texts], bool)
    if not len(texts) or empty.any():
        received = f"empty ones in {listed_rows(empty)}" if len(texts) else "none"
        raise ValueError(f"{caller}: `inputs` must be texts, got {received}.")
    return texts


def listed_rows(mask):
    """Returns the indices that are true in words, such as "rows 0, 4 and 12 more"."""
    indices = np.flatnonzero(mask)
    more = f" and {len(indices) - SHOWN:,} more" if len(indices) > SHOWN else ""
    return f"row{'s' * (len(indices) > 1)} {', '.join(map(str, indices[:SHOWN]))}{more}"
