"""Conversion of arguments, as Python, R and people write them."""

import math

import numpy as np
import pytest

import zoo
from zoo.arguments import Count, Fraction, Positive, Rate, Shape, checked, convert, suggestion


@pytest.mark.parametrize("value", [3, 3.0, [3], (3.0,), np.int64(3), np.float32(3), np.array([3.0]), np.array(3)])
def test_whole_numbers_of_any_type_become_an_int(value):
    assert convert(value, Count, "units") == 3
    assert type(convert(value, Count, "units")) is int


@pytest.mark.parametrize("value", [2.5, 0, -1, True, "3", None, [1, 2], math.nan, -(2**31), math.inf, 10**400])
def test_other_values_are_refused_as_a_count(value):
    with pytest.raises(ValueError, match="^units must be a whole number of at least 1, got"):
        convert(value, Count, "units")


def test_a_scalar_becomes_a_tuple_of_one():
    assert convert(512.0, tuple[Count, ...], "units") == (512,)
    assert convert(np.array([2.0, 3.0]), tuple[Count, ...], "units") == (2, 3)
    assert convert([], tuple[Count, ...], "units") == ()
    with pytest.raises(ValueError, match=r"units\[1\] must be a whole number of at least 1, got 2.5"):
        convert([1, 2.5], tuple[Count, ...], "units")


def test_na_in_a_shape_becomes_none():
    assert convert([None, True, -(2**31), math.nan, 3.0], Shape, "shape") == (None, None, None, None, 3)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Fraction, 1.1),
        (Rate, 1.0),
        (Positive, 0),
        (Positive, np.float32(0)),
        (Positive, np.inf),
        (Positive, 10**400),
        (Positive, "a"),
    ],
)
def test_numbers_out_of_range_are_refused(kind, value):
    with pytest.raises(ValueError, match="x must be a (finite )?number"):
        convert(value, kind, "x")


def test_errors_suggest_the_closest_argument_or_model():
    with pytest.raises(ValueError, match=r"unknown argument `clases`. Did you mean `classes`\?"):
        zoo.lenet5((28, 28, 1), clases=10)
    with pytest.raises(ValueError, match=r"Did you mean `lenet5`\?"):
        zoo.build("lenet_5")
    with pytest.raises(ValueError, match="missing a required argument: 'classes'"):
        zoo.lenet5((28, 28, 1))


def test_checked_keeps_the_signature():
    @checked
    def area(side: Positive, times: Count = 1) -> float:
        """Area."""
        return side * side * times

    assert area.__doc__ == "Area."
    assert area(2, times=3.0) == 12
    with pytest.raises(ValueError, match="area: `side` must be a number above 0, got -1"):
        area(-1)


def test_the_suggestion_does_not_depend_on_upper_case():
    assert suggestion("flow", ["RAIN", "FLOW"]) == " Did you mean `FLOW`?"
    assert suggestion("Learning_Rat", ["learning_rate", "seed"]) == " Did you mean `learning_rate`?"
    assert suggestion("zebra", ["flow"]) == ""
