"""Occlusion: how much of the answer is lost when a part of the input is hidden."""

import itertools

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.progress import advancing
from zoo.explain.score import Score, resolved


@checked
def occlusion(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    patch: tuple[Count, ...] | None = None,
    stride: tuple[Count, ...] | None = None,
    fill: tuple[float, ...] = (0.0,),
    mask: np.ndarray | None = None,
    batch_size: Count = 64,
) -> np.ndarray:
    """How far a class's logit falls when a patch is hidden, the mean over all patches that hide a place.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    The last patch of a row is moved back to the border, so every place is hidden at least once.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        patch: sides of what is hidden at once [pixels, steps or features], one number for a square; None for an eighth
            of the input's sides, and for one feature of a table.
        stride: how far the patch moves at a time, at most its side; None for half its sides.
        fill: what stands in the patch, one number or one for each band, in the inputs' unit.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: hidden inputs in one call of the model.
    Returns:
        Falls of the logit; the model is called once for every `batch_size` of the N x positions hidden inputs, and once
        for every `batch_size` of the inputs.
    Raises:
        ValueError: if the model, the inputs, the target, the mask, the patch, the stride or the fill do not suit.

    Source: Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901, section 4.2.
    Differs: the logit, not the probability, which saturates; `fill` is 0 where the paper's square is grey.
    """
    score = Score("occlusion", model, inputs, target, batch_size, dense=True, mask=mask)
    x = score.inputs
    sides = x.shape[1:-1] or x.shape[1:]
    default = [1] if x.ndim == 2 else [-(-side // 8) for side in sides]
    patch = _sides("patch", patch or default, sides)
    stride = _sides("stride", stride or [-(-p // 2) for p in patch], patch)
    if len(fill) not in (1, x.shape[-1]):
        raise ValueError(f"occlusion: `fill` must be one number or {x.shape[-1]}, one for each band, got {len(fill)}.")
    hidden = np.broadcast_to(np.array(fill, x.dtype), x.shape[1:])
    starts = [_starts(*sizes) for sizes in zip(sides, patch, stride, strict=True)]
    places = [
        tuple(slice(s, s + p) for s, p in zip(corner, patch, strict=True)) for corner in itertools.product(*starts)
    ]
    whole = score.values(x)
    targets = resolved(score.targets, whole)
    total, times = np.zeros((len(x), *sides)), np.zeros(sides)
    for place in places:
        times[place] += 1
    work = list(itertools.product(range(len(x)), places))
    for rows in advancing(score.batches(len(work)), "occlusion"):
        some = work[rows]
        covered = x[[n for n, _ in some]]
        for row, (_, place) in zip(covered, some, strict=True):
            row[place] = hidden[place]
        for logits, (n, place) in zip(score.values(covered), some, strict=True):
            total[n][place] += whole[n, targets[n]] - logits[targets[n]]
    return (total / times).astype("float32")


def _sides(name, sizes, limits):
    """One size for each side, none beyond its limit."""
    sizes = tuple(sizes) * len(limits) if len(sizes) == 1 else tuple(sizes)
    if len(sizes) != len(limits) or any(s > limit for s, limit in zip(sizes, limits, strict=True)):
        within = "the sides of the input" if name == "patch" else "those of the patch, or places would never be hidden"
        raise ValueError(f"occlusion: `{name}` must be {len(limits)} sides within {within} {limits}, got {sizes}.")
    return sizes


def _starts(side, patch, stride):
    """Where the patches of one side begin."""
    found = list(range(0, side - patch + 1, stride))
    return found if found[-1] == side - patch else [*found, side - patch]
