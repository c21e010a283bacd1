"""Model parameter randomization test: an explanation must change when the weights of the model are randomized."""

import contextlib
import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.function_cache import cache_compiled_functions
from zoo.explain.quality.agreement import spearman
from zoo.explain.score import Score, resolve_targets
from zoo.introspect.layers import leaf_layers


class Randomization(typing.NamedTuple):
    """Similarity of an explanation to the original one, layer by layer from the output: (L + 1, N) values."""

    layers: tuple  # (L + 1,) the layer randomized last; the first entry is the original model
    spearman: np.ndarray  # rank correlation of the signed values
    absolute_spearman: np.ndarray  # rank correlation of the absolute values
    ssim: np.ndarray  # structural similarity of absolute maps scaled to 1; NaN for series and tables
    method: str
    order: str

    def figure(self, path=None):
        """Draws the similarities, the mean over the examples.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(max(5.2, 1.6 + 0.42 * len(self.layers)), 3.9), layout="constrained")
        axes = figure.subplots()
        curves = (
            (self.spearman, "Spearman", "#b2182b"),
            (self.absolute_spearman, "Spearman of absolute values", "#ef8a62"),
            (self.ssim, "SSIM", "#2166ac"),
        )
        for values, label, color in curves:
            if not np.isnan(values).all():
                axes.plot(np.nanmean(values, axis=1), marker="o", label=label, color=color)
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_xticks(range(len(self.layers)), self.layers, rotation=40, ha="right", fontsize=8)
        axes.set(ylim=(-1.05 if np.nanmin(self.spearman) < -0.2 else -0.3, 1.05), ylabel="similarity to the original")
        order = "from the output down to ..." if self.order == "cascading" else "of one layer alone"
        axes.set_title(f"{self.method}\nweights randomized {order}", fontsize=10)
        axes.legend(fontsize=8, frameon=False)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def randomization(
    model: keras.Model,
    inputs: np.ndarray,
    method: typing.Callable,
    target: tuple[Whole, ...] | None = None,
    *,
    order: Literal["cascading", "independent"] = "cascading",
    layer_count: Count = 8,
    seed: Whole = 0,
) -> Randomization:
    """Similarity of an explanation to the original one while the model's weights are randomized from the output down.

    A method whose maps do not change shows the structure of the input, not what the model has learned.

    Args:
        model: a model that the method explains; its weights are restored afterwards.
        inputs: inputs of the method.
        method: an explanation, called as method(model, inputs, target), that returns (N, ...), such as
            `zoo.explain.saliency`. Set its options with `functools.partial`, as in
            `functools.partial(zoo.explain.integrated_gradients, tolerance=0.1)`: a randomized model's outputs may
            hardly differ from those for the baseline.
        target: class from 0, or one for each example; None for the class that the original model predicts.
        order: cascading keeps the layers above randomized; independent randomizes one layer at a time.
        layer_count: number of layers after which the similarity is computed, evenly spaced over those with weights and
            always with the last and the first. In a cascade the layers between them are randomized too.
        seed: seed of the randomization.
    Returns:
        `Randomization(layers, spearman, absolute_spearman, ssim, method, order)`; `.figure(path)` draws it.
    Raises:
        ValueError: if the model has no layer with weights, the method returns another shape, or from the method.

    Source: Adebayo et al. 2018, https://arxiv.org/abs/1810.03292, sections 3.1 and 3.2.
    Differs: a layer is randomized by shuffling the numbers of each weight, which keeps their distribution and makes
        sense for every layer, normalization included; the paper draws new numbers.
    """
    layers = [layer for layer in leaf_layers(model).values() if any(np.prod(w.shape) > 1 for w in layer.weights)]
    if not layers:
        raise ValueError(f"randomization: `model` must have layers with weights, {model.name} has none.")
    layers.reverse()
    stops = np.unique(np.linspace(0, len(layers) - 1, min(layer_count, len(layers))).round().astype(int))
    score = Score("randomization", model, inputs, target, 64, dense=True)
    # The class must not change with the weights.
    target = resolve_targets(score.targets, score.predict_logits(score.inputs))
    rng = np.random.default_rng(seed)
    name = getattr(getattr(method, "func", method), "__name__", type(method).__name__)
    weights = [w.numpy() for w in model.weights]
    with cache_compiled_functions(), _restore_at_exit(model, weights):
        original = _explain(method, model, inputs, target)
        similarities = [_similarities(original, original)]
        for number, stop in enumerate(stops):
            first = stops[number - 1] + 1 if number else 0
            for layer in layers[stop if order == "independent" else first : stop + 1]:
                for weight in layer.weights:
                    values = weight.numpy()
                    weight.assign(rng.permutation(values.ravel()).reshape(values.shape))
            similarities.append(_similarities(original, _explain(method, model, inputs, target)))
            if order == "independent":
                _restore(model, weights)
    columns = [np.stack(column) for column in zip(*similarities, strict=True)]
    return Randomization(("original", *(layers[i].name for i in stops)), *columns, name, order)


@contextlib.contextmanager
def _restore_at_exit(model, weights):
    try:
        yield
    finally:
        _restore(model, weights)


def _restore(model, weights):
    for weight, values in zip(model.weights, weights, strict=True):
        weight.assign(values)


def _explain(method, model, inputs, target):
    maps = np.asarray(method(model, inputs, target))
    if maps.ndim < 2 or len(maps) != len(inputs):
        raise ValueError(f"randomization: `method` must return {len(inputs)} maps, got {maps.shape}.")
    return maps


def _similarities(original, maps):
    """Returns (Spearman, Spearman of absolute values, SSIM), each (N,)."""
    absolute = np.abs(original), np.abs(maps)
    return spearman(original, maps), spearman(*absolute), _ssim(*absolute)


def _ssim(first, second):
    """Returns (N,) structural similarities of nonnegative maps (N, H, W), each scaled to 1; NaN for other shapes."""
    import tensorflow as tf

    if first.ndim != 3:
        return np.full(len(first), np.nan)
    scaled = [
        np.divide(m, top, out=np.zeros(m.shape, "float32"), where=top > 0)[..., None]
        for m in (first, second)
        for top in [m.max(axis=(1, 2), keepdims=True)]
    ]
    return tf.image.ssim(*scaled, max_val=1.0, filter_size=min(11, *first.shape[1:])).numpy()
