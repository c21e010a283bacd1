"""Docstrings: `Args` equal the signature, and builders have all sections."""

import inspect
import re

import pytest

import zoo
from zoo.registry import entries


def documented_arguments(text):
    """Returns the names under `Args:`, in order."""
    block = re.search(r"^ *Args:\n((?: {4,}.*\n|\n)+)", inspect.cleandoc(text) + "\n", re.M)
    if not block:
        return []
    names = re.findall(r"^ {4}([*\w, ]+):", block[1], re.M)
    return [n.strip().lstrip("*") for line in names for n in line.split(",")]


PUBLIC = sorted(n for n in dir(zoo) if not n.startswith("_") and inspect.isfunction(getattr(zoo, n)))


@pytest.mark.parametrize("name", PUBLIC)
def test_args_equal_the_signature(name):
    function = getattr(zoo, name)
    assert documented_arguments(function.__doc__) == list(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", zoo.names())
def test_docstrings_of_builders_have_all_sections(name):
    text = entries[name].build.__doc__
    for section in ("Args:", "Returns:", "Raises:", "Source:", "Differs:"):
        assert section in text, f"{name} lacks {section}"
    assert "->" in text, f"{name} lacks the shapes of inputs and outputs"
    assert entries[name].source.startswith(("http://", "https://"))
