"""Loss landscapes: the loss of a model along random directions around its weights."""

import os
import typing

import keras
import numpy as np
from keras import layers as keras_layers

from zoo.arguments import Count, Positive, Whole, checked
from zoo.explain.model_inputs import check_inputs


class Landscape(typing.NamedTuple):
    """The loss at weights + a * direction (+ b * another direction), which have the norm of the weights per filter."""

    coordinates: np.ndarray  # (P,) values of a, and of b in two dimensions; 0 is the model itself
    loss: np.ndarray  # (P,) or (P, P), with a along the first axis

    def figure(self, path=None):
        """Draws a curve, or contours of the logarithm.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        axes = figure.subplots()
        middle = len(self.coordinates) // 2
        if self.loss.ndim == 1:
            axes.plot(self.coordinates, self.loss, color="#2166ac", marker=".")
            axes.plot(0, self.loss[middle], "o", color="#b2182b")
            axes.set(xlabel="along a random direction [norms of the filters]", ylabel="loss")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        else:
            x, low = self.coordinates, max(self.loss[np.isfinite(self.loss)].min(), 1e-12)
            values = np.log10(np.maximum(self.loss, low)).T
            contours = axes.contourf(x, x, values, levels=20, cmap="viridis")
            axes.contour(x, x, values, levels=20, colors="white", linewidths=0.4, linestyles="solid")
            axes.plot(0, 0, "o", color="#b2182b")
            axes.set(xlabel="first direction [norms of the filters]", ylabel="second direction", aspect="equal")
            figure.colorbar(contours, ax=axes, label="log10 of the loss")
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
    """Computes the loss along one or two random directions around the weights, normalized filter by filter.

    (N, ...) float and (N, ...) targets  ->  (points,) or (points, points) losses.

    Filter normalization makes the landscapes of different models comparable: a ReLU network with weights scaled by two
    has the same landscape. Biases, normalization weights and frozen layers do not change. The model is evaluated at
    every point; afterwards its weights are exactly as before.

    Args:
        model: a built Keras model with any number of inputs.
        inputs: inputs of the model, after preprocessing; more examples give less noise and take longer.
        targets: true targets of the examples.
        loss: name or `keras.losses.Loss`; None for the loss that the model is compiled with.
        dimensions: 1 or 2.
        points: number of points on each axis; odd, so that the middle one is the model itself.
        extent: half the length of each axis; 1 is the norm of each filter itself.
        batch_size: examples in one call of the model.
        seed: seed of the directions.
    Returns:
        `Landscape(coordinates, loss)`; `.figure(path)` draws it. Losses of the layers (`add_loss`) are not included.
    Raises:
        ValueError: if the inputs do not fit, there is no loss, the model has several outputs, or `points` is even.

    Source: Li et al. 2018, https://arxiv.org/abs/1712.09913, section 4.
    Differs: none
    """
    import tensorflow as tf

    if dimensions > 2 or points % 2 == 0:
        raise ValueError(f"landscape: `dimensions` must be 1 or 2, and `points` odd, got {dimensions} and {points}.")
    inputs = check_inputs("landscape", model, inputs)
    if len(getattr(model, "outputs", None) or [""]) > 1:
        raise ValueError(f"landscape: `model` must have one output, {model.name} has {len(model.outputs)}.")
    loss_function = _loss_function(model, loss)
    arrays, targets = keras.tree.flatten(inputs), np.asarray(targets)
    if len(targets) != len(arrays[0]):
        raise ValueError(f"landscape: `targets` must be {len(arrays[0])}, one for each example, got {len(targets)}.")
    weights = filter_weights(model)
    if not weights:
        raise ValueError(f"landscape: `{model.name}` has no weights to train.")
    rng = np.random.default_rng(seed)
    originals = [weight.numpy() for weight, _ in weights]
    directions = [
        [_random_direction(values, axes, rng) for values, (_, axes) in zip(originals, weights, strict=True)]
        for _ in range(dimensions)
    ]
    batch_loss = tf.function(
        lambda x, y: tf.cast(loss_function(y, model(x, training=False)), "float32"),
        reduce_retracing=True,
        autograph=False,
    )

    def loss_at(*coordinates):
        for i, (weight, _) in enumerate(weights):
            change = sum(c * direction[i] for c, direction in zip(coordinates, directions, strict=True))
            weight.assign((originals[i].astype("float64") + change).astype(originals[i].dtype))
        total = 0.0
        for start in range(0, len(targets), batch_size):
            batch = [array[start : start + batch_size] for array in arrays]
            x = keras.tree.map_structure(tf.constant, keras.tree.pack_sequence_as(inputs, batch))
            total += float(batch_loss(x, tf.constant(targets[start : start + batch_size]))) * len(batch[0])
        return total / len(targets)

    coordinates = np.linspace(-extent, extent, points)
    coordinates[points // 2] = 0.0
    try:
        if dimensions == 1:
            losses = np.array([loss_at(a) for a in coordinates])
        else:
            losses = np.array([[loss_at(a, b) for b in coordinates] for a in coordinates])
    finally:
        for (weight, _), values in zip(weights, originals, strict=True):
            weight.assign(values)
    return Landscape(coordinates, losses)


def _loss_function(model, loss):
    """Returns a function of targets and outputs, the mean loss over the examples."""
    if loss is None:
        loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
        if loss is None or isinstance(loss, dict | list | tuple):
            raise ValueError("landscape: `loss` must be given: the model is not compiled with a single loss.")
    function = keras.losses.get(loss)
    if isinstance(function, keras.losses.Loss):
        return function
    return lambda y_true, y_pred: keras.ops.mean(function(y_true, y_pred))


def filter_weights(model):
    """Returns the trainable weights that consist of filters, with the axes that one filter spans.

    A filter contains the weights of one output channel.

    Args:
        model: a built Keras model.
    Returns:
        A list of (weight, axes to compute the norm over).
    """
    remaining = {id(weight) for weight in model.trainable_weights if len(weight.shape) > 1}
    weights = []
    for layer in model._flatten_layers():
        for weight in layer._trainable_variables:
            if id(weight) in remaining:
                remaining.remove(id(weight))
                weights.append((weight, _filter_axes(layer, weight)))
    return weights


def _filter_axes(layer, weight):
    rank = len(weight.shape)
    if isinstance(layer, keras_layers.Embedding):
        return (rank - 1,)
    depthwise = keras_layers.DepthwiseConv1D | keras_layers.DepthwiseConv2D
    if isinstance(layer, depthwise) or weight.name == "depthwise_kernel":
        return tuple(range(rank - 2))
    transposed = keras_layers.Conv1DTranspose | keras_layers.Conv2DTranspose | keras_layers.Conv3DTranspose
    if isinstance(layer, transposed):
        return (*range(rank - 2), rank - 1)
    if isinstance(layer, keras_layers.EinsumDense) and weight.name == "kernel":
        _, kernel, output = layer.equation.replace("->", ",").split(",")
        return tuple(i for i, letter in enumerate(kernel) if letter not in output)
    return tuple(range(rank - 1))


def _random_direction(values, axes, rng):
    """Returns Gaussian random numbers, each filter with the norm of that of `values`."""
    direction = rng.standard_normal(values.shape)
    norm = np.sqrt((values.astype("float64") ** 2).sum(axis=axes, keepdims=True))
    return direction * norm / np.sqrt((direction**2).sum(axis=axes, keepdims=True))
