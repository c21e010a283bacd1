"""Models as files and as bytes, for prediction only: without loss, metrics and optimizer."""

import tempfile
from pathlib import Path

import keras


def save_for_inference(model, path):
    """Saves a model without its loss, metrics and optimizer, so that Keras loads it after `import zoo` alone.

    Args:
        model: `keras.Model`; it stays compiled.
        path: of the .keras file.
    """
    compiled, optimizer = model.compiled, getattr(model, "optimizer", None)
    model.compiled, model.optimizer = False, None
    try:
        model.save(path)
    finally:
        model.compiled, model.optimizer = compiled, optimizer


def model_bytes(model):
    """Returns the content of the .keras file of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        save_for_inference(model, path)
        return path.read_bytes()


def model_of_bytes(content):
    """Returns the model of `model_bytes`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        return keras.models.load_model(path, compile=False)
