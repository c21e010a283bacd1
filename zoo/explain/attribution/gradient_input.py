"""Gradient x input: the contribution of each input to a logit, for a model that is linear around the input."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attribution.reduce_bands import reduce_bands
from zoo.explain.score import Score


@checked
def gradient_input(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """Gradient of a class's logit with respect to the input, times the input, summed over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    For a linear model it is w x. An input of 0 always gets 0, even if its being 0 matters to the model.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: examples in one call of the model.
    Returns:
        Attributions [logit].
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit.

    Source: Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713, section 2.
    Differs: none
    """
    score = Score("gradient_input", model, inputs, target, batch_size, dense=True, mask=mask)
    _, gradient = score.gradients(score.inputs, score.targets)
    return reduce_bands(gradient * score.inputs.astype("float32"), np.sum)
