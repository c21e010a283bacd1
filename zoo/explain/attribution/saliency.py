"""Saliency maps: the gradient of a class's logit with respect to the input."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attribution.reduce_bands import reduce_bands
from zoo.explain.score import Score


@checked
def saliency(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """Absolute gradient of a class's logit with respect to the input, the maximum over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: examples in one call of the model.
    Returns:
        |d logit / d input| [logit per unit of the input]; not rescaled.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit.

    Source: Simonyan, Vedaldi, Zisserman 2013, https://arxiv.org/abs/1312.6034, section 3.
    Differs: none
    """
    score = Score("saliency", model, inputs, target, batch_size, dense=True, mask=mask)
    _, gradient = score.gradients(score.inputs, score.targets)
    return reduce_bands(np.abs(gradient), np.max)
