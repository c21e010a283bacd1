"""What every public call does to its arguments.

R has no integers by habit, shells have only strings and people mistype. So every public function is wrapped once, by
`checked`, which reads the types in the signature: a whole float becomes an int, also inside lists; a scalar becomes a
tuple of one where a tuple is meant; 2.5 where a count is meant, a value out of range and an unknown name are a
ValueError that says which argument, what was needed and what was got.
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

from zoo.r_interop import called_from_r, format_index, format_value, to_r

_R_NA_INTEGER = -(2**31)


class Limits(typing.NamedTuple):
    """The closed interval that a number must lie in; `below` excludes its upper end."""

    low: float = -math.inf
    high: float = math.inf
    below: bool = False

    def __str__(self):
        if self.high == math.inf:
            return f"of at least {self.low:g}"
        return f"from {self.low:g} to {'below ' if self.below else ''}{self.high:g}"

    def hold(self, value):
        return self.low <= value and (value < self.high if self.below else value <= self.high)


Count = Annotated[int, Limits(1)]  # how many of something: 1, 2, 3, ...
Whole = Annotated[int, Limits(0)]  # 0, 1, 2, ...
Positive = Annotated[float, Limits(5e-324)]  # a number above 0
NonNegative = Annotated[float, Limits(0)]  # a number from 0 up
Fraction = Annotated[float, Limits(0, 1)]  # a share, both ends included
Rate = Annotated[float, Limits(0, 1, below=True)]  # a dropout rate: [0, 1)
Size = Annotated[int | None, "size"]  # one side of an input; None (in R also NA) where any size will do
Shape = tuple[Size, ...]  # the shape of one input, without the batch
FilePath = Annotated[str, "path"]  # a file or folder; ~ is the home folder
Activation = (
    Literal["softmax", "sigmoid", "linear"] | None
)  # a head's activation; None and linear give logits or numbers


def suggestion(word, words):
    """The sentence that offers what a mistyped `word` may have meant, from `words`; empty where nothing is close."""
    close = difflib.get_close_matches(str(word), [str(w) for w in words], n=1, cutoff=0.5)
    return f" Did you mean `{close[0]}`?" if close else ""


def checked(function):
    """Wraps `function` so that its arguments are converted and checked against its signature's types."""
    signature = inspect.signature(function)
    given = {n: a for n, a in function.__annotations__.items() if n != "return"}
    hints = typing.get_type_hints(
        types.SimpleNamespace(__annotations__=given), inspect.unwrap(function).__globals__, include_extras=True
    )
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    named = [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    label = "" if function.__name__ == "__init__" else function.__name__

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        called = label or type(args[0]).__name__
        if not open_ended:
            for key in kwargs:
                if key not in named:
                    offered = [n for n in named if n != "self"]
                    raise ValueError(
                        f"{called}: unknown argument `{key}`.{suggestion(key, offered)} It takes {', '.join(offered)}."
                    )
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ValueError(f"{called}: {error}. Its arguments are {_without_self(signature)}.") from None
        for key, value in bound.arguments.items():
            if key in hints:
                bound.arguments[key] = convert(value, hints[key], f"{called}: `{key}`")
        answer = function(*bound.args, **bound.kwargs)
        return to_r(answer) if called_from_r() else answer

    return wrapper


def _without_self(signature):
    return f"({', '.join(n for n in signature.parameters if n != 'self')})"


def convert(value, kind, name):
    """`value` as the type `kind` (an annotation); `name` is what an error calls it.

    Raises:
        ValueError: if `value` cannot mean a `kind`.
    """
    origin = typing.get_origin(kind)
    if kind is Size:
        return None if _means_any(value) else _whole(value, Limits(1), name)
    if origin is Annotated and kind is not FilePath:
        base, *extra = typing.get_args(kind)
        limits = next((e for e in extra if isinstance(e, Limits)), None)
        if base is int:
            return _whole(value, limits, name)
        return _real(value, limits, name) if base is float else convert(value, base, name)
    if origin in (typing.Union, types.UnionType):
        return _either(value, typing.get_args(kind), name)
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
    """A length-1 list, tuple or array is R's way to write a scalar."""
    if isinstance(value, list | tuple) and len(value) == 1:
        return value[0]
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.reshape(()).item()
    return value


def _means_any(value):
    return value is None or value is True or (not isinstance(value, str) and _is(value, _R_NA_INTEGER)) or _nan(value)


def _is(value, number):
    return isinstance(value, numbers.Number) and value == number


def _nan(value):
    return isinstance(value, float | np.floating) and math.isnan(value)


def _whole(value, limits, name):
    wanted = f"a whole number{f' {limits}' if limits else ''}"
    number = _scalar(value)
    if isinstance(number, bool | np.bool_) or not isinstance(number, numbers.Real):
        raise ValueError(f"{name} must be {wanted}, got {format_value(value)}.")
    if _is(number, _R_NA_INTEGER) or _nan(number):
        raise ValueError(f"{name} must be {wanted}, got NA.")
    if not float(number).is_integer() or (limits and not limits.hold(number)):
        raise ValueError(f"{name} must be {wanted}, got {format_value(number)}.")
    return int(number)


def _real(value, limits, name):
    wanted = f"a number{f' {limits}' if limits else ''}"
    if limits and limits.low == 5e-324:
        wanted = "a number above 0"
    number = _scalar(value)
    if isinstance(number, bool | np.bool_) or not isinstance(number, numbers.Real) or _nan(number):
        raise ValueError(f"{name} must be {wanted}, got {format_value(value)}.")
    if limits and not limits.hold(number):
        raise ValueError(f"{name} must be {wanted}, got {format_value(number)}.")
    return float(number)


def _choice(value, choices, name):
    value = _scalar(value)
    for choice in choices:
        if (value is None and choice is None) or (type(value) is type(choice) and value == choice):
            return choice
        if _is(value, choice) and not isinstance(value, bool) and isinstance(choice, int | float):
            return choice  # R's 1 is 1.0
    offered = ", ".join(repr(c) for c in choices)
    raise ValueError(f"{name} must be one of {offered}, got {format_value(value)}.{suggestion(value, choices)}")


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


def _either(value, kinds, name):
    if value is None and type(None) in kinds:
        return None
    kinds = [k for k in kinds if k is not type(None)]
    problems = []
    for kind in kinds:
        try:
            return convert(value, kind, name)
        except ValueError as error:
            problems.append(error)
    raise problems[kinds.index(dict) if dict in kinds and not isinstance(value, str) else 0]


def image_shape(name, input_shape, *, at_least=1, multiple=1, fixed=False, argument="input_shape"):
    """Checks the (H, W, C) of an image and returns it.

    Args:
        name: what the error calls the model.
        input_shape: H and W [pixels], either may be None unless `fixed`; C bands, never None.
        at_least: the smallest side [pixels].
        multiple: what each side must be divisible by.
        fixed: whether H and W must be given.
        argument: what the builder calls the shape.
    Raises:
        ValueError: if it is not such a shape.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] is None or (fixed and None in shape):
        needed = "(H, W, C) with every size given" if fixed else "(H, W, C) with C given"
        raise ValueError(f"{name}: `{argument}` must be {needed}, got {shape}.")
    for side in shape[:2]:
        if side is not None and (side < at_least or side % multiple):
            rule = f"at least {at_least}" + (f" and divisible by {multiple}" if multiple > 1 else "")
            raise ValueError(f"{name}: H and W of `{argument}` must be {rule} [pixels], got {shape}.")
    return shape


def series_shape(name, input_shape, *, sizes="(T, F)", fixed=False):
    """Checks the shape of a series and returns it.

    Args:
        name: what the error calls the model.
        input_shape: steps T first, which may be None unless `fixed`; the other sizes are never None.
        sizes: how the error writes the shape; as many sizes are needed as it has letters.
        fixed: whether T must be given.
    Raises:
        ValueError: if it is not such a shape.
    """
    shape = tuple(input_shape)
    if len(shape) != sum(map(str.isalpha, sizes)) or None in shape[1 - fixed :]:
        needed = f"{sizes} with every size given" if fixed else f"{sizes}, of which only T may be None"
        raise ValueError(f"{name}: `input_shape` must be {needed}, got {shape}.")
    return shape
