"""RISE: the mean prediction for inputs behind random masks, for each pixel."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.model_requirements import unsupported_reason
from zoo.explain.progress_bar import progress_bar
from zoo.explain.score import Score, resolve_targets

OPEN_FRACTION = 0.5  # probability that a mask's cell shows the input (section 4.2)


@checked
def rise(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    samples: Count = 4000,
    cells: Count = 7,
    fill: tuple[float, ...] = (0.0,),
    mask: np.ndarray | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> np.ndarray:
    """Increase of the mean prediction over random masks when a pixel is visible.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T).

    Each mask has `cells` cells along a side, half of them open. It is upsampled bilinearly and shifted by up to a cell.
    Only the model's predictions are used. The noise falls with the square root of `samples`. Progress is shown on
    stderr.

    Args:
        model: functional or Sequential model with one input.
        inputs: inputs of the model, after preprocessing: images or series.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        samples: number of masks, the same for each example.
        cells: cells of a mask along each side, at least 2.
        fill: value behind a closed mask, one number or one for each band, in the inputs' unit.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: masked inputs in one call of the model.
        seed: seed of the masks.
    Returns:
        Mean probability of the class (or mean output of a regressor) over the masks, each weighted by its value at the
        pixel, minus the mean over all masks.
    Raises:
        ValueError: if the model, the inputs, the target, the mask or the fill do not fit, or `cells` is 1.

    Source: Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421, eq. 6 and section 3.2.
    Differs: the sum is divided by the sum of the drawn masks at a pixel, not by its expected value; and the mean over
        all masks is subtracted, so that a pixel without influence has 0.
    """
    score = Score("rise", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = rise_unsupported_reason(model)
    if reason:
        raise ValueError(f"rise: {reason}.")
    x = score.inputs
    if len(fill) not in (1, x.shape[-1]):
        raise ValueError(f"rise: `fill` must be one number or {x.shape[-1]}, one for each band, got {len(fill)}.")
    if cells == 1:
        raise ValueError("rise: `cells` must be a whole number of at least 2, got 1.")
    fill_values = np.array(fill, "float32")
    sides = x.shape[1:-1]
    upsampling = [_upsampling_weights(cells, side) for side in sides]
    targets = resolve_targets(score.targets, score.predict(x))
    weighted_sum, mask_sum, mean = np.zeros((len(x), *sides)), np.zeros(sides), np.zeros(len(x))
    for rows in progress_bar(score.batch_slices(samples), "RISE"):
        masks = np.stack([_random_mask(seed, number, cells, sides, upsampling) for number in range(samples)[rows]])
        mask_sum += masks.sum(axis=0)
        for n, example in enumerate(x.astype("float32")):
            masked = fill_values + masks[..., None] * (example - fill_values)
            predictions = score.predict(masked.astype(x.dtype))[:, targets[n]].astype("float64")
            weighted_sum[n] += np.tensordot(predictions, masks, axes=1)
            mean[n] += predictions.sum() / samples
    mean = mean.reshape(-1, *[1] * len(sides))
    # A pixel that no mask opens has no estimate, and gets 0.
    visible = mask_sum > 0
    return np.where(visible, weighted_sum / np.where(visible, mask_sum, 1) - mean, 0).astype("float32")


def _upsampling_weights(cells, side):
    """Returns (shifts, side, cells) bilinear weights of the cells at each pixel of a row, for every shift."""
    cell = -(-side // cells)
    length = (cells + 1) * cell  # one cell more than the side, for the shift
    centers = np.clip((np.arange(length) + 0.5) * cells / length - 0.5, 0, cells - 1)
    weights = np.maximum(0, 1 - np.abs(centers[:, None] - np.arange(cells)))
    return np.stack([weights[shift : shift + side] for shift in range(cell)])


def _random_mask(seed, number, cells, sides, upsampling):
    """Returns one mask, (H, W) or (T,) in [0, 1], which depends on its number only, not on the batch."""
    rng = np.random.default_rng((seed, number))
    mask = (rng.random([cells] * len(sides)) < OPEN_FRACTION).astype("float32")
    for weights in upsampling:  # each iteration upsamples the first axis and moves it to the end
        mask = np.tensordot(mask, weights[rng.integers(len(weights))].astype("float32"), axes=(0, 1))
    return mask


def rise_unsupported_reason(model):
    """Returns the reason why RISE cannot mask the inputs of a model; "" if it can."""
    reason = unsupported_reason(model, dense=True)
    if reason:
        return reason
    shape, dtype = tuple(model.inputs[0].shape), model.inputs[0].dtype
    if len(shape) < 3:
        return f"`model` must take images or series, whose neighbors are related, got {shape}"
    if "float" not in dtype:
        return f"`model` must take floating-point inputs, which a mask can fade out, its inputs are {dtype}"
    return ""
