"""How others name the weights of an architecture: tables from our names to theirs."""

import functools
import re
import types
import typing

_PLACE = re.compile(r"stage(\d+)_(?:block|conv)(\d+)")
# Keras' endings, and what PyTorch calls them
TORCH = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class NameMap(typing.NamedTuple):
    """The names that one library gives to the weights of one of our architectures."""

    library: str
    layout: typing.Literal["torch", "keras"]  # decides the endings of names and the order of axes
    # Our layer -> theirs, {s} {b} {c} being numbers; or our whole path -> their whole name. Theirs is a string, or a
    # function of `at`, which has the numbers and what `places` says; or (theirs, i, n): the i-th of n equal parts.
    rows: dict | None  # None where names and axes are ours
    epsilon: float | None = None  # of their batch normalisation, or a function of our model
    backbone: str = ""  # what all their names but the head's begin with, at times
    heads: tuple[str, ...] = ()  # how names of theirs begin that belong to a head and have no weight of ours
    unused: tuple[str, ...] = ()  # how names of theirs begin that ours does without
    refuses: typing.Callable | None = None  # our model -> why their weights would compute something else in it, or None


OURS = NameMap("fieldzoo", "keras", rows=None)


def places(paths):
    """What a name may be counted from: the numbers of stages and blocks, and each block's number among all."""
    blocks = sorted({tuple(map(int, found.groups())) for found in map(_PLACE.match, paths) if found})
    return types.SimpleNamespace(
        rank={place: n for n, place in enumerate(blocks)},
        blocks=len(blocks),
        stages=1 + max((s for s, _ in blocks), default=-1),
    )


def source_name(scheme, path, where):
    """(name, i, n): their name of our weight `path`, and which of how many parts of it; None where no row fits."""
    if scheme.rows is None:
        return path, 0, 1
    layer, _, ending = path.rpartition("/")
    for pattern, row in scheme.rows.items():
        whole = (found := _compiled(pattern).fullmatch(path)) is not None
        found = found or _compiled(pattern).fullmatch(layer)
        if not found:
            continue
        at = types.SimpleNamespace(**{k: int(v) for k, v in found.groupdict().items()})
        at.n = where.rank.get((getattr(at, "s", None), getattr(at, "b", None)))
        at.blocks, at.stages = where.blocks, where.stages
        answer = row(at) if callable(row) else row
        name, part, parts = answer if isinstance(answer, tuple) else (answer, 0, 1)
        if not whole:
            name = f"{name}.{TORCH[ending]}" if scheme.layout == "torch" else f"{name}/{ending}"
        return name, part, parts
    return None


@functools.cache
def _compiled(pattern):
    """`stage{s}_block{b}` as a regular expression with the groups s and b."""
    return re.compile(re.sub(r"\{(\w)\}", r"(?P<\1>\\d+)", re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")))
