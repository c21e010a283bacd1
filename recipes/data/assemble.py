"""From what a door has read to training, validation and test."""

import dataclasses
import warnings

import numpy as np

from recipes.data.examples import Data, Examples
from recipes.data.images.image_files import Files
from recipes.data.split import content_keys, split
from recipes.data.targets import read_targets


@dataclasses.dataclass(frozen=True)
class Options:
    """What `load` was asked for beside the source; its docstring says what each means."""

    target: tuple = ()
    text: str | None = None
    task: str | None = None
    classes: tuple = ()
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    group: object = None
    block: tuple | None = None
    missing: str | None = None
    categorical: tuple = ()
    drop_columns: tuple = ()
    columns: tuple = ()
    strict: bool = False
    time: str | None = None
    window: int | None = None
    horizon: tuple = (1,)
    gap: int = 0
    step: str | None = None
    calendar: tuple = ()
    season_length: int | None = None
    time_fraction: float | None = None
    labels: str | None = None
    tile: int | None = None
    bands: tuple = ()
    ignore: tuple = ()
    instances: str | None = None

    def refuse_tables(self, what, *also):
        """A ValueError where an option for tables was given for `what`, which is none."""
        for option in ("block", "category", "drop", "keep", *also):
            if getattr(self, option) not in (None, ()):
                raise ValueError(f"load: `{option}` is for tables, got it for {what}.")


@dataclasses.dataclass
class Pool:
    """Examples as a door has read them, before they are split."""

    inputs: object  # as `Examples` has them
    y: object  # targets as the user wrote them
    part: str | None = None  # train, validation or test, or None where all is to be split
    names: np.ndarray | None = None
    keys: np.ndarray | None = None  # content hashes; taken here where the door has not
    groups: np.ndarray | None = None
    blocks: np.ndarray | None = None


def assemble(pools, options, *, name, kind, shape, dtype, outputs=("target",), columns=None, notes=(), **told):
    """Reads the targets, splits what is not split yet, looks for leaks, and puts the `Data` together.

    Args:
        pools: one or more `Pool`.
        options: `Options`.
        name, kind, shape, dtype, columns: as `Data` has them.
        outputs: names of the target columns.
        notes: what the door has to say.
        **told: source, licence, description, as `Data` has them.
    Returns:
        `Data`.
    Raises:
        ValueError: as `read_targets` and `split` say, or if a class is in the test part only.
    """
    sizes = [len(p.y) for p in pools]
    y = np.concatenate([np.asarray(p.y) for p in pools]) if len(pools) > 1 else pools[0].y
    read = read_targets(y, task=options.task, classes=options.classes, outputs=outputs, image=kind == "image")
    values = np.split(read.values, np.cumsum(sizes)[:-1])
    notes, parts, words, keys = [*notes, *read.notes], {}, [], {}
    have = {p.part for p in pools}
    for pool, targets in zip(pools, values, strict=True):
        pool.keys = content_keys(pool.inputs) if pool.keys is None else pool.keys
        fractions = (
            options.validation if "validation" not in have else 0.0,
            options.test if "test" not in have else 0.0,
        )
        if pool.part in ("validation", "test") or not any(fractions):
            parts[pool.part or "train"] = Examples(pool.inputs, targets, _named(pool))
            keys[pool.part or "train"] = pool.keys
            continue
        places = split(targets, pool.keys, fractions, options.seed, pool.groups, pool.blocks)
        words.append(_in_words(options, pool, read.task, places))
        for part, chosen in zip(("train", "validation", "test"), places, strict=True):
            if part not in have or part == "train":
                parts[part], keys[part] = _take(pool, targets, chosen), pool.keys[chosen]
    for part in ("validation", "test"):
        parts.setdefault(part, Examples(_nothing(parts["train"].inputs), read.values[:0], None))
    own = [part for part in ("train", "validation", "test") if part in have]
    as_given = [part for part in own if part != "train" or not words]
    if as_given:
        words.append(f"the {', '.join(as_given)} part{'s' * (len(as_given) > 1)} as given")
    notes += _leaks(keys, own) + _absences(parts, read)
    told = {"source": "the user", "licence": "not stated", "description": "", **told}
    return Data(
        name=name, task=read.task, kind=kind, shape=shape, dtype=dtype, classes=read.classes, outputs=read.outputs,
        **parts, columns=columns or {}, split="; ".join(words) or "all in one part", notes=tuple(notes),
        missing=options.missing or "error", **told,
    )  # fmt: skip


def warn_and_note(text):
    """Warns of `text` and returns it, for what must be seen at once and stay in the notes."""
    warnings.warn(text, stacklevel=4)
    return text


def _named(pool):
    return np.arange(len(pool.y)) if pool.names is None else pool.names


def _take(pool, targets, chosen):
    """The examples at `chosen`; of a stream, in its own order."""
    import tensorflow as tf

    if not isinstance(pool.inputs, tf.data.Dataset):
        return Examples(pool.inputs, targets, _named(pool)).take(chosen)
    chosen = np.sort(chosen)
    mine = np.zeros(len(targets), bool)
    mine[chosen] = True

    def is_mine(place, x):
        return tf.gather(mine, place)

    def without_place(place, x):
        return x

    stream = pool.inputs.enumerate().filter(is_mine).map(without_place)
    return Examples(stream, targets[chosen], _named(pool)[chosen])


def _nothing(inputs):
    """No inputs, of the kind of `inputs`."""
    if isinstance(inputs, dict):
        return {column: values[:0] for column, values in inputs.items()}
    if isinstance(inputs, np.ndarray):
        return inputs[:0]
    return inputs.take(slice(0, 0) if isinstance(inputs, Files) else 0)


def _in_words(options, pool, task, places):
    sizes = [f"{len(p):,} {part}" for part, p in zip(("training", "validation", "test"), places, strict=True) if len(p)]
    by = {"classification": "class", "multilabel": "label", "regression": "tenths of the target"}[task]
    said = f"{', '.join(sizes)}; drawn with seed {options.seed}, stratified by {by}, identical examples on one side"
    if pool.groups is not None:
        of = f" of {options.group}" if isinstance(options.group, str) else ""
        said += f", {len(np.unique(pool.groups)):,} groups{of} whole"
    if pool.blocks is not None:
        x, y, size = options.block
        said += f", {len(np.unique(pool.blocks)):,} squares of side {size:g} in {x} and {y} whole"
    return said


def _leaks(keys, own):
    """Notes on examples that given parts share; parts that were split here share none."""
    notes = []
    for part, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        if {part, other} <= set(keys) and {part, other} & set(own):
            shared = int(np.isin(keys[part], keys[other]).sum())
            if shared:
                notes.append(warn_and_note(f"{shared:,} examples of the {part} part are also in the {other} part"))
    return notes


def _absences(parts, read):
    """Notes on classes that a part lacks; a class that cannot be learnt is an error."""
    if read.task == "multilabel":
        known = parts["train"].targets.any(0)
        return [f"no example of {name!r} in training" for name, n in zip(read.classes, known, strict=True) if not n]
    if read.task == "regression":
        return []
    notes, number = [], {p: np.bincount(e.targets, minlength=len(read.classes)) for p, e in parts.items()}
    for i, name in enumerate(read.classes):
        if not number["train"][i] and any(n[i] for n in number.values()):
            raise ValueError(f"load: the training part must have examples of every class, got none of {name!r}.")
        lacking = [p for p in ("validation", "test") if len(parts[p]) and not number[p][i] and number["train"][i]]
        if lacking:
            notes.append(f"no example of class {name!r} in {' and '.join(lacking)}")
    return notes
