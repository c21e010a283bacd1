"""SmoothGrad: saliency without its grain, averaged over noisy copies of the input."""

import keras
import numpy as np

from zoo.arguments import Count, NonNegative, Whole, checked
from zoo.explain.score import Score, over_bands, resolved


@checked
def smoothgrad(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    samples: Count = 50,
    sigma: NonNegative = 0.15,
    mask: np.ndarray | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> np.ndarray:
    """The size of the mean gradient over copies of the input with Gaussian noise, the largest over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    A constant image has no range and so gets no noise: its map is the saliency.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the one predicted without noise.
        samples: noisy copies of each example.
        sigma: standard deviation of the noise, as a share of each example's largest minus smallest value.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: copies in one call of the model.
        seed: of the noise.
    Returns:
        |mean of d logit / d input| [logit per unit of the input]; not scaled.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not suit.

    Source: Smilkov et al. 2017, https://arxiv.org/abs/1706.03825, section 3.
    Differs: none
    """
    score = Score("smoothgrad", model, inputs, target, batch_size, dense=True, mask=mask)
    x = score.inputs
    logits, gradient = score.gradients(x, score.targets)
    if sigma == 0:
        return over_bands(np.abs(gradient), np.max)
    targets = resolved(score.targets, logits)
    axes = tuple(range(1, x.ndim))
    spread = sigma * np.ptp(x, axis=axes, keepdims=True)
    mean = np.zeros_like(gradient)
    owners, copies = np.divmod(np.arange(len(x) * samples), samples)
    for rows in score.batches(len(owners)):
        own = owners[rows]
        # Each copy has its own generator, so that an example's map does not depend on what else is in the batch.
        noise = np.stack([np.random.default_rng((seed, copy)).standard_normal(x.shape[1:]) for copy in copies[rows]])
        _, gradient = score.gradients((x[own] + spread[own] * noise).astype(x.dtype), targets[own])
        np.add.at(mean, own, gradient / samples)
    return over_bands(np.abs(mean), np.max)
