"""Occlusion: the loss of a class's logit when a patch of the input is hidden."""

import itertools

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.progress_bar import progress_bar
from zoo.explain.score import Score, resolve_targets


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
    """Decrease of a class's logit when a patch is hidden, the mean over all patches that cover a pixel.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    The last patch of a row is moved back to the border, so every pixel is hidden at least once.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        patch: sides of the hidden patch [pixels, steps or features], one number for a square; None for an eighth of the
            input's sides, and for one feature of a table.
        stride: distance between patches, at most a patch's side; None for half a patch's sides.
        fill: value inside the patch, one number or one for each band, in the inputs' unit.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: hidden inputs in one call of the model.
    Returns:
        Decrease of the logit. The model is called once per `batch_size` of the N x patches hidden inputs, and once per
        `batch_size` of the inputs.
    Raises:
        ValueError: if the model, the inputs, the target, the mask, the patch, the stride or the fill do not fit.

    Source: Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901, section 4.2.
    Differs: the logit, not the probability, which saturates; `fill` is 0 where the paper's square is gray.
    """
    score = Score("occlusion", model, inputs, target, batch_size, dense=True, mask=mask)
    x = score.inputs
    sides = x.shape[1:-1] or x.shape[1:]
    default = [1] if x.ndim == 2 else [-(-side // 8) for side in sides]
    patch = _check_sides("patch", patch or default, sides)
    stride = _check_sides("stride", stride or [-(-p // 2) for p in patch], patch)
    if len(fill) not in (1, x.shape[-1]):
        raise ValueError(f"occlusion: `fill` must be one number or {x.shape[-1]}, one for each band, got {len(fill)}.")
    fill_values = np.broadcast_to(np.array(fill, x.dtype), x.shape[1:])
    starts = [_patch_starts(*sizes) for sizes in zip(sides, patch, stride, strict=True)]
    patches = [
        tuple(slice(s, s + p) for s, p in zip(corner, patch, strict=True)) for corner in itertools.product(*starts)
    ]
    logits = score.predict_logits(x)
    targets = resolve_targets(score.targets, logits)
    total, counts = np.zeros((len(x), *sides)), np.zeros(sides)
    for window in patches:
        counts[window] += 1
    jobs = list(itertools.product(range(len(x)), patches))
    for rows in progress_bar(score.batch_slices(len(jobs)), "occlusion"):
        batch = jobs[rows]
        hidden = x[[n for n, _ in batch]]
        for row, (_, window) in zip(hidden, batch, strict=True):
            row[window] = fill_values[window]
        for hidden_logits, (n, window) in zip(score.predict_logits(hidden), batch, strict=True):
            total[n][window] += logits[n, targets[n]] - hidden_logits[targets[n]]
    return (total / counts).astype("float32")


def _check_sides(name, sizes, limits):
    """Returns one size for each side, none beyond its limit."""
    sizes = tuple(sizes) * len(limits) if len(sizes) == 1 else tuple(sizes)
    if len(sizes) != len(limits) or any(s > limit for s, limit in zip(sizes, limits, strict=True)):
        within = "the sides of the input" if name == "patch" else "those of the patch, to hide every pixel,"
        raise ValueError(f"occlusion: `{name}` must be {len(limits)} sides within {within} {limits}, got {sizes}.")
    return sizes


def _patch_starts(side, patch, stride):
    """Returns the start of each patch along one side."""
    starts = list(range(0, side - patch + 1, stride))
    return starts if starts[-1] == side - patch else [*starts, side - patch]
