"""Conversion and checks of the arguments of public functions.

R sends whole numbers as floats, shells send strings, and people mistype. The decorator `checked` therefore reads the
types in a function's signature and converts the arguments to them. A whole float becomes an int, also inside lists. A
scalar becomes a tuple of one where the type is a tuple. A value of another type or out of range, and an unknown name,
raise a ValueError with the argument, what was expected and what was received.
"""

import difflib
import functools
import inspect
import math
import numbers
import os
import types
import typing
from typing import Annotated, Literal

import numpy as np

from zoo.r_interop import R_NA, called_from_r, format_index, format_value, to_r


class Limits(typing.NamedTuple):
    """An interval of numbers. Both ends are included, the upper one unless `excludes_high`."""

    low: float = -math.inf
    high: float = math.inf
    excludes_high: bool = False

    def __str__(self):
        if self.high == math.inf:
            return f"of at least {self.low:g}"
        return f"from {self.low:g} to {'below ' if self.excludes_high else ''}{self.high:g}"

    def contain(self, value):
        return self.low <= value and (value < self.high if self.excludes_high else value <= self.high)


SMALLEST = 5e-324  # the smallest float above 0

Count = Annotated[int, Limits(1)]  # 1, 2, 3, ...
Whole = Annotated[int, Limits(0)]  # 0, 1, 2, ...
Positive = Annotated[float, Limits(SMALLEST)]  # (0, inf)
NonNegative = Annotated[float, Limits(0)]  # [0, inf)
Fraction = Annotated[float, Limits(0, 1)]  # [0, 1]
OpenFraction = Annotated[float, Limits(SMALLEST, 1, excludes_high=True)]  # (0, 1)
Rate = Annotated[float, Limits(0, 1, excludes_high=True)]  # [0, 1), of dropout
Size = Annotated[int | None, "size"]  # one axis of an input; None, or NA in R, for any size
Shape = tuple[Size, ...]  # shape of one input, without the batch axis
FilePath = Annotated[str, "path"]  # file or folder; ~ is expanded to the home folder
Activation = Literal["softmax", "sigmoid", "linear"] | None  # of a head; None and linear: logits or numbers


def suggestion(word, words):
    """Returns " Did you mean `...`?" with the closest of `words` to a mistyped `word`; "" where none is close."""
    without_case = {str(w).casefold(): str(w) for w in words}
    close = difflib.get_close_matches(str(word).casefold(), without_case, n=1, cutoff=0.5)
    return f" Did you mean `{without_case[close[0]]}`?" if close else ""


def checked(function):
    """Decorates `function` so that its arguments are converted to the types in its signature.

    Called from R, it also converts the returned value by `to_r`.

    Raises:
        ValueError: when the function is called with an unknown argument, without a required one, or with a value that
            cannot be converted.
    """
    signature = inspect.signature(function)
    annotations = {n: a for n, a in function.__annotations__.items() if n != "return"}
    hints = typing.get_type_hints(
        types.SimpleNamespace(__annotations__=annotations), inspect.unwrap(function).__globals__, include_extras=True
    )
    takes_any_keyword = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    names = [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    public_names = [n for n in names if n != "self"]

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        caller = type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__
        unknown = next((key for key in kwargs if key not in names), None)
        if unknown is not None and not takes_any_keyword:
            raise ValueError(
                f"{caller}: unknown argument `{unknown}`.{suggestion(unknown, public_names)} "
                f"It takes {', '.join(public_names)}."
            )
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            arguments = ", ".join(n for n in signature.parameters if n != "self")
            raise ValueError(f"{caller}: {error}. Its arguments are ({arguments}).") from None
        for key, value in bound.arguments.items():
            if key in hints:
                bound.arguments[key] = convert(value, hints[key], f"{caller}: `{key}`")
        result = function(*bound.args, **bound.kwargs)
        return to_r(result) if called_from_r() else result

    return wrapper


def convert(value, kind, name):
    """Returns `value` converted to a type.

    Args:
        value: as Python, R or a shell sends it.
        kind: the type, as an annotation.
        name: what an error message calls the value.
    Raises:
        ValueError: if `value` cannot be converted.
    """
    origin = typing.get_origin(kind)
    if kind is Size:
        return None if _means_any_size(value) else _whole(value, Limits(1), name)
    if origin is Annotated and kind is not FilePath:
        base, *extra = typing.get_args(kind)
        limits = next((e for e in extra if isinstance(e, Limits)), None)
        if base is int:
            return _whole(value, limits, name)
        return _real(value, limits, name) if base is float else convert(value, base, name)
    if origin in (typing.Union, types.UnionType):
        return _union(value, typing.get_args(kind), name)
    if origin is Literal:
        return _choice(value, typing.get_args(kind), name)
    if origin is tuple:
        return _sequence(value, typing.get_args(kind), name)
    if kind is int:
        return _whole(value, None, name)
    if kind is float:
        return _real(value, None, name)
    if kind is bool:
        flag = _scalar(value)
        if isinstance(flag, bool | np.bool_):
            return bool(flag)
        raise ValueError(f"{name} must be True or False, got {format_value(value)}.")
    if kind is str or kind is FilePath:
        text = _scalar(value)
        if isinstance(text, str | os.PathLike):
            return os.path.expanduser(text) if kind is FilePath else os.fspath(text)
        raise ValueError(f"{name} must be a string, got {format_value(value)}.")
    if kind is tuple:
        return tuple(value) if isinstance(value, list | tuple | range) else (value,)
    if kind is dict and not isinstance(value, dict):
        raise ValueError(f"{name} must be a dict, in R a named list such as list(a = 1), got {format_value(value)}.")
    return value


def _scalar(value):
    """Returns the element of a list, tuple or array of length 1, as which R sends a scalar."""
    if isinstance(value, list | tuple) and len(value) == 1:
        return value[0]
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.reshape(()).item()
    return value


def _means_any_size(value):
    """Whether a size is None or one of the forms in which R's NA arrives."""
    return value is None or value is True or _equals_number(value, R_NA) or _is_nan(value)


def _equals_number(value, number):
    return isinstance(value, numbers.Number) and value == number


def _is_nan(value):
    return isinstance(value, float | np.floating) and math.isnan(value)


def _whole(value, limits, name):
    expected = f"a whole number{f' {limits}' if limits else ''}"
    number = _scalar(value)
    if isinstance(number, bool | np.bool_) or not isinstance(number, numbers.Real):
        raise ValueError(f"{name} must be {expected}, got {format_value(value)}.")
    if _equals_number(number, R_NA) or _is_nan(number):
        raise ValueError(f"{name} must be {expected}, got NA.")
    if not _as_float(number).is_integer() or (limits and not limits.contain(number)):
        raise ValueError(f"{name} must be {expected}, got {format_value(number)}.")
    if abs(int(number)) >= 2**63:
        raise ValueError(f"{name} must be {expected} and below 2 ** 63, got {format_value(number)}.")
    return int(number)


def _real(value, limits, name):
    expected = f"a number{f' {limits}' if limits else ''}"
    if limits and limits.low == SMALLEST:
        expected = "a number above 0"
    number = _scalar(value)
    if isinstance(number, bool | np.bool_) or not isinstance(number, numbers.Real) or _is_nan(number):
        raise ValueError(f"{name} must be {expected}, got {format_value(value)}.")
    number = _as_float(number)  # a float32 would be compared in float32, in which the smallest number above 0 is 0
    if not math.isfinite(number):
        raise ValueError(f"{name} must be {expected.replace('a', 'a finite', 1)}, got {format_value(number)}.")
    if limits and not limits.contain(number):
        raise ValueError(f"{name} must be {expected}, got {format_value(number)}.")
    return number


def _as_float(number):
    """Returns a number as a float, infinite where it is larger than any."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _choice(value, choices, name):
    value = _scalar(value)
    for choice in choices:
        if (value is None and choice is None) or (type(value) is type(choice) and value == choice):
            return choice
        if _equals_number(value, choice) and not isinstance(value, bool) and isinstance(choice, int | float):
            return choice  # R's 1 is 1.0
    names = ", ".join(repr(c) for c in choices)
    raise ValueError(f"{name} must be one of {names}, got {format_value(value)}.{suggestion(value, choices)}")


def _sequence(value, kinds, name):
    if isinstance(value, np.ndarray):
        value = value.tolist()
    repeated = len(kinds) == 2 and kinds[1] is Ellipsis
    if isinstance(value, str) or not isinstance(value, list | tuple | range):
        value = (value,)
    if not repeated and len(value) != len(kinds):
        raise ValueError(f"{name} must have {len(kinds)} entries, got {len(value)}: {format_value(value)}.")
    kinds = [kinds[0]] * len(value) if repeated else kinds
    return tuple(convert(v, k, f"{name}{format_index(i)}") for i, (v, k) in enumerate(zip(value, kinds, strict=True)))


def _union(value, kinds, name):
    if value is None and type(None) in kinds:
        return None
    kinds = [k for k in kinds if k is not type(None)]
    errors = []
    for kind in kinds:
        try:
            return convert(value, kind, name)
        except ValueError as error:
            errors.append(error)
    raise errors[kinds.index(dict) if dict in kinds and not isinstance(value, str) else 0]


def image_shape(name, input_shape, *, at_least=1, multiple=1, fixed=False, argument="input_shape"):
    """Checks the shape (H, W, C) of an image and returns it.

    Args:
        name: what an error message calls the model.
        input_shape: H and W [pixels], which may be None unless `fixed`, and C bands, which may not.
        at_least: smallest H and W [pixels].
        multiple: number that H and W must be divisible by.
        fixed: whether H and W must be integers.
        argument: name of the builder's argument.
    Raises:
        ValueError: if it is not such a shape.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] is None or (fixed and None in shape):
        expected = "(H, W, C) with every size given" if fixed else "(H, W, C) with C given"
        raise ValueError(f"{name}: `{argument}` must be {expected}, got {shape}.")
    for side in shape[:2]:
        if side is not None and (side < at_least or side % multiple):
            rule = f"at least {at_least}" + (f" and divisible by {multiple}" if multiple > 1 else "")
            raise ValueError(f"{name}: H and W of `{argument}` must be {rule} [pixels], got {shape}.")
    return shape


def series_shape(name, input_shape, *, sizes="(T, F)", fixed=False):
    """Checks the shape of a time series and returns it.

    Args:
        name: what an error message calls the model.
        input_shape: number of time steps T, which may be None unless `fixed`, then sizes that may not.
        sizes: the shape in an error message; its number of letters is the number of sizes.
        fixed: whether T must be an integer.
    Raises:
        ValueError: if it is not such a shape.
    """
    shape = tuple(input_shape)
    if len(shape) != sum(map(str.isalpha, sizes)) or None in shape[1 - fixed :]:
        expected = f"{sizes} with every size given" if fixed else f"{sizes}, of which only T may be None"
        raise ValueError(f"{name}: `input_shape` must be {expected}, got {shape}.")
    return shape
