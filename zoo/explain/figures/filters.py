"""Filters of a model's first convolution."""

import typing

import keras
import numpy as np
from keras import layers as keras_layers

from zoo.arguments import checked
from zoo.explain.layer_outputs import select_layers
from zoo.introspect.layers import leaf_layers


class Filters(typing.NamedTuple):
    """The kernels (n, h, w, C) of a convolution."""

    layer: str
    kernels: np.ndarray

    def figure(self, path=None):
        """Draws each kernel: with three bands in color, where gray is 0; else each band separately, blue to red.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        rgb = self.kernels.shape[-1] == 3
        tiles = self.kernels if rgb else np.moveaxis(self.kernels, -1, 1).reshape(-1, *self.kernels.shape[1:3])
        columns = min(16, len(tiles)) if rgb else min(16, len(tiles), self.kernels.shape[-1] * 16)
        rows = -(-len(tiles) // columns)
        figure = Figure(figsize=(max(4.0, 0.62 * columns), 0.5 + 0.66 * rows), layout="constrained")
        limit = np.abs(tiles).max() or 1.0
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, tile in zip(grid, tiles, strict=False):
            if rgb:
                axes.imshow(0.5 + 0.5 * tile / (np.abs(tile).max() or 1.0))
            else:
                axes.imshow(tile, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for axes in grid:
            axes.set_axis_off()
        count, height, width, bands = self.kernels.shape
        figure.suptitle(
            f"{self.layer}: {count} filters of {height} x {width} on {bands} band{'s' * (bands > 1)}", fontsize=9
        )
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def filters(model: keras.Model, layer: str | None = None) -> Filters:
    """Returns the kernels of a model's first convolution.

    Args:
        model: a built Keras model, from the zoo or not.
        layer: name, or path `inner/layer`, of a Conv2D layer; None for the first with kernels larger than 1 x 1.
    Returns:
        `Filters(layer, kernels)`, the kernels (n, h, w, C) float32; `.figure(path)` draws them.
    Raises:
        ValueError: if the model has no such layer.

    Source: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional neural networks,
        figure 3.
    Differs: none
    """
    if layer is not None:
        ((path, convolution),) = select_layers("filters", model, (layer,)).items()
        if not isinstance(convolution, keras_layers.Conv2D):
            raise ValueError(f"filters: `layer` must be a Conv2D layer, {layer} is a {type(convolution).__name__}.")
    else:
        convolutions = [
            (p, x)
            for p, x in leaf_layers(model).items()
            if isinstance(x, keras_layers.Conv2D) and max(x.kernel_size) > 1
        ]
        if not convolutions:
            raise ValueError(f"filters: `{model.name}` has no Conv2D layer with kernels larger than 1 x 1.")
        path, convolution = convolutions[0]
    kernel = keras.ops.convert_to_numpy(keras.ops.cast(convolution.kernel, "float32"))
    return Filters(path, np.moveaxis(kernel, -1, 0))
