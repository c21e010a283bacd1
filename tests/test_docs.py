"""Docstrings tell the truth: Args equal the signature, Source and Differs are there."""

import inspect
import re

import pytest

import zoo
from zoo.registry import entries


def documented(text):
    """The names under `Args:`, in order."""
    block = re.search(r"^ *Args:\n((?: {4,}.*\n|\n)+)", inspect.cleandoc(text) + "\n", re.M)
    if not block:
        return []
    names = re.findall(r"^ {4}([*\w, ]+):", block[1], re.M)
    return [n.strip().lstrip("*") for line in names for n in line.split(",")]


PUBLIC = sorted(n for n in dir(zoo) if not n.startswith("_") and inspect.isfunction(getattr(zoo, n)))


@pytest.mark.parametrize("name", PUBLIC)
def test_args_equal_the_signature(name):
    function = getattr(zoo, name)
    assert documented(function.__doc__) == list(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", zoo.names())
def test_builders_say_where_they_come_from(name):
    text = entries[name].build.__doc__
    for part in ("Args:", "Returns:", "Raises:", "Source:", "Differs:"):
        assert part in text, f"{name} lacks {part}"
    assert "->" in text, f"{name} does not say what goes in and what comes out"
    assert entries[name].source.startswith(("http://", "https://"))
