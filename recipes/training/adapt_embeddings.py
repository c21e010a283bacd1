"""Layers whose state follows from the training split: the edges of piecewise-linear embeddings."""

import keras
import numpy as np

from recipes.prediction.predict import in_slices
from zoo.layers.piecewise_linear import PiecewiseLinear

MAX_ROWS = 100_000  # of the training split, from which quantiles are taken
ROWS = 4096  # preprocessed in one call


def adapt_embeddings(model, preprocessing, data, seed):
    """Adapts the `PiecewiseLinear` layers of a model to the preprocessed inputs of the training split, in place.

    Args:
        model: `keras.Model`; nothing happens where it has no such layer.
        preprocessing: `keras.Model` from raw inputs to the model's inputs.
        data: `Data`.
        seed: of the sample of 100,000 rows that is used where there are more.
    Raises:
        ValueError: if the inputs are not in memory.
    """
    embeddings = [layer for layer in model.layers if isinstance(layer, PiecewiseLinear)]
    if not embeddings:
        return
    examples = data.train
    if not isinstance(examples.inputs, np.ndarray | dict):
        raise ValueError(
            f"{model.name}: piecewise-linear embeddings need rows in memory, got {data.kind} data of files."
        )
    if len(examples) > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(len(examples), MAX_ROWS, replace=False)
        examples = examples.take(np.sort(rows))
    inputs = in_slices(preprocessing.predict_on_batch, examples.inputs, ROWS)
    for layer in embeddings:
        numbers = keras.Model(model.inputs, layer.input)
        layer.adapt(in_slices(numbers.predict_on_batch, np.asarray(inputs), ROWS))
