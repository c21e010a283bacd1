"""Latent maps: the features of examples in a model, in two dimensions."""

import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.layer_outputs import record_outputs, select_layers
from zoo.explain.model_inputs import check_inputs
from zoo.introspect.layers import leaf_layers


class LatentMap(typing.NamedTuple):
    """Examples as points in two dimensions."""

    points: np.ndarray  # (N, 2)
    features: np.ndarray  # (N, width) before the reduction
    explained_variance_ratio: np.ndarray | None  # (2,) fraction of the variance along each axis; None for UMAP
    layer: str
    method: str

    def figure(self, path=None, labels=None, classes: tuple = ()):
        """Draws the points.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
            labels: (N,) class of each example from 0, or a number for each, or None.
            classes: names of the classes; without them, labels that are not integers are drawn as numbers.
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
            class_indices = np.unique(labels.astype(int))
            colors = matplotlib.colormaps["tab10" if len(class_indices) <= 10 else "tab20"]
            for i, index in enumerate(class_indices):
                name = str(classes[index]) if classes else str(index)
                color = colors(i % colors.N)
                axes.scatter(*self.points[labels == index].T, s=12, alpha=0.75, color=color, label=name)
            axes.legend(fontsize=8, frameon=False, bbox_to_anchor=(1.0, 1.0), loc="upper left", markerscale=1.5)
        else:
            points = axes.scatter(*self.points.T, s=12, alpha=0.75, c=labels, cmap="viridis")
            figure.colorbar(points, ax=axes)
        ratios = self.explained_variance_ratio
        notes = ("", "") if ratios is None else [f" ({ratio:.0%} of the variance)" for ratio in ratios]
        axes.set(xlabel=f"axis 1{notes[0]}", ylabel=f"axis 2{notes[1]}")
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
    """Reduces the features of a model for each example to two dimensions.

    (N, H, W, C) float, or any input of the model  ->  (N, 2).

    Args:
        model: a built Keras model, from the zoo or not, with any number of inputs.
        inputs: inputs of the model, after preprocessing; a dict or a list of arrays for several inputs.
        layer: name, or path `inner/layer`, of the layer whose output is used; None for the input of the last layer with
            weights, the head. Feature maps and series are averaged over their positions.
        method: pca for the directions of largest variance; umap to keep neighbors together, where distances and sizes
            of clusters mean little.
        batch_size: examples in one call of the model.
        seed: seed of umap.
    Returns:
        `LatentMap(points, features, explained_variance_ratio, layer, method)`; `.figure(path, labels, classes)` draws
        it.
    Raises:
        ValueError: if the inputs do not fit, there is no such layer, there are fewer than 3 examples or 2 features, or
            umap is not installed.

    Source: Pearson 1901, On lines and planes of closest fit to systems of points in space; McInnes, Healy, Melville
        2018, https://arxiv.org/abs/1802.03426.
    Differs: none
    """
    inputs = check_inputs("latent_map", model, inputs)
    path, feature_layer, use_input = _feature_layer(model, layer)
    arrays = keras.tree.flatten(inputs)
    batches = []
    for start in range(0, len(arrays[0]), batch_size):
        batch = keras.tree.pack_sequence_as(inputs, [array[start : start + batch_size] for array in arrays])
        batches.append(_features(model, batch, path, feature_layer, use_input))
    features = np.concatenate(batches).astype("float64")
    if len(features) < 3 or features.shape[1] < 2:
        raise ValueError(f"latent_map: at least 3 examples with 2 features are needed, got {features.shape} at {path}.")
    source = f"the input of {path}" if use_input else path
    if method == "umap":
        return LatentMap(_umap(features, seed), features, None, source, method)
    centered = features - features.mean(axis=0)
    scores, singular_values, axes = np.linalg.svd(centered, full_matrices=False)
    sign = np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])  # makes the signs of the axes unique
    total = (singular_values**2).sum() or 1.0
    points = scores[:, :2] * singular_values[:2] * sign
    return LatentMap(points, features, singular_values[:2] ** 2 / total, source, method)


def _feature_layer(model, layer):
    """Returns (path, layer, whether its input is used instead of its output)."""
    if layer is not None:
        path, feature_layer = next(iter(select_layers("latent_map", model, (layer,)).items()))
        return path, feature_layer, False
    with_weights = [(path, x) for path, x in leaf_layers(model).items() if x.weights]
    if not with_weights:
        raise ValueError(f"latent_map: `{model.name}` has no layer with weights; set `layer`.")
    return *with_weights[-1], True


def _features(model, inputs, path, layer, use_input):
    """Returns (B, width) features of one batch."""
    layer_inputs = []

    def with_inputs(compute):
        def call(*args, **kwargs):
            layer_inputs.append(keras.tree.flatten(args)[0])
            return compute(*args, **kwargs)

        return call

    _, records = record_outputs(model, inputs, {path: layer}, with_inputs)
    features = layer_inputs[0] if use_input else keras.tree.flatten(records[0][1])[0]
    features = keras.ops.convert_to_numpy(keras.ops.cast(features, "float32"))
    if features.ndim > 2:
        return features.mean(axis=tuple(range(1, features.ndim - 1)))
    return features.reshape(len(features), -1)


def _umap(features, seed):
    try:
        import umap
    except ImportError:
        raise ValueError("latent_map: `method` umap needs the package UMAP: pip install umap-learn.") from None
    neighbors = min(15, len(features) - 1)
    return np.asarray(umap.UMAP(n_neighbors=neighbors, random_state=seed, n_jobs=1).fit_transform(features))
