"""RISE: the mean answer to inputs seen through random masks, place by place."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.progress import advancing
from zoo.explain.score import Score, refusal, resolved

KEPT = 0.5  # share of a mask's cells through which the input is seen (section 4.2)


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
    """How much more the model answers on average when a place is seen.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T).

    Each mask has `cells` cells a side, half of them open; it is enlarged bilinearly and shifted by up to a cell. The
    model's inside plays no part. The noise falls with the root of `samples`, and a bar on stderr shows how far it is.

    Args:
        model: functional or Sequential model with one input.
        inputs: what the model takes, after preprocessing: images or series.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        samples: masks, the same for each example.
        cells: of a mask along each side; 1 would hide all or nothing.
        fill: what stands where the mask is closed, one number or one for each band, in the inputs' unit.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: masked inputs in one call of the model.
        seed: of the masks.
    Returns:
        The class's mean probability (a regressor's mean output) over the masks, each counting as much as it opens the
        place, less that over all masks.
    Raises:
        ValueError: if the model, the inputs, the target, the mask or the fill do not suit, or `cells` is 1.

    Source: Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421, eq. 6 and section 3.2.
    Differs: the sum is divided by what the masks drawn open at a place, not by what they would open on average, and
        the mean over all masks is taken away, so that a place without influence has 0.
    """
    score = Score("rise", model, inputs, target, batch_size, dense=True, mask=mask)
    reason = unmaskable(model)
    if reason:
        raise ValueError(f"rise: {reason}.")
    x = score.inputs
    if len(fill) not in (1, x.shape[-1]):
        raise ValueError(f"rise: `fill` must be one number or {x.shape[-1]}, one for each band, got {len(fill)}.")
    if cells == 1:
        raise ValueError("rise: `cells` must be a whole number of at least 2, got 1.")
    hidden = np.array(fill, "float32")
    sides = x.shape[1:-1]
    enlarge = [_enlarged(cells, side) for side in sides]
    targets = resolved(score.targets, score.answers(x))
    total, opened, mean = np.zeros((len(x), *sides)), np.zeros(sides), np.zeros(len(x))
    for rows in advancing(score.batches(samples), "RISE"):
        masks = np.stack([_mask(seed, n, cells, sides, enlarge) for n in range(samples)[rows]])
        opened += masks.sum(axis=0)
        for n, example in enumerate(x.astype("float32")):
            seen = hidden + masks[..., None] * (example - hidden)
            answers = score.answers(seen.astype(x.dtype))[:, targets[n]]
            total[n] += np.tensordot(answers.astype("float64"), masks, axes=1)
            mean[n] += answers.astype("float64").sum() / samples
    mean = mean.reshape(-1, *[1] * len(sides))
    # A place that no mask opens was never seen, and nothing is known of it.
    return np.where(opened > 0, total / np.where(opened > 0, opened, 1) - mean, 0).astype("float32")


def _enlarged(cells, side):
    """(shifts, side, cells): the bilinear weights of a row's cells at each of its places, for every shift."""
    cell = -(-side // cells)
    long = (cells + 1) * cell  # long enough to be shifted by a cell
    places = np.clip((np.arange(long) + 0.5) * cells / long - 0.5, 0, cells - 1)
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))
    return np.stack([weights[shift : shift + side] for shift in range(cell)])


def _mask(seed, number, cells, sides, enlarge):
    """The mask of a number, the same whatever the batch: (H, W) or (T,) in [0, 1]."""
    random = np.random.default_rng((seed, number))
    found = (random.random([cells] * len(sides)) < KEPT).astype("float32")
    for weights in enlarge:  # each turn enlarges the first side and moves it to the end
        found = np.tensordot(found, weights[random.integers(len(weights))].astype("float32"), axes=(0, 1))
    return found


def unmaskable(model):
    """Why inputs of a model cannot be seen through masks; empty where they can."""
    reason = refusal(model, dense=True)
    if reason:
        return reason
    shape, kind = tuple(model.inputs[0].shape), model.inputs[0].dtype
    if len(shape) < 3:
        return f"`model` must take images or series, whose neighbours belong together, got {shape}"
    if "float" not in kind:
        return f"`model` must take real numbers, which can fade behind a mask, its inputs are {kind}"
    return ""
