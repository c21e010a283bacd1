"""Integrated gradients: attributions of the change of a logit between a baseline and the input."""

import keras
import numpy as np

from zoo.arguments import Count, Positive, Whole, checked
from zoo.explain.attribution.reduce_bands import reduce_bands
from zoo.explain.score import Score, resolve_targets


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
    """Contribution of each input to the logit of a class, integrated on the straight path from a baseline.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    The attributions of an example sum to F(input) - F(baseline) (completeness). This is checked: an example whose sum
    misses the difference by more than `tolerance` is integrated again with twice the steps, up to 32 times `steps`.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        baseline: uninformative input, one number or one for each band (or feature), in the inputs' unit.
        steps: points on the path, at the midpoints of equal intervals.
        tolerance: largest error of the sum, as a fraction of the difference; rounding errors are allowed on top.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: points in one call of the model.
    Returns:
        Attributions [logit], summed over the bands.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit, or completeness is not reached.

    Source: Sundararajan, Taly, Yan 2017, https://arxiv.org/abs/1703.01365, eq. 1 and 3.
    Differs: midpoints instead of the right ends of the intervals.
    """
    score = Score("integrated_gradients", model, inputs, target, batch_size, dense=True, mask=mask)
    x = score.inputs
    if len(baseline) not in (1, x.shape[-1]):
        expected = f"one number or {x.shape[-1]}, one for each band"
        raise ValueError(f"integrated_gradients: `baseline` must be {expected}, got {len(baseline)}.")
    start = np.broadcast_to(np.array(baseline, x.dtype), x.shape)
    logits, _ = score.gradients(x, score.targets)
    targets = resolve_targets(score.targets, logits)
    start_logits, _ = score.gradients(start[:1], targets[:1])
    examples = np.arange(len(x))
    differences = logits[examples, targets] - start_logits[0, targets]
    # A small logit can be the difference of terms as large as the other logits, and has their rounding error.
    largest = np.abs(logits).max(axis=-1) + np.abs(start_logits).max()
    allowed = tolerance * np.abs(differences) + 4 * machine_epsilon(model) * largest
    attributions = np.zeros(x.shape, "float64")
    unfinished = examples
    for doubling in range(6):
        attributions[unfinished] = _integrate(
            score, x[unfinished], start[unfinished], targets[unfinished], steps * 2**doubling
        )
        errors = np.abs(attributions.reshape(len(x), -1).sum(axis=1) - differences)
        unfinished = examples[errors > allowed]
        if not len(unfinished):
            return reduce_bands(attributions, np.sum)
    worst = unfinished[np.argmax(errors[unfinished])]
    raise ValueError(
        f"integrated_gradients: after {steps * 32} steps the attributions of example {worst} still miss F(input) - "
        f"F(baseline) = {differences[worst]:.3g} by {errors[worst]:.3g}; raise `steps` or `tolerance`."
    )


def _integrate(score, x, start, targets, steps):
    """Returns (x - start) times the mean gradient at the midpoints of the path (eq. 3)."""
    total = np.zeros(x.shape, "float64")
    examples = np.repeat(np.arange(len(x)), steps)
    positions = np.tile((np.arange(steps, dtype="float32") + 0.5) / steps, len(x))
    for rows in score.batch_slices(len(examples)):
        batch = examples[rows]
        position = positions[rows].reshape(-1, *[1] * (x.ndim - 1))
        _, gradient = score.gradients(start[batch] + position * (x[batch] - start[batch]), targets[batch])
        np.add.at(total, batch, gradient)
    return (x - start) * total / steps


def machine_epsilon(model):
    """Returns the relative rounding error of the least precise dtype that a layer of the model computes in."""
    import ml_dtypes  # NumPy's own finfo lacks bfloat16

    dtypes = {model.compute_dtype, *(layer.compute_dtype for layer in model.layers)}
    return max(float(ml_dtypes.finfo(dtype).eps) for dtype in dtypes if "float" in dtype)
