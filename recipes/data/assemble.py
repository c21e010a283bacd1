"""`Data` from pools of examples: reads the targets, splits, and reports overlaps between splits."""

import dataclasses
import warnings

import numpy as np

from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.split import content_keys, lacking_classes, linked_units, split
from recipes.data.targets import read_targets


@dataclasses.dataclass
class Pool:
    """Examples as a reader returns them, before they are split."""

    inputs: object  # as `Examples` has them
    y: object  # targets as the user wrote them
    split: str | None = None  # train, validation or test, or None where all is to be split
    names: np.ndarray | None = None
    keys: np.ndarray | None = None  # content hashes; computed by `assemble` where they are None
    groups: np.ndarray | None = None
    blocks: np.ndarray | None = None
    units: np.ndarray | None = None  # of the split, set by `assemble`
    weights: np.ndarray | None = None  # of a table's rows


def assemble(
    pools,
    split_options,
    *,
    name,
    kind,
    shape,
    dtype,
    task=None,
    classes=(),
    missing=None,
    outputs=("target",),
    columns=None,
    notes=(),
    group=None,
    block=None,
    clusters=None,
    complete=True,
    **facts,
):
    """Returns `Data` from pools: reads the targets, splits pools that are not split, and reports overlaps.

    Args:
        pools: one or more `Pool`.
        split_options: `SplitOptions`.
        name, kind, shape, dtype, columns: as `Data` has them.
        task: classification, multilabel or regression; None infers it from the targets.
        classes: names of the classes, or () to read them from the targets.
        missing: treatment of gaps in the inputs, as `Data` has it; None is error.
        outputs: names of the target columns.
        notes: sentences of the reader.
        group, block, clusters: the options, for the description of the split.
        complete: whether every class must have examples for training and testing; not for the evaluation of a model.
        **facts: source, license, description, as `Data` has them.
    Returns:
        `Data`.
    Raises:
        ValueError: as `read_targets` and `split` document, or if a class is in the test split only.
    """
    sizes = [len(p.y) for p in pools]
    y = np.concatenate([np.asarray(p.y) for p in pools]) if len(pools) > 1 else pools[0].y
    targets = read_targets(y, task=task, classes=classes, outputs=outputs, image=kind == "image", complete=complete)
    values = np.split(targets.values, np.cumsum(sizes)[:-1])
    notes, splits, descriptions, keys = [*notes, *targets.notes], {}, [], {}
    given_splits = {p.split for p in pools}
    for pool, pool_targets in zip(pools, values, strict=True):
        pool.keys = content_keys(pool.inputs) if pool.keys is None else pool.keys
        fractions = tuple(
            0.0 if name_ in given_splits else fraction
            for name_, fraction in zip(SPLITS[1:], split_options.fractions, strict=True)
        )
        if pool.split in SPLITS[1:] or not any(fractions):
            splits[pool.split or "train"] = Examples(pool.inputs, pool_targets, _names(pool), weights=pool.weights)
            keys[pool.split or "train"] = pool.keys
            continue
        pool.units = linked_units(len(pool_targets), (pool.keys, pool.groups, pool.blocks))
        indices = split(pool_targets, pool.units, fractions, split_options.seed)
        descriptions.append(_describe_split(split_options, pool, targets.task, indices, group, block, clusters))
        for name_, selected in zip(SPLITS, indices, strict=True):
            if name_ not in given_splits or name_ == "train":
                splits[name_], keys[name_] = _take(pool, pool_targets, selected), pool.keys[selected]
    for name_ in SPLITS[1:]:
        splits.setdefault(name_, Examples(_empty_like(splits["train"].inputs), targets.values[:0], None))
    ordered = [name_ for name_ in SPLITS if name_ in given_splits]
    unchanged = [name_ for name_ in ordered if name_ != "train" or not descriptions]
    if unchanged:
        descriptions.append(f"the {', '.join(unchanged)} split{'s' * (len(unchanged) > 1)} as given")
    notes += _overlaps(keys, ordered) + (_missing_classes(splits, targets) if complete else [])
    return Data(
        name=name, task=targets.task, kind=kind, shape=shape, dtype=dtype, classes=targets.classes,
        outputs=targets.outputs, **splits, columns=columns or {}, notes=tuple(notes), missing=missing or "error",
        split_description="; ".join(descriptions) or "all in one split", **facts,
    )  # fmt: skip


def warn_and_note(text):
    """Warns of `text` and returns it, for facts that belong both on the screen and in the notes."""
    warnings.warn(text, stacklevel=4)
    return text


def _names(pool):
    return np.arange(len(pool.y)) if pool.names is None else pool.names


def _take(pool, targets, indices):
    """Returns the examples at `indices`; of a tf.data.Dataset, in its own order."""
    import tensorflow as tf

    if not isinstance(pool.inputs, tf.data.Dataset):
        return Examples(pool.inputs, targets, _names(pool), weights=pool.weights, units=pool.units).take(indices)
    indices = np.sort(indices)
    mask = np.zeros(len(targets), bool)
    mask[indices] = True

    def is_selected(index, x):
        return tf.gather(mask, index)

    def without_index(index, x):
        return x

    dataset = pool.inputs.enumerate().filter(is_selected).map(without_index)
    return Examples(dataset, targets[indices], _names(pool)[indices])


def _empty_like(inputs):
    """Returns no inputs, of the kind of `inputs`."""
    if isinstance(inputs, dict):
        return {column: values[:0] for column, values in inputs.items()}
    if isinstance(inputs, np.ndarray):
        return inputs[:0]
    return inputs.take(slice(0, 0) if hasattr(inputs, "read") else 0)


def _describe_split(split_options, pool, task, indices, group, block, clusters):
    sizes = ", ".join(f"{len(i):,} {name}" for name, i in zip(SPLITS, indices, strict=True) if len(i))
    strata = {"classification": "class", "multilabel": "label", "regression": "deciles of the target"}[task]
    text = f"{sizes}; seed {split_options.seed}, stratified by {strata}, identical examples in one split"
    if pool.groups is not None:
        of = f" of {group}" if isinstance(group, str) else ""
        text += f", {len(np.unique(pool.groups)):,} groups{of} kept whole"
    if clusters is not None:
        text += f", {len(np.unique(pool.blocks)):,} clusters of similar examples kept whole"
    elif pool.blocks is not None:
        x, y, size = block
        text += f", {len(np.unique(pool.blocks)):,} square blocks of side {size:g} in {x} and {y} kept whole"
    return text


def _overlaps(keys, given_splits):
    """Returns notes on examples that given splits share; splits that were drawn here share none."""
    notes = []
    for name, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        if {name, other} <= set(keys) and {name, other} & set(given_splits):
            shared = int(np.isin(keys[name], keys[other]).sum())
            if shared:
                notes.append(warn_and_note(f"{shared:,} examples of the {name} split are also in the {other} split"))
    return notes


def _missing_classes(splits, targets):
    """Returns notes on classes that a split lacks; a class without a training example is an error."""
    if targets.task == "regression":
        return []
    ordered = {s: splits[s] for s in SPLITS if len(splits[s])}
    if targets.task == "multilabel":
        return lacking_classes({s: e.targets.sum(0) for s, e in ordered.items()}, targets.classes)
    counts = {s: np.bincount(e.targets, minlength=len(targets.classes)) for s, e in ordered.items()}
    for i, name in enumerate(targets.classes):
        if not counts["train"][i] and any(n[i] for n in counts.values()):
            others = " and ".join(s for s in SPLITS[1:] if counts[s][i])
            raise ValueError(
                f"the training split must have examples of every class, got none of {name!r}, which is in {others}."
            )
    return lacking_classes(counts, targets.classes)
