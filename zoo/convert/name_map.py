"""Maps the names of an architecture's weights in the zoo to those in another library."""

import functools
import re
import types
import typing

_BLOCK = re.compile(r"stage(\d+)_(?:block|conv)(\d+)")
# Keras' weight names and PyTorch's
TORCH_WEIGHTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class NameMap(typing.NamedTuple):
    """The names that one library gives to the weights of one architecture of the zoo."""

    library: str
    layout: typing.Literal["torch", "keras"]  # of weight names and array axes
    # {zoo layer: source layer}, with {s}, {b}, {c} for numbers, or {zoo path: full source name}. The value is a string,
    # a function of `at`, which has the numbers and the attributes of `block_numbers`, or (name, i, n) for the i-th of n
    # equal slices of a source array. None where names and axes are the zoo's own.
    names: dict | None
    epsilon: float | None = None  # of the source's batch normalization, or a function of the zoo model
    prefix: str = ""  # that the source's names, except for the head's, may have
    head_prefixes: tuple[str, ...] = ()  # of source weights that belong to a head but to no weight of the zoo model
    unused_prefixes: tuple[str, ...] = ()  # of source weights that the zoo model does not have
    mismatch: typing.Callable | None = (
        None  # zoo model -> why it would compute something else with the weights, or None
    )


ZOO_NAMES = NameMap("fieldzoo", "keras", names=None)


def block_numbers(paths):
    """Returns the numbers of stages and blocks, and the number of each block counted through all stages."""
    blocks = sorted({tuple(map(int, match.groups())) for match in map(_BLOCK.match, paths) if match})
    return types.SimpleNamespace(
        rank={block: n for n, block in enumerate(blocks)},
        blocks=len(blocks),
        stages=1 + max((s for s, _ in blocks), default=-1),
    )


def source_name(name_map, path, numbers):
    """Returns the source's name of a weight, or None where the name map has none.

    Args:
        name_map: a `NameMap`.
        path: path of the weight in the zoo model.
        numbers: `block_numbers` of the zoo model.
    Returns:
        (name, i, n): the weight is the i-th of n equal slices of the source array.
    """
    if name_map.names is None:
        return path, 0, 1
    layer, _, weight = path.rpartition("/")
    for pattern, name in name_map.names.items():
        full_match = _regex(pattern).fullmatch(path)
        match = full_match or _regex(pattern).fullmatch(layer)
        if not match:
            continue
        at = types.SimpleNamespace(**{k: int(v) for k, v in match.groupdict().items()})
        at.n = numbers.rank.get((getattr(at, "s", None), getattr(at, "b", None)))
        at.blocks, at.stages = numbers.blocks, numbers.stages
        name = name(at) if callable(name) else name
        name, i, n = name if isinstance(name, tuple) else (name, 0, 1)
        if not full_match:
            name = f"{name}.{TORCH_WEIGHTS[weight]}" if name_map.layout == "torch" else f"{name}/{weight}"
        return name, i, n
    return None


@functools.cache
def _regex(pattern):
    """Returns `stage{s}_block{b}` as a regular expression with the groups s and b."""
    return re.compile(re.sub(r"\{(\w)\}", r"(?P<\1>\\d+)", re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")))
