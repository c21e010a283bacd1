"""Makes maxent.npz with the package elapid 1.0.4: features of Maxent and their penalties.

Run: python tests/golden/make_maxent.py, where `pip install elapid` has been run
The penalties are those of the package maxnet, whose table elapid has.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from seeded_arrays import seeded_array

ROWS, NUMBERS, HINGES, PRESENCES = 40, 3, 4, 12


def inputs():
    """Returns positive numbers, (ROWS, NUMBERS)."""
    return (2 + seeded_array("environment", (ROWS, NUMBERS))).astype("float64")


def outputs():
    """Returns the features, (ROWS, units), and their penalties, where the first rows are presences, as a dict."""
    from elapid.features import HingeTransformer, LinearTransformer, QuadraticTransformer, compute_regularization

    x, presences = inputs(), (np.arange(ROWS) < PRESENCES).astype(int)
    makers = {"linear": LinearTransformer(), "quadratic": QuadraticTransformer(), "hinge": HingeTransformer(HINGES)}
    features = {name: maker.fit_transform(x) for name, maker in makers.items()}
    labels = [name for name, values in features.items() for _ in values.T]
    values = np.concatenate(list(features.values()), axis=1)
    penalties = compute_regularization(presences, values, labels, beta_multiplier=1.0)
    return {"features": values.astype("float32"), "penalties": penalties.astype("float32")}


if __name__ == "__main__":
    path = Path(__file__).with_name("maxent.npz")
    np.savez_compressed(path, **outputs())
    print(path, path.stat().st_size, "bytes")
