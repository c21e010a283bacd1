"""Deletion and insertion: does the answer hang on the places that an explanation points at?"""

import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.score import Score, resolved


class Faithfulness(typing.NamedTuple):
    """How the answer for a class moves while places are taken away or given, the most important first."""

    shares: np.ndarray  # (S + 1,) of the places that were taken or given
    answers: np.ndarray  # (N, S + 1) of the model for the class
    auc: np.ndarray  # (N,) the area under each curve
    way: str  # deletion or insertion

    def figure(self, path=None):
        """Draws each example's curve, and their mean.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        mean = self.answers.mean(axis=0)
        axes.plot(self.shares, self.answers.T, color="grey", linewidth=0.6, alpha=0.4)
        axes.plot(self.shares, mean, color="#2166ac", linewidth=2)
        axes.fill_between(self.shares, mean, color="#2166ac", alpha=0.15)
        better = "lower is better" if self.way == "deletion" else "higher is better"
        axes.set_title(f"{self.way.capitalize()}: mean area {self.auc.mean():.3f} ({better})", fontsize=10)
        axes.set(xlabel=f"share of the places after {self.way}", ylabel="answer for the class", xlim=(0, 1))
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
    """The model's answer for a class while places are hidden, those first that the maps find most important.

    Inputs (N, H, W, C) with maps (N, H, W); series (N, T, F) with (N, T); tables (N, F) with (N, F).

    A good map finds what the class rests on, so the answer falls early and the area under the curve is small.

    Args:
        model: functional or Sequential classifier or regressor with one input.
        inputs: what the model takes, after preprocessing.
        maps: what an explanation of them answered; the larger, the more important.
        target: class from 0, or one for each example; None for the predicted class.
        steps: equal parts that the places are hidden in; at most one for each place.
        fill: what stands where places are hidden, one number or one for each band, in the inputs' unit.
        batch_size: inputs in one call of the model.
    Returns:
        `Faithfulness(shares, answers, auc, way)`; the answers are probabilities where the model ends in a softmax or a
        sigmoid. `.figure(path)` draws them.
    Raises:
        ValueError: if the model, the inputs, the maps, the target or the fill do not suit.

    Source: Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421, section 4.2 and algorithm 1.
    Differs: `steps` equal parts, not a fixed number of pixels at a time; of equal places the first is taken first.
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
    """The model's answer for a class while places are shown on a blurred input, the most important first.

    Inputs (N, H, W, C) with maps (N, H, W); series (N, T, F) with (N, T); tables (N, F) with (N, F).

    A good map finds what the class rests on, so the answer rises early and the area under the curve is large.

    Args:
        model: functional or Sequential classifier or regressor with one input.
        inputs: what the model takes, after preprocessing.
        maps: what an explanation of them answered; the larger, the more important.
        target: class from 0, or one for each example; None for the predicted class.
        steps: equal parts that the places are shown in; at most one for each place.
        canvas: blur, where the places are shown on the input blurred by a Gaussian whose standard deviation is a
            tenth of its larger side; or fill. A table, which has no neighbours to blur, is always filled.
        fill: what stands where nothing is shown yet, one number or one for each band, in the inputs' unit.
        batch_size: inputs in one call of the model.
    Returns:
        `Faithfulness(shares, answers, auc, way)`; the answers are probabilities where the model ends in a softmax or a
        sigmoid. `.figure(path)` draws them.
    Raises:
        ValueError: if the model, the inputs, the maps, the target or the fill do not suit.

    Source: Petsiuk, Das, Saenko 2018, https://arxiv.org/abs/1806.07421, section 4.2 and algorithm 1.
    Differs: `steps` equal parts; the paper does not say how wide its blur is.
    """
    score = _score("insertion", model, inputs, target, batch_size)
    first = _filled("insertion", score.inputs, fill)
    if canvas == "blur" and score.inputs.ndim > 2:
        first = _blurred(score.inputs)
    return _curve("insertion", score, first, score.inputs, maps, steps)


def _score(caller, model, inputs, target, batch_size):
    score = Score(caller, model, inputs, target, batch_size)
    score.targets = resolved(score.targets, score.answers(score.inputs))
    return score


def _filled(caller, x, fill):
    if len(fill) not in (1, x.shape[-1]):
        raise ValueError(f"{caller}: `fill` must be one number or {x.shape[-1]}, one for each band, got {len(fill)}.")
    return np.broadcast_to(np.array(fill, x.dtype), x.shape)


def _blurred(x):
    """Each band of each example blurred along its sides."""
    from scipy.ndimage import gaussian_filter

    width = 0.1 * max(x.shape[1:-1])
    return gaussian_filter(x.astype("float64"), (0, *[width] * (x.ndim - 2), 0), mode="nearest").astype(x.dtype)


def _curve(way, score, first, last, maps, steps):
    """The answers from the first inputs to the last, places changing hands in the order of the maps."""
    x, maps = score.inputs, np.asarray(maps)
    size = x.shape[:1] + (x.shape[1:-1] or x.shape[1:])
    if maps.shape != size or maps.dtype.kind not in "fiub" or not np.isfinite(maps).all():
        raise ValueError(f"{way}: `maps` must be finite numbers of shape {size}, got {maps.dtype} {maps.shape}.")
    places = int(np.prod(size[1:]))
    ends = np.unique(np.linspace(0, places, min(steps, places) + 1).round().astype(int))
    rank = np.empty((len(x), places), int)
    order = np.argsort(-maps.reshape(len(x), -1).astype("float64"), axis=1, kind="stable")
    np.put_along_axis(rank, order, np.arange(places)[None], axis=1)
    rank = rank.reshape(size) if x.ndim == 2 else rank.reshape(*size, 1)
    answers = np.empty((len(x), len(ends)))
    work = [(row, k) for row in range(len(x)) for k in range(len(ends))]
    for rows in score.batches(len(work)):
        own, parts = np.array(work[rows]).T
        changed = rank[own] < ends[parts].reshape(-1, *[1] * (x.ndim - 1))
        found = score.answers(np.where(changed, last[own], first[own]))
        answers[own, parts] = found[np.arange(len(own)), score.targets[own]]
    shares = ends / places
    area = ((answers[:, 1:] + answers[:, :-1]) / 2 * np.diff(shares)).sum(axis=1)  # by the trapezoidal rule
    return Faithfulness(shares, answers, area, way)
