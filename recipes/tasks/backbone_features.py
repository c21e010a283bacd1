"""Features of a frozen backbone for the examples of a split, kept on disk by content."""

import contextlib
import hashlib
import io
import json

import keras
import numpy as np

from recipes.data.fingerprint import fingerprint
from zoo.atomic_write import write_bytes
from zoo.package_files import cache_folder

FORMAT = 1  # of the files; raise it where the same key would have other features


class BackboneFeatures:
    """A function from `Examples` to the features of a frozen backbone, (N, F) float32.

    Features are kept in the folder `features` of the environment variable FIELDZOO_CACHE (~/.cache/fieldzoo), in a file
    that is named by a hash of the examples, the preprocessing, the layers and their weights. A file that is broken is
    computed anew. The folder may be deleted at any time.

    Args:
        task: `Classification`, whose pipeline has the batches.
        model: classifier with a dense layer named head, as `zoo.transfer` returns it.
        data: `Data`.
        preprocessing: `keras.Model` from raw inputs to the model's inputs.
    """

    def __init__(self, task, model, data, preprocessing):
        self.task, self.data, self.preprocessing, self.model = task, data, preprocessing, model
        self.backbone = keras.Model(model.inputs, model.get_layer("head").input)
        self._key = content_key(preprocessing, self.backbone)

    def __call__(self, examples):
        key = hashlib.sha256(f"{self._key} {fingerprint(examples)}".encode()).hexdigest()
        path = cache_folder() / "features" / f"{key[:32]}.npy"
        shape = (len(examples), *self.backbone.output_shape[1:])
        features = _read(path, shape)
        if features is None:
            features = self.compute(examples)
            buffer = io.BytesIO()
            np.save(buffer, features)
            with contextlib.suppress(OSError):  # no space, or a folder that cannot be written: computed again next time
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, buffer.getvalue())
        return features

    def compute(self, examples):
        """Returns the features of `Examples`, computed by the backbone."""
        batches = self.task.pipeline(examples, False, self.preprocessing, len(self.data.classes))
        return self.backbone.predict(self.task.map_batches(batches, self.model), verbose=0)


def content_key(*models):
    """Returns a hash of what models compute: layers with their arguments and connections, and weights."""
    content = hashlib.sha256(f"{FORMAT} {keras.__version__}".encode())
    for model in models:
        if model is None:
            continue
        config = _with_numbers(keras.saving.serialize_keras_object(model), {})
        content.update(json.dumps(config, sort_keys=True, default=str).encode())
        for weights in model.get_weights():
            content.update(f"{weights.dtype}{weights.shape}".encode())
            content.update(np.ascontiguousarray(weights).reshape(-1).view("uint8"))
    return content.hexdigest()


def _with_numbers(config, numbers):
    """Returns a configuration with numbers for the names of layers, which count on from model to model."""
    if isinstance(config, dict):
        if isinstance(name := config.get("name"), str):
            numbers.setdefault(name, f"layer {len(numbers)}")
        return {key: _with_numbers(value, numbers) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_with_numbers(value, numbers) for value in config]
    return numbers.get(config, config) if isinstance(config, str) else config


def _read(path, shape):
    """Returns the array of a file; None where it is not there, broken, or of another shape."""
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return features if features.shape == shape and features.dtype == np.float32 else None
