"""Gradient x input: what each input adds to the answer, were the model linear there."""

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.score import Score, over_bands


@checked
def gradient_input(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """The gradient of a class's logit with respect to the input, times the input, summed over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, of either sign; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    Of a linear model it is w x. What is 0 in the input gets nothing, however much it mattered that it is 0.

    Args:
        model: functional or Sequential model with one input; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: examples in one call of the model.
    Returns:
        Attributions [logit].
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not suit.

    Source: Shrikumar et al. 2016, https://arxiv.org/abs/1605.01713, section 2.
    Differs: none
    """
    score = Score("gradient_input", model, inputs, target, batch_size, dense=True, mask=mask)
    _, gradient = score.gradients(score.inputs, score.targets)
    return over_bands(gradient * score.inputs.astype("float32"), np.sum)
