"""JSON that every parser reads: numbers that JSON has no word for (NaN, infinities) are null."""

import json
import math

import numpy as np


def json_text(value, **options):
    """Returns a value as strict JSON.

    Args:
        value: nested dicts, lists, tuples and sets of texts, numbers, truth values and None; NumPy scalars and arrays
            as numbers and lists. Anything else is written as its text.
        **options: of `json.dumps`, such as indent=1.
    Returns:
        str. NaN and infinities are null, keys are texts.
    """
    return json.dumps(_to_json_values(value), allow_nan=False, **options)


def _to_json_values(value):
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_to_key(key): _to_json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json_values(item) for item in value]
    return str(value)


def _to_key(key):
    key = key.item() if isinstance(key, np.generic) else key
    return key if isinstance(key, str) or key is None or isinstance(key, bool | int) else str(key)
