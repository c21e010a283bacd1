"""Sanity check: an explanation must change when what the model has learned is destroyed."""

import contextlib
import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.quality.agreement import spearman
from zoo.explain.score import Score, resolved
from zoo.explain.shared_functions import sharing
from zoo.introspect.layers import leaf_layers


class Randomisation(typing.NamedTuple):
    """How alike an explanation stays, layer by layer from the answer down, (L + 1,) names and (L + 1, N) likenesses."""

    layers: tuple  # the layer that was randomised last; the first entry is the model as it is
    spearman: np.ndarray  # of the values with their sign
    absolute: np.ndarray  # Spearman's of the values without it
    ssim: np.ndarray  # of images, both maps without sign and scaled to 1; NaN for series and tables
    method: str
    order: str

    def figure(self, path=None):
        """Draws the likenesses, the mean over the examples.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(max(5.2, 1.6 + 0.42 * len(self.layers)), 3.9), layout="constrained")
        axes = figure.subplots()
        drawn = (
            ("spearman", "Spearman", "#b2182b"),
            ("absolute", "Spearman of sizes", "#ef8a62"),
            ("ssim", "SSIM", "#2166ac"),
        )
        for name, label, colour in drawn:
            values = getattr(self, name)
            if not np.isnan(values).all():
                axes.plot(np.nanmean(values, axis=1), marker="o", label=label, color=colour)
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_xticks(range(len(self.layers)), self.layers, rotation=40, ha="right", fontsize=8)
        axes.set(ylim=(-1.05 if np.nanmin(self.spearman) < -0.2 else -0.3, 1.05), ylabel="likeness to the map before")
        told = "from the answer down to ..." if self.order == "cascading" else "of one layer alone"
        axes.set_title(f"{self.method}\nweights randomised {told}", fontsize=10)
        axes.legend(fontsize=8, frameon=False)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def randomisation(
    model: keras.Model,
    inputs: np.ndarray,
    method: typing.Callable,
    target: tuple[Whole, ...] | None = None,
    *,
    order: Literal["cascading", "independent"] = "cascading",
    points: Count = 8,
    seed: Whole = 0,
) -> Randomisation:
    """How alike an explanation stays to itself while the model's weights are randomised from the answer down.

    A method whose maps stay alike does not show what the model has learned, but what the input looks like.

    Args:
        model: a model that the method explains; its weights are as before afterwards.
        inputs: what the method takes.
        method: an explanation, called as method(model, inputs, target) and answering (N, ...): `zoo.explain.saliency`;
            with other settings `functools.partial(zoo.explain.integrated_gradients, tolerance=0.1)`, as a randomised
            model's answers may hardly differ from the baseline's.
        target: class from 0, or one for each example; None for the class that the model predicts before.
        order: cascading, where the layers above stay randomised; or independent, one layer at a time.
        points: how many layers are looked at, evenly spread over those with weights and always with the last and the
            first; in a cascade those between are randomised too.
        seed: of the randomisation.
    Returns:
        `Randomisation(layers, spearman, absolute, ssim, method, order)`; `.figure(path)` draws it.
    Raises:
        ValueError: if the model has no layer with weights, the method answers other shapes, or as the method says.

    Source: Adebayo et al. 2018, https://arxiv.org/abs/1810.03292, sections 3.1 and 3.2.
    Differs: a layer is randomised by shuffling the numbers of each weight, which keeps their spread and makes sense in
        every layer, normalisation too; the paper draws them anew.
    """
    found = [layer for layer in leaf_layers(model).values() if any(np.prod(w.shape) > 1 for w in layer.weights)]
    if not found:
        raise ValueError(f"randomisation: `model` must have layers with weights, {model.name} has none.")
    found.reverse()
    stops = np.unique(np.linspace(0, len(found) - 1, min(points, len(found))).round().astype(int))
    score = Score("randomisation", model, inputs, target, 64, dense=True)
    target = resolved(score.targets, score.values(score.inputs))  # the class must not change with the weights
    rng = np.random.default_rng(seed)
    name = getattr(getattr(method, "func", method), "__name__", type(method).__name__)
    kept = [w.numpy() for w in model.weights]
    with sharing(), _restoring(model, kept):
        before = _asked(method, model, inputs, target)
        alike = [_likeness(before, before)]
        for number, stop in enumerate(stops):
            first = stops[number - 1] + 1 if number else 0
            for layer in found[stop if order == "independent" else first : stop + 1]:
                for weight in layer.weights:
                    values = weight.numpy()
                    weight.assign(rng.permutation(values.ravel()).reshape(values.shape))
            alike.append(_likeness(before, _asked(method, model, inputs, target)))
            if order == "independent":
                _restore(model, kept)
    likeness = [np.stack(part) for part in zip(*alike, strict=True)]
    return Randomisation(("as it is", *(found[i].name for i in stops)), *likeness, name, order)


@contextlib.contextmanager
def _restoring(model, kept):
    try:
        yield
    finally:
        _restore(model, kept)


def _restore(model, kept):
    for weight, values in zip(model.weights, kept, strict=True):
        weight.assign(values)


def _asked(method, model, inputs, target):
    found = np.asarray(method(model, inputs, target))
    if found.ndim < 2 or len(found) != len(inputs):
        raise ValueError(f"randomisation: `method` must answer {len(inputs)} maps, got {found.shape}.")
    return found


def _likeness(before, after):
    """(Spearman's, Spearman's of the sizes, SSIM), each (N,)."""
    sizes = np.abs(before), np.abs(after)
    return spearman(before, after), spearman(*sizes), _ssim(*sizes)


def _ssim(one, two):
    """Structural similarity of maps (N, H, W) from 0 to 1, (N,); NaN where they are no pictures."""
    import tensorflow as tf

    if one.ndim != 3:
        return np.full(len(one), np.nan)
    scaled = [
        np.divide(m, top, out=np.zeros(m.shape, "float32"), where=top > 0)[..., None]
        for m in (one, two)
        for top in [m.max(axis=(1, 2), keepdims=True)]
    ]
    return tf.image.ssim(*scaled, max_val=1.0, filter_size=min(11, *one.shape[1:])).numpy()
