"""Checks of the splits and the classes of a data set before training."""

import numpy as np

from recipes.data.examples import SPLITS
from recipes.data.split import content_keys
from recipes.reports.column_checks import counted, level_sentences

FEW = 10  # examples of a class or of a held-out split, below which results are uncertain
IMBALANCE = 20  # examples of the commonest per example of the rarest class
SHOWN = 5  # classes that a sentence lists
MAX_BYTES = 2**30  # of inputs that are compared with each other


def split_sentences(splits, accepted):
    """Returns sentences on held-out splits that are small or empty.

    Args:
        splits: dict from the name of a split to its `Examples`.
        accepted: names of the options that the reader takes.
    """
    sentences = []
    for name in ("validation", "test"):
        n = len(splits[name])
        option = f"; `{name}` sets the fraction" if name in accepted else ""
        if n < FEW:
            effect = ": metrics of it are uncertain" if n else ""
            sentences.append(f"the {name} split has {counted(n, 'example')}{effect}{option}")
    return sentences


def class_sentences(rows, task):
    """Returns sentences on rare classes, imbalance and classes whose names are written alike.

    Args:
        rows: dicts of the classes, as `class_rows` returns them.
        task: classification or multilabel.
    """
    totals = {row["name"]: sum(row[s] for s in SPLITS) for row in rows}
    sentences = level_sentences("the target", totals)
    rare = [f"{name!r} ({n})" for name, n in totals.items() if 0 < n < FEW]
    if rare:
        more = f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else ""
        sentences.append(
            f"{len(rare)} class{'es have' if len(rare) > 1 else ' has'} fewer than {FEW} examples: "
            f"{', '.join(rare[:SHOWN])}{more}; add examples, or merge or leave out such classes"
        )
    present = {name: n for name, n in totals.items() if n}
    if present and max(present.values()) > IMBALANCE * min(present.values()):
        commonest, rarest = max(present, key=present.get), min(present, key=present.get)
        weight = "; `--set class_weight=balanced` weights the classes" if task == "classification" else ""
        sentences.append(
            f"the classes are unbalanced: {present[commonest]:,} examples of {commonest!r}, {present[rarest]:,} of "
            f"{rarest!r}{weight}"
        )
    return sentences


def duplicate_sentences(data):
    """Returns sentences on examples that are identical: across splits, within the data, and of different targets."""
    splits = {s: getattr(data, s) for s in SPLITS if len(getattr(data, s))}
    if data.kind == "text" or data.task == "forecasting" or not all(_is_comparable(e.inputs) for e in splits.values()):
        return []
    keys = {s: content_keys(e.inputs) for s, e in splits.items()}
    sentences = []
    is_noted = any("split are also in" in note or "are also in training" in note for note in data.notes)
    for name, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        if name in keys and other in keys and not is_noted:
            n = int(np.isin(keys[name], keys[other]).sum())
            if n:
                sentences.append(f"examples of the {name} split that are also in the {other} split: {n:,}")
    together = np.concatenate(list(keys.values()))
    distinct, index = np.unique(together, return_inverse=True)
    if len(distinct) == len(together):
        return sentences
    sentences.append(f"examples that repeat another one: {len(together) - len(distinct):,}")
    if data.task == "classification":
        targets = np.concatenate([np.asarray(e.targets) for e in splits.values()]).astype(np.int64)
        low, high = np.full(len(distinct), len(data.classes)), np.full(len(distinct), -1)
        np.minimum.at(low, index, targets)
        np.maximum.at(high, index, targets)
        contradictory = int((low < high)[index].sum())
        if contradictory:
            sentences.append(f"examples that are identical to one of another class: {contradictory:,}")
    return sentences


def _is_comparable(inputs):
    """Whether inputs are in memory and small enough to be hashed."""
    if isinstance(inputs, dict):
        return all(isinstance(v, np.ndarray) and v.ndim == 1 for v in inputs.values())
    return isinstance(inputs, np.ndarray) and inputs.nbytes <= MAX_BYTES
