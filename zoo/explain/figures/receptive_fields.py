"""Receptive fields, layer by layer: by the formula, and as the gradient shows them."""

import typing

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.layer_outputs import fitting, named, record
from zoo.introspect.graph import flatten_calls
from zoo.introspect.receptive_field import trace_fields

CELLS = 4  # neighbours on the diagonal that are asked: after upsampling their fields differ


class Fields(typing.NamedTuple):
    """How many pixels (or steps) wide a cell's view is, for each layer that answers a map; all (L,)."""

    layers: tuple
    formula: np.ndarray  # from the graph, the border cutting nothing; NaN for everything or unknown
    measured: np.ndarray  # what the answer has a gradient to, within the input
    side: int  # of the input

    def figure(self, path=None):
        """Draws both against the depth.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        count = len(self.layers)
        figure = Figure(figsize=(min(max(5.2, 1.5 + 0.3 * count), 14), 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.formula, color="#2166ac", marker="s", markersize=7, fillstyle="none", label="formula")
        axes.plot(self.measured, color="#b2182b", marker="o", markersize=3.5, label="measured by gradient")
        axes.axhline(self.side, color="grey", linewidth=0.8, linestyle="--", label="side of the input")
        shown = np.arange(0, count, -(-count // 40))
        axes.set_xticks(shown, [self.layers[i] for i in shown], rotation=60, ha="right", fontsize=7)
        axes.set(ylabel="receptive field [pixels]", ylim=(0, None))
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def receptive_fields(
    model: keras.Model, layers: tuple[str, ...] | None = None, *, side: Count = 64, samples: Count = 4, seed: Whole = 0
) -> Fields:
    """How much of the input one cell of each layer's map sees: by the formula, and measured.

    Measured is the extent of the gradient of cells at the middle of a map with respect to inputs of random numbers,
    over all samples, with the weights that the model has. So it may fall short of the formula where units are dead or
    where the border cuts; it never exceeds it.

    Args:
        model: a built Keras model with one input, (H, W, C) or (T, F) of real numbers.
        layers: names, or paths `inner/layer`; None for all that answer a map of more than one cell.
        side: of the random inputs, where the model takes any size [pixels or steps].
        samples: random inputs that each cell is asked with.
        seed: of those inputs.
    Returns:
        `Fields(layers, formula, measured, side)`; `.figure(path)` draws it. Where height and width differ, or the cells
        of a map, the larger.
    Raises:
        ValueError: if the model has several inputs, no such layer, or none with a map.

    Source: Luo et al. 2016, https://arxiv.org/abs/1701.04128, section 3, measures by the gradient.
    Differs: the extent of all of the gradient, not where most of it lies.
    """
    import tensorflow as tf

    if not isinstance(model, keras.Model) or not model.built or len(getattr(model, "inputs", None) or ()) != 1:
        raise ValueError("receptive_fields: `model` must be a built functional or Sequential model with one input.")
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) not in (2, 3) or "float" not in model.inputs[0].dtype:
        got = f"{model.inputs[0].dtype} {shape}"
        raise ValueError(f"receptive_fields: `model` must take real numbers, (H, W, C) or (T, F); it takes {got}.")
    shape = tuple(side if size is None else size for size in shape)
    wanted = named("receptive_fields", model, layers)
    formula = _formula(model, wanted)
    draw = np.random.default_rng(seed)
    x = tf.constant(fitting("receptive_fields", model, draw.normal(size=(CELLS * samples, *shape))))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        _, seen = record(model, x, wanted)
        cells = {}
        for path, answer in seen:
            maps = [t for t in keras.tree.flatten(answer) if len(t.shape) == len(shape) + 1]
            if path not in cells and maps and max(maps[0].shape[1:-1]) > 1:
                cells[path] = _middle(maps[0], draw)
    found = {path: _extent(tape.gradient(asked, x), samples) for path, asked in cells.items()}
    if not found:
        raise ValueError(f"receptive_fields: no layer of `{model.name}` that was asked for answers a map.")
    measured = np.array([float(value) for value in found.values()])
    return Fields(tuple(found), np.array([formula.get(path, np.nan) for path in found]), measured, max(shape[:-1]))


def _formula(model, layers):
    """The longest side of a cell's view, for each layer's first call."""
    paths = {id(layer): path for path, layer in layers.items()}
    calls, fields = trace_fields(model)
    sides = {}
    for call in flatten_calls(calls):
        path, axes = paths.get(id(call.operation)), [fields.get(id(t)) for t in call.outputs[:1]]
        if path is not None and path not in sides:
            sides[path] = max(axis.size for axis in axes[0]) if axes and axes[0] else np.nan
    return sides


def _middle(maps, draw):
    """The sum of cells at the middle, another for each of `CELLS` examples in turn, their channels weighted at random.

    Without the weights the channels' gradients could cancel, as after a softmax.
    """
    import tensorflow as tf

    sides = maps.shape[1:-1]
    weights = tf.constant(draw.uniform(0.5, 1.5, maps.shape[-1]), maps.dtype)
    starts = [max((size - CELLS) // 2, 0) for size in sides]
    places = [
        [n, *(min(s + n % CELLS, size - 1) for s, size in zip(starts, sides, strict=True))] for n in range(len(maps))
    ]
    return tf.reduce_sum(tf.gather_nd(maps, places) * weights)


def _extent(gradient, samples):
    """The longest side of what the gradient reaches, the largest over the cells; 0 where it reaches nothing."""
    if gradient is None:
        return 0
    reached = (np.abs(gradient.numpy()) > 0).any(axis=-1)
    reached = reached.reshape(samples, CELLS, *reached.shape[1:]).any(axis=0)
    places = [np.nonzero(one) for one in reached]
    return max((int(axis.max() - axis.min()) + 1 for axes in places for axis in axes if len(axis)), default=0)
