"""SmoothGrad: less noisy saliency maps, averaged over noisy copies of the input."""

import keras
import numpy as np

from zoo.arguments import Count, NonNegative, Whole, checked
from zoo.explain.attribution.reduce_bands import reduce_bands
from zoo.explain.score import Score, resolve_targets


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
    """Absolute mean gradient over copies of the input with Gaussian noise, the maximum over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    A constant image has a range of 0 and gets no noise: its map is the saliency map.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the class predicted without noise.
        samples: noisy copies of each example.
        sigma: standard deviation of the noise, as a fraction of each example's range (maximum minus minimum).
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: copies in one call of the model.
        seed: seed of the noise.
    Returns:
        |mean of d logit / d input| [logit per unit of the input]; not rescaled.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit.

    Source: Smilkov et al. 2017, https://arxiv.org/abs/1706.03825, section 3.
    Differs: none
    """
    score = Score("smoothgrad", model, inputs, target, batch_size, dense=True, mask=mask)
    x = score.inputs
    logits, gradient = score.gradients(x, score.targets)
    if sigma == 0:
        return reduce_bands(np.abs(gradient), np.max)
    targets = resolve_targets(score.targets, logits)
    axes = tuple(range(1, x.ndim))
    deviation = sigma * np.ptp(x, axis=axes, keepdims=True)
    mean = np.zeros_like(gradient)
    examples, copies = np.divmod(np.arange(len(x) * samples), samples)
    for rows in score.batch_slices(len(examples)):
        batch = examples[rows]
        # Each copy has its own generator, so that an example's map does not depend on the rest of the batch.
        noise = np.stack([np.random.default_rng((seed, copy)).standard_normal(x.shape[1:]) for copy in copies[rows]])
        _, gradient = score.gradients((x[batch] + deviation[batch] * noise).astype(x.dtype), targets[batch])
        np.add.at(mean, batch, gradient / samples)
    return reduce_bands(np.abs(mean), np.max)
