"""Saliency: which inputs the answer is most sensitive to."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.score import Score, over_bands


@checked
def saliency(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """The size of the gradient of a class's logit with respect to the input, the largest over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: examples in one call of the model.
    Returns:
        |d logit / d input| [logit per unit of the input]; not scaled.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not suit.

    Source: Simonyan, Vedaldi, Zisserman 2013, https://arxiv.org/abs/1312.6034, section 3.
    Differs: none
    """
    score = Score("saliency", model, inputs, target, batch_size, dense=True, mask=mask)
    _, gradient = score.gradients(score.inputs, score.targets)
    return over_bands(np.abs(gradient), np.max)
