"""Activations: what every layer makes of an example."""

import os
import typing

import keras
import numpy as np
from keras import layers as kinds

from zoo.arguments import Count, Whole, checked
from zoo.explain.figures.show import stretched
from zoo.explain.layer_outputs import fitting, named, record

_SILENT = (kinds.Dropout, kinds.Flatten, kinds.Reshape, kinds.Identity)  # they answer what they got


class Activations(typing.NamedTuple):
    """The answers (N, ...) of a model's layers, by their names in the order of the calls, and the inputs."""

    inputs: typing.Any
    answers: dict
    silent: tuple  # names of the layers that answer what they got: the figure leaves them out

    def figure(self, path: str | None = None, example: Whole = 0, channels: Count = 16, rows: Count = 12):
        """Draws one example's way through the layers, a row for each.

        Maps stand side by side on one scale for each layer; the answer at each step of a series is a picture of steps
        by channels; vectors are bars.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
            example: which one, from 0.
            channels: maps of a layer that are shown, those of the largest mean size where there are more.
            rows: layers that are shown, evenly spread where there are more.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        kept = [name for name in self.answers if name not in self.silent] or list(self.answers)
        kept = [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, min(rows, len(kept))).round().astype(int))]
        picture = self.inputs if isinstance(self.inputs, np.ndarray) and self.inputs.ndim == 4 else None
        drawn = [(name, *_strip(self.answers[name][example], channels)) for name in kept]
        heights = [9.0 * s.shape[0] / s.shape[1] if k == "maps" else 0.9 for _, k, s, _ in drawn]
        heights = [min(max(h, 0.45), 1.9) + 0.35 for h in heights]
        if picture is not None:
            heights.insert(0, 1.9)
        figure = Figure(figsize=(10, sum(heights)), layout="constrained")
        axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        if picture is not None:
            axes[0].imshow(stretched(picture[example]), cmap="gray", vmin=0, vmax=1)
            axes[0].set_title("input  " + _size(picture[example]), fontsize=9, loc="left")
            axes[0].set_anchor("W")
            axes[0].set_axis_off()
            axes = axes[1:]
        for one, (name, kind, values, told) in zip(axes, drawn, strict=True):
            one.set_title(f"{name}  {_size(self.answers[name][example])}{told}", fontsize=9, loc="left")
            if kind == "bars":
                one.bar(np.arange(len(values)), values, width=0.9, color="#2166ac")
                one.axhline(0, color="black", linewidth=0.6)
                one.margins(x=0.005)
                if len(values) <= 20:
                    one.set_xticks(range(len(values)))
                one.tick_params(labelsize=7)
                one.spines[["top", "right"]].set_visible(False)
            else:
                one.imshow(values, cmap="inferno", aspect="equal" if kind == "maps" else "auto")
                one.set_anchor("W")
                one.set_axis_off()
        if path is not None:
            figure.savefig(os.path.expanduser(path), dpi=120)
        return figure


@checked
def activations(model: keras.Model, inputs: typing.Any, layers: tuple[str, ...] | None = None) -> Activations:
    """What the layers of a model answer, those of models within it too.

    (N, H, W, C) float, or whatever the model takes  ->  for each layer (N, ...), as it answers.

    Args:
        model: a built Keras model, ours or not, of any number of inputs.
        inputs: what it takes, after preprocessing; a dict or a list of arrays for several inputs.
        layers: names, or paths `inner/layer`, of the layers to look at; None for all.
    Returns:
        `Activations(inputs, answers, silent)`, the answers as a dict of float arrays; of a layer with several answers
        the first; a layer's second call is called `name:2`. `.figure(path)` draws one example's.
    Raises:
        ValueError: if the inputs do not suit, or there is no such layer.

    Source: Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901, section 4, looks into a network so.
    Differs: the maps themselves, without the way back to the pixels.
    """
    inputs = fitting("activations", model, inputs)
    wanted = named("activations", model, layers)
    _, seen = record(model, inputs, wanted)
    answers, calls = {}, {}
    for path, answer in seen:
        calls[path] = calls.get(path, 0) + 1
        first = keras.tree.flatten(answer)[0]
        name = path if calls[path] == 1 else f"{path}:{calls[path]}"
        answers[name] = keras.ops.convert_to_numpy(keras.ops.cast(first, "float32"))
    silent = tuple(name for name in answers if isinstance(wanted[name.split(":")[0]], _SILENT))
    return Activations(inputs, answers, silent)


def _size(values):
    return " x ".join(map(str, values.shape)) or "1"


def _strip(values, channels):
    """(maps, steps or bars; what is drawn; what the title adds) of one example's answer."""
    told = ""
    if values.ndim >= 3:
        values = values.reshape(-1, *values.shape[-3:])[0]  # of a film the first picture
        if min(values.shape[:2]) == 1 and max(values.shape[:2]) == 1:
            return "bars", values.ravel(), told
        if values.shape[-1] > channels:
            strongest = np.sort(np.argsort(-np.abs(values).mean(axis=(0, 1)), kind="stable")[:channels])
            told = f", the {channels} strongest of {values.shape[-1]}"
            values = values[..., strongest]
        gap = max(1, values.shape[1] // 14)
        padded = np.pad(values, ((0, 0), (0, gap), (0, 0)), constant_values=np.nan)
        strip = np.concatenate(np.moveaxis(padded, -1, 0), axis=1)[:, :-gap]
        missing = channels - values.shape[-1]  # so that few maps are not drawn larger than many
        return "maps", np.pad(strip, ((0, 0), (0, missing * padded.shape[1])), constant_values=np.nan), told
    if values.ndim == 2:
        return "steps", values.T, told + ", channels by steps"
    return "bars", np.atleast_1d(values), told
