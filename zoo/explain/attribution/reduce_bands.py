"""Reduction of attributions over the bands of images and series."""

import numpy as np


def reduce_bands(attributions, reduce):
    """Reduces attributions (N, ..., C) over the last axis to (N, ...) float32; tables (N, F) keep their features.

    Args:
        attributions: array.
        reduce: np.sum or np.max.
    """
    return np.asarray(attributions if attributions.ndim == 2 else reduce(attributions, axis=-1), "float32")
