"""Any value of any argument of an architecture or a task is used, or refused in a sentence that names an argument."""

import dataclasses
import inspect
import math

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.tasks import TASKS
from tests.cases import CASES
from zoo.introspect.graph import weightless
from zoo.registry import entries

NUMBERS = st.one_of(
    st.integers(-2, 6),
    st.floats(-1, 8),
    st.sampled_from((math.nan, math.inf, -math.inf, -(2**31), 1e-300, 1e300, 2**70, 10**400)),
)
SCALARS = st.one_of(
    NUMBERS,
    NUMBERS.filter(lambda x: abs(x) < 2**60).map(np.float32),
    st.booleans(),
    st.none(),
    st.text(max_size=4),
    st.sampled_from(
        ("same", "valid", "relu", "softmax", "lstm", "max", "unet", "resnet18", b"bytes", 1j, object(), int)
    ),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=5),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    st.lists(st.integers(0, 4), max_size=3).map(np.array),
    st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
    st.lists(st.lists(NUMBERS, max_size=2), max_size=2),
    st.just(range(3)),
)


def check_one_argument(data):
    """Builds a random architecture with a random value for one of its arguments."""
    name = data.draw(st.sampled_from(sorted(CASES)), "architecture")
    build = entries[name].build
    arguments = list(inspect.signature(build).parameters)
    argument, value = data.draw(st.sampled_from(arguments), "argument"), data.draw(VALUES, "value")
    try:
        with weightless():
            model = build(**{**CASES[name].arguments, argument: value})
    except (ValueError, TypeError) as error:
        check_message(error, arguments, f"{name}({argument})")
    else:
        assert isinstance(model, keras.Model)


def check_one_setting(data):
    """Makes a random task with a random value for one of its hyperparameters."""
    name = data.draw(st.sampled_from(sorted(TASKS)), "task")
    arguments = [field.name for field in dataclasses.fields(TASKS[name])]
    argument, value = data.draw(st.sampled_from(arguments), "argument"), data.draw(VALUES, "value")
    try:
        task = TASKS[name](**{argument: value})
    except (ValueError, TypeError) as error:
        check_message(error, arguments, f"{name}({argument})")
    else:
        assert task.replace() == task


def check_message(error, arguments, what):
    """Checks that an error names one of the arguments, in one sentence."""
    message = str(error)
    assert any(f"`{a}`" in message or f"`{a}[" in message for a in arguments), f"{what}: {message}"
    assert "\n" not in message.strip()


OPTIONS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=300, derandomize=True, **OPTIONS)
@given(st.data())
def test_any_value_builds_a_model_or_is_refused_in_a_sentence(data):
    check_one_argument(data)


@settings(max_examples=300, derandomize=True, **OPTIONS)
@given(st.data())
def test_any_value_makes_a_task_or_is_refused_in_a_sentence(data):
    check_one_setting(data)


@pytest.mark.slow
@settings(max_examples=10_000, **OPTIONS)
@given(st.data())
def test_ten_thousand_values_build_a_model_or_are_refused_in_a_sentence(data):
    check_one_argument(data)


@pytest.mark.slow
@settings(max_examples=10_000, **OPTIONS)
@given(st.data())
def test_ten_thousand_values_make_a_task_or_are_refused_in_a_sentence(data):
    check_one_setting(data)
