"""Texts as inputs: characters that look the same, empty and missing texts."""

import numpy as np
import pandas as pd
import pytest

from zoo.inputs.texts import as_texts, empty_texts, listed_rows, normalize_text, text_batch

BLANKS = ["", "  ", "\n\t", "\u00a0", "\u200b\ufeff", "\u00ad \u2009"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a heron", "a heron"),
        ("a\u00a0heron\u202fand\u3000trout", "a heron and trout"),
        ("\ufeffhe\u00adron\u200b", "heron"),
        ("Ähre\tn", "Ähre\tn"),
    ],
)
def test_separators_are_spaces_and_invisible_characters_are_removed(text, expected):
    assert normalize_text(text) == expected


def test_a_text_without_a_visible_character_is_empty():
    assert empty_texts([*BLANKS, "a"]).tolist() == [True] * len(BLANKS) + [False]
    for blank in BLANKS[1:]:
        with pytest.raises(ValueError, match="got empty or missing texts in row 2; leave them out"):
            text_batch(["a", blank])
        assert text_batch(["a", blank], blanks=True).tolist() == ["a", blank]


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, float("nan")])
def test_a_missing_text_is_an_empty_one(missing):
    assert as_texts(["oak", missing], "the texts").tolist() == ["oak", ""]
    with pytest.raises(ValueError, match="got empty or missing texts in row 2"):
        text_batch(pd.Series(["oak", missing]))


def test_rows_are_named_from_one():
    mask = np.ones(8, bool)
    assert listed_rows(mask) == "row 1, row 2, row 3, row 4, row 5 and 3 more"
    assert listed_rows(mask[:1], lambda row: f"line {row + 2}") == "line 2"
    with pytest.raises(ValueError, match="the texts must be strings, got 3 in row 2"):
        as_texts(["a", 3], "the texts")
