"""Quantiles of numbers: the layer that keeps them in order, their loss and score."""

import keras
import numpy as np
from keras import layers, ops


def verify_quantiles(quantiles):
    """Raises a ValueError where levels do not rise, do not lie between 0 and 1, or lack 0.5."""
    levels = list(quantiles)
    if levels != sorted(set(levels)) or 0.5 not in levels or levels[0] <= 0 or levels[-1] >= 1:
        raise ValueError(
            "`quantiles` must rise and include 0.5, and lie between 0 and 1, as in (0.1, 0.5, 0.9), got "
            f"{tuple(quantiles)}."
        )


@keras.saving.register_keras_serializable("recipes")
class OrderedQuantiles(layers.Layer):
    """Converts the outputs of a network to quantiles in the targets' units that never cross.

    (B, outputs * levels)  ->  (B, outputs, levels), rising. The median is an output of the network, and each other
    quantile differs from the one next to it by a positive number.

    Args:
        median: index of the level 0.5.
        levels: number of levels.
        scale, center: of each output, in its unit.
    """

    def __init__(self, median, levels, scale, center, **kwargs):
        super().__init__(**kwargs)
        self.median, self.levels, self.scale, self.center = median, levels, list(scale), list(center)

    def call(self, x):
        x = ops.reshape(x, (-1, len(self.scale), self.levels))
        steps, middle = ops.softplus(x), x[..., self.median : self.median + 1]
        above = middle + ops.cumsum(steps[..., self.median + 1 :], axis=-1)
        below = middle - ops.flip(ops.cumsum(ops.flip(steps[..., : self.median], axis=-1), axis=-1), axis=-1)
        scale, center = (ops.array(values, x.dtype)[:, None] for values in (self.scale, self.center))
        return ops.concatenate([below, middle, above], axis=-1) * scale + center

    def named_outputs(self, parameters):
        """Returns {"quantiles": (B, outputs, levels)}."""
        return {"quantiles": parameters}

    def get_config(self):
        names = ("median", "levels", "scale", "center")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("recipes")
class Median(layers.Layer):
    """The median of quantiles: (B, outputs, levels)  ->  (B, outputs).

    Args:
        index: of the level 0.5.
    """

    def __init__(self, index, **kwargs):
        super().__init__(**kwargs)
        self.index = index

    def call(self, quantiles):
        return quantiles[..., self.index]

    def get_config(self):
        return {**super().get_config(), "index": self.index}


@keras.saving.register_keras_serializable("recipes")
class PinballLoss(keras.losses.Loss):
    """The loss whose minimum is a quantile, on errors divided by the targets' standard deviation.

    (B, outputs) targets and (B, outputs * quantiles) or (B, outputs, quantiles) predictions, the quantiles of an output
    side by side.

    Args:
        quantiles: quantile levels, each from 0 to 1.
        spread: standard deviation of each target.

    Source: Koenker and Bassett 1978, https://doi.org/10.2307/1913643.
    """

    def __init__(self, quantiles, spread, reduction="sum_over_batch_size", name="pinball_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantiles, self.spread = tuple(quantiles), list(spread)

    def call(self, y_true, y_pred):
        levels = ops.convert_to_tensor(self.quantiles, dtype=y_pred.dtype)
        spread = ops.convert_to_tensor(self.spread, dtype=y_pred.dtype)[:, None]
        predictions = ops.reshape(y_pred, (-1, len(self.spread), len(self.quantiles)))
        error = (ops.expand_dims(y_true, -1) - predictions) / spread
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=(1, 2))

    def get_config(self):
        return {
            "quantiles": self.quantiles,
            "spread": self.spread,
            "reduction": self.reduction,
            "name": self.name,
        }


def pinball(targets, predictions, quantiles):
    """Returns (N, outputs) pinball losses in the targets' units, averaged over the levels.

    Args:
        targets: (N, outputs).
        predictions: (N, outputs, levels).
        quantiles: (levels,) from 0 to 1.
    """
    levels, error = np.asarray(quantiles, float), np.asarray(targets, float)[..., None] - predictions
    return np.maximum(levels * error, (levels - 1) * error).mean(-1)


def spread(targets):
    """Returns the (outputs,) standard deviations of (N, outputs) targets; 1 for constant ones."""
    deviation = np.asarray(targets, float).std(0)
    return np.where(deviation > 0, deviation, 1.0)


def with_quantiles(model, quantiles, targets):
    """Returns the model with the layers `distribution`, of its quantiles, and `units`, of the medians.

    Args:
        model: `keras.Model` with linear outputs.
        quantiles: (levels,) with 0.5 among them.
        targets: (N, outputs) of the training split.
    """
    median, center = quantiles.index(0.5), np.median(targets, axis=0)
    ordered = OrderedQuantiles(
        median, len(quantiles), spread(targets).tolist(), center.tolist(), dtype="float32", name="distribution"
    )
    medians = Median(median, dtype="float32", name="units")(ordered(model.outputs[0]))
    return keras.Model(model.inputs, medians, name=model.name)
