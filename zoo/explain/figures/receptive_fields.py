"""Receptive fields of a model's layers, in theory and measured by gradients."""

import typing

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.layer_outputs import record_outputs, select_layers
from zoo.explain.model_inputs import check_inputs
from zoo.introspect.graph import flatten_calls
from zoo.introspect.receptive_field import trace_fields

CELLS = 4  # neighboring cells on the diagonal to measure: after upsampling their fields differ


class ReceptiveFields(typing.NamedTuple):
    """Sides of the receptive field of one cell [pixels or steps], for each layer with a feature map; all (L,)."""

    layers: tuple
    theoretical: np.ndarray  # from the graph, not cut off at the border; NaN if unlimited or unknown
    measured: np.ndarray  # extent of the gradient within the input
    input_size: int

    def figure(self, path=None):
        """Draws both against the depth.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        count = len(self.layers)
        figure = Figure(figsize=(min(max(5.2, 1.5 + 0.3 * count), 14), 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.theoretical, color="#2166ac", marker="s", markersize=7, fillstyle="none", label="theoretical")
        axes.plot(self.measured, color="#b2182b", marker="o", markersize=3.5, label="measured by gradient")
        axes.axhline(self.input_size, color="grey", linewidth=0.8, linestyle="--", label="size of the input")
        ticks = np.arange(0, count, -(-count // 40))
        axes.set_xticks(ticks, [self.layers[i] for i in ticks], rotation=60, ha="right", fontsize=7)
        axes.set(ylabel="receptive field [pixels]", ylim=(0, None))
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def receptive_fields(
    model: keras.Model,
    layers: tuple[str, ...] | None = None,
    *,
    input_size: Count = 64,
    samples: Count = 4,
    seed: Whole = 0,
) -> ReceptiveFields:
    """Computes the receptive field of one cell of each layer's feature map, in theory and measured.

    The measured field is the extent of the gradient of cells in the middle of a map with respect to random inputs, over
    all samples, with the current weights. It can be smaller than the theoretical field if units are inactive or the
    border cuts it off. It is never larger.

    Args:
        model: a built Keras model with one floating-point input, (H, W, C) or (T, F).
        layers: names, or paths `inner/layer`; None for all with a feature map of more than one cell.
        input_size: side of the random inputs if the model takes any size [pixels or steps].
        samples: number of random inputs for each cell.
        seed: seed of those inputs.
    Returns:
        `ReceptiveFields(layers, theoretical, measured, input_size)`; `.figure(path)` draws it. If height and width, or
        the cells of a map, differ, it is the larger.
    Raises:
        ValueError: if the model has several inputs, no such layer, or no layer with a feature map.

    Source: Luo et al. 2016, https://arxiv.org/abs/1701.04128, section 3, measures by the gradient.
    Differs: the full extent of the gradient, not where most of it is.
    """
    import tensorflow as tf

    if not isinstance(model, keras.Model) or not model.built or len(getattr(model, "inputs", None) or ()) != 1:
        raise ValueError("receptive_fields: `model` must be a built functional or Sequential model with one input.")
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) not in (2, 3) or "float" not in model.inputs[0].dtype:
        got = f"{model.inputs[0].dtype} {shape}"
        raise ValueError(
            f"receptive_fields: `model` must take floating-point inputs, (H, W, C) or (T, F), it takes {got}."
        )
    shape = tuple(input_size if size is None else size for size in shape)
    selected = select_layers("receptive_fields", model, layers)
    theoretical = _theoretical_fields(model, selected)
    rng = np.random.default_rng(seed)
    x = tf.constant(check_inputs("receptive_fields", model, rng.normal(size=(CELLS * samples, *shape))))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        _, records = record_outputs(model, x, selected)
        cell_sums = {}
        for path, output in records:
            maps = [t for t in keras.tree.flatten(output) if len(t.shape) == len(shape) + 1]
            if path not in cell_sums and maps and max(maps[0].shape[1:-1]) > 1:
                cell_sums[path] = _middle_cells(maps[0], rng)
    extents = {path: _gradient_extent(tape.gradient(total, x), samples) for path, total in cell_sums.items()}
    if not extents:
        raise ValueError(f"receptive_fields: none of the selected layers of `{model.name}` has a feature map.")
    return ReceptiveFields(
        tuple(extents),
        np.array([theoretical.get(path, np.nan) for path in extents]),
        np.array([float(extent) for extent in extents.values()]),
        max(shape[:-1]),
    )


def _theoretical_fields(model, layers):
    """Returns the longest side of a cell's receptive field by path, for each layer's first call."""
    paths = {id(layer): path for path, layer in layers.items()}
    calls, fields = trace_fields(model)
    sides = {}
    for call in flatten_calls(calls):
        path, axes = paths.get(id(call.operation)), [fields.get(id(t)) for t in call.outputs[:1]]
        if path is not None and path not in sides:
            sides[path] = max(axis.size for axis in axes[0]) if axes and axes[0] else np.nan
    return sides


def _middle_cells(maps, rng):
    """Returns the sum of middle cells, a different one for each of `CELLS` examples, with random channel weights.

    Without the weights the gradients of the channels could cancel out, as after a softmax.
    """
    import tensorflow as tf

    sides = maps.shape[1:-1]
    weights = tf.constant(rng.uniform(0.5, 1.5, maps.shape[-1]), maps.dtype)
    starts = [max((size - CELLS) // 2, 0) for size in sides]
    indices = [
        [n, *(min(s + n % CELLS, size - 1) for s, size in zip(starts, sides, strict=True))] for n in range(len(maps))
    ]
    return tf.reduce_sum(tf.gather_nd(maps, indices) * weights)


def _gradient_extent(gradient, samples):
    """Returns the longest side of the nonzero gradient, the largest over the cells; 0 if it is zero everywhere."""
    if gradient is None:
        return 0
    nonzero = (np.abs(gradient.numpy()) > 0).any(axis=-1)
    nonzero = nonzero.reshape(samples, CELLS, *nonzero.shape[1:]).any(axis=0)
    indices = [np.nonzero(cell) for cell in nonzero]
    return max((int(axis.max() - axis.min()) + 1 for axes in indices for axis in axes if len(axis)), default=0)
