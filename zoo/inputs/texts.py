"""Texts as inputs: strings or bytes, one per example."""

import re

import numpy as np

from zoo.r_interop import called_from_r

SHOWN = 5  # rows that an error lists
# Both patterns hold for Python's `re` and for RE2, TensorFlow's.
SPACES = "[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"  # Unicode's separators beyond ASCII
INVISIBLE = "[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"  # soft hyphens, zero width, ...
BLANK = f"(?:\\s|{SPACES}|{INVISIBLE})*"  # a text without any visible character


def normalize_text(text):
    """Returns a text with plain spaces for Unicode's separators, such as no-break spaces, and no invisible characters.

    Invisible are soft hyphens, byte order marks, and characters of zero width or of the writing direction.
    """
    return text if text.isascii() else re.sub(INVISIBLE, "", re.sub(SPACES, " ", text))


def as_texts(x, name):
    """Returns an (N,) object array of str from strings or bytes; what is missing becomes "".

    Args:
        x: list, array or column.
        name: what an error calls them.
    Raises:
        ValueError: naming the row, from 1, if an entry is no string.
    """
    import pandas as pd

    texts = np.empty(len(x), object)
    for i, entry in enumerate(x):
        if isinstance(entry, bytes):
            entry = entry.decode("utf-8", "replace")
        is_gap = pd.isna(entry) if pd.api.types.is_scalar(entry) else False
        if is_gap or (called_from_r() and isinstance(entry, str) and entry == "NA"):
            entry = ""
        if not isinstance(entry, str):
            raise ValueError(f"{name} must be strings, got {entry!r} in row {i + 1}.")
        texts[i] = str(entry)
    return texts


def empty_texts(texts):
    """Returns (N,) bool: whether a text is empty or has only blanks and invisible characters."""
    return np.array([not normalize_text(text).strip() for text in texts], bool)


def text_batch(inputs, caller="predict", *, blanks=False, row_name=None, advice=""):
    """Returns a raw batch of texts from one string or several.

    Args:
        inputs: string, or list, array or column of strings.
        caller: the call that an error names.
        blanks: whether a text of blanks alone is a text, as for a model of characters.
        row_name: function from a row, from 0, to what an error calls it; None for "row 1", ...
        advice: what an error says behind the rows: why a text is missing, and what to do.
    Raises:
        ValueError: if they are no strings, or one of them is empty.
    """
    texts = as_texts([inputs] if isinstance(inputs, str | bytes) else inputs, f"{caller}: `inputs`")
    empty = np.array([not text for text in texts], bool) if blanks else empty_texts(texts)
    if not len(texts):
        raise ValueError(f"{caller}: `inputs` must be texts, got none.")
    if empty.any():
        raise ValueError(
            f"{caller}: every text must have a {'character' if blanks else 'word'}, got empty or missing texts in "
            f"{listed_rows(empty, row_name)}{advice or '; leave them out'}."
        )
    return texts


def listed_rows(mask, row_name=None):
    """Returns the rows that are true in words, such as "row 1, row 5 and 12 more".

    Args:
        mask: (N,) bool.
        row_name: function from a row, from 0, to its name; None for "row 1", ...
    """
    indices = np.flatnonzero(mask)
    more = f" and {len(indices) - SHOWN:,} more" if len(indices) > SHOWN else ""
    names = [row_name(int(i)) if row_name else f"row {i + 1}" for i in indices[:SHOWN]]
    return ", ".join(names) + more
