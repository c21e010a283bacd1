"""A hash of a trained model, by which an interrupted prediction is continued with the same one only."""

import hashlib
import json

import numpy as np


def model_fingerprint(model, preprocessing=None, options=()):
    """Returns a hash of a model, its weights, its preprocessing and options."""
    digest = hashlib.blake2b(json.dumps(options, default=str).encode(), digest_size=16)
    for part in (model, preprocessing):
        if part is not None:
            digest.update(json.dumps(part.get_config(), default=str).encode())
            for weight in part.weights:
                digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
