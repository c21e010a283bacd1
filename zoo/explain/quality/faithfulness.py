"""Deletion and insertion: the change of a prediction when the most important pixels are hidden or revealed."""

import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.score import Score, resolve_targets


class Faithfulness(typing.NamedTuple):
    """Predictions for a class while pixels are hidden or revealed, the most important first."""

    fractions: np.ndarray  # (S + 1,) of the pixels that are hidden or revealed
    predictions: np.ndarray  # (N, S + 1) for the class
    auc: np.ndarray  # (N,) area under each curve
    metric: str  # deletion or insertion

    def figure(self, path=None):
        """Draws each example's curve, and their mean.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        mean = self.predictions.mean(axis=0)
        axes.plot(self.fractions, self.predictions.T, color="grey", linewidth=0.6, alpha=0.4)
        axes.plot(self.fractions, mean, color="#2166ac", linewidth=2)
        axes.fill_between(self.fractions, mean, color="#2166ac", alpha=0.15)
        better = "lower is better" if self.metric == "deletion" else "higher is better"
        axes.set_title(f"{self.metric.capitalize()}: mean AUC {self.auc.mean():.3f} ({better})", fontsize=10)
        changed = "hidden" if self.metric == "deletion" else "revealed"
        axes.set(xlabel=f"fraction of the pixels {changed}", ylabel="prediction for the class", xlim=(0, 1))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def deletion(
    model: keras.Model,
    inputs: np.ndarray,
    maps: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    steps: Count = 50,
    fill: tuple[float, ...] = (0.0,),
    batch_size: Count = 64,
) -> Faithfulness:
    """Predictions for a class while pixels are hidden in the order of the maps, the most important first.

    Inputs (N, H, W, C) with maps (N, H, W); series (N, T, F) with (N, T); tables (N, F) with (N, F).

    A faithful map ranks the pixels that the class depends on first: the prediction falls early and the area under the
    curve is small.

    Args:
        model: functional or Sequential classifier or regressor with one input.
        inputs: inputs of the model, after preprocessing.
        maps: the result of an explanation method; larger is more important.
        target: class from 0, or one for each example; None for the predicted class.
        steps: equal steps in which the pixels are hidden; at most one per pixel.
        fill: value of hidden pixels, one number or one for each band, in the inputs' unit.
        batch_size: inputs in one call of the model.
    Returns:
        `Faithfulness(fractions, predictions, auc, metric)`; the predictions are probabilities if the model ends in a
        softmax or a sigmoid. `.figure(path)` draws them.
    Raises:
        ValueError: if the model, the inputs, the maps, the target or the fill do not fit.

    Source: Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421, section 4.2 and algorithm 1.
    Differs: `steps` equal steps, not a fixed number of pixels per step; among equal pixels the first is hidden first.
    """
    score = _score("deletion", model, inputs, target, batch_size)
    hidden = _filled("deletion", score.inputs, fill)
    return _curve("deletion", score, score.inputs, hidden, maps, steps)


@checked
def insertion(
    model: keras.Model,
    inputs: np.ndarray,
    maps: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    steps: Count = 50,
    canvas: Literal["blur", "fill"] = "blur",
    fill: tuple[float, ...] = (0.0,),
    batch_size: Count = 64,
) -> Faithfulness:
    """Predictions for a class while pixels are revealed on a blurred input, the most important first.

    Inputs (N, H, W, C) with maps (N, H, W); series (N, T, F) with (N, T); tables (N, F) with (N, F).

    A faithful map ranks the pixels that the class depends on first: the prediction rises early and the area under the
    curve is large.

    Args:
        model: functional or Sequential classifier or regressor with one input.
        inputs: inputs of the model, after preprocessing.
        maps: the result of an explanation method; larger is more important.
        target: class from 0, or one for each example; None for the predicted class.
        steps: equal steps in which the pixels are revealed; at most one per pixel.
        canvas: blur starts from the input blurred by a Gaussian with a standard deviation of a tenth of its larger
            side; fill starts from `fill`. Tables have no neighbors to blur and always use fill.
        fill: value of pixels that are not revealed yet, one number or one for each band, in the inputs' unit.
        batch_size: inputs in one call of the model.
    Returns:
        `Faithfulness(fractions, predictions, auc, metric)`; the predictions are probabilities if the model ends in a
        softmax or a sigmoid. `.figure(path)` draws them.
    Raises:
        ValueError: if the model, the inputs, the maps, the target or the fill do not fit.

    Source: Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421, section 4.2 and algorithm 1.
    Differs: `steps` equal steps; the paper does not state the width of its blur.
    """
    score = _score("insertion", model, inputs, target, batch_size)
    first = _filled("insertion", score.inputs, fill)
    if canvas == "blur" and score.inputs.ndim > 2:
        first = _blur(score.inputs)
    return _curve("insertion", score, first, score.inputs, maps, steps)


def _score(caller, model, inputs, target, batch_size):
    score = Score(caller, model, inputs, target, batch_size)
    score.targets = resolve_targets(score.targets, score.predict(score.inputs))
    return score


def _filled(caller, x, fill):
    """Returns an array of the shape of x with only fill values."""
    if len(fill) not in (1, x.shape[-1]):
        raise ValueError(f"{caller}: `fill` must be one number or {x.shape[-1]}, one for each band, got {len(fill)}.")
    return np.broadcast_to(np.array(fill, x.dtype), x.shape)


def _blur(x):
    """Blurs each band of each example along its sides."""
    from scipy.ndimage import gaussian_filter

    sigma = 0.1 * max(x.shape[1:-1])
    return gaussian_filter(x.astype("float64"), (0, *[sigma] * (x.ndim - 2), 0), mode="nearest").astype(x.dtype)


def _curve(metric, score, first, last, maps, steps):
    """Returns the predictions while pixels of `first` are replaced by those of `last` in the order of the maps."""
    x, maps = score.inputs, np.asarray(maps)
    shape = x.shape[:1] + (x.shape[1:-1] or x.shape[1:])
    if maps.shape != shape or maps.dtype.kind not in "fiub" or not np.isfinite(maps).all():
        raise ValueError(f"{metric}: `maps` must be finite numbers of shape {shape}, got {maps.dtype} {maps.shape}.")
    pixels = int(np.prod(shape[1:]))
    counts = np.unique(np.linspace(0, pixels, min(steps, pixels) + 1).round().astype(int))
    rank = np.empty((len(x), pixels), int)
    order = np.argsort(-maps.reshape(len(x), -1).astype("float64"), axis=1, kind="stable")
    np.put_along_axis(rank, order, np.arange(pixels)[None], axis=1)
    rank = rank.reshape(shape) if x.ndim == 2 else rank.reshape(*shape, 1)
    predictions = np.empty((len(x), len(counts)))
    jobs = [(row, step) for row in range(len(x)) for step in range(len(counts))]
    for rows in score.batch_slices(len(jobs)):
        examples, curve_steps = np.array(jobs[rows]).T
        replaced = rank[examples] < counts[curve_steps].reshape(-1, *[1] * (x.ndim - 1))
        outputs = score.predict(np.where(replaced, last[examples], first[examples]))
        predictions[examples, curve_steps] = outputs[np.arange(len(examples)), score.targets[examples]]
    fractions = counts / pixels
    auc = ((predictions[:, 1:] + predictions[:, :-1]) / 2 * np.diff(fractions)).sum(axis=1)  # trapezoidal rule
    return Faithfulness(fractions, predictions, auc, metric)
