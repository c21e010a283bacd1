"""Integrated gradients: the change of the answer from a baseline to the input, shared out over the inputs."""

import keras
import numpy as np

from zoo.arguments import Count, Positive, Whole, checked
from zoo.explain.score import Score, over_bands, precision, resolved


@checked
def integrated_gradients(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    baseline: tuple[float, ...] = (0.0,),
    steps: Count = 64,
    tolerance: Positive = 0.01,
    mask: np.ndarray | None = None,
    batch_size: Count = 64,
) -> np.ndarray:
    """What each input adds to the logit of a class on the straight way from a baseline to the input.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    The sum over an example is F(input) - F(baseline), its completeness, and that is checked: where the sum misses the
    difference by more than `tolerance`, the example is integrated anew with twice the steps, up to 32 times `steps`.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        baseline: the input that says nothing, one number or one for each band (or feature), in the inputs' unit.
        steps: points on the way, at the middle of equal pieces.
        tolerance: largest miss of the completeness, as a share of the difference; rounding comes on top.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: points in one call of the model.
    Returns:
        Attributions [logit], summed over the bands.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not suit, or the completeness is not reached.

    Source: Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365, eq. 1 and 3.
    Differs: midpoints instead of the right ends of the pieces.
    """
    score = Score("integrated_gradients", model, inputs, target, batch_size, dense=True, mask=mask)
    x = score.inputs
    if len(baseline) not in (1, x.shape[-1]):
        wanted = f"one number or {x.shape[-1]}, one for each band"
        raise ValueError(f"integrated_gradients: `baseline` must be {wanted}, got {len(baseline)}.")
    start = np.broadcast_to(np.array(baseline, x.dtype), x.shape)
    logits, _ = score.gradients(x, score.targets)
    targets = resolved(score.targets, logits)
    origin, _ = score.gradients(start[:1], targets[:1])
    rows = np.arange(len(x))
    ends = np.stack([logits[rows, targets], origin[0, targets]])
    # A small logit is what is left of terms as large as the others', and is as inexact as these
    largest = np.abs(logits).max(axis=-1) + np.abs(origin).max()
    rounding = 4 * precision(model) * largest
    allowed = tolerance * np.abs(ends[0] - ends[1]) + rounding
    result = np.zeros(x.shape, "float64")
    todo = rows
    for doubling in range(6):
        result[todo] = _along(score, x[todo], start[todo], targets[todo], steps * 2**doubling)
        missed = np.abs(result.reshape(len(x), -1).sum(axis=1) - (ends[0] - ends[1]))
        todo = rows[missed > allowed]
        if not len(todo):
            return over_bands(result, np.sum)
    worst = todo[np.argmax(missed[todo])]
    raise ValueError(
        f"integrated_gradients: after {steps * 32} steps the attributions of example {worst} still miss F(input) - "
        f"F(baseline) = {ends[0, worst] - ends[1, worst]:.3g} by {missed[worst]:.3g}; raise `steps` or `tolerance`."
    )


def _along(score, x, start, targets, steps):
    """(x - start) times the mean gradient at the midpoints between them (eq. 3)."""
    total = np.zeros(x.shape, "float64")
    owners = np.repeat(np.arange(len(x)), steps)
    places = np.tile((np.arange(steps, dtype="float32") + 0.5) / steps, len(x))
    for rows in score.batches(len(owners)):
        own = owners[rows]
        place = places[rows].reshape(-1, *[1] * (x.ndim - 1))
        _, gradient = score.gradients(start[own] + place * (x[own] - start[own]), targets[own])
        np.add.at(total, own, gradient)
    return (x - start) * total / steps
