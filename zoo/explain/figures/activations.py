"""Activations: the output of every layer for an example."""

import os
import typing

import keras
import numpy as np
from keras import layers as keras_layers

from zoo.arguments import Count, Whole, checked
from zoo.explain.figures.show import stretch_contrast
from zoo.explain.layer_outputs import record_outputs, select_layers
from zoo.explain.model_inputs import check_inputs

# Layers whose output has the same values as their input (at inference).
_PASSTHROUGH = (keras_layers.Dropout, keras_layers.Flatten, keras_layers.Reshape, keras_layers.Identity)


class Activations(typing.NamedTuple):
    """Outputs (N, ...) of a model's layers, by their paths in the order of the calls, and the inputs."""

    inputs: typing.Any
    outputs: dict
    passthrough_layers: tuple  # layers whose output has the values of their input; the figure omits them

    def figure(self, path: str | None = None, example: Whole = 0, channels: Count = 16, rows: Count = 12):
        """Draws one example's activations, a row for each layer.

        Feature maps are side by side with one scale for each layer. Outputs for each step of a series are a picture of
        channels by steps. Vectors are bars.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
            example: index of the example, from 0.
            channels: largest number of feature maps of a layer; those with the largest mean absolute value are drawn.
            rows: largest number of layers, evenly spaced over all layers.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        names = [name for name in self.outputs if name not in self.passthrough_layers] or list(self.outputs)
        selected = np.unique(np.linspace(0, len(names) - 1, min(rows, len(names))).round().astype(int))
        panels = [(names[i], *_panel(self.outputs[names[i]][example], channels)) for i in selected]
        images = self.inputs if isinstance(self.inputs, np.ndarray) and self.inputs.ndim == 4 else None
        heights = [9.0 * p.shape[0] / p.shape[1] if kind == "maps" else 0.9 for _, kind, p, _ in panels]
        heights = [min(max(h, 0.45), 1.9) + 0.35 for h in heights]
        if images is not None:
            heights.insert(0, 1.9)
        figure = Figure(figsize=(10, sum(heights)), layout="constrained")
        grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        if images is not None:
            grid[0].imshow(stretch_contrast(images[example]), cmap="gray", vmin=0, vmax=1)
            grid[0].set_title("input  " + _shape_text(images[example]), fontsize=9, loc="left")
            grid[0].set_anchor("W")
            grid[0].set_axis_off()
            grid = grid[1:]
        for axes, (name, kind, values, note) in zip(grid, panels, strict=True):
            axes.set_title(f"{name}  {_shape_text(self.outputs[name][example])}{note}", fontsize=9, loc="left")
            if kind == "bars":
                axes.bar(np.arange(len(values)), values, width=0.9, color="#2166ac")
                axes.axhline(0, color="black", linewidth=0.6)
                axes.margins(x=0.005)
                if len(values) <= 20:
                    axes.set_xticks(range(len(values)))
                axes.tick_params(labelsize=7)
                axes.spines[["top", "right"]].set_visible(False)
            else:
                axes.imshow(values, cmap="inferno", aspect="equal" if kind == "maps" else "auto")
                axes.set_anchor("W")
                axes.set_axis_off()
        if path is not None:
            figure.savefig(os.path.expanduser(path), dpi=120)
        return figure


@checked
def activations(model: keras.Model, inputs: typing.Any, layers: tuple[str, ...] | None = None) -> Activations:
    """Returns the outputs of a model's layers, also of nested models.

    (N, H, W, C) float, or any input of the model  ->  for each layer (N, ...), its output.

    Args:
        model: a built Keras model, from the zoo or not, with any number of inputs.
        inputs: inputs of the model, after preprocessing; a dict or a list of arrays for several inputs.
        layers: names, or paths `inner/layer`, of the layers; None for all.
    Returns:
        `Activations(inputs, outputs, passthrough_layers)`. The outputs are a dict of float arrays; for a layer with
        several outputs the first; a layer's second call is `path:2`. `.figure(path)` draws one example's.
    Raises:
        ValueError: if the inputs do not fit, or there is no such layer.

    Source: Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901, section 4, visualizes feature maps.
    Differs: the feature maps themselves, without the projection back to the pixels.
    """
    inputs = check_inputs("activations", model, inputs)
    selected = select_layers("activations", model, layers)
    _, records = record_outputs(model, inputs, selected)
    outputs, calls = {}, {}
    for path, output in records:
        calls[path] = calls.get(path, 0) + 1
        first = keras.tree.flatten(output)[0]
        name = path if calls[path] == 1 else f"{path}:{calls[path]}"
        outputs[name] = keras.ops.convert_to_numpy(keras.ops.cast(first, "float32"))
    passthrough = tuple(name for name in outputs if isinstance(selected[name.split(":")[0]], _PASSTHROUGH))
    return Activations(inputs, outputs, passthrough)


def _shape_text(values):
    return " x ".join(map(str, values.shape)) or "1"


def _panel(values, channels):
    """Returns (maps, steps or bars; the array to draw; a note for the title) for one example's output."""
    note = ""
    if values.ndim >= 3:
        values = values.reshape(-1, *values.shape[-3:])[0]  # the first frame of a video
        if min(values.shape[:2]) == 1 and max(values.shape[:2]) == 1:
            return "bars", values.ravel(), note
        if values.shape[-1] > channels:
            strongest = np.sort(np.argsort(-np.abs(values).mean(axis=(0, 1)), kind="stable")[:channels])
            note = f", the {channels} strongest of {values.shape[-1]}"
            values = values[..., strongest]
        gap = max(1, values.shape[1] // 14)
        padded = np.pad(values, ((0, 0), (0, gap), (0, 0)), constant_values=np.nan)
        strip = np.concatenate(np.moveaxis(padded, -1, 0), axis=1)[:, :-gap]
        empty = channels - values.shape[-1]  # so that few maps are not drawn larger than many
        return "maps", np.pad(strip, ((0, 0), (0, empty * padded.shape[1])), constant_values=np.nan), note
    if values.ndim == 2:
        return "steps", values.T, note + ", channels by steps"
    return "bars", np.atleast_1d(values), note
