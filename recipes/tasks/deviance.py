"""Counts and proportions: their links and losses, and the deviance that a model explains."""

import keras
import numpy as np
from keras import layers

SMALLEST = 1e-6  # of a predicted count or proportion, as a fraction of the mean target
LARGEST_EXPONENT = 30.0


def verify_targets(loss, targets, names):
    """Raises a ValueError where a target is no count, or no proportion, that a loss takes.

    Args:
        loss: poisson (from 0 on) or binary_crossentropy (0 to 1); others take all numbers.
        targets: (N, outputs).
        names: of the outputs.
    """
    limits = {"poisson": (0, np.inf), "binary_crossentropy": (0, 1)}.get(loss)
    if limits is None:
        return
    wrong = (targets < limits[0]) | (targets > limits[1])
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        expected = "counts of 0 or more," if loss == "poisson" else "proportions from 0 to 1,"
        raise ValueError(
            f"`loss` {loss} must have targets that are {expected} got {targets[row, column]:g} in `{names[column]}`."
        )


def with_link(model, loss, mean):
    """Returns the model with the layers that make its outputs counts or proportions.

    Args:
        model: `keras.Model` with linear outputs.
        loss: poisson, for the exponential times the mean, or binary_crossentropy, for the sigmoid.
        mean: (outputs,) of the training targets.
    """
    x = model.outputs[0]
    if loss == "poisson":
        x = Exponential(dtype="float32", name="rate")(x)
        x = layers.Rescaling(mean.tolist(), dtype="float32", name="units")(x)
    else:
        x = layers.Activation("sigmoid", dtype="float32", name="proportion")(x)
        x = layers.Rescaling(1.0, dtype="float32", name="units")(x)
    return keras.Model(model.inputs, x, name=model.name)


@keras.saving.register_keras_serializable("recipes")
class Exponential(layers.Layer):
    """The exponential, bounded so that no prediction is infinite."""

    def call(self, x):
        return keras.ops.exp(keras.ops.clip(x, -LARGEST_EXPONENT, LARGEST_EXPONENT))


def in_range(loss, predictions, mean):
    """Returns predictions that the deviance is finite for: a little above 0, and below 1 for proportions."""
    low = SMALLEST * np.asarray(mean, float)
    return np.clip(predictions, low, 1 - SMALLEST if loss == "binary_crossentropy" else None)


def deviance(loss, targets, predictions):
    """Returns (N, outputs) the deviance of each example from its prediction.

    Source: McCullagh, Nelder 1989, section 2.3; of proportions as Papke, Wooldridge 1996,
    https://doi.org/10.1002/(SICI)1099-1255(199611)11:6<619::AID-JAE418>3.0.CO;2-1.
    """
    from scipy.special import xlogy

    y, mean = np.asarray(targets, float), np.asarray(predictions, float)
    if loss == "poisson":
        return 2 * (xlogy(y, y / mean) - y + mean)
    return 2 * (xlogy(y, y / mean) + xlogy(1 - y, (1 - y) / (1 - mean)))


def explained_deviance(loss, weights, targets, predictions):
    """Returns (R,) 1 - deviance / deviance of the mean target, averaged over the outputs; R² for a normal distribution.

    Args:
        loss: poisson or binary_crossentropy.
        weights: (R, N).
        targets, predictions: (N, outputs).
    """
    from scipy.special import xlogy

    y = np.asarray(targets, float)
    total = weights.sum(1, keepdims=True)
    mean = weights @ y / total
    if loss == "poisson":
        null = 2 * (weights @ xlogy(y, y) - xlogy(total * mean, mean))
    else:
        saturated = weights @ (xlogy(y, y) + xlogy(1 - y, 1 - y))
        null = 2 * (saturated - xlogy(total * mean, mean) - xlogy(total * (1 - mean), 1 - mean))
    residual = weights @ deviance(loss, y, in_range(loss, predictions, np.maximum(y.mean(0), SMALLEST)))
    varies = null > 1e-9 * total
    ratio = np.where(varies, residual / np.where(varies, null, 1), residual > 0)
    return (1 - ratio).mean(1)
