"""Layers whose state follows from the training split: ranges and edges of numbers, and penalties of features."""

import keras
import numpy as np

from recipes.prediction.slices import in_slices
from zoo.layers.lasso_dense import LassoDense
from zoo.layers.location_encoding import LocationEncoding
from zoo.layers.maxent_features import MaxentFeatures
from zoo.layers.piecewise_linear import PiecewiseLinear

ADAPTED = (PiecewiseLinear, MaxentFeatures, LocationEncoding)
MAX_ROWS = 100_000  # of the training split, from which quantiles are taken
ROWS = 4096  # preprocessed in one call


def adapt_embeddings(model, preprocessing, data, seed):
    """Adapts layers of a model to the preprocessed inputs of the training split, in place.

    They are `PiecewiseLinear`, `MaxentFeatures` and `LocationEncoding`; and `LassoDense` after Maxent's features, where
    the targets are two classes.

    Args:
        model: `keras.Model`; nothing happens where it has no such layer.
        preprocessing: `keras.Model` from raw inputs to the model's inputs.
        data: `Data`.
        seed: of the sample of 100,000 rows that is used where there are more.
    Raises:
        ValueError: if the inputs are not in memory.
    """
    for member in model.layers:
        if isinstance(member, keras.Model) and member.name.startswith("member_"):  # of an ensemble
            adapt_embeddings(member, preprocessing, data, seed)
    adapted = [layer for layer in model.layers if isinstance(layer, ADAPTED)]
    if not adapted:
        return
    examples = data.train
    if not isinstance(examples.inputs, np.ndarray | dict):
        raise ValueError(f"{model.name}: `{adapted[0].name}` needs rows in memory, got {data.kind} data of files.")
    if len(examples) > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(len(examples), MAX_ROWS, replace=False)
        examples = examples.take(np.sort(rows))
    inputs = np.asarray(in_slices(preprocessing.predict_on_batch, examples.inputs, ROWS))
    for layer in adapted:
        layer.adapt(_predictions(model, layer.input, inputs))
    features = next((layer for layer in adapted if isinstance(layer, MaxentFeatures)), None)
    if features is None or data.task != "classification" or len(data.classes) != 2:
        return
    for layer in model.layers:
        if isinstance(layer, LassoDense):
            layer.penalty.assign(features.penalties(_predictions(model, layer.input, inputs), examples.targets == 1))


def _predictions(model, tensor, inputs):
    """Returns the values of a tensor of a model for preprocessed inputs."""
    return in_slices(keras.Model(model.inputs, tensor).predict_on_batch, inputs, ROWS)
