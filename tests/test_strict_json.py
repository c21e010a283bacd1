"""JSON without NaN and infinities."""

import json
import pathlib

import numpy as np
import pytest

from zoo.strict_json import json_text


def parse(text):
    """Parses JSON as browsers and R do: NaN and Infinity are errors."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_numbers_that_json_does_not_have_are_null():
    value = {
        "nan": float("nan"),
        "infinity": [float("inf"), -float("inf"), (np.nan, 1)],
        "numpy": [np.float32("nan"), np.float64(0.5), np.int64(3), np.bool_(True), np.float16("inf")],
        "array": np.array([[1.0, np.nan], [np.inf, 2.0]]),
        "set": {1.5},
        "path": pathlib.Path("a/b"),
        "none": None,
        3: "number",
        np.int64(4): "NumPy number",
        ("a", 1): "tuple",
    }
    assert parse(json_text(value, indent=1)) == {
        "nan": None,
        "infinity": [None, None, [None, 1]],
        "numpy": [None, 0.5, 3, True, None],
        "array": [[1.0, None], [None, 2.0]],
        "set": [1.5],
        "path": "a/b",
        "none": None,
        "3": "number",
        "4": "NumPy number",
        "('a', 1)": "tuple",
    }


@pytest.mark.parametrize("text", ["é", "\ud800", "\x00", "日本"])
def test_any_text_is_written_in_ascii(text):
    assert json_text([text]).isascii()
    assert json.loads(json_text([text])) == [text]
