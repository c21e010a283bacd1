"""Latent maps: where a model puts its examples just before it answers."""

import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.layer_outputs import fitting, named, record
from zoo.introspect.layers import leaf_layers


class LatentMap(typing.NamedTuple):
    """Examples as points of a plane."""

    points: np.ndarray  # (N, 2)
    features: np.ndarray  # (N, width) what the points were made of
    explained: np.ndarray | None  # (2,) the share of the variance along each axis, of PCA
    layer: str
    method: str

    def figure(self, path=None, labels=None, classes: tuple = ()):
        """Draws the points.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
            labels: (N,) class of each example from 0, or a number for each, or None.
            classes: names of the classes; without them, labels that are not whole are drawn as numbers.
        Returns:
            `matplotlib.figure.Figure`.
        """
        import matplotlib
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.2, 4.8), layout="constrained")
        axes = figure.subplots()
        labels = None if labels is None else np.asarray(labels)
        if labels is not None and labels.shape != (len(self.points),):
            raise ValueError(f"latent_map: `labels` must be {len(self.points)} numbers, got {labels.shape}.")
        if labels is None:
            axes.scatter(*self.points.T, s=12, alpha=0.7, color="#2166ac")
        elif labels.dtype.kind in "iub" or classes:
            found = np.unique(labels.astype(int))
            colours = matplotlib.colormaps["tab10" if len(found) <= 10 else "tab20"]
            for i, label in enumerate(found):
                told = str(classes[label]) if classes else str(label)
                colour = colours(i % colours.N)
                axes.scatter(*self.points[labels == label].T, s=12, alpha=0.75, color=colour, label=told)
            axes.legend(fontsize=8, frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left", markerscale=1.5)
        else:
            drawn = axes.scatter(*self.points.T, s=12, alpha=0.75, c=labels, cmap="viridis")
            figure.colorbar(drawn, ax=axes)
        share = ("", "") if self.explained is None else [f" ({part:.0%} of the variance)" for part in self.explained]
        axes.set(xlabel=f"axis 1{share[0]}", ylabel=f"axis 2{share[1]}")
        axes.set_title(f"{self.method.upper()} of {self.features.shape[1]} features at {self.layer}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def latent_map(
    model: keras.Model,
    inputs: typing.Any,
    *,
    layer: str | None = None,
    method: Literal["pca", "umap"] = "pca",
    batch_size: Count = 64,
    seed: Whole = 0,
) -> LatentMap:
    """The examples in the model's own features, laid out in two dimensions.

    (N, H, W, C) float, or whatever the model takes  ->  (N, 2).

    Args:
        model: a built Keras model, ours or not, of any number of inputs.
        inputs: what it takes, after preprocessing; a dict or a list of arrays for several inputs.
        layer: name, or path `inner/layer`, of the layer whose answer counts; None for what the last layer with weights,
            the head, is given. Maps and series are averaged over their places.
        method: pca, the directions of largest variance; or umap, which keeps neighbours together and whose distances
            and sizes of clusters mean little.
        batch_size: examples in one call of the model.
        seed: of umap.
    Returns:
        `LatentMap(points, features, explained, layer, method)`; `.figure(path, labels, classes)` draws it.
    Raises:
        ValueError: if the inputs do not suit, there is no such layer, there are fewer than 3 examples or 2 features, or
            umap is not installed.

    Source: Pearson 1901, On lines and planes of closest fit to systems of points in space; McInnes, Healy, Melville
        2018, https://arxiv.org/abs/1802.03426.
    Differs: none
    """
    inputs = fitting("latent_map", model, inputs)
    path, found, before = _asked(model, layer)
    flat = keras.tree.flatten(inputs)
    features = []
    for start in range(0, len(flat[0]), batch_size):
        some = keras.tree.pack_sequence_as(inputs, [array[start : start + batch_size] for array in flat])
        features.append(_features(model, some, path, found, before))
    features = np.concatenate(features).astype("float64")
    if len(features) < 3 or features.shape[1] < 2:
        raise ValueError(f"latent_map: at least 3 examples with 2 features are needed, got {features.shape} at {path}.")
    told = f"what {path} is given" if before else path
    if method == "umap":
        return LatentMap(_umap(features, seed), features, None, told, method)
    centred = features - features.mean(axis=0)
    points, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])  # so that the same data look the same
    total = (sizes**2).sum() or 1.0
    return LatentMap(points[:, :2] * sizes[:2] * sign, features, sizes[:2] ** 2 / total, told, method)


def _asked(model, layer):
    """(path, layer, whether what it is given counts instead of what it answers)."""
    if layer is not None:
        path, found = next(iter(named("latent_map", model, (layer,)).items()))
        return path, found, False
    weighty = [(path, found) for path, found in leaf_layers(model).items() if found.weights]
    if not weighty:
        raise ValueError(f"latent_map: `{model.name}` has no layer with weights; say which `layer` counts.")
    return *weighty[-1], True


def _features(model, inputs, path, layer, before):
    """(B, width)."""
    given = []

    def see(compute):
        def call(*args, **kwargs):
            given.append(keras.tree.flatten(args)[0])
            return compute(*args, **kwargs)

        return call

    _, seen = record(model, inputs, {path: layer}, see)
    answer = given[0] if before else keras.tree.flatten(seen[0][1])[0]
    answer = keras.ops.convert_to_numpy(keras.ops.cast(answer, "float32"))
    return answer.mean(axis=tuple(range(1, answer.ndim - 1))) if answer.ndim > 2 else answer.reshape(len(answer), -1)


def _umap(features, seed):
    try:
        import umap
    except ImportError:
        raise ValueError("latent_map: for `method` umap, UMAP must be installed: pip install umap-learn.") from None
    near = min(15, len(features) - 1)
    return np.asarray(umap.UMAP(n_neighbors=near, random_state=seed, n_jobs=1).fit_transform(features))
