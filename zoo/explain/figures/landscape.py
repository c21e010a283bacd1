"""The loss around a trained model: is its valley wide or narrow?"""

import os
import typing

import keras
import numpy as np
from keras import layers as kinds

from zoo.arguments import Count, Positive, Whole, checked
from zoo.explain.layer_outputs import fitting


class Landscape(typing.NamedTuple):
    """The loss at weights + a * one direction (+ b * another), each as long as the weights filter by filter."""

    along: np.ndarray  # (P,) the a's, and in two dimensions the b's too; 0 is the model as it is
    loss: np.ndarray  # (P,) or (P, P), the first axis being a

    def figure(self, path=None):
        """Draws a curve, or contours on a scale of logarithms.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        axes = figure.subplots()
        middle = len(self.along) // 2
        if self.loss.ndim == 1:
            axes.plot(self.along, self.loss, color="#2166ac", marker=".")
            axes.plot(0, self.loss[middle], "o", color="#b2182b")
            axes.set(xlabel="along a random direction [lengths of the filters]", ylabel="loss")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        else:
            low = max(self.loss[np.isfinite(self.loss)].min(), 1e-12)
            values = np.log10(np.maximum(self.loss, low)).T
            drawn = axes.contourf(self.along, self.along, values, levels=20, cmap="viridis")
            axes.contour(self.along, self.along, values, levels=20, colors="white", linewidths=0.4, linestyles="solid")
            axes.plot(0, 0, "o", color="#b2182b")
            axes.set(xlabel="first direction [lengths of the filters]", ylabel="second direction", aspect="equal")
            figure.colorbar(drawn, ax=axes, label="log10 of the loss")
        axes.set_title(f"Loss around the weights; {self.loss.flat[self.loss.size // 2]:.3g} at the dot", fontsize=10)
        if path is not None:
            figure.savefig(os.path.expanduser(path), dpi=120)
        return figure


@checked
def landscape(
    model: keras.Model,
    inputs: typing.Any,
    targets: typing.Any,
    *,
    loss: typing.Any = None,
    dimensions: Count = 1,
    points: Count = 21,
    extent: Positive = 1.0,
    batch_size: Count = 256,
    seed: Whole = 0,
) -> Landscape:
    """The loss along one or two random directions through the weights, each filter's part as long as the filter.

    (N, ...) float and (N, ...) targets  ->  (points,) or (points, points) losses.

    Scaled so, the pictures of different models can be compared: a ReLU network whose weights are twice as large looks
    the same. Biases, the weights of normalisations and those of frozen layers stay. The model is run at every point
    and is afterwards as before, to the last bit.

    Args:
        model: a built Keras model, of any number of inputs.
        inputs: what it takes, after preprocessing; the more, the less noise, and the slower.
        targets: what it should answer.
        loss: name or `keras.losses.Loss`; None for the loss that the model is compiled with.
        dimensions: 1 or 2.
        points: on each axis; odd, so that the middle one is the model as it is.
        extent: how far each axis goes, 1 being the length of each filter itself.
        batch_size: examples in one call of the model.
        seed: of the directions.
    Returns:
        `Landscape(along, loss)`; `.figure(path)` draws it. Losses of the layers (`add_loss`) are not in it.
    Raises:
        ValueError: if the inputs do not suit, there is no loss, the model has several outputs, or the points are even.

    Source: Li et al. 2018, https://arxiv.org/abs/1712.09913, section 4.
    Differs: none
    """
    import tensorflow as tf

    if dimensions > 2 or points % 2 == 0:
        raise ValueError(f"landscape: `dimensions` must be 1 or 2, and `points` odd, got {dimensions} and {points}.")
    inputs = fitting("landscape", model, inputs)
    if len(getattr(model, "outputs", None) or [""]) > 1:
        raise ValueError(f"landscape: `model` must have one output, {model.name} has {len(model.outputs)}.")
    measure = _loss(model, loss)
    flat, truth = keras.tree.flatten(inputs), np.asarray(targets)
    if len(truth) != len(flat[0]):
        raise ValueError(f"landscape: `targets` must be {len(flat[0])}, one for each example, got {len(truth)}.")
    weights = directed(model)
    if not weights:
        raise ValueError(f"landscape: `{model.name}` has no weights to train.")
    draw = np.random.default_rng(seed)
    kept = [weight.numpy() for weight, _ in weights]
    ways = [[_direction(k, axes, draw) for k, (_, axes) in zip(kept, weights, strict=True)] for _ in range(dimensions)]
    run = tf.function(lambda x, y: tf.cast(measure(y, model(x, training=False)), "float32"), reduce_retracing=True)

    def at(*places):
        for i, (weight, _) in enumerate(weights):
            moved = kept[i].astype("float64") + sum(p * way[i] for p, way in zip(places, ways, strict=True))
            weight.assign(moved.astype(kept[i].dtype))
        total = 0.0
        for start in range(0, len(truth), batch_size):
            part = [array[start : start + batch_size] for array in flat]
            some = keras.tree.map_structure(tf.constant, keras.tree.pack_sequence_as(inputs, part))
            answer = tf.constant(truth[start : start + batch_size])
            total += float(run(some, answer)) * len(part[0])
        return total / len(truth)

    along = np.linspace(-extent, extent, points)
    along[points // 2] = 0.0
    try:
        if dimensions == 1:
            losses = np.array([at(a) for a in along])
        else:
            losses = np.array([[at(a, b) for b in along] for a in along])
    finally:
        for (weight, _), values in zip(weights, kept, strict=True):
            weight.assign(values)
    return Landscape(along, losses)


def _loss(model, loss):
    """A function of truth and answer, the mean over the examples."""
    if loss is None:
        loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
        if loss is None or isinstance(loss, dict | list | tuple):
            raise ValueError("landscape: `loss` must be given: the model is not compiled with a single loss.")
    found = keras.losses.get(loss)
    return found if isinstance(found, keras.losses.Loss) else lambda y, answer: keras.ops.mean(found(y, answer))


def directed(model):
    """The weights that directions go along, with the axes that make up one filter of each.

    A filter is what one output channel multiplies its inputs with.

    Args:
        model: a built Keras model.
    Returns:
        A list of (weight, axes to take the length over).
    """
    waiting = {id(weight) for weight in model.trainable_weights if len(weight.shape) > 1}
    found = []
    for layer in model._flatten_layers():
        for weight in layer._trainable_variables:
            if id(weight) in waiting:
                waiting.remove(id(weight))
                found.append((weight, _axes(layer, weight)))
    return found


def _axes(layer, weight):
    rank = len(weight.shape)
    if isinstance(layer, kinds.Embedding):
        return (rank - 1,)
    if isinstance(layer, kinds.DepthwiseConv1D | kinds.DepthwiseConv2D) or weight.name == "depthwise_kernel":
        return tuple(range(rank - 2))
    if isinstance(layer, kinds.Conv1DTranspose | kinds.Conv2DTranspose | kinds.Conv3DTranspose):
        return (*range(rank - 2), rank - 1)
    if isinstance(layer, kinds.EinsumDense) and weight.name == "kernel":
        _, kernel, answer = layer.equation.replace("->", ",").split(",")
        return tuple(i for i, letter in enumerate(kernel) if letter not in answer)
    return tuple(range(rank - 1))


def _direction(values, axes, draw):
    """Random numbers, each filter as long as that of `values`."""
    way = draw.standard_normal(values.shape)
    size = np.sqrt((values.astype("float64") ** 2).sum(axis=axes, keepdims=True))
    return way * size / np.sqrt((way**2).sum(axis=axes, keepdims=True))
